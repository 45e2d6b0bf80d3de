//! What a session may do changes while it lives: by the hook, by a step-up, and at once by the application.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use serde::Deserialize;
use token_core::session::{Credentials, Rights};
use token_core::{
    Authentication, CustomClaims, Policy, RevokeReason, Scope, Session, Subject, Transport,
};
use token_session::hook::{HookAnswer, RefreshHook};
use token_session::test_util::TestManager;
use token_session::{
    Issued, MemoryStore, NewSession, PermitError, RefreshError, SessionCredential, SessionManager,
    StepUp,
};

#[derive(Debug, Deserialize, PartialEq)]
struct Profile {
    #[serde(default)]
    role: String,
}

fn scope(text: &str) -> Scope {
    text.parse().unwrap()
}

fn role(name: &str) -> CustomClaims {
    CustomClaims::from_json(&format!(r#"{{"role":"{name}"}}"#)).unwrap()
}

fn refresh_token(issued: &Issued) -> String {
    issued.tokens().unwrap().refresh_token.secret().to_owned()
}

fn cookie(issued: &Issued) -> String {
    match issued.credentials() {
        Credentials::Session(token) => token.to_secret_text().to_string(),
        Credentials::Tokens(_) => panic!("the transport is `session`"),
    }
}

/// Scope and role of the access token.
async fn token_of(test: &TestManager, issued: &Issued) -> (String, String) {
    let token = issued.tokens().unwrap().access_token.secret();
    let token = test.manager.authenticate::<Profile>(token).await.unwrap();
    let claims = token.claims();
    assert_eq!(claims.scope, *issued.scope(), "the answer says so");
    (claims.scope.to_string(), claims.custom.role.clone())
}

/// Says what it is told to.
#[derive(Clone)]
struct Says(Arc<Mutex<HookAnswer>>);

impl Says {
    fn new() -> Self {
        Self(Arc::new(Mutex::new(HookAnswer::Keep)))
    }

    fn change(&self, rights: impl Into<Rights>) {
        *self.0.lock().unwrap() = HookAnswer::Change(rights.into());
    }
}

impl RefreshHook for Says {
    fn on_refresh<'a>(
        &'a self,
        _: &'a Session,
    ) -> Pin<Box<dyn Future<Output = HookAnswer> + Send + 'a>> {
        let answer = self.0.lock().unwrap().clone();
        Box::pin(async move { answer })
    }
}

fn with_hook(hook: impl RefreshHook) -> TestManager {
    let store = MemoryStore::new(1000, &[7; 32]);
    TestManager::with_store(store, Policy::default(), |builder| builder.on_refresh(hook))
}

#[tokio::test]
async fn the_hook_changes_the_scope_and_the_next_tokens_have_it() {
    let says = Says::new();
    let test = with_hook(says.clone());
    let first = refresh_token(&test.login("alice", "notes:read notes:write").await);
    says.change(scope("notes:read"));

    // More than the new scope is refused, and the token stays usable.
    let asked = test
        .manager
        .refresh(&first, Some(&scope("notes:write")))
        .await;
    assert!(matches!(asked, Err(RefreshError::Scope)), "{asked:?}");
    let issued = test.manager.refresh(&first, None).await.unwrap();
    assert_eq!(token_of(&test, &issued).await.0, "notes:read");
    let id = issued.session().id;
    let stored = test.manager.session(id).await.unwrap().unwrap();
    assert_eq!(stored.scope, scope("notes:read"));

    // Both at once, and a scope that grows.
    test.clock.advance(Duration::from_secs(50));
    says.change(Rights {
        scope: Some(scope("notes:read reports:read")),
        claims: Some(role("editor")),
    });
    let issued = test
        .manager
        .refresh(&refresh_token(&issued), None)
        .await
        .unwrap();
    let found = token_of(&test, &issued).await;
    assert_eq!(found, ("notes:read reports:read".into(), "editor".into()));
    // What it says no more about stays.
    test.clock.advance(Duration::from_secs(50));
    *says.0.lock().unwrap() = HookAnswer::Keep;
    let narrow = scope("reports:read");
    let token = refresh_token(&issued);
    let issued = test.manager.refresh(&token, Some(&narrow)).await.unwrap();
    let found = token_of(&test, &issued).await;
    assert_eq!(found, ("reports:read".into(), "editor".into()));
}

#[tokio::test]
async fn a_replay_has_the_scope_that_the_hook_says_and_writes_nothing() {
    let says = Says::new();
    let test = with_hook(says.clone());
    let first = refresh_token(&test.login("alice", "a b").await);
    let second = test.manager.refresh(&first, None).await.unwrap();
    says.change(scope("a"));
    let replayed = test.manager.refresh(&first, None).await.unwrap();
    assert_eq!(refresh_token(&replayed), refresh_token(&second));
    assert_eq!(token_of(&test, &replayed).await.0, "a");
    let asked = test.manager.refresh(&first, Some(&scope("b"))).await;
    assert!(matches!(asked, Err(RefreshError::Scope)), "{asked:?}");
    let stored = test.manager.session(second.session().id).await.unwrap();
    assert_eq!(stored.unwrap().scope, scope("a b"));
}

