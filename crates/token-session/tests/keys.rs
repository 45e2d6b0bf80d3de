//! Keys that change while the manager serves, and keys that sign elsewhere.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test"
)]

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use aws_lc_rs::signature::Ed25519KeyPair;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use token_core::binding::BindingGeneration;
use token_core::keys::{JwkSet, Recipients};
use token_core::session::IssueError;
use token_core::{
    Algorithm, Audience, Authentication, ClientId, Entropy, KeyId, KeyRing, NoClaims, Policy,
    RefreshKey, RefreshKeyRing, Scope, SessionId, SigningKey, Subject, TokenIssuer, UnixTime,
    VerifyError, VerifyingKey,
};
use token_session::binding::{BindingMode, BindingPolicy};
use token_session::event::{Event, EventKind};
use token_session::schedule::{Planned, RotationPolicy, Schedule};
use token_session::signer::{Signer, SignerError, SignerFuture};
use token_session::test_util::{Injected, TestManager, Trouble, TroubledStore, test_issuer};
use token_session::{
    AccessError, Issued, LoginError, ManagerError, MemoryStore, NewSession, RefreshError,
    SessionCredential, SessionManager,
};

fn key(byte: u8) -> SigningKey {
    SigningKey::generate(Algorithm::EdDSA, Entropy::new([byte; 64])).unwrap()
}

fn refresh(name: &str) -> RefreshKey {
    RefreshKey::new(KeyId::new(name).unwrap(), &[9; 32]).unwrap()
}

/// The keys of `TestManager`.
fn first() -> (KeyRing, RefreshKeyRing) {
    let issuer = test_issuer(Policy::default());
    (issuer.access_keys, issuer.refresh_keys)
}

fn published(manager: &SessionManager) -> Vec<KeyId> {
    let set = JwkSet::parse(&manager.jwks(), Algorithm::ALL).unwrap();
    set.keys.iter().map(|key| key.id().clone()).collect()
}

/// A thief who has the key can make bound cookies and nonces; it is replaced early, as after a leak.
#[tokio::test]
async fn a_refresh_key_that_leaked_vouches_for_no_browser_a_day_after_it_signed() {
    let day = Duration::from_secs(86_400);
    let policy = Policy::default();
    let test = TestManager::with_store(MemoryStore::new(100, &[7; 32]), policy, |builder| {
        builder.binding(BindingPolicy::new(BindingMode::Require))
    });
    let now = || test.manager.now();
    let refresh =
        |name: &str, byte| RefreshKey::new(KeyId::new(name).unwrap(), &[byte; 32]).unwrap();
    let (leaked, next) = (refresh("test", 6), refresh("next", 8));
    let rotation = RotationPolicy::refresh(&Policy::default(), day * 30, Duration::from_secs(3));
    let rotation = rotation.unwrap();
    let long_ago = UnixTime::from_secs(1_600_000_000).unwrap();
    let planned = |key, signs_from| Planned {
        key,
        published_at: long_ago,
        signs_from,
    };
    let keys = vec![
        planned(leaked.clone(), long_ago),
        planned(next, now() + day * 30),
    ];
    let schedule = Schedule::from_keys(keys).unwrap();
    let schedule = schedule.promote(&rotation, now()).unwrap();
    let apply = || {
        let ring = schedule.ring(&rotation, now()).unwrap();
        test.manager.replace_keys(first().0, ring).unwrap();
    };
    let before = test.login("alice", "").await;
    let token = before.tokens().unwrap().refresh_token.secret().to_owned();
    let id = before.session().id;
    apply();

    let thief = RefreshKeyRing::new(leaked).binding_keys();
    let works = || {
        let any = BindingGeneration::ANY;
        let value = thief.value(id, any, Duration::from_secs(600), now());
        let shown = test.manager.shown_cookie(id, [value.secret()].into_iter());
        let nonce = thief.nonce_keys().current(now()).unwrap();
        let nonce = test.manager.nonce_keys().accept(nonce.as_str(), now());
        (shown.until().is_some(), nonce)
    };
    assert_eq!(works(), (true, true), "browsers still have values of it");
    test.clock.advance(day);
    apply();
    assert_eq!(works(), (false, false));
    // What it has signed is good for as long as before.
    assert!(test.manager.refresh(&token, None).await.is_ok());
}

