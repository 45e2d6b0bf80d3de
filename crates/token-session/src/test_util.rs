//! For an application's own tests: a session or a token in one line, a clock that moves by hand,
//! and a store that fails. Behind the feature `test-util`; never enable it in production.

mod trouble;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use token_core::{
    Algorithm, Audience, Entropy, Issuer, KeyId, KeyRing, Policy, RefreshKey, RefreshKeyRing,
    SigningKey, Subject, TokenIssuer, UnixTime,
};

pub use trouble::{Injected, Outage, Trouble, TroubledStore, TroubledStoreError};

use crate::clock::Clock;
use crate::entropy::EntropySource;
use crate::manager::{Issued, NewSession, SessionManager, SessionManagerBuilder};
use crate::memory::MemoryStore;
use crate::store::SessionStore;

/// A clock that stands still until it is moved. Clones show the same time.
#[derive(Clone, Debug)]
pub struct TestClock(Arc<AtomicU64>);

impl TestClock {
    /// A clock at 2023-11-14T22:13:20Z.
    pub fn new() -> Self {
        Self(Arc::new(AtomicU64::new(1_700_000_000)))
    }

    /// Moves it on, in whole seconds.
    pub fn advance(&self, by: Duration) {
        self.0.fetch_add(by.as_secs(), Ordering::SeqCst);
    }

    /// Sets it, also back, as a clock that is corrected.
    pub fn set(&self, to: UnixTime) {
        self.0.store(to.as_secs(), Ordering::SeqCst);
    }
}

impl Default for TestClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for TestClock {
    fn now(&self) -> UnixTime {
        UnixTime::from_secs(self.0.load(Ordering::SeqCst)).unwrap_or(UnixTime::MAX)
    }
}

/// Bytes that follow from a seed: the same ids and tokens in each run. Guessable.
#[derive(Debug)]
pub struct SeededEntropy(AtomicU64);

impl SeededEntropy {
    /// Starts at a seed.
    pub const fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }
}

impl EntropySource for SeededEntropy {
    fn draw(&self) -> Entropy {
        let draw = self.0.fetch_add(1, Ordering::Relaxed);
        let mut bytes = [0; 64];
        for (index, chunk) in (0_u64..).zip(bytes.chunks_exact_mut(8)) {
            // splitmix64: every draw and every chunk differ.
            let mut z = draw
                .wrapping_mul(8)
                .wrapping_add(index)
                .wrapping_mul(0x9E37_79B9_7F4A_7C15);
            z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            chunk.copy_from_slice(&(z ^ (z >> 31)).to_le_bytes());
        }
        Entropy::new(bytes)
    }
}

/// An issuer with keys that everybody knows.
pub fn test_issuer(policy: Policy) -> TokenIssuer {
    let key = SigningKey::generate(Algorithm::EdDSA, Entropy::new([5; 64]));
    let refresh = RefreshKey::new(KeyId::new("test").expect("a name"), &[6; 32]);
    let issuer = Issuer::new("https://issuer.example").expect("a name");
    let audience = Audience::new("https://api.example").expect("a name");
    TokenIssuer::builder(issuer, audience).policy(policy).build(
        KeyRing::new(key.expect("a seed makes a key")),
        RefreshKeyRing::new(refresh.expect("32 bytes")),
    )
}

/// A manager on a memory store, with a clock that moves by hand.
///
/// ```
/// use std::time::Duration;
/// use token_core::{NoClaims, Policy};
/// use token_session::test_util::TestManager;
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let test = TestManager::new(Policy::default());
/// let token = test.access_token("alice", "notes:read").await;
/// assert!(test.manager.authenticate::<NoClaims>(&token).await.is_ok());
///
/// test.clock.advance(Duration::from_secs(300));
/// assert!(test.manager.authenticate::<NoClaims>(&token).await.is_err());
/// # });
/// ```
#[derive(Debug)]
#[expect(clippy::exhaustive_structs, reason = "a pair")]
pub struct TestManager {
    /// The manager.
    pub manager: SessionManager,
    /// Its clock.
    pub clock: TestClock,
}

impl TestManager {
    /// A manager under the policy.
    pub fn new(policy: Policy) -> Self {
        Self::with_store(MemoryStore::new(100_000, &[7; 32]), policy, |builder| {
            builder
        })
    }

    /// A manager on a store of yours, with further settings.
    pub fn with_store(
        store: impl SessionStore,
        policy: Policy,
        set: impl FnOnce(SessionManagerBuilder) -> SessionManagerBuilder,
    ) -> Self {
        let clock = TestClock::new();
        let builder = SessionManager::builder(store, test_issuer(policy)).clock(clock.clone());
        let manager = set(builder)
            .build()
            .expect("the settings are within their ranges");
        Self { manager, clock }
    }

    /// Opens a session for a subject with a scope.
    pub async fn login(&self, subject: &str, scope: &str) -> Issued {
        let scope = scope.parse().expect("a scope");
        let new = NewSession {
            scope,
            ..NewSession::default()
        };
        self.open(subject, new).await
    }

    /// Opens a session for a subject, as it is given: with claims of the application's own, in
    /// another transport.
    pub async fn open(&self, subject: &str, new: NewSession) -> Issued {
        let subject = Subject::new(subject).expect("a subject");
        let ticket = self
            .manager
            .begin_login(subject)
            .await
            .expect("the store answers");
        self.manager
            .login(ticket, new)
            .await
            .expect("the store answers")
    }

    /// Opens a session and gives its access token.
    pub async fn access_token(&self, subject: &str, scope: &str) -> String {
        let issued = self.login(subject, scope).await;
        issued
            .tokens()
            .expect("the transport is `header`")
            .access_token
            .secret()
            .to_owned()
    }
}
