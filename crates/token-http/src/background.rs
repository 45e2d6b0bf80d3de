//! An [`Auth`] with keys that are kept, in one call, and what runs beside its requests.

use std::mem::forget;
use std::time::Duration;

use thiserror::Error;
use token_core::types::InvalidValue;
use token_core::{Audience, Issuer, PRODUCT, Policy, TokenIssuer};
use token_keys::{KeyKeeper, KeySource, KeysError, Rotations, RunningKeeper};
use token_session::clock::{Clock as _, SystemClock};
use token_session::schedule::ScheduleError;
use token_session::{
    AnyStore, ManagerError, RevocationCheck, SessionManager, StoreError, WhenBehind,
};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tracing::warn;

use crate::auth::Auth;
use crate::config::{AuthConfig, AuthConfigBuilder, ConfigError};
use crate::origin::{Origin, OriginError};

/// How long each key signs access tokens.
const KEY_PERIOD: Duration = Duration::from_secs(30 * 86_400);
/// How often expired sessions are deleted.
const DELETION_INTERVAL: Duration = Duration::from_secs(60);

impl Auth {
    /// Sessions in a store and keys in a file, so that a restart logs nobody out: what most applications
    /// start with.
    ///
    /// `origin` is the server's own, as browsers see it, for example `https://shop.example`. It is the
    /// issuer and the audience of the tokens too. `keys` is the path of the key file, which is made if there is
    /// none, or `env:NAME` for an environment variable that has the text of one.
    ///
    /// These run from now on, in tasks of the Tokio runtime, until the [`Background`] is ended or dropped:
    ///
    /// - New keys take the place of the old ones every 30 days, if the keys are in a file.
    /// - Ended sessions are followed ([`RevocationCheck::Feed`], and the store is asked if this node is behind).
    /// - Expired sessions are deleted from the store every minute.
    ///
    /// Lifetimes are those of [`Policy::default`], and the settings those of [`AuthConfig::builder`];
    /// [`open_with`](Self::open_with) takes others. For anything else, such as a
    /// [`RefreshHook`](token_session::hook::RefreshHook), build the manager, and call [`Auth::new`] and
    /// [`Background::start`].
    ///
    /// ```no_run
    /// use token_http::Auth;
    /// use token_session::MemoryStore; // yours is `SqliteStore`, for example
    ///
    /// # async fn serve(auth: Auth) {}
    /// # async fn run() -> Result<(), token_http::OpenError> {
    /// let store = MemoryStore::with_capacity(100_000);
    /// let (auth, background) = Auth::open("https://shop.example", store, "keys.json").await?;
    /// serve(auth).await;
    /// background.end().await;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`OpenError`] says what to change. The usual ones are a text that is not an origin, a key file that
    /// others can read, and a store that cannot be asked.
    pub async fn open(
        origin: &str,
        store: impl Into<AnyStore>,
        keys: impl Into<KeySource>,
    ) -> Result<(Self, Background), OpenError> {
        Self::open_with(origin, store, keys, Policy::default(), |config| config).await
    }

    /// The same with lifetimes and settings of your own.
    ///
    /// ```no_run
    /// use std::time::Duration;
    /// use token_core::{Policy, Transport};
    /// use token_http::Auth;
    /// # use token_session::MemoryStore;
    ///
    /// # async fn run(store: MemoryStore) -> Result<(), Box<dyn std::error::Error>> {
    /// let policy = Policy::builder().idle_lifetime(Duration::from_secs(7 * 86_400)).build()?;
    /// let settings = Auth::open_with("https://shop.example", store, "keys.json", policy, |config| {
    ///     config.transports([Transport::Session])
    /// });
    /// let (auth, background) = settings.await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`open`](Self::open), and if a setting is out of its range.
    pub async fn open_with(
        origin: &str,
        store: impl Into<AnyStore>,
        keys: impl Into<KeySource>,
        policy: Policy,
        settings: impl FnOnce(AuthConfigBuilder) -> AuthConfigBuilder,
    ) -> Result<(Self, Background), OpenError> {
        let origin: Origin = origin.parse()?;
        let (issuer, audience) = (
            Issuer::new(origin.as_str())?,
            Audience::new(origin.as_str())?,
        );
        let config = settings(AuthConfig::builder(origin)).build()?;

        let source = keys.into();
        // A new key is published for as long as the settings let others keep the key set.
        let rotations = Rotations::new(&policy, KEY_PERIOD, config.jwks_max_age())?;
        let now = SystemClock.now();
        let named = |error| OpenError::Keys {
            keys: source.to_string(),
            error,
        };
        let keys = source.open(None, Some(&rotations), now).map_err(named)?;
        let (access, refresh) = keys.rings(&rotations, now).map_err(named)?;
        let issuer = TokenIssuer::builder(issuer, audience)
            .policy(policy)
            .build(access, refresh);

        let manager = SessionManager::builder(store, issuer)
            .revocation_check(RevocationCheck::Feed(WhenBehind::AskStore))
            .build()?;
        manager.catch_up().await?;
        let keeper = KeyKeeper::new(source, keys, rotations);
        let background = Background::start(&manager, keeper);
        Ok((Self::new(manager, config), background))
    }
}

