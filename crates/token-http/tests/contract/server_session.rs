use http::header::SET_COOKIE;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::json;
use token_core::{Authentication, CustomClaims, NoClaims, RevokeReason, Transport};
use token_http::{
    Answered, Auth, DataError, Head, Refusal, Rejection, ServerSession, SessionSlot, Shown,
};
use token_session::store::SessionData;
use token_session::{NewSession, SessionCredential, SessionManager};

use crate::evidence::Log;
use crate::world::{PASSWORD, Reply, World, answered, get, request, with, with_cookie};

/// One request's view of the session.
pub(crate) async fn visit(
    world: &World,
    cookie: &str,
) -> Result<(ServerSession, SessionSlot), Rejection> {
    let slot = SessionSlot::default();
    let session = visit_as(world, cookie, &slot).await?;
    Ok((session.unwrap(), slot))
}

/// The same for claims of the application's own.
async fn visit_as<C: DeserializeOwned>(
    world: &World,
    cookie: &str,
    slot: &SessionSlot,
) -> Result<Option<ServerSession<C>>, Rejection> {
    let (parts, ()) =
        with_cookie(request(Method::POST, "/").body(()).unwrap(), cookie).into_parts();
    let head = Head {
        method: &parts.method,
        uri: &parts.uri,
        headers: &parts.headers,
        peer: None,
    };
    world.auth.server_session(&head, Some(slot)).await
}

#[tokio::test]
async fn data_is_written_at_the_end_of_the_request() {
    let world = World::new();
    let cookie = world.login("session").await.cookie();
    let (session, slot) = visit(&world, &cookie).await.unwrap();
    assert_eq!(session.get::<u32>("visits").await.unwrap(), None);
    session.set("visits", &1_u32).await.unwrap();
    session.set("cart", &vec!["tea", "cake"]).await.unwrap();
    assert_eq!(session.get::<u32>("visits").await.unwrap(), Some(1));
    assert!(matches!(
        session.get::<bool>("visits").await,
        Err(DataError::Read { .. })
    ));
    slot.finish(&answered(StatusCode::OK)).await.unwrap();

    let (session, slot) = visit(&world, &cookie).await.unwrap();
    assert_eq!(
        session.get::<Vec<String>>("cart").await.unwrap().unwrap(),
        ["tea", "cake"]
    );
    assert!(session.remove("cart").await.unwrap());
    assert!(!session.remove("cart").await.unwrap());
    slot.finish(&answered(StatusCode::OK)).await.unwrap();
    let (session, _) = visit(&world, &cookie).await.unwrap();
    assert_eq!(session.get::<Vec<String>>("cart").await.unwrap(), None);
}

#[tokio::test]
async fn a_session_is_never_taken_for_one_of_another_application() {
    let (ours, theirs) = (World::new(), World::new());
    let cookie = ours.login("session").await.cookie();
    let (_, slot) = visit(&ours, &cookie).await.unwrap();
    let (parts, ()) =
        with_cookie(request(Method::GET, "/").body(()).unwrap(), &cookie).into_parts();
    let head = Head {
        method: &parts.method,
        uri: &parts.uri,
        headers: &parts.headers,
        peer: None,
    };
    let find = async |auth: &Auth| auth.server_session::<NoClaims>(&head, Some(&slot)).await;
    assert!(find(&ours.auth).await.is_ok());
    assert!(find(&ours.auth.clone()).await.is_ok());
    let refused = find(&theirs.auth).await;
    assert_eq!(refused.unwrap_err().refusal(), &Refusal::ServerError);
}

#[tokio::test]
async fn only_what_was_changed_is_written() {
    let world = World::new();
    let cookie = world.login("session").await.cookie();
    let (session, slot) = visit(&world, &cookie).await.unwrap();
    session.get::<u32>("visits").await.unwrap();
    session.remove("visits").await.unwrap();
    slot.finish(&answered(StatusCode::OK)).await.unwrap();
    let id = session.session().id;
    let data = world
        .auth
        .manager()
        .session_data(id)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(data.version, 0);
}

#[tokio::test]
async fn a_lost_race_is_reported() {
    let world = World::new();
    let cookie = world.login("session").await.cookie();
    let (first, first_slot) = visit(&world, &cookie).await.unwrap();
    let (second, second_slot) = visit(&world, &cookie).await.unwrap();
    first.set("a", &1).await.unwrap();
    second.set("a", &2).await.unwrap();
    first_slot.finish(&answered(StatusCode::OK)).await.unwrap();
    let rejection = second_slot
        .finish(&answered(StatusCode::OK))
        .await
        .unwrap_err();
    assert_eq!(rejection.refusal(), &Refusal::Conflict);
    assert_eq!(rejection.response().status(), 409);
    // A handler that looks itself sees the other's and can go on.
    assert_eq!(second.get::<u32>("a").await.unwrap(), Some(1));
    second.set("a", &3).await.unwrap();
    second.save().await.unwrap();
}

