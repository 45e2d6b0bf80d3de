//! Connections that stay open, of sessions that are bound to their browser; and how soon the end of such a
//! session is heeded.

#![allow(
    clippy::async_yields_async,
    reason = "a connection is a future that a request has opened"
)]

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::Request;
use token_http::{Head, SessionSlot};
use token_session::binding::{BindingMode, BindingPolicy};
use token_session::test_util::{Outage, TroubledStore};
use token_session::{MemoryStore, RevocationCheck, SessionEnd, WhenBehind};

use crate::browser::{Browser, refresh};
use crate::world::{World, get, with, with_cookie};

/// A connection that a server has let in.
async fn open(
    world: &World,
    request: Request<&'static str>,
) -> impl Future<Output = SessionEnd> + use<> {
    let (parts, _) = request.into_parts();
    let head = Head {
        method: &parts.method,
        uri: &parts.uri,
        headers: &parts.headers,
        peer: None,
    };
    let caller = world.caller(&head, &SessionSlot::default()).await;
    caller.unwrap().ended()
}

/// One with the cookies of a browser.
async fn open_by_cookies(
    world: &World,
    browser: &Browser,
) -> impl Future<Output = SessionEnd> + use<> {
    let cookies = browser.cookies.iter();
    let cookies: Vec<_> = cookies
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    open(world, with_cookie(get("/api/me"), &cookies.join("; "))).await
}

/// Whether the connection ends now: within the time after which a server looks again. Timers of the test do not
/// wait.
async fn end_of(connection: impl Future<Output = SessionEnd>) -> Option<SessionEnd> {
    let patience = Duration::from_secs(10);
    tokio::time::timeout(patience, connection).await.ok()
}

/// Two servers on one store.
fn nodes(mode: BindingMode) -> [World; 2] {
    let store = Arc::new(MemoryStore::new(1000, &[7; 32]));
    [(); 2].map(|()| World::binding(mode, TroubledStore::new(store.clone(), Outage::default())))
}