/// What runs beside the requests of an [`Auth`]. Keep it for as long as the server runs.
///
/// If it is dropped, the tasks end, and the log says so. Then expired sessions stay in the store, each request asks
/// the store, and the keys stay as they are. If other processes use the same key file, this one accepts a key that
/// was removed there, and refuses the tokens of one that was made there, which logs their holders out.
#[derive(Debug)]
#[must_use = "the tasks end when it is dropped"]
pub struct Background {
    keeper: RunningKeeper,
    feed: Feed,
    deletion: JoinHandle<()>,
    stop: oneshot::Sender<()>,
    unended: Unended,
}

impl Background {
    /// Starts what [`Auth::open`] starts, for a manager that you have built yourself with the keys of this keeper:
    /// new keys when they are due, the deletion of expired sessions, and, with [`RevocationCheck::Feed`], the feed
    /// of ended sessions. Call it in a Tokio runtime, after [`SessionManager::catch_up`].
    pub fn start(manager: &SessionManager, keeper: KeyKeeper) -> Self {
        let follows = matches!(manager.revocation_check(), RevocationCheck::Feed(_));
        let (stop, stopped) = oneshot::channel::<()>();
        let deletion = manager
            .clone()
            .delete_expired_continuously(DELETION_INTERVAL, async { drop(stopped.await) });
        Self {
            keeper: keeper.start(manager),
            feed: Feed(follows.then(|| tokio::spawn(manager.clone().follow_revocations()))),
            deletion: tokio::spawn(deletion),
            stop,
            unended: Unended,
        }
    }

    /// The keeper of the keys, which lets a key sign early or removes one that has leaked.
    pub const fn keys(&self) -> &RunningKeeper {
        &self.keeper
    }

    /// Ends the tasks, and waits until a deletion that is under way has been carried out. Call it
    /// after the last request.
    pub async fn end(self) {
        let Self {
            keeper,
            feed,
            deletion,
            stop,
            unended,
        } = self;
        forget(unended);
        drop((keeper, feed, stop));
        // If it has panicked, that was reported when it did.
        let _ = deletion.await;
    }
}

/// Warns of a `let (auth, _) = …`, of which the compiler says nothing.
#[derive(Debug)]
struct Unended;

impl Drop for Unended {
    fn drop(&mut self) {
        warn!(
            target: PRODUCT,
            "`Background` was dropped and not ended: keys are not read again, and the feed is not followed. Keep it \
             for as long as the server runs"
        );
    }
}

/// The task that follows ended sessions, if one does. It has no end of its own.
#[derive(Debug)]
struct Feed(Option<JoinHandle<()>>);

impl Drop for Feed {
    fn drop(&mut self) {
        if let Some(task) = &self.0 {
            task.abort();
        }
    }
}

/// Why [`Auth::open`] has failed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// A setting is out of its range.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The keys cannot be read or made.
    #[error("{keys}: {error}")]
    Keys {
        /// The file or the variable.
        keys: String,
        /// What is wrong with it, and what to do.
        error: KeysError,
    },
    /// The manager cannot be built.
    #[error(transparent)]
    Manager(#[from] ManagerError),
    /// The origin is too long for an issuer.
    #[error(transparent)]
    Name(#[from] InvalidValue),
    /// The text is not an origin.
    #[error(transparent)]
    Origin(#[from] OriginError),
    /// Keys would be replaced too often for these lifetimes.
    #[error(transparent)]
    Schedule(#[from] ScheduleError),
    /// The store cannot be asked which sessions have ended.
    #[error(transparent)]
    Store(#[from] StoreError),
}
