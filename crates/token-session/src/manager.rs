//! The driver: verifies, asks the store, decides, commits, issues. Both adapters call it.

mod access;
mod builder;
mod call;
mod end;
mod ended;
mod keys;
mod login;
mod refresh;
mod step_up;
mod visit;
mod write;

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use token_core::session::{Committed, Credentials, Denial, Granted, Prepared, SessionToken};
use token_core::{
    ClientId, Entropy, Policy, Scope, Session, SessionId, Subject, TokenIssuer, UnixTime,
};
use tokio::sync::broadcast;
use tracing::Instrument as _;

use keys::Live;

pub use access::AccessError;
pub use builder::{ManagerError, SessionManagerBuilder};
pub use end::{Presented, Whose};
pub use ended::SessionEnd;
pub use login::{LoginTicket, NewSession};
pub use step_up::Renewal;
pub use visit::Visit;

use crate::clock::Clock;
use crate::entropy::EntropySource;
use crate::erased::{ErasedStore, StoreError};
use crate::error::CredentialsError;
use crate::event::{self, Event, EventKind, EventSink};
use crate::feed::{Feed, FeedState, RevocationCheck};
use crate::follow;
use crate::hook::RefreshHook;
use crate::housekeeping;
use crate::metric::{self, Gauges};
use crate::signer::{Signer, SignerError};
use crate::store::{Ended, Heartbeat, Notice, SessionStore};

/// Opens, renews, shows and ends sessions. Cheap to clone; one per application.
///
/// ```
/// use std::sync::Arc;
/// use token_core::{Policy, Subject};
/// use token_session::test_util::TestManager;
/// use token_session::NewSession;
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let manager = TestManager::new(Policy::default()).manager;
///
/// // The login notes the subject's epoch, then the application checks the password.
/// let ticket = manager.begin_login(Subject::new("alice")?).await?;
/// let issued = manager.login(ticket, NewSession::default()).await?;
/// let tokens = issued.tokens().expect("the default transport is `header`");
///
/// let next = manager.refresh(tokens.refresh_token().secret(), None).await?;
/// assert_eq!(next.session().id, issued.session().id);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct SessionManager {
    inner: Arc<Inner>,
}

struct Inner {
    store: Box<dyn ErasedStore>,
    policy: Policy,
    live: ArcSwap<Live>,
    signer: Option<Box<dyn Signer>>,
    default_client: ClientId,
    clock: Box<dyn Clock>,
    entropy: Box<dyn EntropySource>,
    sink: Option<Box<dyn EventSink>>,
    hook: Option<Box<dyn RefreshHook>>,
    check: RevocationCheck,
    feed: Feed,
    store_timeout: Duration,
    store_retries: u32,
}

impl SessionManager {
    /// Starts to build a manager for a store; everything else has a default.
    pub fn builder(store: impl SessionStore, issuer: TokenIssuer) -> SessionManagerBuilder {
        SessionManagerBuilder::new(Box::new(store), issuer)
    }

    /// The lifetimes and tolerances in force.
    pub fn policy(&self) -> &Policy {
        &self.inner.policy
    }

    /// Now, by the manager's clock.
    pub fn now(&self) -> UnixTime {
        self.inner.clock.now()
    }

    /// How long a call to the store may take.
    pub fn store_timeout(&self) -> Duration {
        self.inner.store_timeout
    }

    /// Reads what was ended lately into the revocation view. Await it once before the first
    /// request is served; until it has succeeded the view counts as behind.
    ///
    /// Where notices come from other processes it first waits for a heartbeat to come back.
    /// Where none does within two and a half times the heartbeat's interval the view is read,
    /// and counts as behind.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot be read.
    pub async fn catch_up(&self) -> Result<(), StoreError> {
        follow::catch_up(self).await
    }

    /// Keeps the revocation view up to date for as long as it is polled: spawn it once, after
    /// [`catch_up`](Self::catch_up). Needed for [`RevocationCheck::Feed`] alone. Dropped, it
    /// leaves nothing behind but a view that counts as behind.
    pub async fn follow_revocations(self) {
        follow::follow(self).await;
    }

    /// Whether the revocation view is complete as of a moment ago.
    pub fn revocations_are_live(&self) -> bool {
        self.inner.feed.is_live()
    }

    /// The same, for whoever decides whether this node gets requests.
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

    /// Deletes at most `limit` sessions that are over for good, and returns how many. Call it
    /// now and then; safe on many nodes at once.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot be asked.
    pub async fn purge(&self, limit: u32) -> Result<u64, StoreError> {
        let now = self.now();
        self.call("purge", || self.inner.store.purge(now, limit))
            .await
    }

    /// Purges about `every` so often (1 second to 1 day; anything else is taken for the nearer of
    /// the two), until `stop` is done: spawn it on each node. Nodes take turns by chance and do not
    /// hinder each other; each batch is at most 1,000 sessions. It ends between two batches, and
    /// dropping it is safe too.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use token_session::SessionManager;
    /// # async fn run(manager: SessionManager) {
    /// let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    /// let house = tokio::spawn(manager.clone().keep_house(
    ///     Duration::from_secs(60),
    ///     async { drop(stopped.await) },
    /// ));
    /// // … serve …
    /// drop(stop);
    /// house.await.expect("it does not panic");
    /// # }
    /// ```
    pub async fn keep_house(self, every: Duration, stop: impl Future<Output = ()>) {
        housekeeping::keep(self, every, stop).await;
    }