#[tokio::test]
async fn keys_change_under_the_feet_of_every_clone() {
    let test = TestManager::new(Policy::default());
    let clone = test.manager.clone();
    let login = test.login("alice", "").await;
    let old = login.tokens().unwrap();
    let (access, keys) = first();
    let before = access.current().id().clone();

    // Published, then promoted.
    let access = access.with_next(key(2)).unwrap();
    let keys = keys.with_other(refresh("second")).unwrap();
    test.manager.replace_keys(access.clone(), keys).unwrap();
    assert_eq!(published(&clone), [before.clone(), key(2).id().clone()]);
    let retiring = access.current().verifying_key().clone();
    let access = KeyRing::new(key(2)).with_previous(retiring).unwrap();
    let original = RefreshKey::new(KeyId::new("test").unwrap(), &[6; 32]).unwrap();
    let keys = RefreshKeyRing::new(refresh("second"))
        .with_other(original)
        .unwrap();
    test.manager
        .replace_keys(access.clone(), keys.clone())
        .unwrap();

    // What the old keys signed is still good, and what comes now is from the new ones.
    let token = old.access_token.secret();
    assert!(clone.authenticate::<NoClaims>(token).await.is_ok());
    let next = clone
        .refresh(old.refresh_token.secret(), None)
        .await
        .unwrap();
    assert_eq!(next.session().rotation_kid, *refresh("second").kid());
    let new = next.tokens().unwrap().access_token.secret();
    assert!(clone.authenticate::<NoClaims>(new).await.is_ok());
    // A lost answer, within the grace, and across the change.
    let again = clone
        .refresh(old.refresh_token.secret(), None)
        .await
        .unwrap();
    let (next, again) = (next.tokens().unwrap(), again.tokens().unwrap());
    assert_eq!(next.refresh_token.secret(), again.refresh_token.secret());

    // An emergency: the old access key goes at once.
    let access = KeyRing::new(key(2));
    test.manager.replace_keys(access, keys).unwrap();
    let error = clone.authenticate::<NoClaims>(token).await.unwrap_err();
    assert!(matches!(
        error,
        AccessError::Invalid(VerifyError::UnknownKey)
    ));
    assert!(clone.authenticate::<NoClaims>(new).await.is_ok());
    assert_eq!(published(&clone), [key(2).id().clone()]);
}

/// A KMS: it has the private half, and can be slow, broken, or have another key.
#[derive(Clone, Debug)]
struct Kms {
    seed: u8,
    mode: Arc<AtomicU32>,
}

const WORKS: u32 = 0;
const BROKEN: u32 = 1;
const HANGS: u32 = 2;
const OTHER_KEY: u32 = 3;

impl Signer for Kms {
    fn sign<'a>(&'a self, _key: &'a VerifyingKey, message: &'a [u8]) -> SignerFuture<'a> {
        Box::pin(async move {
            tokio::task::yield_now().await;
            let seed = match self.mode.load(Ordering::SeqCst) {
                BROKEN => return Err(SignerError::new("access denied")),
                HANGS => std::future::pending().await,
                OTHER_KEY => self.seed + 1,
                _ => self.seed,
            };
            let pair = Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap();
            Ok(pair.sign(message).as_ref().to_vec())
        })
    }
}

fn elsewhere(byte: u8) -> KeyRing {
    KeyRing::new(SigningKey::elsewhere(key(byte).verifying_key().clone()).unwrap())
}

#[tokio::test(start_paused = true)]
async fn a_key_in_a_kms_signs_there() {
    let mode = Arc::new(AtomicU32::new(WORKS));
    let kms = Kms {
        seed: 5,
        mode: mode.clone(),
    };
    let store = MemoryStore::new(1000, &[7; 32]);
    let events = Arc::<Mutex<Vec<EventKind>>>::default();
    let sink = Arc::clone(&events);
    let test = TestManager::with_store(store, Policy::default(), |b| {
        b.signer(kms)
            .events(move |event: Event| sink.lock().unwrap().push(event.kind))
    });
    test.manager.replace_keys(elsewhere(5), first().1).unwrap();

    let token = test.access_token("alice", "notes:read").await;
    assert!(test.manager.authenticate::<NoClaims>(&token).await.is_ok());

    let login = async || {
        let alice = Subject::new("alice").unwrap();
        let ticket = test.manager.begin_login(alice).await.unwrap();
        test.manager.login(ticket, NewSession::default()).await
    };
    mode.store(BROKEN, Ordering::SeqCst);
    let error = login().await.unwrap_err();
    assert!(matches!(error, LoginError::Signer(_)), "{error}");
    let source = std::error::Error::source(&error).map(ToString::to_string);
    assert_eq!(source.as_deref(), Some("access denied"));
    mode.store(HANGS, Ordering::SeqCst);
    let patience = tokio::time::Instant::now();
    assert!(matches!(login().await, Err(LoginError::Signer(_))));
    assert_eq!(patience.elapsed(), Duration::from_secs(5));
    // A signature that nobody would accept is not handed out.
    mode.store(OTHER_KEY, Ordering::SeqCst);
    let error = login().await.unwrap_err();
    assert!(
        matches!(error, LoginError::Issue(IssueError::Signature { .. })),
        "{error}"
    );
    // No session was opened of which nobody has the credentials.
    let alice = Subject::new("alice").unwrap();
    assert_eq!(test.manager.sessions(&alice).await.unwrap().len(), 1);
    assert_eq!(*events.lock().unwrap(), [EventKind::Login]);
    // A server session needs no signature.
    let alice = Subject::new("alice").unwrap();
    let ticket = test.manager.begin_login(alice).await.unwrap();
    let session = NewSession {
        transport: Some(token_core::Transport::Session),
        ..NewSession::default()
    };
    assert!(test.manager.login(ticket, session).await.is_ok());
}

