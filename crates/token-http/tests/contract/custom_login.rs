//! Logins by another proof than a password in JSON, and logouts that redirect.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response};
use token_core::{Authentication, RevokeReason, Transport};
use token_http::{Attempt, AttemptKind, CustomLogin, Head, LogoutRequest, Refusal, Rejection};
use token_session::NewSession;

use crate::world::{World, get, post_form, request, with, with_bearer, with_cookie};

/// A login by a passkey, in a handler of the application's own.
async fn log_in(
    world: &World,
    request: Request<&'static str>,
    transport: Option<Transport>,
    to: &str,
) -> Result<Response<Bytes>, Rejection> {
    let (parts, _) = request.into_parts();
    let login = CustomLogin::read(&world.auth, &head(&parts))?;
    login.attempt("alice")?;
    let ticket = login.begin("alice").await?;
    let session = NewSession {
        transport,
        ..login.new_session(Authentication {
            time: login.at(),
            acr: None,
            amr: vec!["hwk".into()],
        })
    };
    login.redirect(ticket, session, to).await
}

async fn log_out(
    world: &World,
    request: Request<&'static str>,
) -> Result<Response<Bytes>, Rejection> {
    let (parts, _) = request.into_parts();
    let logout = LogoutRequest::read(&world.auth, &head(&parts))?;
    logout.redirect("/").await
}

const KEY: &str = "the-key-of-a-resource-server";

fn head(parts: &http::request::Parts) -> Head<'_> {
    Head {
        method: &parts.method,
        uri: &parts.uri,
        headers: &parts.headers,
        peer: Some("192.0.2.77".parse().unwrap()),
    }
}

fn post() -> Request<&'static str> {
    request(Method::POST, "/login").body("").unwrap()
}

fn cookie(response: &Response<Bytes>) -> String {
    let field = response.headers()["set-cookie"].to_str().unwrap();
    field.split(';').next().unwrap().to_owned()
}

fn refusal(result: Result<Response<Bytes>, Rejection>) -> Refusal {
    result.unwrap_err().refusal().clone()
}

#[tokio::test]
async fn a_login_that_redirects_plants_the_sessions_cookie() {
    let world = World::new();
    let opened = log_in(&world, post(), None, "/home?a=b").await.unwrap();
    assert_eq!(opened.status(), 303);
    assert_eq!(opened.headers()["location"], "/home?a=b");
    assert_eq!(opened.headers()["cache-control"], "no-store");
    assert!(opened.body().is_empty());
    let cookie = cookie(&opened);
    assert!(cookie.starts_with("__Host-Http-session="));
    let me = world.send(with_cookie(get("/auth/session"), &cookie)).await;
    assert_eq!(me.json()["device"]["ip_prefix"], "192.0.2.0/24");
    let subject = "alice".parse().unwrap();
    let sessions = world.auth.manager().sessions(&subject).await.unwrap();
    // What was proven is what the handler says: no password.
    assert_eq!(sessions[0].authentication.amr, ["hwk".into()]);
}

#[tokio::test]
async fn it_can_plant_the_refresh_cookie_but_has_no_place_for_tokens() {
    let world = World::new();
    let opened = log_in(&world, post(), Some(Transport::Cookie), "/").await;
    assert!(cookie(&opened.unwrap()).starts_with("__Host-Http-refresh="));
    for (transport, to) in [
        (Some(Transport::Header), "/"),
        (None, "/\r\nX: y"),
        (None, "/\u{e9}"),
    ] {
        let refused = log_in(&world, post(), transport, to).await;
        assert_eq!(refusal(refused), Refusal::ServerError, "{to:?}");
    }
    let subject = "alice".parse().unwrap();
    let sessions = world.auth.manager().sessions(&subject).await.unwrap();
    assert_eq!(sessions.len(), 1, "what is refused opens none");
}

/// Leaving `header` out keeps refresh tokens away from scripts, also if the handler says nothing of it.
#[tokio::test]
async fn a_handler_that_names_no_transport_gets_one_that_is_offered() {
    let offering = |transport| World::with(move |config| config.transports([transport]));
    let world = offering(Transport::Cookie);
    let opened = log_in(&world, post(), None, "/").await;
    assert!(cookie(&opened.unwrap()).starts_with("__Host-Http-refresh="));
    let refused = log_in(&offering(Transport::Header), post(), None, "/").await;
    assert_eq!(refusal(refused), Refusal::ServerError);

    let world = offering(Transport::Session);
    let request = post();
    let (parts, _) = request.into_parts();
    let login = CustomLogin::read(&world.auth, &head(&parts)).unwrap();
    let ticket = login.begin("alice").await.unwrap();
    let session = login.new_session(Authentication::password(login.at()));
    let opened = login.open(ticket, session).await.unwrap();
    assert!(cookie(&opened).starts_with("__Host-Http-session="));
    let body = std::str::from_utf8(opened.body()).unwrap();
    assert!(!body.contains("refresh_token"), "{body}");
}

