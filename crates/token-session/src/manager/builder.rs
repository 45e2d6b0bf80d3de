//! Puts a manager together.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use token_core::{ClientId, TokenIssuer};

use super::error::ManagerError;
use super::keys::KeysInForce;
use super::observed::Observed;
use super::{Inner, SessionManager};
use crate::any_store::AnyStore;
use crate::binding::BindingPolicy;
use crate::clock::{Clock, SystemClock};
use crate::entropy::{BatchedEntropy, EntropySource};
use crate::erased::ErasedStore;
use crate::event::EventSink;
use crate::feed::{Feed, FeedTiming};
use crate::hook::RefreshHook;
use crate::metric;
use crate::revocation_check::RevocationCheck;
use crate::revocation_view::RevocationView;
use crate::session_cache::SessionCache;
use crate::signer::Signer;
use crate::visitor::{Rooms, VisitorPolicy};

/// More would only make an outage worse.
const MOST_RETRIES: u32 = 5;

/// Builds a [`SessionManager`].
#[must_use]
pub struct SessionManagerBuilder {
    store: Box<dyn ErasedStore>,
    issuer: TokenIssuer,
    default_client: ClientId,
    clock: Box<dyn Clock>,
    entropy: Box<dyn EntropySource>,
    sink: Option<Box<dyn EventSink>>,
    hook: Option<Box<dyn RefreshHook>>,
    check: RevocationCheck,
    binding: BindingPolicy,
    visitors: VisitorPolicy,
    view_capacity: usize,
    token_cache: usize,
    session_cache: usize,
    store_timeout: Duration,
    store_retries: u32,
    heartbeat: Duration,
    signer: Option<Box<dyn Signer>>,
}

impl SessionManager {
    /// Starts to build a manager for a store; everything else has a default.
    pub fn builder(store: impl Into<AnyStore>, issuer: TokenIssuer) -> SessionManagerBuilder {
        SessionManagerBuilder {
            store: store.into().0,
            issuer,
            default_client: ClientId::new("default").expect("visible ASCII"),
            clock: Box::new(SystemClock),
            entropy: Box::new(BatchedEntropy),
            sink: None,
            hook: None,
            check: RevocationCheck::default(),
            binding: BindingPolicy::default(),
            visitors: VisitorPolicy::default(),
            view_capacity: 1_000_000,
            token_cache: 16 << 20,
            session_cache: 0,
            store_timeout: Duration::from_secs(5),
            store_retries: 2,
            heartbeat: Duration::from_secs(2),
            signer: None,
        }
    }
}

