//! The driver through its public interface, on a memory store and a clock moved by hand.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test"
)]

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use token_core::session::Denial;
use token_core::{
    Authentication, CustomClaims, NoClaims, Policy, RevokeReason, Scope, Session, Subject,
    Transport,
};
use token_session::event::Event;
use token_session::event::EventKind::{
    self, Login, Refreshed, Replayed, Reused, Revoked, SteppedUp,
};
use token_session::hook::{HookAnswer, RefreshHook};
use token_session::store::DataWritten;
use token_session::store::SessionData;
use token_session::test_util::{TestManager, test_issuer};
use token_session::{
    AccessError, Issued, LoginError, MemoryStore, NewSession, Presented, RefreshError,
    RevocationCheck, SessionCredential, SessionManager, SessionManagerBuilder, WhenBehind,
    WriteDataError,
};

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn refresh_token(issued: &Issued) -> String {
    issued.tokens().unwrap().refresh_token.secret().to_owned()
}

fn access_token(issued: &Issued) -> String {
    issued.tokens().unwrap().access_token.secret().to_owned()
}

fn cookie(issued: &Issued) -> String {
    match issued.credentials() {
        token_core::session::Credentials::Session(token) => token.to_secret_text().to_string(),
        token_core::session::Credentials::Tokens(_) => panic!("the transport is `session`"),
    }
}

fn reason(result: Result<Issued, RefreshError>) -> &'static str {
    match result {
        Err(RefreshError::Denied(denial)) => denial.reason().as_str(),
        other => panic!("not denied: {other:?}"),
    }
}

/// A manager that keeps its events.
fn watched(
    set: impl FnOnce(SessionManagerBuilder) -> SessionManagerBuilder,
) -> (TestManager, Arc<Mutex<Vec<EventKind>>>) {
    let events = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&events);
    let store = MemoryStore::new(1000, &[7; 32]);
    let test = TestManager::with_store(store, Policy::default(), |builder| {
        set(builder).events(move |event: Event| sink.lock().unwrap().push(event.kind))
    });
    (test, events)
}

async fn login_with(test: &TestManager, subject: &str, new: NewSession) -> Issued {
    let ticket = test
        .manager
        .begin_login(Subject::new(subject).unwrap())
        .await
        .unwrap();
    test.manager.login(ticket, new).await.unwrap()
}

#[tokio::test]
async fn each_event_is_reported_once() {
    let (test, events) = watched(|builder| builder);
    let first = refresh_token(&test.login("alice", "").await);
    let second = refresh_token(&test.manager.refresh(&first, None).await.unwrap());
    let _ = test.manager.refresh(&first, None).await.unwrap();
    test.clock.advance(secs(36));
    assert_eq!(reason(test.manager.refresh(&first, None).await), "reused");
    assert_eq!(reason(test.manager.refresh(&second, None).await), "revoked");
    let third = test.login("alice", "").await;
    test.manager
        .logout(Presented::Access(&access_token(&third)))
        .await
        .unwrap();
    test.manager
        .logout(Presented::Access(&access_token(&third)))
        .await
        .unwrap();
    let expected = [
        Login,
        Refreshed,
        Replayed,
        Reused,
        Login,
        Revoked(RevokeReason::Logout),
    ]
    .to_vec();
    assert_eq!(*events.lock().unwrap(), expected);
}

