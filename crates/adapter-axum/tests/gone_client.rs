//! A client that goes away in the middle of a change of password: what has begun is done.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

use adapter_axum::{Answer, Auth, AuthConfig, PasswordRequest, Rejection};
use axum::body::Body;
use axum::extract::Request;
use axum::http::header::CONTENT_TYPE;
use axum::routing::post;
use axum::{Extension, Router};
use token_core::{Authentication, Policy, RevokeReason, SessionId};
use token_session::test_util::TestManager;
use tokio::task::yield_now;
use tower_service::Service as _;

type Stored = Arc<AtomicBool>;

async fn password(
    Extension(stored): Extension<Stored>,
    request: PasswordRequest,
) -> Result<Answer, Rejection> {
    let authentication = Authentication::password(request.at());
    let changed = request.changed_with(authentication, async move |request| {
        if request.password() != "wonderland" {
            return Err(request.invalid_credentials());
        }
        // What an application waits for: a hash, then its database.
        yield_now().await;
        yield_now().await;
        stored.store(true, Ordering::SeqCst);
        yield_now().await;
        Ok(())
    });
    changed.await
}

/// An application with two sessions of a user, and the request of one of them to change the password.
struct World {
    auth: Auth,
    stored: Stored,
    own: SessionId,
    other: SessionId,
    app: Router,
    request: Request,
}

impl World {
    async fn new(password_typed: &str) -> Self {
        let node = TestManager::new(Policy::default());
        let other = node.login("alice", "").await.session().id;
        let issued = node.login("alice", "").await;
        let tokens = issued.tokens().expect("the transport is `header`");
        let body = format!(
            r#"{{"password":"{password_typed}","new_password":"looking-glass","refresh_token":"{}"}}"#,
            tokens.refresh_token.secret()
        );
        let request = Request::post("/auth/password")
            .header(CONTENT_TYPE, "application/json")
            .body(Body::from(body))
            .unwrap();
        let config = AuthConfig::builder("https://api.example".parse().unwrap());
        let auth = Auth::new(node.manager, config.build().unwrap());
        let stored = Stored::default();
        let app = Router::new()
            .route("/auth/password", post(password))
            .layer(Extension(Arc::clone(&stored)))
            .with_state(auth.clone());
        Self {
            auth,
            stored,
            own: issued.session().id,
            other,
            app,
            request,
        }
    }

    /// Whether the new password is stored, and whether the other session has ended.
    async fn effects(&self) -> (bool, bool) {
        let other = self.auth.manager().session(self.other).await.unwrap();
        (self.stored.load(Ordering::SeqCst), other.is_none())
    }
}

#[tokio::test]
async fn a_password_is_not_stored_without_the_other_sessions_being_ended() {
    let mut seen = Vec::new();
    for turns in 0..20 {
        let mut world = World::new("wonderland").await;
        let request = std::mem::take(&mut world.request);
        let mut answer = Box::pin(world.app.call(request));
        if turns > 0 {
            let first = poll_fn(|context| Poll::Ready(answer.as_mut().poll(context))).await;
            assert!(first.is_pending());
        }
        // The task goes on by one await at each turn.
        for _ in 1..turns {
            yield_now().await;
        }
        seen.push(world.effects().await);
        // The connection is closed.
        drop(answer);
        for _ in 0..100 {
            yield_now().await;
        }
        let begun = turns > 0;
        assert_eq!(world.effects().await, (begun, begun), "after {turns} turns");
    }
    // The connection was closed before, between and after the two.
    for moment in [(false, false), (true, false), (true, true)] {
        assert!(seen.contains(&moment), "{seen:?}");
    }
}

#[tokio::test]
async fn a_wrong_password_changes_nothing() {
    let mut world = World::new("guess").await;
    let request = std::mem::take(&mut world.request);
    let response = world.app.call(request).await.unwrap();
    assert_eq!(response.status(), 401);
    assert_eq!(world.effects().await, (false, false));
}

/// A thief who ends the session that changes the password does not keep another one.
#[tokio::test]
async fn a_session_that_is_ended_meanwhile_takes_all_others_with_it() {
    let mut world = World::new("wonderland").await;
    let request = std::mem::take(&mut world.request);
    let mut answer = Box::pin(world.app.call(request));
    let first = poll_fn(|context| Poll::Ready(answer.as_mut().poll(context))).await;
    assert!(first.is_pending());
    while !world.stored.load(Ordering::SeqCst) {
        yield_now().await;
    }
    let manager = world.auth.manager();
    let reason = RevokeReason::Logout;
    manager.revoke(world.own, reason).await.unwrap();
    let response = answer.await.unwrap();
    assert_eq!(response.status(), 400);
    assert_eq!(world.effects().await, (true, true));
}
