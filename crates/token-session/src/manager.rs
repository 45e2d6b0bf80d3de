//! The driver: verifies, asks the store, decides, commits, issues. Both adapters call it.
//!
//! A refresh is in `refresh`, from the text of the token to the pair that leaves; a request with an access token in
//! `access`, and one with a session cookie in `cookie`; a login in `login`; a logout and every other ending in
//! `revoke`. What follows if another write came first is in `settle`, and all calls to the store are in
//! `store_calls`.

mod access;
mod adopt;
mod binding;
mod builder;
mod cookie;
mod data;
mod deletion;
mod error;
mod follow;
mod issue;
mod keys;
mod login;
mod observed;
mod permit;
mod refresh;
mod revoke;
mod settle;
mod step_up;
mod store_calls;
mod visitor;
mod wait;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use token_core::binding::dpop::NonceKeys;
use token_core::session::Denial;
use token_core::{
    ClientId, Entropy, KeyRing, PRODUCT, Policy, RefreshKeyRing, Session, SessionId, Subject,
    TokenIssuer, UnixTime,
};

use observed::Observed;

pub use access::AccessError;
pub use binding::{BindingError, BindingOffer, BoundCookie, BoundSession, ShownCookie};
pub use builder::SessionManagerBuilder;
pub use cookie::CookieSession;
pub use error::ManagerError;
pub use issue::Issued;
use keys::KeysInForce;
pub use login::{LoginTicket, NewSession};
pub use permit::PermitError;
pub use revoke::Presented;
pub use step_up::SessionCredential;
pub use token_core::session::StepUp;
pub use wait::SessionEnd;

use crate::binding::BindingPolicy;
use crate::clock::Clock;
use crate::entropy::EntropySource;
use crate::erased::ErasedStore;
use crate::event::{self, Event, EventKind, EventSink};
use crate::feed::Feed;
use crate::hook::RefreshHook;
use crate::metric;
use crate::revocation_check::{FeedState, RevocationCheck};
use crate::signer::Signer;
use crate::visitor::{Rooms, VisitorPolicy};

/// Opens, renews, shows and ends sessions. Cheap to clone; one per application.
///
/// ```
/// use token_core::{Policy, RevokeReason, Subject};
/// use token_session::{MemoryStore, NewSession, SessionManager, ephemeral_issuer};
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// // Keys for a first try. Those of an application are in a file, with `token-keys`.
/// let name = "https://shop.example";
/// let issuer = ephemeral_issuer(name.parse()?, name.parse()?, Policy::default())?;
/// let store = MemoryStore::with_capacity(100_000);
/// let manager = SessionManager::builder(store, issuer).build()?;
///
/// // The login notes the subject's epoch, then the application checks the password.
/// let ticket = manager.begin_login(Subject::new("alice")?).await?;
/// let issued = manager.login(ticket, NewSession::default()).await?;
/// let tokens = issued.tokens().expect("the default transport is `header`");
///
/// let next = manager.refresh(tokens.refresh_token.secret(), None).await?;
/// assert_eq!(next.session().id, issued.session().id);
///
/// // A logout: the session ends, and nothing of it is accepted from then on.
/// manager.revoke(issued.session().id, RevokeReason::Logout).await?;
/// assert!(manager.refresh(tokens.refresh_token.secret(), None).await.is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct SessionManager {
    inner: Arc<Inner>,
}

/// What all clones share.
struct Inner {
    store: Box<dyn ErasedStore>,
    policy: Policy,
    /// Replaced as a whole, so that a request never sees a new key beside an old one.
    keys: ArcSwap<KeysInForce>,
    signer: Option<Box<dyn Signer>>,
    default_client: ClientId,
    clock: Box<dyn Clock>,
    entropy: Box<dyn EntropySource>,
    sink: Option<Box<dyn EventSink>>,
    hook: Option<Box<dyn RefreshHook>>,
    check: RevocationCheck,
    binding: BindingPolicy,
    observed: Observed,
    visitors: VisitorPolicy,
    visitor_rooms: Rooms,
    feed: Feed,
    store_timeout: Duration,
    store_retries: u32,
}

impl SessionManager {
    /// The lifetimes and tolerances in force.
    pub fn policy(&self) -> &Policy {
        &self.inner.policy
    }

    /// The client of a login that names none.
    pub fn default_client(&self) -> &ClientId {
        &self.inner.default_client
    }

    /// Now, by the manager's clock.
    pub fn now(&self) -> UnixTime {
        self.inner.clock.now()
    }