/// The algorithm in the header of an access token.
fn algorithm(issued: &Issued) -> String {
    let token = issued.tokens().unwrap().access_token.secret();
    let header = token.split('.').next().unwrap();
    let header = URL_SAFE_NO_PAD.decode(header).unwrap();
    let header: serde_json::Value = serde_json::from_slice(&header).unwrap();
    header["alg"].as_str().unwrap().to_owned()
}

fn of_client(client: &ClientId) -> Recipients {
    Recipients {
        clients: vec![client.clone()],
        audiences: Vec::new(),
    }
}

/// One of the services reads another algorithm, and its clients are known by name.
#[tokio::test]
async fn the_client_of_a_session_decides_which_algorithm_its_tokens_have() {
    let test = TestManager::new(Policy::default());
    let manager = &test.manager;
    let old = ClientId::new("old").unwrap();
    let es256 = SigningKey::generate(Algorithm::ES256, Entropy::new([3; 64])).unwrap();
    let ring = first()
        .0
        .with_recipients(of_client(&old), KeyRing::new(es256));
    manager.replace_keys(ring.unwrap(), first().1).unwrap();
    assert_eq!(published(manager).len(), 2);
    for (client, wanted) in [(Some(old.clone()), "ES256"), (None, "EdDSA")] {
        let alice = Subject::new("alice").unwrap();
        let ticket = manager.begin_login(alice).await.unwrap();
        let session = NewSession {
            client_id: client,
            ..Default::default()
        };
        let login = manager.login(ticket, session).await.unwrap();
        let token = login.tokens().unwrap().refresh_token.secret();
        let refreshed = manager.refresh(token, None).await.unwrap();
        let repeated = manager.refresh(token, None).await.unwrap();
        for issued in [&login, &refreshed, &repeated] {
            assert_eq!(algorithm(issued), wanted);
            let token = issued.tokens().unwrap().access_token.secret();
            manager.authenticate::<NoClaims>(token).await.unwrap();
        }
    }
    // The keys of some clients may be elsewhere too: then there must be a signer, and it is asked for those alone.
    let ring = || {
        first()
            .0
            .with_recipients(of_client(&old), elsewhere(6))
            .unwrap()
    };
    let refused = manager.replace_keys(ring(), first().1).unwrap_err();
    assert!(matches!(refused, ManagerError::NoSigner { .. }));
    let mode = Arc::new(AtomicU32::new(BROKEN));
    let kms = Kms {
        seed: 6,
        mode: mode.clone(),
    };
    let store = MemoryStore::new(1000, &[7; 32]);
    let test = TestManager::with_store(store, Policy::default(), |b| b.signer(kms));
    let manager = &test.manager;
    manager.replace_keys(ring(), first().1).unwrap();
    let log_in = async |client: Option<ClientId>| {
        let alice = Subject::new("alice").unwrap();
        let ticket = manager.begin_login(alice).await.unwrap();
        let session = NewSession {
            client_id: client,
            ..Default::default()
        };
        manager.login(ticket, session).await
    };
    let _ = log_in(None).await.unwrap();
    assert!(log_in(Some(old.clone())).await.is_err());
    mode.store(WORKS, Ordering::SeqCst);
    let login = log_in(Some(old)).await.unwrap();
    let token = login.tokens().unwrap().access_token.secret();
    manager.authenticate::<NoClaims>(token).await.unwrap();
}

