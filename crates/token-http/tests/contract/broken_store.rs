//! A store that cannot be reached: never a 401, never a cookie deleted.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};

use http::{Method, Request};
use serde_json::json;
use token_http::adopt::Adoption;
use token_session::MemoryStore;
use token_session::test_util::{Injected, Outage, Trouble, TroubledStore};

use crate::adoption::BEARER;
use crate::evidence::Log;
use crate::world::{
    PASSWORD, World, get, post_form, post_json, refusal, request, with_bearer, with_cookie,
};

#[tokio::test]
async fn every_route_answers_503_and_works_again_after() {
    let outage = Outage::default();
    let store = TroubledStore::new(MemoryStore::new(1000, &[7; 32]), outage.clone());
    let world = World::on(store, |config| {
        config.introspection_key("the-key-of-a-resource-server")
    });
    let header = world.login("header").await;
    let (by_cookie, session) = (world.login("cookie").await, world.login("session").await);
    let (access, refresh) = (header.text("access_token"), header.text("refresh_token"));
    let empty = |method, path: &str| request(method, path).body(String::new()).unwrap();
    let text = |request: Request<&'static str>| request.map(str::to_owned);
    let login = json!({"username": "alice", "password": PASSWORD});
    let step_up = json!({"password": PASSWORD, "refresh_token": refresh});
    let requests = || {
        [
            post_json("/auth/login", &login),
            post_json("/auth/step-up", &step_up),
            post_json("/auth/refresh", &json!({"refresh_token": refresh})),
            with_cookie(empty(Method::POST, "/auth/refresh"), &by_cookie.cookie()),
            with_bearer(text(get("/api/me")), &access),
            with_cookie(text(get("/api/me")), &session.cookie()),
            with_cookie(text(get("/auth/session")), &session.cookie()),
            with_bearer(text(get("/auth/sessions")), &access),
            with_bearer(empty(Method::DELETE, "/auth/sessions"), &access),
            with_bearer(
                post_form("/auth/introspect", &format!("token={access}")),
                "the-key-of-a-resource-server",
            ),
            post_form("/auth/revoke", &format!("token={refresh}")),
            with_cookie(empty(Method::POST, "/auth/logout"), &session.cookie()),
        ]
    };
    outage.begin();
    for request in requests() {
        let path = request.uri().clone();
        let reply = world.send(request).await;
        assert_eq!(
            reply.refusal(),
            refusal(503, "temporarily_unavailable", ""),
            "{path}"
        );
        assert_eq!(reply.header("retry-after"), "1");
        assert_eq!(reply.header("www-authenticate"), "");
        assert!(reply.set_cookies().is_empty(), "{path}");
    }
    outage.end();
    for request in requests().into_iter().skip(3).take(5) {
        assert_eq!(world.send(request).await.status, 200);
    }
}

/// Carries writes out and loses the answers, while it is set.
#[derive(Clone, Default)]
struct Lost(Arc<AtomicBool>);

impl Trouble for Lost {
    async fn after(&self, call: &'static str) -> Result<(), Injected> {
        let writes = matches!(call, "commit" | "create" | "revoke" | "revoke_subject");
        if writes && self.0.load(Ordering::SeqCst) {
            return Err(Injected);
        }
        Ok(())
    }
}

/// Lets so many calls of a kind pass, and no more.
#[derive(Clone)]
struct AfterSome {
    call: &'static str,
    left: Arc<AtomicI32>,
}

impl Trouble for AfterSome {
    async fn before(&self, call: &'static str) -> Result<(), Injected> {
        if call == self.call && self.left.fetch_sub(1, Ordering::SeqCst) <= 0 {
            return Err(Injected);
        }
        Ok(())
    }
}

/// The new password is stored first: whatever fails after it, something was done.
#[tokio::test]
async fn a_change_of_password_is_504_once_the_password_is_stored() {
    for path in ["/auth/password", "/form/password"] {
        let trouble = AfterSome {
            call: "revoke_subject",
            left: Arc::default(),
        };
        let left = Arc::clone(&trouble.left);
        let store = TroubledStore::new(MemoryStore::new(1000, &[7; 32]), trouble);
        let world = World::on(store, |config| config);
        let (login, other) = (world.login("session").await, world.login("session").await);
        let cookie = login.cookie();
        let change = || {
            let request = match path {
                "/form/password" => post_form(
                    path,
                    &format!("password={PASSWORD}&new_password=looking-glass"),
                ),
                _ => post_json(
                    path,
                    &json!({"password": PASSWORD, "new_password": "looking-glass"}),
                ),
            };
            with_cookie(request, &cookie)
        };
        let (log, _guard) = Log::watch();
        let reply = world.send(change()).await;
        let doubt = refusal(504, "gateway_timeout", "");
        assert_eq!(reply.refusal(), doubt, "{path}");
        assert!(
            log.take()
                .contains("a new password is stored, and the request for it fails")
        );
        // Repeated, it ends the other session.
        left.store(1000, Ordering::SeqCst);
        assert_eq!(world.send(change()).await.status, 200, "{path}");
        let other = with_cookie(get("/api/me"), &other.cookie());
        assert_eq!(world.send(other).await.status, 401, "{path}");
    }
}

