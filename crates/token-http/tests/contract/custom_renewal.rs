//! Step-ups and changes of password by another request than a password in JSON.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use http::Request;
use serde_json::{Value, json};
use token_core::Authentication;
use token_http::{Attempt, AttemptKind, CustomStepUp, Head};

use crate::world::{
    PASSWORD, Reply, World, get, post_form, post_json, refusal, with, with_bearer, with_cookie,
};

/// A way to carry out a step-up or a change of password: the path and what makes the body.
type Door = (&'static str, fn(&str, &Value) -> Request<String>);

const JSON: fn(&str, &Value) -> Request<String> = post_json;

fn form(path: &str, fields: &Value) -> Request<String> {
    let fields = fields.as_object().unwrap().iter();
    let pairs = fields.map(|(name, value)| format!("{name}={}", value.as_str().unwrap()));
    post_form(path, &pairs.collect::<Vec<_>>().join("&"))
}

/// Sends these fields with the credential of the login.
async fn send(world: &World, (path, body): Door, login: &Reply, mut fields: Value) -> Reply {
    let by_cookie = !login.set_cookies().is_empty();
    if !by_cookie {
        fields["refresh_token"] = login.json()["refresh_token"].clone();
    }
    let request = body(path, &fields);
    let request = if by_cookie {
        with_cookie(request, &login.cookie())
    } else {
        request
    };
    world.send(request).await
}

/// Everything that is answered to a step-up or a change of password and to what follows it.
async fn answers(transport: &str, door: Door) -> Vec<(u16, String, http::HeaderMap)> {
    let world = World::seeded();
    let other = world.login("session").await;
    let login = world.login(transport).await;
    world.advance(50);
    let right = || json!({"password": PASSWORD, "new_password": "looking-glass"});
    let mut replies = vec![
        send(
            &world,
            door,
            &login,
            json!({"password": "x", "new_password": "y"}),
        )
        .await,
        send(
            &world,
            door,
            &login,
            json!({"password": PASSWORD, "new_password": "y"}),
        )
        .await,
        world.send(door.1(door.0, &right())).await,
    ];
    let renewed = send(&world, door, &login, right()).await;
    // Its answer was lost.
    replies.push(send(&world, door, &login, right()).await);
    world.advance(1000);
    // The credential that was renewed is a stolen one by now.
    replies.push(send(&world, door, &login, right()).await);
    replies.push(send(&world, door, &renewed, right()).await);
    replies.push(
        world
            .send(with_cookie(get("/api/me"), &other.cookie()))
            .await,
    );
    replies.push(renewed);
    let parts = |reply: Reply| (reply.status, reply.body.clone(), reply.headers().clone());
    replies.into_iter().map(parts).collect()
}

#[tokio::test]
async fn any_proof_is_answered_as_a_password_in_json_is() {
    for transport in ["header", "cookie", "session"] {
        for (ready, custom) in [
            ("/auth/step-up", "/form/step-up"),
            ("/auth/password", "/form/password"),
        ] {
            let ready = answers(transport, (ready, JSON)).await;
            let by_form = answers(transport, (custom, form)).await;
            assert_eq!(ready.last().unwrap().0, 200);
            assert_eq!(by_form, ready, "{transport}: {custom}");
        }
    }
}

#[tokio::test]
async fn the_proof_may_be_any_and_the_session_says_so() {
    let world = World::new();
    let login = world.login("session").await;
    world.advance(90);
    let (parts, ()) =
        with_cookie(Request::post("/form").body(()).unwrap(), &login.cookie()).into_parts();
    let head = Head {
        method: &parts.method,
        uri: &parts.uri,
        headers: &parts.headers,
        peer: None,
    };
    let step_up = CustomStepUp::read(&world.auth, &head).unwrap();
    let ticket = step_up.begin(None).await.unwrap();
    assert_eq!(ticket.session().subject.as_str(), "alice");
    let authentication = Authentication {
        time: step_up.at(),
        acr: Some("aal2".into()),
        amr: vec!["pwd".into(), "otp".into()],
    };
    let renewed = step_up
        .renew(&ticket, authentication.clone())
        .await
        .unwrap();
    assert_eq!(renewed.status(), 200);
    let id = ticket.session().id;
    let session = world.auth.manager().session(id).await.unwrap().unwrap();
    assert_eq!(session.authentication, authentication);
}

#[tokio::test]
async fn a_form_is_answered_with_a_redirect_and_the_cookie() {
    for path in ["/form/step-up", "/form/password"] {
        for transport in ["cookie", "session"] {
            let world = World::new();
            let login = world.login(transport).await;
            world.advance(1);
            let fields =
                json!({"password": PASSWORD, "new_password": "looking-glass", "to": "/next"});
            let reply = send(&world, (path, form), &login, fields).await;
            let found = (reply.status, reply.header("location"), &*reply.body);
            assert_eq!(found, (303, "/next", ""), "{path} {transport}");
            assert_eq!(reply.header("cache-control"), "no-store");
            let (name, value) = login
                .cookie()
                .split_once('=')
                .map(|(a, b)| (a.to_owned(), b.to_owned()))
                .unwrap();
            let cookie = reply.cookie();
            assert!(cookie.starts_with(&format!("{name}=")) && !cookie.ends_with(&value));
        }
    }
}

/// What cannot be answered must not be done: the client would be left without its new credential.
#[tokio::test]
async fn a_redirect_that_cannot_carry_the_credential_changes_nothing() {
    for path in ["/form/step-up", "/form/password"] {
        for (transport, to) in [("header", "/next"), ("session", "/\u{e9}")] {
            let world = World::new();
            let other = world.login("session").await;
            let login = world.login(transport).await;
            let fields = json!({"password": PASSWORD, "new_password": "looking-glass", "to": to});
            let reply = send(&world, (path, form), &login, fields).await;
            assert_eq!(reply.status, 500, "{path} {transport}");
            let other = with_cookie(get("/api/me"), &other.cookie());
            assert_eq!(world.send(other).await.status, 200);
            let me = if transport == "header" {
                with_bearer(get("/api/me"), &login.text("access_token"))
            } else {
                with_cookie(get("/api/me"), &login.cookie())
            };
            assert_eq!(world.send(me).await.status, 200);
        }
    }
}

#[tokio::test]
async fn another_site_can_neither_step_up_nor_change_the_password() {
    let world = World::new();
    let login = world.login("session").await;
    let fields = json!({"password": PASSWORD, "new_password": "looking-glass"});
    for path in ["/form/step-up", "/form/password"] {
        let request = with(form(path, &fields), "cookie", &login.cookie());
        for request in [
            with(request.clone(), "sec-fetch-site", "cross-site"),
            with(request.clone(), "origin", "https://evil.example"),
            request,
        ] {
            let reply = world.send(request).await;
            assert_eq!(reply.refusal(), refusal(403, "csrf_failed", ""), "{path}");
        }
    }
    let me = with_cookie(get("/api/me"), &login.cookie());
    assert_eq!(world.send(me).await.status, 200);
}

#[tokio::test]
async fn a_password_that_cannot_be_stored_ends_no_session() {
    let world = World::new();
    let (other, own) = (world.login("session").await, world.login("session").await);
    let fields = json!({"password": PASSWORD, "new_password": "unstored"});
    let reply = send(&world, ("/form/password", form), &own, fields).await;
    assert_eq!(reply.refusal(), refusal(500, "server_error", ""));
    for login in [other, own] {
        let me = with_cookie(get("/api/me"), &login.cookie());
        assert_eq!(world.send(me).await.status, 200);
    }
}

#[tokio::test]
async fn each_is_an_attempt_at_the_proof_of_the_sessions_user() {
    let counted = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&counted);
    let world = World::with(move |config| {
        config.limit(move |attempt: Attempt<'_>| match attempt.kind {
            AttemptKind::Reauthenticate(subject) => {
                assert_eq!(subject.as_str(), "alice");
                assert_eq!(attempt.address, Some("192.0.2.77".parse().unwrap()));
                match counter.fetch_add(1, Ordering::Relaxed) {
                    0 | 1 => Ok(()),
                    _ => Err(Duration::from_secs(7)),
                }
            }
            _ => Ok(()),
        })
    });
    let login = world.login("session").await;
    let wrong = || json!({"password": "x", "new_password": "y"});
    for (path, status) in [
        ("/form/step-up", 401),
        ("/form/password", 401),
        ("/form/step-up", 429),
        ("/form/password", 429),
    ] {
        let reply = send(&world, (path, form), &login, wrong()).await;
        assert_eq!(reply.status, status, "{path}");
    }
    assert_eq!(counted.load(Ordering::Relaxed), 4);
}
