//! A store that cannot be reached: never a 401, never a cookie deleted.

use http::{Method, Request};
use serde_json::json;
use token_session::MemoryStore;
use token_session::test_util::{Outage, TroubledStore};

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