#[tokio::test]
async fn a_session_that_was_planted_ends_with_the_login() {
    let world = World::new();
    let planted = world.login("session").await.cookie();
    let opened = log_in(&world, with_cookie(post(), &planted), None, "/").await;
    let own = cookie(&opened.unwrap());
    assert_eq!(
        world
            .send(with_cookie(get("/api/me"), &planted))
            .await
            .status,
        401
    );
    assert_eq!(
        world.send(with_cookie(get("/api/me"), &own)).await.status,
        200
    );
}

#[tokio::test]
async fn another_site_can_neither_log_in_nor_out() {
    let world = World::new();
    let foreign = |request| with(request, "sec-fetch-site", "cross-site");
    let refused = log_in(&world, foreign(post()), None, "/").await;
    assert_eq!(refusal(refused), Refusal::Csrf);
    let session = world.login("session").await.cookie();
    let refused = log_out(&world, foreign(with(post(), "cookie", &session))).await;
    assert_eq!(refusal(refused), Refusal::Csrf);
    // Its form comes without the cookie, and must not make the browser drop it.
    let answered = log_out(&world, foreign(post())).await.unwrap();
    assert!(!answered.headers().contains_key("set-cookie"));
    assert_eq!(
        world
            .send(with_cookie(get("/api/me"), &session))
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn a_logout_that_redirects_ends_the_session_and_deletes_the_cookies() {
    let world = World::new();
    let session = world.login("session").await.cookie();
    let answered = log_out(&world, with_cookie(post(), &session))
        .await
        .unwrap();
    assert_eq!(
        (answered.status().as_u16(), &answered.headers()["location"]),
        (303, &"/".parse().unwrap())
    );
    let deleted = answered.headers().get_all("set-cookie").iter();
    assert_eq!(
        deleted
            .filter(|field| field.to_str().unwrap().contains("; Max-Age=0;"))
            .count(),
        2
    );
    assert_eq!(
        world
            .send(with_cookie(get("/api/me"), &session))
            .await
            .status,
        401
    );
}

#[tokio::test]
async fn attempts_at_a_form_are_limited_by_the_same_hook() {
    let world = World::with(|config| {
        config.limit(|attempt: Attempt<'_>| {
            assert_eq!(attempt.address, Some("192.0.2.77".parse().unwrap()));
            match attempt.kind {
                AttemptKind::Login("alice") => Err(Duration::from_secs(7)),
                _ => Ok(()),
            }
        })
    });
    let refused = log_in(&world, post(), None, "/").await;
    let retry_after = Duration::from_secs(7);
    assert_eq!(refusal(refused), Refusal::TooManyRequests { retry_after });
}

/// A link of another site is a `GET` too, and must not log the user out or make the browser drop a
/// cookie that it does not even send there.
#[tokio::test]
async fn a_logout_by_a_link_needs_the_same_proof_as_one_by_a_form() {
    let world = World::new();
    let session = world.login("session").await.cookie();
    for foreign in ["cross-site", "same-site"] {
        let link = with(
            with(get("/logout"), "cookie", &session),
            "sec-fetch-site",
            foreign,
        );
        assert_eq!(
            refusal(log_out(&world, link).await),
            Refusal::Csrf,
            "{foreign}"
        );
        let link = with(get("/logout"), "sec-fetch-site", foreign);
        let answered = log_out(&world, link).await.unwrap();
        assert!(!answered.headers().contains_key("set-cookie"), "{foreign}");
    }
    // Older browsers send no such field.
    let link = with(get("/logout"), "cookie", &session);
    assert_eq!(refusal(log_out(&world, link).await), Refusal::Csrf);
    let answered = log_out(&world, get("/logout")).await.unwrap();
    assert!(!answered.headers().contains_key("set-cookie"));
    let me = || with_cookie(get("/api/me"), &session);
    assert_eq!(world.send(me()).await.status, 200);

    // A link on a page of ours.
    let answered = log_out(&world, with_cookie(get("/logout"), &session)).await;
    assert!(answered.unwrap().headers().contains_key("set-cookie"));
    assert_eq!(world.send(me()).await.status, 401);
}

/// An administrator who looks at the application as a user sees it.
#[tokio::test]
async fn a_login_beside_the_current_session_leaves_it_alone() {
    let world = World::new();
    let own = world.login("session").await.cookie();
    let (parts, _) = with_cookie(post(), &own).into_parts();
    let login = CustomLogin::read(&world.auth, &head(&parts)).unwrap();
    let login = login.beside_current();
    let ticket = login.begin("bob").await.unwrap();
    let session = login.new_session(Authentication::password(login.at()));
    let opened = login.redirect(ticket, session, "/").await.unwrap();
    for cookie in [own, cookie(&opened)] {
        let reply = world.send(with_cookie(get("/api/me"), &cookie)).await;
        assert_eq!(reply.status, 200);
    }
}

/// A stranger can send a logout as often as they like, each with cookies that are made up.
#[tokio::test]
async fn a_logout_costs_few_calls_to_the_store_and_is_an_attempt() {
    let made_up = format!("__Host-Http-session={}", "A".repeat(67));
    let world = World::new();
    for (count, status) in [(1, 303), (4, 303), (5, 400), (16, 400)] {
        let cookies = vec![made_up.as_str(); count].join("; ");
        let answered = log_out(&world, with_cookie(post(), &cookies)).await;
        let found = answered.map_or_else(|refused| refused.refusal().status(), |ok| ok.status());
        assert_eq!(found, status, "{count}");
    }
    let world = World::with(|config| {
        let config = config.introspection_key(KEY);
        config.limit(|attempt: Attempt<'_>| match attempt.kind {
            AttemptKind::Introspect | AttemptKind::Logout | AttemptKind::Revoke => {
                Err(Duration::from_secs(7))
            }
            _ => Ok(()),
        })
    });
    let session = world.login("session").await.cookie();
    let answered = log_out(&world, with_cookie(post(), &session)).await;
    let retry_after = Duration::from_secs(7);
    assert_eq!(refusal(answered), Refusal::TooManyRequests { retry_after });
    let reply = world.send(post_form("/auth/revoke", "token=x")).await;
    assert_eq!((reply.status, reply.header("retry-after")), (429, "7"));
    let question = with_bearer(post_form("/auth/introspect", "token=x"), KEY);
    let reply = world.send(question).await;
    assert_eq!((reply.status, reply.header("retry-after")), (429, "7"));
}

