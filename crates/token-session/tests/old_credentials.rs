//! What an old credential is worth as time goes by: what its reader and the hook say today, and that its end is one
//! write.

use std::collections::HashSet;
use std::future::{Future, ready};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use token_core::session::Rights;
use token_core::{
    Algorithm, CustomClaims, Entropy, KeyRing, Policy, RevokeReason, Session, SigningKey, Subject,
    Transport, UnixTime, VerifyingKey,
};
use token_session::adopt::{AdoptError, OldSession};
use token_session::clock::Clock as _;
use token_session::event::{Event, EventKind};
use token_session::hook::{HookAnswer, RefreshHook};
use token_session::signer::{Signer, SignerError, SignerFuture};
use token_session::test_util::{
    Injected, TestClock, TestManager, Trouble, TroubledStore, test_issuer,
};
use token_session::{Issued, MemoryStore, NewSession};
use tokio::sync::Notify;

const READER: &str = "old";
const DAY: Duration = Duration::from_secs(24 * 3600);

fn until(days: u32) -> UnixTime {
    TestClock::new().now() + DAY * days
}

fn policy() -> Policy {
    let policy = Policy::builder().adopts_until(until(60));
    policy.build().expect("in range")
}

fn old(credential: &str) -> OldSession {
    let session = NewSession {
        transport: Some(Transport::Header),
        ..NewSession::default()
    };
    OldSession::new(Subject::new("alice").expect("a name"), credential, session)
}

type Events = Arc<Mutex<Vec<EventKind>>>;

fn noting(events: &Events) -> impl Fn(Event) + Send + Sync + 'static {
    let events = Arc::clone(events);
    move |event| events.lock().expect("not poisoned").push(event.kind)
}

fn store() -> MemoryStore {
    MemoryStore::new(1000, &[7; 32])
}

/// A signer that has no answer.
struct Away;

impl Signer for Away {
    fn sign<'a>(&'a self, _key: &'a VerifyingKey, _message: &'a [u8]) -> SignerFuture<'a> {
        Box::pin(ready(Err(SignerError::new("it is away"))))
    }
}

#[tokio::test]
async fn ending_it_makes_no_credentials() {
    let events = Events::default();
    let test = TestManager::with_store(store(), policy(), |builder| {
        builder.signer(Away).events(noting(&events))
    });
    let key = SigningKey::generate(Algorithm::EdDSA, Entropy::new([5; 64])).expect("a key");
    let key = SigningKey::elsewhere(key.verifying_key().clone()).expect("a public half");
    let refresh_keys = test_issuer(policy()).refresh_keys;
    let replaced = test.manager.replace_keys(KeyRing::new(key), refresh_keys);
    replaced.expect("there is a signer");
    let away = test.manager.adopt(READER, old("a")).await;
    assert!(matches!(away, Err(AdoptError::Signer(_))), "{away:?}");

    for first in [true, false] {
        let ended = test.manager.end_old(READER, old("a"), RevokeReason::Logout);
        assert_eq!(ended.await.expect("the store answers"), first);
        let again = test.manager.adopt(READER, old("a")).await;
        assert!(matches!(again, Err(AdoptError::Ended { .. })), "{again:?}");
    }
    let events = events.lock().expect("not poisoned");
    assert_eq!(*events, [EventKind::Revoked(RevokeReason::Logout)]);
}

/// The session that was spared has a later epoch than an old one begins with.
#[tokio::test]
async fn a_logout_ends_the_one_that_was_spared_when_all_others_ended() {
    let test = TestManager::new(policy());
    let issued = test.manager.adopt(READER, old("a")).await;
    let session = issued.expect("it is live").session().clone();
    let others =
        test.manager
            .revoke_others(&session.subject, session.id, RevokeReason::LogoutOthers);
    assert!(others.await.expect("the store answers").is_empty());
    assert!(test.manager.adopt(READER, old("a")).await.is_ok());
    let ended = test.manager.end_old(READER, old("a"), RevokeReason::Logout);
    assert!(ended.await.expect("the store answers"));
    let again = test.manager.adopt(READER, old("a")).await;
    assert!(matches!(again, Err(AdoptError::Ended { .. })), "{again:?}");
}