/// Two applications on one key file: the audience of each decides, unless a client is named.
#[tokio::test]
async fn the_audience_of_an_issuer_decides_which_algorithm_its_tokens_have() {
    let es256 = SigningKey::generate(Algorithm::ES256, Entropy::new([3; 64])).unwrap();
    let reports: Audience = "https://reports.example".parse().unwrap();
    let recipients = Recipients {
        clients: Vec::new(),
        audiences: vec![reports.clone()],
    };
    let ring = first().0.with_recipients(recipients, KeyRing::new(es256));
    let ring = ring.unwrap();
    for (audience, wanted) in [
        (reports, "ES256"),
        ("https://api.example".parse().unwrap(), "EdDSA"),
    ] {
        let issuer = TokenIssuer::builder("https://issuer.example".parse().unwrap(), audience);
        let issuer = issuer.build(ring.clone(), first().1);
        let manager = SessionManager::builder(MemoryStore::with_capacity(10), issuer);
        let manager = manager.build().unwrap();
        assert_eq!(published(&manager).len(), 2);
        let alice = Subject::new("alice").unwrap();
        let ticket = manager.begin_login(alice).await.unwrap();
        let login = manager.login(ticket, NewSession::default()).await.unwrap();
        let token = login.tokens().unwrap().refresh_token.secret();
        let refreshed = manager.refresh(token, None).await.unwrap();
        for issued in [&login, &refreshed] {
            assert_eq!(algorithm(issued), wanted);
            let token = issued.tokens().unwrap().access_token.secret();
            manager.authenticate::<NoClaims>(token).await.unwrap();
        }
    }
}

/// The signer is away for longer than the window, at a refresh, at a replay and at a step-up: nothing
/// was written, so the client that comes back later has a token that is still the current one.
#[tokio::test(start_paused = true)]
async fn a_signer_that_is_away_costs_no_session() {
    for fault in [BROKEN, HANGS, OTHER_KEY] {
        let mode = Arc::new(AtomicU32::new(WORKS));
        let kms = Kms {
            seed: 5,
            mode: mode.clone(),
        };
        let store = MemoryStore::new(1000, &[7; 32]);
        let events = Arc::<Mutex<Vec<EventKind>>>::default();
        let sink = Arc::clone(&events);
        let test = TestManager::with_store(store, Policy::default(), |b| {
            b.signer(kms)
                .events(move |event: Event| sink.lock().unwrap().push(event.kind))
        });
        let manager = &test.manager;
        manager.replace_keys(elsewhere(5), first().1).unwrap();
        let secret = |issued: &Issued| issued.tokens().unwrap().refresh_token.secret().to_owned();
        let step_up = async |token: &str| {
            let credential = manager.verify_refresh_token(token).unwrap();
            let credential = SessionCredential::Refresh(credential);
            let authentication = Authentication::password(manager.now());
            manager.step_up(&credential, authentication).await
        };
        let mut token = secret(&test.login("alice", "").await);
        let mut generation = 0;
        for _ in 0..3 {
            // Long after the last rotation, and as long again until the signer is back.
            test.clock.advance(Duration::from_secs(3600));
            mode.store(fault, Ordering::SeqCst);
            let refused = manager.refresh(&token, None).await.unwrap_err();
            assert!(
                matches!(refused, RefreshError::Signer(_) | RefreshError::Issue(_)),
                "{refused}"
            );
            assert!(step_up(&token).await.is_err());
            test.clock.advance(Duration::from_secs(3600));
            mode.store(WORKS, Ordering::SeqCst);
            let renewed = manager.refresh(&token, None).await.unwrap();
            generation += 1;
            assert_eq!(renewed.session().generation.0, generation, "{fault}");
            // The answer is lost, and the signer is away again within the grace: a replay writes nothing.
            mode.store(fault, Ordering::SeqCst);
            assert!(manager.refresh(&token, None).await.is_err());
            mode.store(WORKS, Ordering::SeqCst);
            let again = manager.refresh(&token, None).await.unwrap();
            assert_eq!(secret(&again), secret(&renewed));
            token = secret(&again);
        }
        assert!(step_up(&token).await.is_ok());
        let ended = |kind: &EventKind| matches!(kind, EventKind::Reused | EventKind::Revoked(_));
        assert!(!events.lock().unwrap().iter().any(ended));
    }
}

/// What happens between the reading of a session and the writing of its successor.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Meanwhile {
    /// The session is permitted something else, so that what was signed ahead is not given out.
    Permitted,
    /// The key in this process is replaced by one that signs elsewhere.
    Replaced,
}

/// Does it at the first write, and takes the signer away.
#[derive(Clone)]
struct Race {
    manager: Arc<OnceLock<SessionManager>>,
    next: Arc<Mutex<Option<(SessionId, Meanwhile)>>>,
    mode: Arc<AtomicU32>,
}