/// The answer of an application whose clients want another shape.
#[tokio::test]
async fn the_credentials_of_a_login_can_be_had_as_values() {
    for transport in [Transport::Header, Transport::Cookie, Transport::Session] {
        let world = World::new();
        let planted = world.login("session").await.cookie();
        let (parts, _) = with_cookie(post(), &planted).into_parts();
        let login = CustomLogin::read(&world.auth, &head(&parts)).unwrap();
        let ticket = login.begin("alice").await.unwrap();
        let session = NewSession {
            transport: Some(transport),
            ..login.new_session(Authentication::password(login.at()))
        };
        let issued = login.issue(ticket, session).await.unwrap();
        let fields: Vec<_> = issued.fields().collect();
        assert!(fields.contains(&("cache-control", "no-store")));
        assert!(fields.iter().all(|(name, _)| *name != "content-type"));
        let cookies = fields.iter().filter(|(name, _)| *name == "set-cookie");
        let cookies: Vec<_> = cookies.map(|(_, value)| value.to_string()).collect();
        if transport == Transport::Header {
            assert!(cookies.is_empty());
        } else {
            let cookie = cookies[0].split(';').next().unwrap();
            let me = with_cookie(get("/auth/session"), cookie);
            let status = if transport == Transport::Session {
                200
            } else {
                401
            };
            assert_eq!(world.send(me).await.status, status);
        }
        match issued.tokens() {
            Some(tokens) => {
                let token = tokens.access_token.secret();
                let me = world.send(with_bearer(get("/api/me"), token)).await;
                assert_eq!(me.body, issued.session().id.to_string());
            }
            None => assert_eq!(transport, Transport::Session),
        }
        assert!(!format!("{issued:?}").contains("secret"));
        // The session whose cookie came along has ended, as with every login.
        let old = with_cookie(get("/api/me"), &planted);
        assert_eq!(world.send(old).await.status, 401);
    }
}

/// The user is known only after the proof: a change of password in between must not be missed.
#[tokio::test]
async fn a_login_that_begins_after_the_check_asks_once_more() {
    let world = World::new();
    let login = || {
        let (parts, _) = post().into_parts();
        CustomLogin::read(&world.auth, &head(&parts)).unwrap()
    };
    let open = async |login: &CustomLogin, ticket| {
        let session = login.new_session(Authentication::password(login.at()));
        login.open(ticket, session).await
    };
    let holds = async |so| Ok::<_, Rejection>(so);
    // Nothing has happened since the check.
    let first = login();
    let ticket = first.begin_checked("alice", holds(true)).await.unwrap();
    assert!(open(&first, ticket).await.is_ok());
    // The password was changed, and all sessions ended, before the login began.
    world.end_all().await;
    let refused = login().begin_checked("alice", holds(false)).await;
    assert_eq!(*refused.unwrap_err().refusal(), Refusal::InvalidCredentials);
    // Nobody can say: the user is not told that the password is wrong.
    let away = async { Err(Rejection::temporarily_unavailable()) };
    let refused = login().begin_checked("alice", away).await.unwrap_err();
    assert_eq!(*refused.refusal(), Refusal::TemporarilyUnavailable);
    // The same after it began: what was asked before says nothing of it, and the login opens none.
    let last = login();
    let ticket = last.begin_checked("alice", holds(true)).await.unwrap();
    let manager = world.auth.manager();
    let alice = "alice".parse().unwrap();
    manager
        .revoke_all(&alice, RevokeReason::PasswordChanged)
        .await
        .unwrap();
    let refused = refusal(open(&last, ticket).await);
    assert_eq!(refused, Refusal::TemporarilyUnavailable);
}