#[tokio::test]
async fn a_write_never_brings_an_ended_session_back() {
    let world = World::new();
    let cookie = world.login("session").await.cookie();
    let (session, slot) = visit(&world, &cookie).await.unwrap();
    session.set("a", &1).await.unwrap();
    world.end_all().await;
    let rejection = slot.finish(&answered(StatusCode::OK)).await.unwrap_err();
    assert_eq!(rejection.response().status(), 401);
    assert!(
        rejection
            .response()
            .headers()
            .contains_key("www-authenticate")
    );
    let reply = world.send(with_cookie(get("/api/me"), &cookie)).await;
    assert_eq!(reply.status, 401);
}

/// The step-up is committed, and its answer has the only copy of the new credential.
#[tokio::test]
async fn a_lost_race_does_not_take_the_place_of_new_credentials() {
    let world = World::new();
    let cookie = world.login("session").await.cookie();
    let mut renewed = HeaderMap::new();
    let field = "__Host-Http-session=new; Path=/; Secure; HttpOnly";
    renewed.insert(SET_COOKIE, HeaderValue::from_static(field));
    let other = HeaderValue::from_static("theme=dark");
    for (headers, effect, stays) in [
        (renewed, false, true),
        (HeaderMap::new(), true, true),
        (HeaderMap::from_iter([(SET_COOKIE, other)]), false, false),
    ] {
        let (first, first_slot) = visit(&world, &cookie).await.unwrap();
        let (second, second_slot) = visit(&world, &cookie).await.unwrap();
        first.set("a", &1).await.unwrap();
        second.set("a", &2).await.unwrap();
        first_slot.finish(&answered(StatusCode::OK)).await.unwrap();
        let told = Answered::new(StatusCode::SEE_OTHER, &headers, effect);
        assert_eq!(second_slot.finish(&told).await.is_ok(), stays);
    }
}

#[tokio::test]
async fn data_that_is_too_long_changes_nothing() {
    let world = World::new();
    let cookie = world.login("session").await.cookie();
    let (session, slot) = visit(&world, &cookie).await.unwrap();
    session.set("a", &"x").await.unwrap();
    let long = "x".repeat(SessionData::MAX_LENGTH);
    assert!(matches!(
        session.set("a", &long).await,
        Err(DataError::TooLong { .. })
    ));
    assert!(matches!(
        session.set("b", &long).await,
        Err(DataError::TooLong { .. })
    ));
    assert_eq!(
        session.get::<String>("a").await.unwrap().as_deref(),
        Some("x")
    );
    slot.finish(&answered(StatusCode::OK)).await.unwrap();
}