#[tokio::test]
async fn a_step_up_may_change_what_the_session_may_do() {
    for transport in [Transport::Header, Transport::Session] {
        let test = TestManager::new(Policy::default());
        let new = NewSession {
            transport: Some(transport),
            ..NewSession::default()
        };
        let issued = test.open("alice", new).await;
        let credential = if transport == Transport::Header {
            let claims = test.manager.verify_refresh_token(&refresh_token(&issued));
            SessionCredential::Refresh(claims.unwrap())
        } else {
            let token = SessionManager::read_session_cookie(&cookie(&issued));
            SessionCredential::Session(token.unwrap())
        };
        let step_up = || StepUp {
            authentication: Authentication::password(test.manager.now()),
            rights: Rights {
                scope: Some(scope("transfer")),
                claims: Some(role("payer")),
            },
        };
        // The second time because the answer was lost.
        for _ in 0..2 {
            let issued = test.manager.step_up(&credential, step_up()).await.unwrap();
            assert_eq!(issued.session().scope, scope("transfer"));
            assert_eq!(issued.session().claims, role("payer"));
            if transport == Transport::Header {
                let found = token_of(&test, &issued).await;
                assert_eq!(found, ("transfer".into(), "payer".into()));
            }
        }
    }
}

#[tokio::test]
async fn a_change_by_the_application_holds_at_the_next_request_or_refresh() {
    let test = TestManager::new(Policy::default());
    let new = |transport| NewSession {
        transport: Some(transport),
        scope: scope("a b"),
        claims: role("moderator"),
        ..NewSession::default()
    };
    let by_cookie = test.open("alice", new(Transport::Session)).await;
    let by_header = test.open("alice", new(Transport::Header)).await;
    let ended = test
        .open("alice", new(Transport::Header))
        .await
        .session()
        .id;
    test.manager
        .revoke(ended, RevokeReason::Admin)
        .await
        .unwrap();
    let of_bob = test.open("bob", new(Transport::Session)).await;

    let alice = Subject::new("alice").unwrap();
    let rights = Rights {
        scope: Some(scope("b c")),
        claims: Some(role("author")),
    };
    let mut changed = test.manager.permit_all(&alice, rights).await.unwrap();
    let mut expected = vec![by_cookie.session().id, by_header.session().id];
    changed.sort_unstable();
    expected.sort_unstable();
    assert_eq!(changed, expected);

    let session = test.manager.touch(&cookie(&by_cookie)).await.unwrap();
    assert_eq!(session.session().claims, role("author"));
    assert_eq!(session.session().scope, scope("b c"));
    // The token that is out keeps what it says.
    assert_eq!(token_of(&test, &by_header).await.1, "moderator");
    let token = refresh_token(&by_header);
    // The refresh token is from before: what it names and the session has lost is left out.
    let renewed = test
        .manager
        .refresh(&token, Some(&scope("a b")))
        .await
        .unwrap();
    assert_eq!(
        token_of(&test, &renewed).await,
        ("b".into(), "author".into())
    );
    let renewed = test.manager.refresh(&token, None).await.unwrap();
    assert_eq!(
        token_of(&test, &renewed).await,
        ("b c".into(), "author".into())
    );
    let session = test.manager.touch(&cookie(&of_bob)).await.unwrap();
    assert_eq!(session.session().claims, role("moderator"));
    // What has ended stays so.
    assert!(
        test.manager
            .permit(ended, role("x"))
            .await
            .unwrap()
            .is_none()
    );
    assert!(test.manager.session(ended).await.unwrap().is_none());
}

#[tokio::test]
async fn claims_that_fit_in_no_token_are_refused_before_they_are_written() {
    let test = TestManager::new(Policy::default());
    let authentication = Authentication {
        time: test.manager.now(),
        acr: None,
        amr: vec!["otp".into(); 300],
    };
    let new = NewSession {
        authentication: Some(authentication),
        ..NewSession::default()
    };
    let issued = test.open("alice", new).await;
    let long = role(&"r".repeat(4000));
    let refused = test.manager.permit(issued.session().id, long).await;
    assert!(matches!(refused, Err(PermitError::Issue(_))), "{refused:?}");
    let renewed = test.manager.refresh(&refresh_token(&issued), None).await;
    assert_eq!(renewed.unwrap().session().claims, CustomClaims::default());
}

/// Changes the session while a refresh of it is under way.
struct Meddles(Arc<OnceLock<SessionManager>>);

impl RefreshHook for Meddles {
    fn on_refresh<'a>(
        &'a self,
        session: &'a Session,
    ) -> Pin<Box<dyn Future<Output = HookAnswer> + Send + 'a>> {
        Box::pin(async move {
            let manager = self.0.get().unwrap();
            let changed = manager.permit(
                session.id,
                Rights {
                    scope: Some(scope("")),
                    claims: Some(role("none")),
                },
            );
            assert!(changed.await.unwrap().is_some());
            HookAnswer::Keep
        })
    }
}

#[tokio::test]
async fn a_refresh_that_is_overtaken_by_a_change_answers_with_what_was_changed() {
    let manager = Arc::new(OnceLock::new());
    let test = with_hook(Meddles(Arc::clone(&manager)));
    manager.set(test.manager.clone()).unwrap();
    let first = refresh_token(&test.login("alice", "a b").await);
    let issued = test
        .manager
        .refresh(&first, Some(&scope("a")))
        .await
        .unwrap();
    assert_eq!(
        token_of(&test, &issued).await,
        (String::new(), "none".into())
    );
}
