use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use token_core::session::{Credentials, Rights};
use token_core::{Authentication, CustomClaims, NoClaims, Transport};
use token_http::adapter::Found as _;
use token_http::{Head, Refusal, Rule, SessionSlot, Shown};
use token_session::test_util::{Outage, TroubledStore};
use token_session::{MemoryStore, NewSession, RevocationCheck, WhenBehind};

use crate::world::{
    PASSWORD, World, get, post_form, post_json, refusal, with, with_bearer, with_cookie,
};

#[tokio::test]
async fn credentials_of_every_kind_and_none() {
    let world = World::new();
    let login = world.login("header").await;
    let token = login.text("access_token");
    let refresh = login.text("refresh_token");
    let long = "a".repeat(8193);
    // So that it is known: what is like it is refused as before.
    let known = world.send(with_bearer(get("/api/me"), &token)).await;
    assert_eq!(known.status, 200);
    for (authorization, expected, challenge) in [
        ("", (401, "unauthorized"), r#"Bearer realm="api""#),
        ("Basic YTpi", (401, "unauthorized"), r#"Bearer realm="api""#),
        (
            "Bearer",
            (400, "invalid_request"),
            r#"Bearer realm="api", error="invalid_request""#,
        ),
        (
            "Bearer a b",
            (400, "invalid_request"),
            r#"Bearer realm="api", error="invalid_request""#,
        ),
        (
            "Bearer a.b.c",
            (401, "invalid_token"),
            r#"Bearer realm="api", error="invalid_token", error_description="invalid""#,
        ),
        (
            &format!("Bearer {refresh}"),
            (401, "invalid_token"),
            r#"Bearer realm="api", error="invalid_token", error_description="invalid""#,
        ),
        (
            &format!("Bearer {long}"),
            (401, "invalid_token"),
            r#"Bearer realm="api", error="invalid_token", error_description="invalid""#,
        ),
        (
            &format!("Bearer {long}\""),
            (400, "invalid_request"),
            r#"Bearer realm="api", error="invalid_request""#,
        ),
        (
            &format!("Bearer {token}="),
            (401, "invalid_token"),
            r#"Bearer realm="api", error="invalid_token", error_description="invalid""#,
        ),
        (
            &format!("Bearer {token},"),
            (400, "invalid_request"),
            r#"Bearer realm="api", error="invalid_request""#,
        ),
        (
            &format!("Bearer =.{token}"),
            (400, "invalid_request"),
            r#"Bearer realm="api", error="invalid_request""#,
        ),
    ] {
        let mut request = get(&format!("/api/me?access_token={token}"));
        if !authorization.is_empty() {
            request = with(request, "authorization", authorization);
        }
        let reply = world.send(request).await;
        let (status, error) = expected;
        assert_eq!(
            reply.refusal(),
            refusal(status, error, ""),
            "{authorization}"
        );
        assert_eq!(reply.header("www-authenticate"), challenge);
    }
    let lower = with(get("/api/me"), "authorization", &format!("bearer {token}"));
    assert_eq!(world.send(lower).await.status, 200);

    world.advance(300);
    let reply = world.send(with_bearer(get("/api/me"), &token)).await;
    assert!(
        reply
            .header("www-authenticate")
            .ends_with(r#"error_description="expired""#)
    );
}

#[tokio::test]
async fn a_bearer_token_counts_and_the_cookie_beside_it_does_not() {
    let world = World::new();
    let (bearer, cookie) = (world.login("header").await, world.login("session").await);
    let token = bearer.text("access_token");
    let both = with_cookie(with_bearer(get("/api/me"), &token), &cookie.cookie());
    assert_eq!(world.send(both).await.body, bearer.text("session_id"));
    let bad = with_cookie(with_bearer(get("/api/me"), "a.b.c"), &cookie.cookie());
    assert_eq!(world.send(bad).await.status, 401);
    let basic = with(get("/api/me"), "authorization", "Basic YTpi");
    let reply = world.send(with_cookie(basic, &cookie.cookie())).await;
    assert_eq!(reply.body, cookie.text("session_id"));
    // With a bearer token no cookie is the credential: the CSRF rule has nothing to say.
    let post = with_bearer(post_json("/api/me", &json!({})), &token);
    let post = with(
        with(post, "cookie", &cookie.cookie()),
        "sec-fetch-site",
        "cross-site",
    );
    assert_eq!(world.send(post).await.status, 200);
    let post = with(post_json("/api/me", &json!({})), "cookie", &cookie.cookie());
    let reply = world.send(with(post, "sec-fetch-site", "cross-site")).await;
    assert_eq!(reply.refusal(), refusal(403, "csrf_failed", ""));
}

#[tokio::test]
async fn two_session_cookies_are_an_invalid_request() {
    let world = World::new();
    let (first, second) = (world.login("session").await, world.login("session").await);
    let cookies = format!("{}; {}", first.cookie(), second.cookie());
    let reply = world.send(with_cookie(get("/api/me"), &cookies)).await;
    assert_eq!(reply.refusal(), refusal(400, "invalid_request", ""));
}

enum WriteNotes {}
impl Rule for WriteNotes {
    const SCOPE: &'static str = "notes:write";
}

enum Reports {}
impl Rule for Reports {
    const SCOPE: &'static str = "notes:read reports:read";
    const MAX_AGE: Option<Duration> = Some(Duration::ZERO);
}

enum JustAuthenticated {}
impl Rule for JustAuthenticated {
    const MAX_AGE: Option<Duration> = Some(Duration::from_secs(60));
}

enum Strong {}
impl Rule for Strong {
    const ACR: &'static str = "gold silver";
}

enum ByPassword {}
impl Rule for ByPassword {
    const AMR: &'static [&'static str] = &["pwd"];
}

enum ByTwoFactors {}
impl Rule for ByTwoFactors {
    const AMR: &'static [&'static str] = &["pwd", "otp"];
}

#[tokio::test]
async fn rules_are_held_against_the_caller() {
    let world = World::new();
    let token = world.login("header").await.text("access_token");
    world.advance(60);
    let bearer = format!("Bearer {token}");
    let authorization = std::iter::once(bearer.as_bytes());
    let caller = world
        .auth
        .clone()
        .access::<NoClaims>(authorization, Shown::default)
        .await;
    let caller = caller.unwrap().unwrap();
    let refusal = |result: Result<(), token_http::Rejection>| result.unwrap_err().refusal().clone();
    let auth = &world.auth;
    assert!(auth.require::<WriteNotes>(&caller).is_ok());
    assert!(auth.require::<JustAuthenticated>(&caller).is_ok());
    assert!(auth.require::<ByPassword>(&caller).is_ok());
    // The scope comes first: a step-up would not help.
    let scope = "notes:read reports:read".into();
    assert_eq!(
        refusal(auth.require::<Reports>(&caller)),
        Refusal::InsufficientScope { scope }
    );
    assert_eq!(
        refusal(auth.require::<Strong>(&caller)),
        Refusal::InsufficientUserAuthentication {
            max_age: None,
            acr_values: "gold silver".into()
        }
    );
    assert_eq!(
        refusal(auth.require::<ByTwoFactors>(&caller)),
        Refusal::InsufficientUserAuthentication {
            max_age: None,
            acr_values: "".into()
        }
    );
    world.advance(1);
    assert_eq!(
        refusal(auth.require::<JustAuthenticated>(&caller)),
        Refusal::InsufficientUserAuthentication {
            max_age: Some(Duration::from_mins(1)),
            acr_values: "".into()
        }
    );
}

#[derive(serde::Deserialize)]
struct Roles {
    roles: Vec<String>,
}

enum Moderator {}
impl Rule<Roles> for Moderator {
    const MAX_AGE: Option<Duration> = Some(Duration::from_secs(60));

    fn permits(claims: &Roles) -> bool {
        claims.roles.iter().any(|role| role == "moderator")
    }
}

enum ModeratorOfNotes {}
impl Rule<Roles> for ModeratorOfNotes {
    const SCOPE: &'static str = "notes:moderate";

    fn permits(claims: &Roles) -> bool {
        Moderator::permits(claims)
    }
}

enum Anybody {}
impl<C> Rule<C> for Anybody {
    const SCOPE: &'static str = "notes:read";
}

#[tokio::test]
async fn a_rule_looks_at_the_applications_own_claims() {
    let world = World::new();
    let manager = world.auth.manager();
    for (roles, code) in [
        (r#"{"roles":["author","moderator"]}"#, None),
        (r#"{"roles":["author"]}"#, Some("forbidden")),
        (r#"{"roles":[]}"#, Some("forbidden")),
    ] {
        for transport in [Transport::Header, Transport::Session] {
            let ticket = manager.begin_login("alice".parse().unwrap()).await.unwrap();
            let session = NewSession {
                scope: "notes:read".parse().unwrap(),
                claims: CustomClaims::from_json(roles).unwrap(),
                transport: Some(transport),
                ..NewSession::default()
            };
            let issued = manager.login(ticket, session).await.unwrap();
            let moderator = || async {
                if transport == Transport::Header {
                    let token = issued.tokens().unwrap().access_token.secret();
                    let caller = world
                        .auth
                        .clone()
                        .access_token::<Roles>(token)
                        .await
                        .unwrap();
                    assert!(world.auth.require::<Anybody>(&caller).is_ok());
                    let refused = world.auth.require::<ModeratorOfNotes>(&caller);
                    let refused = refused.unwrap_err().refusal().code();
                    assert_eq!(refused, "insufficient_scope", "the scope comes first");
                    return world.auth.require::<Moderator>(&caller);
                }
                let answer = world.auth.token_response(&issued);
                let cookie = answer.headers()["set-cookie"].to_str().unwrap();
                let (request, slot) = (get("/"), SessionSlot::default());
                let request = with_cookie(request, cookie.split(';').next().unwrap());
                let (parts, _) = request.into_parts();
                let head = Head {
                    method: &parts.method,
                    uri: &parts.uri,
                    headers: &parts.headers,
                    peer: None,
                };
                let caller = world.auth.server_session::<Roles>(&head, Some(&slot)).await;
                let caller = caller.unwrap().unwrap();
                assert!(world.auth.require::<Anybody>(&caller).is_ok());
                world.auth.require::<Moderator>(&caller)
            };
            let refused = moderator().await.err();
            let found = refused.as_ref().map(|refused| refused.refusal().code());
            assert_eq!(found, code, "{roles} {transport}");
            if let Some(refused) = refused {
                let response = refused.response();
                assert_eq!(response.status(), 403);
                assert_eq!(response.body(), r#"{"error":"forbidden"}"#);
                assert!(!response.headers().contains_key("www-authenticate"));
            }
        }
    }
}

enum ModeratorNow {}
impl Rule<Roles> for ModeratorNow {
    const SCOPE: &'static str = "notes:read";
    const CURRENT: bool = true;

    fn permits(claims: &Roles) -> bool {
        Moderator::permits(claims)
    }
}

/// An access token says what was so when it was issued.
#[tokio::test]
async fn a_rule_can_demand_what_the_session_may_do_now() {
    let outage = Outage::default();
    let store = TroubledStore::new(MemoryStore::new(1000, &[7; 32]), outage.clone());
    let world = World::checking(RevocationCheck::None, store, |config| config);
    let manager = world.auth.manager();
    let ticket = manager.begin_login("alice".parse().unwrap()).await.unwrap();
    let roles = |roles| CustomClaims::from_json(roles).unwrap();
    let session = NewSession {
        scope: "notes:read".parse().unwrap(),
        claims: roles(r#"{"roles":["moderator"]}"#),
        ..NewSession::default()
    };
    let issued = manager.login(ticket, session).await.unwrap();
    let id = issued.session().id;
    let token = issued.tokens().unwrap().access_token.secret();
    let caller = world
        .auth
        .clone()
        .access_token::<Roles>(token)
        .await
        .unwrap();
    let now = || async {
        assert!(caller.require_current::<Moderator>().await.is_ok());
        let refused = caller.require_current::<ModeratorNow>().await;
        refused.err().map(|refused| refused.refusal().code())
    };
    assert_eq!(now().await, None);
    let demoted = roles(r#"{"roles":["author"]}"#);
    assert!(manager.permit(id, demoted).await.unwrap().is_some());
    assert_eq!(now().await, Some("forbidden"));
    let restored = Rights {
        scope: Some("reports:read".parse().unwrap()),
        claims: Some(roles(r#"{"roles":["moderator"]}"#)),
    };
    assert!(manager.permit(id, restored).await.unwrap().is_some());
    assert_eq!(now().await, Some("insufficient_scope"));
    outage.begin();
    assert_eq!(now().await, Some("temporarily_unavailable"));
    outage.end();
    world.end_all().await;
    assert_eq!(now().await, Some("invalid_token"));
}

/// A node that remembers the session of a cookie may not have heard yet what another has changed.
#[tokio::test]
async fn a_rule_that_demands_it_also_asks_the_store_about_a_session_that_is_remembered() {
    let store = Arc::new(MemoryStore::new(1000, &[7; 32]));
    let outage = Outage::default();
    let node = || {
        let store = TroubledStore::new(store.clone(), outage.clone());
        World::managed(store, |builder| {
            let check = RevocationCheck::Feed(WhenBehind::AskStore);
            builder.revocation_check(check).session_cache(100)
        })
    };
    let (here, there) = (node(), node());
    let manager = here.auth.manager();
    let roles = |roles| CustomClaims::from_json(roles).unwrap();
    for what in ["demoted", "ended", "stepped up"] {
        let ticket = manager.begin_login("alice".parse().unwrap()).await.unwrap();
        let session = NewSession {
            transport: Some(Transport::Session),
            scope: "notes:read".parse().unwrap(),
            claims: roles(r#"{"roles":["moderator"]}"#),
            ..NewSession::default()
        };
        let issued = manager.login(ticket, session).await.unwrap();
        let Credentials::Session(token) = issued.credentials() else {
            panic!("the transport is `session`");
        };
        let cookie = format!("__Host-Http-session={}", *token.to_secret_text());
        let request = with_cookie(get("/api/me"), &cookie);
        let head = Head {
            method: request.method(),
            uri: request.uri(),
            headers: request.headers(),
            peer: None,
        };
        let now = async || {
            let slot = SessionSlot::default();
            let caller = there.auth.server_session::<Roles>(&head, Some(&slot)).await;
            let caller = caller.unwrap().unwrap();
            assert!(
                caller.require_current::<Moderator>().await.is_ok(),
                "{what}"
            );
            let refused = caller.require_current::<ModeratorNow>().await;
            refused.err().map(|refused| refused.refusal().code())
        };
        there.auth.manager().catch_up().await.unwrap();
        assert_eq!(now().await, None, "{what}");
        assert_eq!(now().await, None, "{what}");
        outage.begin();
        assert_eq!(now().await, Some("temporarily_unavailable"), "{what}");
        outage.end();
        let expected = match what {
            "demoted" => {
                let id = issued.session().id;
                let demoted = roles(r#"{"roles":["author"]}"#);
                assert!(manager.permit(id, demoted).await.unwrap().is_some());
                "forbidden"
            }
            "ended" => {
                here.end_all().await;
                "invalid_token"
            }
            _ => {
                let body = json!({"password": PASSWORD});
                let request = post_json("/auth/step-up", &body);
                let renewed = here.send(with_cookie(request, &cookie)).await;
                assert_eq!(renewed.status, 200, "{}", renewed.body);
                "invalid_token"
            }
        };
        assert_eq!(now().await, Some(expected), "{what}");
    }
}

/// After a clock that was ahead has been set right: the session works, and is not taken for one that
/// has just authenticated until the clock has caught up.
#[tokio::test]
async fn an_authentication_in_the_future_is_accepted_and_not_recent() {
    for (ahead, recent) in [(5, true), (6, false), (86_400, false)] {
        let world = World::new();
        let manager = world.auth.manager();
        let time = manager.now() + Duration::from_secs(ahead);
        let ticket = manager.begin_login("alice".parse().unwrap()).await.unwrap();
        let session = NewSession {
            authentication: Some(Authentication::password(time)),
            ..NewSession::default()
        };
        let issued = manager.login(ticket, session).await.unwrap();
        let token = issued.tokens().unwrap().access_token.secret();
        let bearer = format!("Bearer {token}");
        let authorization = std::iter::once(bearer.as_bytes());
        let caller = world
            .auth
            .clone()
            .access::<NoClaims>(authorization, Shown::default)
            .await;
        let caller = caller.unwrap().unwrap();
        let required = world.auth.require::<JustAuthenticated>(&caller);
        assert_eq!(required.is_ok(), recent, "ahead by {ahead} s");
    }
}

/// The first message of a WebSocket.
#[tokio::test]
async fn an_access_token_can_be_taken_from_anywhere() {
    let world = World::new();
    let token = world.login("header").await.text("access_token");
    let caller = world.auth.clone().access_token::<NoClaims>(&token).await;
    assert_eq!(caller.unwrap().subject().as_str(), "alice");
    for bad in ["", "a b", "a.b.c", &token[1..]] {
        let refused = world.auth.clone().access_token::<NoClaims>(bad).await;
        assert_eq!(
            refused.unwrap_err().refusal().code(),
            "invalid_token",
            "{bad}"
        );
    }
    world.end_all().await;
    let refused = world.auth.clone().access_token::<NoClaims>(&token).await;
    assert_eq!(refused.unwrap_err().refusal().code(), "invalid_token");
}

#[tokio::test]
async fn a_token_may_come_by_another_scheme_if_the_settings_name_it() {
    let named = World::with(|config| config.scheme("Token"));
    let (token, unnamed) = (named.login("header").await, World::new());
    let token = token.text("access_token");
    let ask = |scheme: &str| {
        with(
            get("/api/me"),
            "authorization",
            &format!("{scheme} {token}"),
        )
    };
    for scheme in ["Token", "token", "Bearer"] {
        assert_eq!(named.send(ask(scheme)).await.status, 200, "{scheme}");
    }
    for scheme in ["Tokens", "Tok", "DPoP", "Basic"] {
        let reply = named.send(ask(scheme)).await;
        assert_eq!(
            reply.refusal(),
            refusal(401, "unauthorized", ""),
            "{scheme}"
        );
    }
    let malformed = with(get("/api/me"), "authorization", "Token a b");
    let malformed = named.send(malformed).await.refusal();
    assert_eq!(malformed, refusal(400, "invalid_request", ""));
    let other = unnamed.send(ask("Token")).await;
    assert_eq!(other.refusal(), refusal(401, "unauthorized", ""));
    // A logout takes it too.
    let logout = post_form("/auth/logout", "");
    let logout = with(logout, "authorization", &format!("Token {token}"));
    assert_eq!(named.send(logout).await.status, 204);
    assert_eq!(named.send(ask("Token")).await.status, 401);
}