/// Among so many users there are pairs whose ids begin with the same byte.
#[tokio::test]
async fn each_user_of_one_credential_has_a_session_of_their_own() {
    let test = TestManager::new(policy());
    let mut ids = HashSet::new();
    let mut buckets = HashSet::new();
    for user in 0..300 {
        let mut old = old("a");
        old.subject = Subject::new(format!("{user}")).expect("a name");
        let issued = test.manager.adopt(READER, old.clone()).await;
        let issued = issued.expect("it is live");
        assert_eq!(issued.session().subject, old.subject);
        assert!(ids.insert(issued.session().id));
        buckets.insert(issued.session().id.bucket());
    }
    assert!(buckets.len() < ids.len());
}

/// What a reader says of the same old credential, today.
fn saying(scope: &str, role: &str) -> OldSession {
    let mut old = old("a");
    old.session.scope = scope.parse().expect("a scope");
    old.session.claims = role_of(role);
    old
}

fn role_of(role: &str) -> CustomClaims {
    CustomClaims::from_json(&format!(r#"{{"role":"{role}"}}"#)).expect("an object")
}

#[derive(serde::Deserialize)]
struct Role {
    role: String,
}

/// Scope and role of the access token and of the session.
async fn rights(test: &TestManager, issued: &Issued) -> [String; 2] {
    let pair = issued.tokens().expect("the transport");
    let token = test
        .manager
        .authenticate::<Role>(pair.access_token.secret());
    let token = token.await.expect("it was just issued");
    let claims = token.claims();
    let stored = test.manager.session(issued.session().id).await;
    let stored = stored.expect("the store answers").expect("it is live");
    let role: Role = serde_json::from_str(stored.claims.as_str()).expect("a role");
    [
        format!("{}, {}", claims.scope, claims.custom.role),
        format!("{}, {}", stored.scope, role.role),
    ]
}

#[tokio::test]
async fn what_the_reader_says_today_counts() {
    let test = TestManager::new(policy());
    for (scope, role, expected) in [
        ("a b c", "admin", "a b c, admin"),
        ("a c", "user", "a c, user"),
        ("c a", "user", "a c, user"),
        // What is gone stays gone.
        ("a b c", "user", "a c, user"),
        ("a", "user", "a, user"),
    ] {
        let issued = test.manager.adopt(READER, saying(scope, role)).await;
        let issued = issued.expect("it is live");
        assert_eq!(rights(&test, &issued).await, [expected; 2], "{scope}");
    }
    // Also once it was exchanged.
    let issued = test.manager.adopt(READER, saying("a", "user")).await;
    let issued = issued.expect("it is live");
    let pair = issued.tokens().expect("the transport");
    let refreshed = test.manager.refresh(pair.refresh_token.secret(), None);
    let refreshed = refreshed.await.expect("it is current");
    assert_eq!(rights(&test, &refreshed).await, ["a, user"; 2]);
}

/// Answers what it is told.
struct Says(Arc<Mutex<HookAnswer>>);

impl RefreshHook for Says {
    fn on_refresh<'a>(
        &'a self,
        _session: &'a Session,
    ) -> Pin<Box<dyn Future<Output = HookAnswer> + Send + 'a>> {
        Box::pin(ready(self.0.lock().expect("not poisoned").clone()))
    }
}