    /// How long a call to the store may take.
    pub fn store_timeout(&self) -> Duration {
        self.inner.store_timeout
    }

    /// Whether the revocation view is complete as of a moment ago.
    pub fn revocations_are_live(&self) -> bool {
        self.inner.feed.is_complete(self.now())
    }

    /// The same, for a health check that decides whether this node gets requests.
    pub fn feed_state(&self) -> FeedState {
        match self.inner.check {
            RevocationCheck::Feed(_) if self.revocations_are_live() => FeedState::Live,
            RevocationCheck::Feed(_) => FeedState::Behind,
            RevocationCheck::None | RevocationCheck::Store => FeedState::Off,
        }
    }

    /// How access tokens of ended sessions are refused.
    pub fn revocation_check(&self) -> RevocationCheck {
        self.inner.check
    }

    /// The names and keys in force. Ask again after [`replace_keys`](Self::replace_keys).
    pub fn issuer(&self) -> Arc<TokenIssuer> {
        Arc::clone(&self.inner.keys.load().issuer)
    }

    /// The keys in force of the nonces for clients that prove a key of theirs.
    pub fn nonce_keys(&self) -> NonceKeys {
        self.inner.keys.load().nonces.clone()
    }

    /// The public JWK set of the keys in force.
    pub fn jwks(&self) -> Arc<str> {
        Arc::clone(&self.inner.keys.load().jwks)
    }

    /// Puts other keys in the place of those in force, for every clone of this manager at once.
    /// Requests never wait for it; one that is under way goes on with the keys that it read.
    ///
    /// Before: the rings come from a [`Schedule`](crate::schedule::Schedule), which says
    /// when a key may sign and when it may go. After: tokens are signed with the new current
    /// key, and those of a key that is not there any more are refused.
    ///
    /// # Errors
    /// [`ManagerError`] if the keys do not go together, or sign elsewhere and there is no
    /// [`Signer`]; those in force stay.
    pub fn replace_keys(
        &self,
        access: KeyRing,
        refresh: RefreshKeyRing,
    ) -> Result<(), ManagerError> {
        let signs_elsewhere = self.inner.signer.is_some();
        let before = self.inner.keys.load();
        let next = before.renew(access, refresh, signs_elsewhere)?;
        let keys = &next.issuer.access_keys;
        tracing::info!(
            target: PRODUCT,
            current = %keys.current().id(),
            accepted = keys.verifying_keys().count(),
            "keys in force"
        );
        self.inner.keys.store(Arc::new(next));
        Ok(())
    }

    fn draw(&self) -> Entropy {
        self.inner.entropy.draw()
    }

    /// Reports what happened to a session.
    fn report(&self, kind: EventKind, session: &Session, at: UnixTime) {
        self.report_of(kind, session.id, &session.subject, at);
    }

    /// The same of a session of which no more is known.
    fn report_of(&self, kind: EventKind, session: SessionId, subject: &Subject, at: UnixTime) {
        // The log and the metrics first: a sink is the application's, and may take its time.
        event::log(&kind, Some((session, subject)));
        metric::event(&kind);
        if let Some(sink) = &self.inner.sink {
            sink.take(Event {
                kind,
                session: Some(session),
                subject: Some(subject.clone()),
                at,
            });
        }
    }

    /// Reports what concerns the node as a whole.
    fn report_node(&self, kind: EventKind) {
        event::log(&kind, None);
        metric::event(&kind);
        if let Some(sink) = &self.inner.sink {
            sink.take(Event {
                kind,
                session: None,
                subject: None,
                at: self.now(),
            });
        }
    }

    /// Reports a denial of a session's credential, if it is worth an event.
    fn report_denial(&self, denial: &Denial, session: SessionId, subject: &Subject, at: UnixTime) {
        // Most refusals are everyday: a client that comes late, a tab with an old cookie. Only those that
        // say something about the session or the store are events; all are in the log for debugging.
        // A browser that has dropped its key is refused with each of its requests, and reported once a minute for each
        // reason.
        let is_repeated = match denial {
            Denial::Unbound(why) => !self.inner.observed.is_first(session, *why, at),
            _ => false,
        };
        if let Some(kind) = event::of_denial(denial)
            && !is_repeated
        {
            self.report_of(kind, session, subject, at);
        }
        let reason = denial.reason().as_str();
        tracing::debug!(target: PRODUCT, %session, reason, %denial, "credential refused");
    }
}

impl fmt::Debug for SessionManager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionManager")
            .field("issuer", &self.issuer())
            .field("check", &self.inner.check)
            .finish_non_exhaustive()
    }
}