#[tokio::test]
async fn access_tokens_carry_the_applications_claims() {
    #[derive(Debug, Deserialize)]
    struct Profile {
        name: String,
    }
    let test = TestManager::new(Policy::default());
    let claims = CustomClaims::from_json(r#"{"name":"Alice"}"#).unwrap();
    let issued = login_with(
        &test,
        "alice",
        NewSession {
            claims,
            ..Default::default()
        },
    )
    .await;
    let access = test
        .manager
        .authenticate::<Profile>(&access_token(&issued))
        .await
        .unwrap();
    assert_eq!(access.claims().custom.name, "Alice");
    assert_eq!(access.claims().subject.as_str(), "alice");
    assert_eq!(access.claims().session_id, issued.session().id);
}

#[tokio::test]
async fn a_narrower_scope_narrows_the_access_token_alone() {
    let test = TestManager::new(Policy::default());
    let first = refresh_token(&test.login("alice", "a b").await);
    let narrow: Scope = "a".parse().unwrap();
    let issued = test.manager.refresh(&first, Some(&narrow)).await.unwrap();
    let access = test
        .manager
        .authenticate::<NoClaims>(&access_token(&issued))
        .await
        .unwrap();
    assert_eq!(access.claims().scope, narrow);
    assert_eq!(issued.session().scope.as_str(), "a b");
    // A wider one is refused before anything is written.
    let wide: Scope = "a c".parse().unwrap();
    let before = issued.session().generation;
    let token = refresh_token(&issued);
    test.clock.advance(secs(40));
    let refused = test.manager.refresh(&token, Some(&wide)).await;
    assert!(matches!(refused, Err(RefreshError::Scope)));
    let session = test
        .manager
        .session(issued.session().id)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(session.generation, before);
}

#[tokio::test]
async fn a_login_in_flight_does_not_survive_logout_everywhere() {
    let test = TestManager::new(Policy::default());
    let alice = Subject::new("alice").unwrap();
    let ticket = test.manager.begin_login(alice.clone()).await.unwrap();
    test.manager
        .revoke_all(&alice, RevokeReason::LogoutAll)
        .await
        .unwrap();
    let opened = test.manager.login(ticket, NewSession::default()).await;
    assert!(matches!(opened, Err(LoginError::EpochPassed)));
}

#[tokio::test]
async fn a_logout_works_with_every_genuine_credential_and_no_other() {
    let test = TestManager::new(Policy::default());
    let issued = test.login("alice", "").await;
    let other = TestManager::with_store(
        MemoryStore::new(10, &[1; 32]),
        Policy::builder().access_lifetime(secs(60)).build().unwrap(),
        |builder| builder,
    );
    for garbage in ["", "a.b.c", &"x".repeat(9000)] {
        for presented in [
            Presented::Access(garbage),
            Presented::Refresh(garbage),
            Presented::Session(garbage),
        ] {
            assert!(!test.manager.logout(presented).await.unwrap());
        }
    }
    // The same keys, but another store: genuine, and nothing to end.
    assert!(
        !other
            .manager
            .logout(Presented::Refresh(&refresh_token(&issued)))
            .await
            .unwrap()
    );
    // An access token that has expired still names its session.
    test.clock.advance(secs(1000));
    assert!(
        test.manager
            .logout(Presented::Access(&access_token(&issued)))
            .await
            .unwrap()
    );

    let new = NewSession {
        transport: Some(Transport::Session),
        ..Default::default()
    };
    let issued = login_with(&test, "alice", new).await;
    let mut forged = cookie(&issued);
    forged.replace_range(40..44, "AAAA");
    assert!(
        !test
            .manager
            .logout(Presented::Session(&forged))
            .await
            .unwrap()
    );
    assert!(
        test.manager
            .logout(Presented::Session(&cookie(&issued)))
            .await
            .unwrap()
    );
}

#[tokio::test]
async fn a_subject_ends_its_own_sessions_and_no_others() {
    let test = TestManager::new(Policy::default());
    let (alice, bob) = (Subject::new("alice").unwrap(), Subject::new("bob").unwrap());
    let session = test.login("alice", "").await.session().id;
    let logout = RevokeReason::Logout;
    assert!(
        !test
            .manager
            .revoke_own(&bob, session, logout)
            .await
            .unwrap()
    );
    assert_eq!(test.manager.sessions(&alice).await.unwrap().len(), 1);
    assert!(
        test.manager
            .revoke_own(&alice, session, logout)
            .await
            .unwrap()
    );
    assert!(
        !test
            .manager
            .revoke_own(&alice, session, logout)
            .await
            .unwrap()
    );
    let session = test.login("alice", "").await.session().id;
    assert!(
        test.manager
            .revoke(session, RevokeReason::Admin)
            .await
            .unwrap()
    );
    assert!(test.manager.sessions(&alice).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_change_of_password_ends_the_others_and_renews_this_one() {
    let (test, events) = watched(|builder| builder);
    let here = test.login("alice", "").await;
    let there = test.login("alice", "").await;
    test.clock.advance(secs(10));
    let old = refresh_token(&here);
    let now = test.manager.now();
    let credential = SessionCredential::Refresh(test.manager.verify_refresh_token(&old).unwrap());
    let session = test.manager.begin_step_up(&credential).await.unwrap();
    assert_eq!(session.subject.as_str(), "alice");
    let renewed = test
        .manager
        .password_changed(Arc::new(credential), Authentication::password(now))
        .await
        .unwrap();
    assert_eq!(renewed.session().id, here.session().id);
    assert_eq!(renewed.session().authentication.time, now);
    assert_eq!(
        reason(test.manager.refresh(&refresh_token(&there), None).await),
        "revoked"
    );
    // The older token of this session is refused, and the session lives on.
    assert_eq!(reason(test.manager.refresh(&old, None).await), "revoked");
    test.clock.advance(secs(46));
    let _ = test
        .manager
        .refresh(&refresh_token(&renewed), None)
        .await
        .unwrap();
    let expected = [
        Login,
        Login,
        Revoked(RevokeReason::PasswordChanged),
        SteppedUp,
        Refreshed,
    ]
    .to_vec();
    assert_eq!(*events.lock().unwrap(), expected);
}

/// After a step-up a refresh gets the same token for longer than this idle lifetime.
#[tokio::test]
async fn a_session_in_use_does_not_end_as_idle_between_two_rotations() {
    let policy = Policy::builder().idle_lifetime(secs(120)).build().unwrap();
    let test = TestManager::new(policy);
    let new = NewSession {
        transport: Some(Transport::Cookie),
        ..Default::default()
    };
    let issued = login_with(&test, "alice", new).await;
    let old = refresh_token(&issued);
    let credential = SessionCredential::Refresh(test.manager.verify_refresh_token(&old).unwrap());
    let authentication = Authentication::password(test.manager.now());
    let renewed = test.manager.step_up(&credential, authentication).await;
    let token = refresh_token(&renewed.unwrap());
    for _ in 0..4 {
        test.clock.advance(secs(80));
        let again = test.manager.refresh(&token, None).await.unwrap();
        assert_eq!(refresh_token(&again), token);
        assert_eq!(
            again.session().idle_expires_at,
            test.manager.now() + secs(120)
        );
    }
    test.clock.advance(secs(80));
    let rotated = test.manager.refresh(&token, None).await.unwrap();
    assert_ne!(refresh_token(&rotated), token);
}

#[tokio::test]
async fn a_session_cookie_slides_and_ends() {
    let test = TestManager::new(Policy::default());
    let new = NewSession {
        transport: Some(Transport::Session),
        ..Default::default()
    };
    let issued = login_with(&test, "alice", new).await;
    let cookie = cookie(&issued);
    assert!(!test.manager.touch(&cookie).await.unwrap().slid());
    test.clock.advance(secs(60));
    let visit = test.manager.touch(&cookie).await.unwrap();
    assert!(visit.slid());
    assert!(visit.session().idle_expires_at > issued.session().idle_expires_at);

    let id = issued.session().id;
    let json = || Some(r#"{"cart":3}"#.into());
    let written = test
        .manager
        .write_session_data(id, 0, json())
        .await
        .unwrap();
    assert_eq!(written, DataWritten::Applied);
    let lost = test
        .manager
        .write_session_data(id, 0, json())
        .await
        .unwrap();
    assert!(matches!(lost, DataWritten::Moved(data) if data.version == 1));

    test.manager
        .logout(Presented::Session(&cookie))
        .await
        .unwrap();
    let refused = test.manager.touch(&cookie).await;
    assert!(
        matches!(refused, Err(RefreshError::Denied(_))),
        "{refused:?}"
    );
    let written = test
        .manager
        .write_session_data(id, 1, json())
        .await
        .unwrap();
    assert_eq!(written, DataWritten::NotLive);
}

/// Says what it is told to.
struct Says(Arc<Mutex<HookAnswer>>);

impl RefreshHook for Says {
    fn on_refresh<'a>(
        &'a self,
        _: &'a Session,
    ) -> Pin<Box<dyn Future<Output = HookAnswer> + Send + 'a>> {
        let answer = self.0.lock().unwrap().clone();
        Box::pin(async move { answer })
    }
}

#[tokio::test]
async fn the_hook_may_change_refuse_or_end() {
    let says = Arc::new(Mutex::new(HookAnswer::Keep));
    let hook = Says(Arc::clone(&says));
    let (test, _) = watched(|builder| builder.on_refresh(hook));
    let first = refresh_token(&test.login("alice", "").await);

    *says.lock().unwrap() = HookAnswer::Refuse;
    assert!(matches!(
        test.manager.refresh(&first, None).await,
        Err(RefreshError::Refused)
    ));

    let claims = CustomClaims::from_json(r#"{"role":"admin"}"#).unwrap();
    *says.lock().unwrap() = HookAnswer::Change(claims.clone().into());
    let issued = test.manager.refresh(&first, None).await.unwrap();
    assert_eq!(issued.session().claims, claims);

    // Replays ask as well.
    *says.lock().unwrap() = HookAnswer::Refuse;
    assert!(matches!(
        test.manager.refresh(&first, None).await,
        Err(RefreshError::Refused)
    ));

    *says.lock().unwrap() = HookAnswer::End;
    let token = refresh_token(&issued);
    assert_eq!(reason(test.manager.refresh(&token, None).await), "revoked");
    *says.lock().unwrap() = HookAnswer::Keep;
    assert_eq!(reason(test.manager.refresh(&token, None).await), "revoked");
}

/// A role that was taken away must not come back with a replay.
#[tokio::test]
async fn what_the_hook_changes_stands_in_the_access_token_of_a_replay_too() {
    #[derive(Debug, Deserialize)]
    struct Profile {
        role: String,
    }
    let says = Arc::new(Mutex::new(HookAnswer::Keep));
    let hook = Says(Arc::clone(&says));
    let (test, events) = watched(|builder| builder.on_refresh(hook));
    let role = |name: &str| {
        let claims = CustomClaims::from_json(&format!(r#"{{"role":"{name}"}}"#)).unwrap();
        *says.lock().unwrap() = HookAnswer::Change(claims.into());
    };
    let first = refresh_token(&test.login("alice", "").await);
    role("admin");
    let second = refresh_token(&test.manager.refresh(&first, None).await.unwrap());
    role("guest");
    // The one before, and the current one within the window.
    for token in [&first, &second] {
        let replayed = test.manager.refresh(token, None).await.unwrap();
        assert_eq!(refresh_token(&replayed), second);
        let access = test
            .manager
            .authenticate::<Profile>(&access_token(&replayed))
            .await
            .unwrap();
        assert_eq!(access.claims().custom.role, "guest");
    }
    assert_eq!(
        *events.lock().unwrap(),
        [Login, Refreshed, Replayed, Replayed]
    );
}

mod revocation {
    use super::*;

    async fn logged_out(check: RevocationCheck) -> (TestManager, String) {
        let store = MemoryStore::new(1000, &[7; 32]);
        let test = TestManager::with_store(store, Policy::default(), |builder| {
            builder.revocation_check(check)
        });
        let issued = test.login("alice", "").await;
        let token = access_token(&issued);
        assert!(test.manager.authenticate::<NoClaims>(&token).await.is_ok());
        test.manager
            .logout(Presented::Refresh(&refresh_token(&issued)))
            .await
            .unwrap();
        (test, token)
    }

    #[tokio::test]
    async fn an_ended_session_is_refused_at_once_by_view_and_by_store() {
        for check in [
            RevocationCheck::Store,
            RevocationCheck::Feed(WhenBehind::Accept),
        ] {
            let (test, token) = logged_out(check).await;
            let refused = test.manager.authenticate::<NoClaims>(&token).await;
            assert!(
                matches!(refused, Err(AccessError::Revoked { .. })),
                "{check:?}"
            );
        }
    }

    #[tokio::test]
    async fn unchecked_tokens_live_to_their_end() {
        let (test, token) = logged_out(RevocationCheck::None).await;
        assert!(test.manager.authenticate::<NoClaims>(&token).await.is_ok());
        test.clock.advance(secs(300));
        let refused = test.manager.authenticate::<NoClaims>(&token).await;
        assert!(matches!(refused, Err(AccessError::Invalid(_))));
    }

    #[tokio::test]
    async fn while_the_view_is_behind_the_policy_decides() {
        for when in [WhenBehind::Accept, WhenBehind::AskStore, WhenBehind::Refuse] {
            let store = Arc::new(MemoryStore::new(1000, &[7; 32]));
            let manager = |check| {
                SessionManager::builder(Arc::clone(&store), test_issuer(Policy::default()))
                    .revocation_check(check)
                    .build()
                    .unwrap()
            };
            // Two nodes on one store; the second follows nothing yet.
            let here = manager(RevocationCheck::Store);
            let there = manager(RevocationCheck::Feed(when));
            let ticket = here
                .begin_login(Subject::new("alice").unwrap())
                .await
                .unwrap();
            let issued = here.login(ticket, NewSession::default()).await.unwrap();
            let token = access_token(&issued);
            here.logout(Presented::Refresh(&refresh_token(&issued)))
                .await
                .unwrap();

            assert!(!there.revocations_are_live());
            let answer = there.authenticate::<NoClaims>(&token).await;
            match when {
                WhenBehind::Accept => assert!(answer.is_ok()),
                WhenBehind::AskStore => assert!(matches!(answer, Err(AccessError::Revoked { .. }))),
                WhenBehind::Refuse => assert!(matches!(answer, Err(AccessError::Behind))),
            }
            there.catch_up().await.unwrap();
            assert!(there.revocations_are_live());
            let answer = there.authenticate::<NoClaims>(&token).await;
            assert!(matches!(answer, Err(AccessError::Revoked { .. })));
        }
    }

    #[tokio::test]
    async fn a_node_that_follows_hears_of_endings_elsewhere() {
        let store = Arc::new(MemoryStore::new(1000, &[7; 32]));
        let manager = || {
            SessionManager::builder(Arc::clone(&store), test_issuer(Policy::default()))
                .revocation_check(RevocationCheck::Feed(WhenBehind::Refuse))
                .build()
                .unwrap()
        };
        let (here, there) = (manager(), manager());
        here.catch_up().await.unwrap();
        there.catch_up().await.unwrap();
        let follower = tokio::spawn(there.clone().follow_revocations());
        tokio::task::yield_now().await;
        let ticket = here
            .begin_login(Subject::new("alice").unwrap())
            .await
            .unwrap();
        let issued = here.login(ticket, NewSession::default()).await.unwrap();
        let token = access_token(&issued);
        assert!(there.authenticate::<NoClaims>(&token).await.is_ok());
        here.logout(Presented::Refresh(&refresh_token(&issued)))
            .await
            .unwrap();
        let refused = async {
            while there.authenticate::<NoClaims>(&token).await.is_ok() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(secs(60), refused).await.unwrap();
        follower.abort();
    }
}

/// Ids are in lists and logs. Anyone who knows one can write a cookie for it, and must not be able to
/// raise the event that means a stolen key.
#[tokio::test]
async fn a_cookie_of_a_known_id_and_any_secret_is_malformed_and_no_alarm() {
    let (test, events) = watched(|builder| builder);
    let new = NewSession {
        transport: Some(Transport::Session),
        ..Default::default()
    };
    let issued = login_with(&test, "alice", new).await;
    let genuine = cookie(&issued);
    let forged = format!("{}{}", issued.session().id, "A".repeat(43));
    let refused = test.manager.touch(&forged).await;
    assert!(matches!(
        refused,
        Err(RefreshError::Denied(Denial::Malformed))
    ));
    let credential = SessionManager::read_session_cookie(&forged).unwrap();
    let credential = SessionCredential::Session(credential);
    let refused = test.manager.begin_step_up(&credential).await;
    assert!(matches!(
        refused,
        Err(RefreshError::Denied(Denial::Malformed))
    ));
    assert!(
        !test
            .manager
            .logout(Presented::Session(&forged))
            .await
            .unwrap()
    );
    assert_eq!(*events.lock().unwrap(), [Login]);
    assert!(test.manager.touch(&genuine).await.is_ok());
}

#[tokio::test]
async fn private_data_is_bounded_where_it_is_written() {
    let test = TestManager::new(Policy::default());
    let id = test.login("alice", "").await.session().id;
    let json = |length| Some("7".repeat(length).into());
    let most = SessionData::MAX_LENGTH;
    let written = test.manager.write_session_data(id, 0, json(most)).await;
    assert_eq!(written.unwrap(), DataWritten::Applied);
    let refused = test.manager.write_session_data(id, 1, json(most + 1)).await;
    assert!(matches!(
        refused,
        Err(WriteDataError::TooLong { length }) if length == most + 1
    ));
    let data = test.manager.session_data(id).await.unwrap().unwrap();
    assert_eq!((data.version, data.json), (1, json(most)));
}

/// Tombstones too, whose session would have lived on.
#[tokio::test]
async fn a_full_memory_store_forgets_what_may_be_purged() {
    let store = MemoryStore::new(1, &[7; 32]);
    let test = TestManager::with_store(store, Policy::default(), |builder| builder);
    let alice = Subject::new("alice").unwrap();
    for _ in 0..3 {
        let issued = login_with(&test, "alice", NewSession::default()).await;
        let ended = test
            .manager
            .revoke_all(&alice, RevokeReason::LogoutAll)
            .await
            .unwrap();
        assert_eq!(ended, [issued.session().id]);
        let early = test.manager.begin_login(alice.clone()).await.unwrap();
        let early = test.manager.login(early, NewSession::default()).await;
        assert!(
            matches!(early, Err(LoginError::Store(_))),
            "a day has to pass"
        );
        test.clock.advance(secs(2 * 86_400));
    }
}

/// Out of range it is cut: no round without a pause, and no panic.
#[tokio::test(start_paused = true)]
async fn expired_sessions_are_deleted_at_any_interval() {
    for every in [Duration::ZERO, Duration::MAX] {
        let test = TestManager::new(Policy::default());
        let hour = tokio::time::sleep(secs(3600));
        test.manager.delete_expired_continuously(every, hour).await;
    }
}

#[tokio::test]
async fn what_a_client_presented_is_not_shown() {
    let presented = [
        Presented::Access("hush"),
        Presented::Refresh("hush"),
        Presented::Session("hush"),
    ];
    let shown = format!("{presented:?}");
    assert!(!shown.contains("hush"), "{shown}");

    let test = TestManager::new(Policy::default());
    let token = refresh_token(&test.login("alice", "").await);
    // The secret is the `jti` of the token.
    let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap());
    let payload = String::from_utf8(payload.unwrap()).unwrap();
    let (_, jti) = payload.split_once(r#""jti":""#).unwrap();
    let secret = &jti[..43];
    let bytes = format!("{:?}", URL_SAFE_NO_PAD.decode(secret).unwrap());
    let token = test.manager.verify_refresh_token(&token).unwrap();
    let cookie = format!("{}{secret}", token.session_id);
    let credentials = [
        SessionCredential::Refresh(token),
        SessionCredential::Session(SessionManager::read_session_cookie(&cookie).unwrap()),
    ];
    for credential in credentials {
        let shown = format!("{credential:?}");
        assert!(shown.contains("[redacted]"), "{shown}");
        assert!(
            !shown.contains(secret) && !shown.contains(&bytes),
            "{shown}"
        );
    }
}

/// A service that follows the store of an issuer whose tokens live longer than it was told.
#[tokio::test(start_paused = true)]
async fn a_token_that_outlives_the_view_is_asked_about() {
    let store = Arc::new(MemoryStore::new(1000, &[7; 32]));
    let hour = Policy::builder()
        .access_lifetime(secs(3600))
        .build()
        .unwrap();
    let issuer = TestManager::with_store(Arc::clone(&store), hour, |builder| builder);
    let service = SessionManager::builder(store, test_issuer(Policy::default()))
        .clock(issuer.clock.clone())
        .revocation_check(RevocationCheck::Feed(WhenBehind::Refuse));
    let service = service.build().unwrap();
    service.catch_up().await.unwrap();
    let (over, live) = (
        issuer.access_token("alice", "").await,
        issuer.access_token("bob", "").await,
    );
    let over = issuer
        .manager
        .authenticate::<NoClaims>(&over)
        .await
        .unwrap();
    let live = issuer
        .manager
        .authenticate::<NoClaims>(&live)
        .await
        .unwrap();
    issuer
        .manager
        .revoke_all(&over.claims().subject, RevokeReason::LogoutAll)
        .await
        .unwrap();
    for minutes in [1, 4, 15, 30] {
        issuer.clock.advance(secs(60 * minutes));
        service.catch_up().await.unwrap();
        assert!(service.revocations_are_live());
        let refused = service.refuse_ended(over.claims()).await;
        assert!(
            matches!(refused, Err(AccessError::Revoked { .. })),
            "{minutes}"
        );
        service.refuse_ended(live.claims()).await.unwrap();
    }
}