    pub(crate) fn feed(&self) -> &Feed {
        &self.inner.feed
    }

    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Notice> {
        self.inner.store.subscribe()
    }

    pub(crate) async fn heartbeat(&self, heartbeat: Heartbeat) -> Result<bool, StoreError> {
        self.call("heartbeat", || self.inner.store.heartbeat(heartbeat))
            .await
    }

    pub(crate) async fn revocations(&self, since: UnixTime) -> Result<Vec<Ended>, StoreError> {
        self.call("revocations", || self.inner.store.revocations(since))
            .await
    }

    async fn load(&self, id: SessionId) -> Result<Option<Committed<Session>>, StoreError> {
        self.call("load", || self.inner.store.load(id)).await
    }

    fn draw(&self) -> Entropy {
        self.inner.entropy.draw()
    }

    /// Runs a write that ends sessions, with what must follow it, to its end, although the caller
    /// may be gone: a client that breaks off must keep neither the ending from this node's view
    /// nor the event from the log.
    async fn to_end<T: Send + 'static>(
        work: impl Future<Output = Result<T, StoreError>> + Send + 'static,
    ) -> Result<T, StoreError> {
        match tokio::spawn(work.in_current_span()).await {
            Ok(done) => done,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The runtime shuts down.
                Err(error) => Err(StoreError::Failed(Box::new(error))),
            },
        }
    }

    async fn issue(
        &self,
        granted: Granted,
        scope: Option<&Scope>,
        now: UnixTime,
    ) -> Result<Issued, CredentialsError> {
        let within = scope.unwrap_or(&granted.session().scope);
        // Not a clone of the pointer: all threads would count in one place.
        let live = self.inner.live.load();
        let issuer = &live.issuer;
        let credentials = match &self.inner.signer {
            Some(signer) if issuer.access_keys.current().is_elsewhere() => {
                let prepared = issuer.prepare(&granted, within, now, self.draw())?;
                drop(live);
                self.have_signed(&**signer, prepared).await?
            }
            _ => issuer.issue(&granted, within, now, self.draw())?,
        };
        Ok(Issued {
            session: granted.into_session(),
            narrowed: scope.cloned(),
            credentials,
            at: now,
        })
    }

    /// Waits for the signer, but not for ever.
    async fn have_signed(
        &self,
        signer: &dyn Signer,
        prepared: Prepared,
    ) -> Result<Credentials, CredentialsError> {
        let pair = match prepared {
            Prepared::Session(cookie) => return Ok(Credentials::Session(cookie)),
            Prepared::Tokens(pair) => pair,
        };
        let signature = signer.sign(pair.key(), pair.signing_input());
        let signature = tokio::time::timeout(self.inner.store_timeout, signature)
            .await
            .unwrap_or_else(|elapsed| Err(SignerError::new(elapsed)))?;
        Ok(pair.signed(&signature)?)
    }

    fn emit(&self, kind: EventKind, session: &Session, now: UnixTime) {
        self.report(Event::of(kind, session.id, session.subject.clone(), now));
    }

    /// Reports what concerns the node as a whole.
    pub(crate) fn report_node(&self, kind: EventKind) {
        self.report(Event::of_node(kind, self.now()));
    }

    /// Shows operators whether the revocation view is complete.
    pub(crate) fn show_feed(&self, live: bool) {
        let feed = self.feed();
        Gauges {
            live,
            view: feed.len(),
            waiting: feed.waiting.len(),
            cache: self.token_cache_counts(),
        }
        .show();
    }

    /// Reports a denial of a session's credential, where it is worth an event.
    fn emit_denial(&self, denial: &Denial, session: SessionId, subject: &Subject, at: UnixTime) {
        if let Some(kind) = event::of_denial(denial) {
            self.report(Event::of(kind, session, subject.clone(), at));
        }
        tracing::debug!(%session, reason = denial.reason().as_str(), %denial, "credential refused");
    }

    /// The denial of a credential whose session is not stored.
    fn absent(session: SessionId) -> Denial {
        tracing::debug!(%session, "credential refused: no such session");
        Denial::Unknown
    }

    /// Reads a session cookie.
    fn session_token(text: &str) -> Result<SessionToken, Denial> {
        SessionToken::parse(text).map_err(|error| {
            tracing::debug!(%error, "session cookie refused");
            Denial::Malformed
        })
    }

    fn report(&self, event: Event) {
        event::log(&event);
        metric::event(&event.kind);
        if let Some(sink) = &self.inner.sink {
            sink.take(event);
        }
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

/// A session with the credentials that were just made for it.
#[derive(Debug)]
#[must_use]
pub struct Issued {
    session: Committed<Session>,
    /// Less than the session's, where that was asked.
    narrowed: Option<Scope>,
    credentials: Credentials,
    at: UnixTime,
}

impl Issued {
    /// The session.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// The scope of the access token; narrower than the session's where that was asked.
    pub fn scope(&self) -> &Scope {
        self.narrowed.as_ref().unwrap_or(&self.session.scope)
    }

    /// Tokens or a session cookie, by the session's transport.
    pub const fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// The two tokens, unless the transport is `session`.
    pub const fn tokens(&self) -> Option<&token_core::session::TokenPair> {
        match &self.credentials {
            Credentials::Tokens(pair) => Some(pair),
            Credentials::Session(_) => None,
        }
    }

    /// When they were made, by this node's clock.
    pub const fn issued_at(&self) -> UnixTime {
        self.at
    }
}