#[tokio::test]
async fn a_session_slides_at_most_once_a_touch_interval() {
    let world = World::new();
    let day = 24 * 3600;
    let body = json!({"username": "alice", "password": PASSWORD, "transport": "session", "remember": true});
    let remembered = world.login_as(&body).await.cookie();
    let plain = world.login("session").await.cookie();
    world.advance(59);
    let reply = world.send(with_cookie(get("/api/me"), &remembered)).await;
    assert!(reply.set_cookies().is_empty());
    world.advance(1);
    let reply = world.send(with_cookie(get("/api/me"), &remembered)).await;
    let max_age = 90 * day;
    let field = format!(
        "{remembered}; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age={max_age}; Priority=High"
    );
    assert_eq!(reply.set_cookies(), [field]);
    let reply = world.send(with_cookie(get("/auth/session"), &plain)).await;
    // It has no `Max-Age` that could move.
    assert!(reply.set_cookies().is_empty());
    let reply = world.send(with_cookie(get("/api/me"), &remembered)).await;
    assert!(reply.set_cookies().is_empty());

    // Used each 20 days the plain one lives on past its 30; left alone it does not.
    for _ in 0..3 {
        world.advance(20 * day);
        assert_eq!(
            world.send(with_cookie(get("/api/me"), &plain)).await.status,
            200
        );
    }
    world.advance(30 * day);
    let reply = world.send(with_cookie(get("/api/me"), &plain)).await;
    assert!(
        reply
            .header("www-authenticate")
            .ends_with(r#"error_description="expired""#)
    );
    assert!(reply.set_cookies().is_empty());
}

#[tokio::test]
async fn near_the_end_the_cookie_lives_no_longer_than_the_session() {
    let world = World::new();
    let day = 24 * 3600;
    let body = json!({"username": "alice", "password": PASSWORD, "transport": "session", "remember": true});
    let cookie = world.login_as(&body).await.cookie();
    for days in [80, 80, 80, 80] {
        world.advance(days * day);
        let reply = world.send(with_cookie(get("/api/me"), &cookie)).await;
        assert_eq!(reply.status, 200);
        assert_eq!(reply.set_cookies().len(), 1);
    }
    world.advance(40 * day);
    let reply = world.send(with_cookie(get("/api/me"), &cookie)).await;
    let max_age = format!("; Max-Age={}; Priority=High", 5 * day);
    assert!(reply.set_cookies()[0].ends_with(&max_age), "{reply:?}");
}

#[derive(Debug, serde::Deserialize, serde::Serialize)]
struct Profile {
    name: String,
}

#[tokio::test]
async fn custom_claims_read_alike_from_a_token_and_from_a_cookie() {
    let world = World::new();
    let name = "Alice".to_owned();
    let claims = CustomClaims::new(&Profile { name }).unwrap();
    for transport in [Transport::Header, Transport::Session] {
        let manager = world.auth.manager();
        let ticket = manager.begin_login("alice".parse().unwrap()).await.unwrap();
        let session = NewSession {
            claims: claims.clone(),
            transport: Some(transport),
            ..NewSession::default()
        };
        let issued = manager.login(ticket, session).await.unwrap();
        let answer = Reply::new(world.auth.token_response(&issued));
        let (bearer, cookie) = match transport {
            Transport::Session => (None, Some(answer.cookie())),
            _ => (
                Some(format!("Bearer {}", answer.text("access_token"))),
                None,
            ),
        };
        let slot = SessionSlot::default();
        let session = async || match &cookie {
            Some(cookie) => visit_as::<Profile>(&world, cookie, &slot).await,
            None => Ok(None),
        };
        let authorization = bearer.iter().map(String::as_bytes);
        let caller = world
            .auth
            .clone()
            .any::<Profile>(authorization, Shown::default, session);
        let caller = caller.await.unwrap().unwrap();
        assert_eq!(caller.custom().name, "Alice", "{transport}");
        assert_eq!(caller.subject().as_str(), "alice", "{transport}");
    }
}

/// As after an update of the server, whose new field has no default.
#[tokio::test]
async fn a_session_that_lacks_a_claim_is_refused_and_the_log_names_it() {
    let world = World::new();
    let (log, _guard) = Log::watch();
    let token = world.login("header").await.text("access_token");
    let bearer = format!("Bearer {token}");
    let authorization = std::iter::once(bearer.as_bytes());
    let refused = world
        .auth
        .clone()
        .access::<Profile>(authorization, Shown::default)
        .await;
    assert_eq!(refused.unwrap_err().refusal().code(), "invalid_token");
    let line = log.take();
    assert!(
        line.contains("WARN") && line.contains("claim=name"),
        "{line}"
    );

    let cookie = world.login("session").await.cookie();
    let slot = SessionSlot::default();
    let refused = visit_as::<Profile>(&world, &cookie, &slot).await;
    assert_eq!(refused.unwrap_err().refusal().code(), "invalid_token");
    let line = log.take();
    assert!(line.contains("WARN") && line.contains("`name`"), "{line}");
}

/// A cookie of a session that is opened with `remember` or without.
async fn remembered(world: &World, remember: bool) -> String {
    let body = json!({
        "username": "alice", "password": PASSWORD, "transport": "session", "remember": remember
    });
    world.login_as(&body).await.cookie()
}

/// A request that is under way while another one changes the browser's cookie: its answer comes last,
/// and must not bring the older cookie back.
#[tokio::test]
async fn the_cookie_is_sent_again_only_while_it_is_the_current_one() {
    let world = World::new();
    // Nothing happens in between, and the deadline moved.
    let cookie = remembered(&world, true).await;
    world.advance(61);
    let (_, slot) = visit(&world, &cookie).await.unwrap();
    assert_eq!(
        slot.finish(&answered(StatusCode::OK)).await.unwrap().len(),
        1
    );

    // A step-up.
    world.advance(61);
    let (_, slot) = visit(&world, &cookie).await.unwrap();
    let manager = world.auth.manager();
    let text = cookie.split_once('=').unwrap().1;
    let credential = SessionCredential::Session(SessionManager::read_session_cookie(text).unwrap());
    let authentication = Authentication::password(manager.now());
    let _ = manager.step_up(&credential, authentication).await.unwrap();
    assert!(
        slot.finish(&answered(StatusCode::OK))
            .await
            .unwrap()
            .is_empty()
    );

    // A logout.
    let cookie = remembered(&world, true).await;
    world.advance(61);
    let (session, slot) = visit(&world, &cookie).await.unwrap();
    manager
        .revoke(session.session_id(), RevokeReason::Logout)
        .await
        .unwrap();
    assert!(
        slot.finish(&answered(StatusCode::OK))
            .await
            .unwrap()
            .is_empty()
    );
}

/// A cookie without `Max-Age` has nothing to move.
#[tokio::test]
async fn the_cookie_of_a_session_that_is_not_remembered_is_never_sent_again() {
    let world = World::new();
    let cookie = remembered(&world, false).await;
    world.advance(61);
    let (_, slot) = visit(&world, &cookie).await.unwrap();
    assert!(
        slot.finish(&answered(StatusCode::OK))
            .await
            .unwrap()
            .is_empty()
    );
}

/// Two tabs that each set a member of their own: neither gets in the way of the other.
#[tokio::test]
async fn requests_that_set_different_members_all_succeed() {
    let world = World::new();
    let cookie = world.login("session").await.cookie();
    let (first, first_slot) = visit(&world, &cookie).await.unwrap();
    first.set("c", &0).await.unwrap();
    first_slot.finish(&answered(StatusCode::OK)).await.unwrap();

    let (first, first_slot) = visit(&world, &cookie).await.unwrap();
    let (second, second_slot) = visit(&world, &cookie).await.unwrap();
    let (third, third_slot) = visit(&world, &cookie).await.unwrap();
    first.set("a", &1).await.unwrap();
    second.set("b", &2).await.unwrap();
    assert!(third.remove("c").await.unwrap());
    for slot in [first_slot, second_slot, third_slot] {
        slot.finish(&answered(StatusCode::OK)).await.unwrap();
    }
    let (session, _) = visit(&world, &cookie).await.unwrap();
    let found = (
        session.get::<u32>("a").await.unwrap(),
        session.get::<u32>("b").await.unwrap(),
        session.get::<u32>("c").await.unwrap(),
    );
    assert_eq!(found, (Some(1), Some(2), None));

    // The same value is a conflict too: both may have counted from the same number.
    let (first, first_slot) = visit(&world, &cookie).await.unwrap();
    let (second, second_slot) = visit(&world, &cookie).await.unwrap();
    let (third, third_slot) = visit(&world, &cookie).await.unwrap();
    first.set("a", &7).await.unwrap();
    second.set("a", &7).await.unwrap();
    second.set("b", &7).await.unwrap();
    third.remove("a").await.unwrap();
    first_slot.finish(&answered(StatusCode::OK)).await.unwrap();
    for slot in [second_slot, third_slot] {
        let lost = slot.finish(&answered(StatusCode::OK)).await.unwrap_err();
        assert_eq!(lost.refusal(), &Refusal::Conflict);
    }
    let (session, _) = visit(&world, &cookie).await.unwrap();
    assert_eq!(session.get::<u32>("a").await.unwrap(), Some(7));
    assert_eq!(session.get::<u32>("b").await.unwrap(), Some(2));
}

/// An update learns what another request wrote; what was set before must not overwrite it unseen.
#[tokio::test]
async fn an_update_hides_no_conflict_of_another_member() {
    let world = World::new();
    let cookie = world.login("session").await.cookie();
    let (first, first_slot) = visit(&world, &cookie).await.unwrap();
    let (second, second_slot) = visit(&world, &cookie).await.unwrap();
    first.set("cart", &1).await.unwrap();
    second.set("cart", &2).await.unwrap();
    second_slot.finish(&answered(StatusCode::OK)).await.unwrap();
    let visits = first.update("visits", |visits| visits.unwrap_or(0) + 1);
    assert_eq!(visits.await.unwrap(), 1_u32);
    let lost = first_slot
        .finish(&answered(StatusCode::OK))
        .await
        .unwrap_err();
    assert_eq!(lost.refusal(), &Refusal::Conflict);
    let (session, _) = visit(&world, &cookie).await.unwrap();
    assert_eq!(session.get::<u32>("cart").await.unwrap(), Some(2));
    assert_eq!(session.get::<u32>("visits").await.unwrap(), Some(1));
}

/// Merged, the data may be longer than each request saw.
#[tokio::test]
async fn members_that_are_too_long_together_are_refused() {
    let world = World::new();
    let cookie = world.login("session").await.cookie();
    let (first, first_slot) = visit(&world, &cookie).await.unwrap();
    let (second, second_slot) = visit(&world, &cookie).await.unwrap();
    let half = "x".repeat(SessionData::MAX_LENGTH * 2 / 3);
    first.set("a", &half).await.unwrap();
    second.set("b", &half).await.unwrap();
    first_slot.finish(&answered(StatusCode::OK)).await.unwrap();
    let lost = second_slot
        .finish(&answered(StatusCode::OK))
        .await
        .unwrap_err();
    assert_eq!(lost.response().status(), 500);
}

#[tokio::test]
async fn an_update_counts_what_other_requests_wrote_meanwhile() {
    let world = World::new();
    let cookie = world.login("session").await.cookie();
    let mut visits = Vec::new();
    for n in 0..5 {
        let (session, slot) = visit(&world, &cookie).await.unwrap();
        // Each has read the data before any of them writes.
        session.get::<u32>("visits").await.unwrap();
        session.set(&format!("own {n}"), &n).await.unwrap();
        visits.push((session, slot));
    }
    for (n, (session, _)) in (1..).zip(&visits) {
        let seen = session.update("visits", |seen: Option<u32>| seen.unwrap_or(0) + 1);
        assert_eq!(seen.await.unwrap(), n);
    }
    // The rest is written at the end of each request.
    let (session, _) = visit(&world, &cookie).await.unwrap();
    assert_eq!(session.get::<u32>("own 0").await.unwrap(), None);
    for (_, slot) in &visits {
        slot.finish(&answered(StatusCode::OK)).await.unwrap();
    }
    let (session, _) = visit(&world, &cookie).await.unwrap();
    assert_eq!(session.get::<u32>("visits").await.unwrap(), Some(5));
    assert_eq!(session.get::<u32>("own 0").await.unwrap(), Some(0));
    assert_eq!(session.get::<u32>("own 4").await.unwrap(), Some(4));
    let wrong = session.update("visits", |_: Option<bool>| true).await;
    assert!(matches!(wrong, Err(DataError::Read { .. })));
}

/// What a handler did before it failed is half done.
#[tokio::test]
async fn data_is_not_written_if_the_server_failed() {
    let world = World::new();
    let cookie = world.login("session").await.cookie();
    for (status, written) in [(500, false), (503, false), (404, true), (303, true)] {
        let (session, slot) = visit(&world, &cookie).await.unwrap();
        session.remove("a").await.unwrap();
        session.save().await.unwrap();
        session.set("a", &status).await.unwrap();
        let status = StatusCode::from_u16(status).unwrap();
        slot.finish(&answered(status)).await.unwrap();
        let (session, _) = visit(&world, &cookie).await.unwrap();
        let found = session.get::<u16>("a").await.unwrap();
        assert_eq!(found.is_some(), written, "{status}");
    }
}

/// A page that asks each minute whether somebody is logged in must not keep them logged in.
#[tokio::test]
async fn who_only_looks_moves_no_deadline() {
    let world = World::new();
    let opened = world.login("session").await;
    let (cookie, id) = (opened.cookie(), opened.text("session_id").parse().unwrap());
    let deadline = async || {
        let session = world.auth.manager().session(id).await.unwrap();
        session.expect("it is live").idle_expires_at
    };
    let first = deadline().await;
    world.advance(3600);
    for (name, value) in [
        ("sec-purpose", "prefetch"),
        ("sec-purpose", "prefetch;prerender"),
        ("purpose", "Prefetch"),
    ] {
        let request = with(with_cookie(get("/api/me"), &cookie), name, value);
        assert_eq!(world.send(request).await.status, 200);
        assert_eq!(deadline().await, first, "{name}: {value}");
    }
    for path in ["/auth/session", "/auth/sessions"] {
        assert_eq!(
            world.send(with_cookie(get(path), &cookie)).await.status,
            200
        );
        assert_eq!(deadline().await, first, "{path}");
    }
    let slot = SessionSlot::default();
    slot.look();
    let session = visit_as::<NoClaims>(&world, &cookie, &slot).await.unwrap();
    assert!(session.is_some() && slot.is_asked());
    assert_eq!(deadline().await, first);

    // A use does move it.
    let request = with(with_cookie(get("/api/me"), &cookie), "sec-purpose", "other");
    assert_eq!(world.send(request).await.status, 200);
    assert!(deadline().await > first);
}