/// One old session is ended, and the next one cannot be.
#[tokio::test]
async fn a_logout_that_ended_one_of_two_old_sessions_is_504() {
    let trouble = AfterSome {
        call: "create",
        left: Arc::new(AtomicI32::new(1)),
    };
    let store = TroubledStore::new(MemoryStore::new(1000, &[7; 32]), trouble);
    let world = World::adopting_on(store, |config| config.adopt(Adoption::of(BEARER)));
    let logout = post_json("/auth/logout", &json!({"refresh_token": "old-bob"}));
    let reply = world.send(with_bearer(logout, "old-alice")).await;
    assert_eq!(reply.refusal(), refusal(504, "gateway_timeout", ""));
}

/// A server whose writes are in doubt while the flag is set, and which takes old tokens as well.
fn in_doubt() -> (World, Arc<AtomicBool>) {
    let lost = Lost::default();
    let store = TroubledStore::new(MemoryStore::new(1000, &[7; 32]), lost.clone());
    let world = World::adopting_on(store, |config| config.adopt(Adoption::of(BEARER)));
    (world, lost.0)
}

/// The line of a write in doubt, which says what has happened to it.
fn told(log: &Log) -> bool {
    let log = log.take();
    let mut lines = log.lines().filter(|line| line.contains(" WARN "));
    lines.any(|line| {
        let in_doubt = line.contains("did not confirm a write, which may have been done")
            || line.contains(r#"outcome="unknown""#);
        in_doubt && line.contains("the answer to the call was lost")
    })
}

#[tokio::test]
async fn a_write_in_doubt_is_504_and_leaves_a_line_in_the_log() {
    let (world, lost) = in_doubt();
    let login = world.login("header").await;
    let (cookie, session) = (world.login("cookie").await, world.login("session").await);
    world.advance(60);
    let empty = |method, path: &str| request(method, path).body(String::new()).unwrap();
    let refresh = json!({"refresh_token": login.text("refresh_token")});
    let step_up = json!({"password": PASSWORD, "refresh_token": login.text("refresh_token")});
    let credentials = json!({"username": "alice", "password": PASSWORD});
    let old = json!({"refresh_token": "old-alice"});
    let (log, _guard) = Log::watch();
    lost.store(true, Ordering::SeqCst);
    for request in [
        post_json("/auth/login", &credentials),
        post_json("/auth/refresh", &refresh),
        with_cookie(empty(Method::POST, "/auth/refresh"), &cookie.cookie()),
        post_json("/auth/step-up", &step_up),
        post_json("/auth/logout", &old),
        with_cookie(empty(Method::POST, "/auth/logout"), &session.cookie()),
        with_bearer(
            empty(Method::DELETE, "/auth/sessions"),
            &login.text("access_token"),
        ),
    ] {
        let what = format!("{} {}", request.method(), request.uri());
        let reply = world.send(request).await;
        assert_eq!(
            reply.refusal(),
            refusal(504, "gateway_timeout", ""),
            "{what}"
        );
        assert_eq!(reply.header("retry-after"), "1", "{what}");
        assert!(told(&log), "{what}");
    }
}

/// RFC 7009 has one status for a failure and for doubt, with tokens of ours and old ones.
#[tokio::test]
async fn a_revocation_in_doubt_is_503() {
    let (world, lost) = in_doubt();
    let [access, refresh] = ["access_token", "refresh_token"];
    let own = |login: &crate::world::Reply, name| login.text(name);
    let tokens = [
        own(&world.login("header").await, access),
        own(&world.login("header").await, refresh),
        "old-bob".to_owned(),
    ];
    // The old one was adopted before.
    let me = with_bearer(get("/api/me"), "old-bob");
    assert_eq!(world.send(me).await.status, 200);
    let (log, _guard) = Log::watch();
    for token in &tokens {
        lost.store(true, Ordering::SeqCst);
        let revoke = || post_form("/auth/revoke", &format!("token={token}"));
        let reply = world.send(revoke()).await;
        let expected = refusal(503, "temporarily_unavailable", "");
        assert_eq!(reply.refusal(), expected, "{token}");
        assert_eq!(reply.header("retry-after"), "1");
        assert!(told(&log), "{token}");
        lost.store(false, Ordering::SeqCst);
        assert_eq!(world.send(revoke()).await.status, 200);
    }
}