impl Trouble for Race {
    async fn before(&self, call: &'static str) -> Result<(), Injected> {
        if call != "commit" {
            return Ok(());
        }
        // Taken, since it writes as well.
        let Some((session, what)) = self.next.lock().unwrap().take() else {
            return Ok(());
        };
        let manager = self.manager.get().unwrap();
        match what {
            Meanwhile::Permitted => {
                let scope: Scope = "notes:write".parse().unwrap();
                let permitted = manager.permit(session, scope).await;
                assert!(permitted.unwrap().is_some());
            }
            Meanwhile::Replaced => manager.replace_keys(elsewhere(5), first().1).unwrap(),
        }
        self.mode.store(BROKEN, Ordering::SeqCst);
        Ok(())
    }
}

/// Rare, and not to be taken for a refresh that wrote nothing: the client has to repeat it within the grace.
#[tokio::test]
async fn a_signer_that_goes_away_after_the_write_is_told_apart() {
    for what in [Meanwhile::Permitted, Meanwhile::Replaced] {
        let mode = Arc::new(AtomicU32::new(WORKS));
        let race = Race {
            manager: Arc::default(),
            next: Arc::default(),
            mode: mode.clone(),
        };
        let kms = Kms {
            seed: 5,
            mode: mode.clone(),
        };
        let store = TroubledStore::new(MemoryStore::new(1000, &[7; 32]), race.clone());
        let test = TestManager::with_store(store, Policy::default(), |b| b.signer(kms));
        let manager = &test.manager;
        if what == Meanwhile::Permitted {
            manager.replace_keys(elsewhere(5), first().1).unwrap();
        }
        race.manager.set(manager.clone()).ok().unwrap();
        let login = test.login("alice", "notes:read").await;
        let token = login.tokens().unwrap().refresh_token.secret();
        test.clock.advance(Duration::from_secs(60));
        *race.next.lock().unwrap() = Some((login.session().id, what));
        let error = manager.refresh(token, None).await.unwrap_err();
        assert!(
            matches!(error, RefreshError::SignerAfterWrite(_)),
            "{what:?}: {error}"
        );
        // The same token gets what was written.
        mode.store(WORKS, Ordering::SeqCst);
        let renewed = manager.refresh(token, None).await.unwrap();
        assert_eq!(renewed.session().generation.0, 1, "{what:?}");
        let access = renewed.tokens().unwrap().access_token.secret();
        manager.authenticate::<NoClaims>(access).await.unwrap();
    }
}

/// The other sessions are ended before this one is renewed.
#[tokio::test]
async fn a_change_of_password_that_cannot_be_signed_says_that_it_was_begun() {
    let mode = Arc::new(AtomicU32::new(WORKS));
    let kms = Kms {
        seed: 5,
        mode: mode.clone(),
    };
    let store = MemoryStore::new(1000, &[7; 32]);
    let test = TestManager::with_store(store, Policy::default(), |b| b.signer(kms));
    let manager = &test.manager;
    manager.replace_keys(elsewhere(5), first().1).unwrap();
    let (login, _other) = (test.login("alice", "").await, test.login("alice", "").await);
    let token = login.tokens().unwrap().refresh_token.secret();
    let change = async || {
        let credential = manager.verify_refresh_token(token).unwrap();
        let credential = Arc::new(SessionCredential::Refresh(credential));
        let authentication = Authentication::password(manager.now());
        manager.password_changed(credential, authentication).await
    };
    mode.store(BROKEN, Ordering::SeqCst);
    let error = change().await.unwrap_err();
    assert!(
        matches!(error, RefreshError::SignerAfterWrite(_)),
        "{error}"
    );
    let alice = Subject::new("alice").unwrap();
    let left = manager.sessions(&alice).await.unwrap();
    assert_eq!(left.len(), 1);
    mode.store(WORKS, Ordering::SeqCst);
    assert_eq!(change().await.unwrap().session().id, left[0].id);
}

#[test]
fn a_key_elsewhere_needs_a_signer_and_gives_nothing_away() {
    let test = TestManager::new(Policy::default());
    let before = test.manager.jwks();
    let error = test.manager.replace_keys(elsewhere(5), first().1);
    assert!(matches!(error, Err(ManagerError::NoSigner { .. })));
    assert_eq!(test.manager.jwks(), before, "the keys in force stay");

    let ring = elsewhere(5);
    assert!(ring.current().to_private_jwk().is_err());
    let hmac = SigningKey::from_secret(&[7; 32], Algorithm::HS256).unwrap();
    assert!(SigningKey::elsewhere(hmac.verifying_key().clone()).is_err());
}