fn world(mode: BindingMode) -> World {
    World::binding(mode, MemoryStore::new(1000, &[7; 32]))
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_was_opened_with_copied_cookies_ends_when_the_copied_value_does() {
    let world = world(BindingMode::Require);
    let browser = Browser::bind(&world, "session").await;
    let copy = browser.copied();
    world.advance(300);
    let mut connection = pin!(open_by_cookies(&world, &copy).await);
    world.advance(359);
    assert_eq!(
        end_of(&mut connection).await,
        None,
        "the value is still good"
    );
    world.advance(1);
    assert_eq!(end_of(&mut connection).await, Some(SessionEnd::Unbound));
    assert_eq!(
        browser.send_copied(&world, get("/api/me")).await.status,
        401
    );
}

#[tokio::test(start_paused = true)]
async fn a_connection_stays_open_while_its_browser_renews() {
    let world = world(BindingMode::Require);
    let mut browser = Browser::bind(&world, "session").await;
    let mut connection = pin!(open_by_cookies(&world, &browser).await);
    assert_eq!(end_of(&mut connection).await, None);
    for _ in 0..6 {
        world.advance(500);
        assert_eq!(browser.renew(&world).await.status, 204);
        assert_eq!(end_of(&mut connection).await, None);
    }
    world.advance(659);
    assert_eq!(end_of(&mut connection).await, None);
    world.advance(1);
    assert_eq!(end_of(&mut connection).await, Some(SessionEnd::Unbound));
}

#[tokio::test(start_paused = true)]
async fn a_renewal_on_another_node_counts_once_a_request_has_shown_it_here() {
    let [here, there] = nodes(BindingMode::Require);
    let mut browser = Browser::bind(&here, "session").await;
    let mut told = pin!(open_by_cookies(&here, &browser).await);
    assert_eq!(end_of(&mut told).await, None);
    let advance = |seconds| {
        here.advance(seconds);
        there.advance(seconds);
    };
    advance(500);
    assert_eq!(browser.renew(&there).await.status, 204);
    assert_eq!(browser.send(&here, get("/api/me")).await.status, 200);
    advance(600);
    assert_eq!(end_of(&mut told).await, None);
    assert_eq!(browser.renew(&there).await.status, 204);
    advance(61);
    assert_eq!(
        end_of(&mut told).await,
        Some(SessionEnd::Unbound),
        "nobody has told"
    );
    // The browser opens another, with its new cookie.
    assert_eq!(end_of(open_by_cookies(&here, &browser).await).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_was_opened_before_the_session_was_bound_ends_too() {
    let world = world(BindingMode::Require);
    let mut browser = Browser::new();
    let login = browser.login(&world, "session").await;
    let offer = login.header("secure-session-registration").to_owned();
    // Copied a second after the login, with the first bound cookie and without it.
    let copy = browser.copied();
    let mut without = browser.copied();
    without.drop_bound();
    let mut connections = [
        Box::pin(open_by_cookies(&world, &copy).await),
        Box::pin(open_by_cookies(&world, &without).await),
    ];
    for connection in &mut connections {
        assert_eq!(end_of(connection).await, None);
    }
    assert_eq!(browser.register(&world, &offer).await.status, 200);
    assert_eq!(browser.renew(&world).await.status, 204);
    // What the browser does is seen, and it does nothing more.
    world.advance(659);
    for connection in &mut connections {
        assert_eq!(end_of(connection).await, None);
    }
    world.advance(1);
    for connection in &mut connections {
        assert_eq!(end_of(connection).await, Some(SessionEnd::Unbound));
    }
}

#[tokio::test(start_paused = true)]
async fn in_transport_cookie_a_connection_outlives_its_access_token_only_if_the_browser_renews() {
    let world = world(BindingMode::Require);
    let mut copy = Browser::bind(&world, "cookie").await.copied();
    let by_token = async |token: &str| {
        let request = with(get("/api/me"), "authorization", &format!("Bearer {token}"));
        open(&world, request).await
    };
    let bought = copy.send(&world, refresh()).await.text("access_token");
    let mut connection = pin!(by_token(&bought).await);
    world.advance(299);
    assert_eq!(end_of(&mut connection).await, None);
    world.advance(1);
    assert_eq!(end_of(&mut connection).await, Some(SessionEnd::Unbound));

    let mut browser = Browser::bind(&world, "cookie").await;
    let own = browser.send(&world, refresh()).await.text("access_token");
    let mut connection = pin!(by_token(&own).await);
    assert_eq!(end_of(&mut connection).await, None);
    for _ in 0..4 {
        assert_eq!(browser.renew(&world).await.status, 204);
        world.advance(290);
        assert_eq!(end_of(&mut connection).await, None);
        assert_eq!(browser.send(&world, refresh()).await.status, 200);
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_that_need_not_be_proven_ends_a_connection() {
    for mode in [BindingMode::Require, BindingMode::Observe, BindingMode::Off] {
        let world = world(mode);
        let mut browser = Browser::new();
        browser.login(&world, "session").await;
        browser.drop_bound();
        let mut unbound = pin!(open_by_cookies(&world, &browser).await);
        world.advance(3600);
        assert_eq!(end_of(&mut unbound).await, None, "{mode:?}");
        world.advance(1800);
        assert_eq!(end_of(&mut unbound).await, None, "{mode:?}");
    }
    let world = world(BindingMode::Observe);
    let browser = Browser::bind(&world, "session").await;
    let mut observed = pin!(open_by_cookies(&world, &browser).await);
    world.advance(3600);
    assert_eq!(end_of(&mut observed).await, None);
}

/// A bound value is good for longer than an access token, and a node forgets the end of a session when no access
/// token of it can be good any more. The value alone opens nothing: whose cookie comes with it is asked of the
/// store, or of a cache that has heard of the end.
#[tokio::test]
async fn a_session_that_was_ended_is_refused_at_once_and_for_ever_whatever_the_bound_value_says() {
    let store = Arc::new(MemoryStore::new(1000, &[7; 32]));
    let node = || {
        World::managed(
            TroubledStore::new(store.clone(), Outage::default()),
            |builder| {
                let policy = BindingPolicy::new(BindingMode::Require);
                builder
                    .revocation_check(RevocationCheck::Feed(WhenBehind::AskStore))
                    .session_cache(100)
                    .binding(policy.with_lifetime(BindingPolicy::MAX_LIFETIME))
            },
        )
    };
    let (here, there) = (node(), node());
    for transport in ["session", "cookie"] {
        let browser = Browser::bind(&here, transport).await;
        let ask = || match transport {
            "session" => get("/api/me"),
            _ => refresh(),
        };
        let catch_up = async || there.auth.manager().catch_up().await.unwrap();
        catch_up().await;
        assert_eq!(browser.copied().send(&there, ask()).await.status, 200);
        here.end_all().await;
        catch_up().await;
        let mut since = 0;
        // At once; when the view of ended sessions has forgotten it; shortly before the value ends.
        for after in [0, 330, 3600] {
            for world in [&here, &there] {
                world.advance(after - since);
            }
            since = after;
            catch_up().await;
            let refused = browser.send_copied(&there, ask()).await;
            let ended = match transport {
                "session" => (401, "invalid_token".to_owned(), String::new()),
                _ => (400, "invalid_grant".to_owned(), "revoked".to_owned()),
            };
            assert_eq!(refused.refusal(), ended, "{after}");
        }
    }
}