impl SessionManagerBuilder {
    /// Default: the machine's clock.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Box::new(clock);
        self
    }

    /// Default: [`BatchedEntropy`], the operating system's generator, asked for 16 draws at a time.
    pub fn entropy(mut self, entropy: impl EntropySource) -> Self {
        self.entropy = Box::new(entropy);
        self
    }

    /// Takes each event, beside the log. Default: none.
    pub fn events(mut self, sink: impl EventSink) -> Self {
        self.sink = Some(Box::new(sink));
        self
    }

    /// Asks the application at each refresh. Default: nobody is asked, and a refresh is one
    /// round trip.
    pub fn on_refresh(mut self, hook: impl RefreshHook) -> Self {
        self.hook = Some(Box::new(hook));
        self
    }

    /// Whether sessions are bound to the browser that opened them. Default: observed, with bound cookies
    /// that live for 10 minutes.
    pub fn binding(mut self, policy: BindingPolicy) -> Self {
        self.binding = policy;
        self
    }

    /// How long sessions of visitors and pending logins live, and how many are opened. None is opened
    /// unless the application asks for it. Default: [`VisitorPolicy::default`].
    pub fn visitors(mut self, policy: VisitorPolicy) -> Self {
        self.visitors = policy;
        self
    }

    /// Signs with keys that are in a KMS or HSM. Default: none; keys sign here.
    pub fn signer(mut self, signer: impl Signer) -> Self {
        self.signer = Some(Box::new(signer));
        self
    }

    /// How access tokens of ended sessions are refused. Default: the store is asked at each
    /// request, which is never wrong and never free; see [`RevocationCheck::Feed`].
    pub fn revocation_check(mut self, check: RevocationCheck) -> Self {
        self.check = check;
        self
    }

    /// The `client_id` of logins that name none. Default: `default`.
    pub fn default_client(mut self, client: ClientId) -> Self {
        self.default_client = client;
        self
    }

    /// About how many sessions may be ended within one access lifetime before the view counts
    /// as behind; about 60 bytes each, and from the start up to half a byte for each that may be. Default:
    /// 1,000,000.
    pub fn view_capacity(mut self, capacity: usize) -> Self {
        self.view_capacity = capacity;
        self
    }

    /// How many bytes may hold access tokens that were verified lately; 0 switches that off.
    /// Default: 16 MiB, some ten thousand tokens.
    ///
    /// A client shows one token many times, and verifying a signature takes a hundred times as
    /// long as finding it here. Deadlines and revocation are checked each time all the same.
    /// The tokens of live clients then stand in memory, as they do while a request is served.
    pub fn token_cache(mut self, bytes: usize) -> Self {
        self.token_cache = bytes;
        self
    }

    /// How many server sessions are remembered, so that a request with a session cookie does not ask the
    /// store each time; about 1 KB each. Default: 0, the store is asked at each request. It needs
    /// [`RevocationCheck::Feed`].
    ///
    /// With it the store is asked when the deadline moves, when the session's private data is read or
    /// written, for a session that was not asked for lately, and if a cookie would be refused. On this node
    /// an ended session is still refused at once, and what a step-up changes holds at once. On other nodes
    /// both hold when the feed's notice arrives, as for access tokens. While the feed is behind nothing
    /// that is remembered is used: with [`WhenBehind::Refuse`](crate::WhenBehind::Refuse) the request is
    /// answered with 503, otherwise the store is asked.
    pub fn session_cache(mut self, sessions: usize) -> Self {
        self.session_cache = sessions;
        self
    }

    /// How long a call to the store, repetitions included, or to the signer may take. Default: 5
    /// seconds; 10 ms to 1 minute, and at most half of the policy's
    /// [`store_margin`](token_core::Policy::store_margin).
    pub fn store_timeout(mut self, limit: Duration) -> Self {
        self.store_timeout = limit;
        self
    }

    /// How often a call to the store that failed is repeated within its time-out, after about
    /// 25 ms, then 100 ms, then 400 ms… Default: 2; with 0 the client repeats instead.
    pub fn store_retries(mut self, retries: u32) -> Self {
        self.store_retries = retries.min(MOST_RETRIES);
        self
    }

    /// How often a heartbeat proves that notices of other nodes still come, if the store has
    /// them: the revocation view counts as behind when the last one that came back was sent
    /// two and a half times as long ago. Each node hears those of all others. Default: 2
    /// seconds; 50 ms to 1 minute.
    pub fn heartbeat(mut self, interval: Duration) -> Self {
        self.heartbeat = interval;
        self
    }

    /// Checks the settings and builds the manager.
    ///
    /// # Errors
    /// [`ManagerError`] names the setting and its range.
    pub fn build(self) -> Result<SessionManager, ManagerError> {
        if !(Duration::from_millis(10)..=Duration::from_secs(60)).contains(&self.store_timeout) {
            return Err(ManagerError::Timeout(self.store_timeout));
        }
        if !(Duration::from_millis(50)..=Duration::from_secs(60)).contains(&self.heartbeat) {
            return Err(ManagerError::Heartbeat(self.heartbeat));
        }
        if self.session_cache > 0 && !matches!(self.check, RevocationCheck::Feed(_)) {
            return Err(ManagerError::SessionCache);
        }
        let (shortest, longest) = (BindingPolicy::MIN_LIFETIME, BindingPolicy::MAX_LIFETIME);
        let lifetime = self.binding.lifetime();
        if !(shortest..=longest).contains(&lifetime) || lifetime.subsec_nanos() != 0 {
            return Err(ManagerError::BindingLifetime(lifetime));
        }
        if let Some(lifetime) = self.visitors.out_of_range() {
            return Err(ManagerError::VisitorLifetime(lifetime));
        }
        let (margin, timeout) = (self.issuer.policy.store_margin(), self.store_timeout);
        if margin < timeout * 2 && !self.issuer.policy.grace().is_zero() {
            let twice = timeout * 2;
            let min = Duration::from_secs(twice.as_secs() + u64::from(twice.subsec_nanos() > 0));
            return Err(ManagerError::StoreMargin {
                margin,
                min,
                timeout,
            });
        }
        let policy = self.issuer.policy.clone();
        let signs_elsewhere = self.signer.is_some();
        let keys = KeysInForce::new(self.issuer, signs_elsewhere, self.token_cache)?;
        // An ending has the instant at which it was asked for. The store may have worked on it
        // for as long again as the driver has waited, and tokens were issued meanwhile.
        let overlap = self.store_timeout * 2 + policy.tolerance() * 2;
        let timing = FeedTiming {
            reading_interval: self.store.catch_up_interval(),
            heartbeat_interval: self.heartbeat,
            overlap,
        };
        let whole = Duration::from_secs(overlap.as_secs() + 1);
        let view = RevocationView::new(policy.access_lifetime() + whole, self.view_capacity);
        let feed = Feed::new(view, SessionCache::new(self.session_cache), timing);
        metric::describe();
        Ok(SessionManager {
            inner: Arc::new(Inner {
                store: self.store,
                policy,
                keys: ArcSwap::from_pointee(keys),
                signer: self.signer,
                default_client: self.default_client,
                clock: self.clock,
                entropy: self.entropy,
                sink: self.sink,
                hook: self.hook,
                check: self.check,
                binding: self.binding,
                observed: Observed::default(),
                visitor_rooms: Rooms::new(&self.visitors),
                visitors: self.visitors,
                feed,
                store_timeout: self.store_timeout,
                store_retries: self.store_retries,
            }),
        })
    }
}

impl std::fmt::Debug for SessionManagerBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SessionManagerBuilder")
            .field("issuer", &self.issuer)
            .field("check", &self.check)
            .finish_non_exhaustive()
    }
}