#[tokio::test]
async fn the_hook_is_asked_about_an_old_token_as_at_a_replay() {
    let answer = Arc::new(Mutex::new(HookAnswer::Keep));
    let hook = Says(Arc::clone(&answer));
    let test = TestManager::with_store(store(), policy(), |builder| builder.on_refresh(hook));
    let adopt = async |says: HookAnswer| {
        *answer.lock().expect("not poisoned") = says;
        test.manager.adopt(READER, saying("a b", "admin")).await
    };
    // The first one is like a login, which does not ask it.
    assert!(adopt(HookAnswer::Refuse).await.is_ok());
    let refused = adopt(HookAnswer::Refuse).await;
    assert!(
        matches!(refused, Err(AdoptError::Refused { .. })),
        "{refused:?}"
    );
    let changed = Rights {
        scope: Some("a".parse().expect("a scope")),
        claims: Some(role_of("user")),
    };
    let changed = adopt(HookAnswer::Change(changed)).await;
    let changed = changed.expect("it is live");
    assert_eq!(rights(&test, &changed).await, ["a, user", "a b, admin"]);
    for says in [HookAnswer::End, HookAnswer::Keep] {
        let ended = adopt(says).await;
        assert!(matches!(ended, Err(AdoptError::Ended { .. })), "{ended:?}");
    }
    // A session cookie is not refreshed.
    *answer.lock().expect("not poisoned") = HookAnswer::Refuse;
    for _ in 0..2 {
        let mut cookie = old("b");
        cookie.session.transport = Some(Transport::Session);
        assert!(test.manager.adopt(READER, cookie).await.is_ok());
    }
}

/// The first insert fails once another one has come.
#[derive(Default)]
struct Overtaken {
    armed: AtomicBool,
    waits: Notify,
    goes_on: Notify,
}

impl Trouble for Overtaken {
    async fn before(&self, call: &'static str) -> Result<(), Injected> {
        if call == "create" && self.armed.swap(false, Ordering::SeqCst) {
            self.waits.notify_one();
            self.goes_on.notified().await;
            return Err(Injected);
        }
        Ok(())
    }
}

#[tokio::test]
async fn its_adoption_is_one_event_also_if_an_insert_is_repeated() {
    let events = Events::default();
    let trouble = Arc::new(Overtaken::default());
    let store = TroubledStore::new(store(), Arc::clone(&trouble));
    let test = TestManager::with_store(store, policy(), |builder| builder.events(noting(&events)));
    trouble.armed.store(true, Ordering::SeqCst);
    let manager = test.manager.clone();
    let first = tokio::spawn(async move { manager.adopt(READER, old("a")).await });
    trouble.waits.notified().await;
    let second = test.manager.adopt(READER, old("a")).await;
    trouble.goes_on.notify_one();
    let secret = |issued: &Issued| {
        let pair = issued.tokens().expect("the transport");
        pair.refresh_token.secret().to_owned()
    };
    let first = first.await.expect("no panic").expect("it is live");
    assert_eq!(secret(&first), secret(&second.expect("it is live")));
    let events = events.lock().expect("not poisoned");
    assert_eq!(*events, [EventKind::Adopted { reader: READER }]);
}

/// Why the end of the period may be moved to an earlier instant, and not to a later one.
#[tokio::test]
async fn a_longer_period_brings_back_what_was_ended_and_a_shorter_one_does_not() {
    for (before, after, comes_back) in [(30, 90, true), (90, 45, false)] {
        let store = Arc::new(store());
        let with = |days| {
            let policy = Policy::builder().adopts_until(until(days));
            let policy = policy.build().expect("in range");
            TestManager::with_store(Arc::clone(&store), policy, |builder| builder)
        };
        let ended = with(before)
            .manager
            .end_old(READER, old("a"), RevokeReason::Logout)
            .await;
        assert!(ended.expect("the store answers"));
        let test = with(after);
        test.clock.advance(DAY * 40);
        let purged = test.manager.delete_expired(100).await;
        assert_eq!(purged.expect("the store answers"), u64::from(comes_back));
        let again = test.manager.adopt(READER, old("a")).await;
        assert_eq!(again.is_ok(), comes_back, "{again:?}");
    }
}
