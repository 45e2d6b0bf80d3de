//! A client that goes away between a step of the application and the call of the library that belongs to it: what
//! has begun is done.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use std::collections::HashMap;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

use adapter_axum::{
    Answer, Auth, AuthConfig, CustomLogin, CustomPassword, CustomStepUp, PasswordRequest, Rejection,
};
use axum::body::Body;
use axum::extract::{Form, Request};
use axum::http::header::CONTENT_TYPE;
use axum::routing::post;
use axum::{Extension, Router};
use token_core::{Authentication, Policy, RevokeReason, SessionId, Subject};
use token_session::test_util::TestManager;
use token_session::to_end;
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
        store(stored).await;
        Ok(())
    });
    changed.await
}

/// What an application waits for: a hash, then its database.
async fn store(stored: Stored) {
    yield_now().await;
    yield_now().await;
    stored.store(true, Ordering::SeqCst);
    yield_now().await;
}

/// The fields of a form.
type Fields = HashMap<String, String>;

async fn form_password(
    Extension(stored): Extension<Stored>,
    password: CustomPassword,
    Form(form): Form<Fields>,
) -> Result<Answer, Rejection> {
    let ticket = password
        .begin(form.get("refresh_token").map(String::as_str))
        .await?;
    let authentication = Authentication::password(password.at());
    let step = async move {
        store(stored).await;
        Ok(())
    };
    password.changed(&ticket, authentication, step).await
}

/// Uses up a code that is good once, and steps up with it.
async fn step_up(
    Extension(used_up): Extension<Stored>,
    step_up: CustomStepUp,
    Form(form): Form<Fields>,
) -> Result<Answer, Rejection> {
    let ticket = step_up
        .begin(form.get("refresh_token").map(String::as_str))
        .await?;
    let both = async move {
        store(used_up).await;
        let authentication = Authentication::password(step_up.at());
        step_up.renew(&ticket, authentication).await
    };
    to_end(both).await
}

/// Uses up a code that is good once, and logs in with it.
async fn login(
    Extension(used_up): Extension<Stored>,
    login: CustomLogin,
) -> Result<Answer, Rejection> {
    let ticket = login.begin("bob").await?;
    let both = async move {
        store(used_up).await;
        let session = login.new_session(Authentication::password(login.at()));
        login.open(ticket, session).await
    };
    to_end(both).await
}

/// An application with two sessions of a user, and a request of one of them.
struct World {
    auth: Auth,
    stored: Stored,
    own: SessionId,
    other: SessionId,
    app: Router,
    request: Request,
}

impl World {
    /// The request changes the password.
    async fn new(password_typed: &str) -> Self {
        Self::asked(|token| {
            let body = format!(
                r#"{{"password":"{password_typed}","new_password":"looking-glass","refresh_token":"{token}"}}"#
            );
            Request::post("/auth/password")
                .header(CONTENT_TYPE, "application/json")
                .body(Body::from(body))
                .unwrap()
        })
        .await
    }

    /// The request is a form.
    async fn with_form(path: &str) -> Self {
        Self::asked(|token| {
            Request::post(path)
                .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
                .body(Body::from(format!("refresh_token={token}")))
                .unwrap()
        })
        .await
    }

    async fn asked(request: impl FnOnce(&str) -> Request) -> Self {
        let node = TestManager::new(Policy::default());
        let other = node.login("alice", "").await.session().id;
        let issued = node.login("alice", "").await;
        let tokens = issued.tokens().expect("the transport is `header`");
        let request = request(tokens.refresh_token.secret());
        let config = AuthConfig::builder("https://api.example".parse().unwrap());
        let auth = Auth::new(node.manager, config.build().unwrap());
        let stored = Stored::default();
        let app = Router::new()
            .route("/auth/password", post(password))
            .route("/form/password", post(form_password))
            .route("/form/step-up", post(step_up))
            .route("/form/login", post(login))
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
        (self.is_stored(), other.is_none())
    }

    /// Whether the code is used up, and whether the session has a new credential.
    async fn stepped_up(&self) -> (bool, bool) {
        let own = self.auth.manager().session(self.own).await.unwrap();
        (self.is_stored(), own.unwrap().generation.0 == 1)
    }

    /// Whether the code is used up, and whether somebody has logged in with it.
    async fn logged_in(&self) -> (bool, bool) {
        let bob: Subject = "bob".parse().unwrap();
        let sessions = self.auth.manager().sessions(&bob).await.unwrap();
        (self.is_stored(), sessions.len() == 1)
    }

    fn is_stored(&self) -> bool {
        self.stored.load(Ordering::SeqCst)
    }
}

/// Closes the connection before, between and after the two effects of a request: they come together or not at all.
async fn close_at_each_moment(
    world: impl AsyncFn() -> World,
    effects: impl AsyncFn(&World) -> (bool, bool),
) {
    let mut seen = Vec::new();
    for turns in 0..20 {
        let mut world = world().await;
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
        seen.push(effects(&world).await);
        // The connection is closed.
        drop(answer);
        for _ in 0..100 {
            yield_now().await;
        }
        let begun = turns > 0;
        assert_eq!(effects(&world).await, (begun, begun), "after {turns} turns");
    }
    for moment in [(false, false), (true, false), (true, true)] {
        assert!(seen.contains(&moment), "{seen:?}");
    }
}

#[tokio::test]
async fn a_password_is_not_stored_without_the_other_sessions_being_ended() {
    close_at_each_moment(async || World::new("wonderland").await, World::effects).await;
    let by_form = async || World::with_form("/form/password").await;
    close_at_each_moment(by_form, World::effects).await;
}

#[tokio::test]
async fn a_code_is_not_used_up_without_the_step_up_that_it_is_for() {
    let step_up = async || World::with_form("/form/step-up").await;
    close_at_each_moment(step_up, World::stepped_up).await;
}

#[tokio::test]
async fn a_code_is_not_used_up_without_the_login_that_it_is_for() {
    let login = async || World::with_form("/form/login").await;
    close_at_each_moment(login, World::logged_in).await;
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
