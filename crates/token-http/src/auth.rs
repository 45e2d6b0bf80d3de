//! The manager and the settings, which adapters take from their state.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use thiserror::Error;
use token_core::keys::KeyError;
use token_core::types::InvalidValue;
use token_core::{Audience, Issuer, PRODUCT, Policy};
use token_session::{ManagerError, MemoryStore, SessionManager, ephemeral_issuer};
use tracing::warn;

use crate::config::{AuthConfig, ConfigError};
use crate::head::Head;
use crate::limit::{Attempt, AttemptKind};
use crate::origin::{Origin, OriginError};
use crate::refusal::Refusal;
use crate::rejection::Rejection;

/// The sessions of an application and the settings of its routes. Cheap to clone; make one for each
/// application and keep it in the application's state.
#[derive(Clone, Debug)]
pub struct Auth(Arc<Shared>); // one pointer: extractors clone it in each request

#[derive(Debug)]
struct Shared {
    manager: SessionManager,
    config: AuthConfig,
    /// Whether the log says already that clients have no addresses.
    warned_of_addresses: AtomicBool,
}

/// How many sessions [`Auth::in_memory`] has room for; each takes about 1 KB.
const IN_MEMORY_SESSIONS: usize = 100_000;

impl Auth {
    /// Sessions in memory, and keys that are made now: for a first try and for tests. When the
    /// process ends, everybody is logged out. There is room for 100,000 sessions.
    ///
    /// `origin` is the server's own, as browsers see it, for example `http://127.0.0.1:3000`. It
    /// is the issuer and the audience of the tokens too.
    ///
    /// ```
    /// use token_http::Auth;
    ///
    /// let auth = Auth::in_memory("http://127.0.0.1:3000")?;
    /// assert_eq!(auth.config().origin().as_str(), "http://127.0.0.1:3000");
    /// # Ok::<(), token_http::InMemoryError>(())
    /// ```
    ///
    /// # Errors
    /// [`InMemoryError::Origin`] if the text is not an origin; the others do not happen to a text
    /// that is one, unless it is longer than 255 bytes or the system has no entropy.
    pub fn in_memory(origin: &str) -> Result<Self, InMemoryError> {
        let origin: Origin = origin.parse()?;
        let issuer = Issuer::new(origin.as_str())?;
        let audience = Audience::new(origin.as_str())?;
        let issuer = ephemeral_issuer(issuer, audience, Policy::default())?;
        let store = MemoryStore::with_capacity(IN_MEMORY_SESSIONS);
        let manager = SessionManager::builder(store, issuer).build()?;
        Ok(Self::new(manager, AuthConfig::builder(origin).build()?))
    }

    /// Joins a manager and the settings of its routes.
    pub fn new(manager: SessionManager, config: AuthConfig) -> Self {
        Self(Arc::new(Shared {
            manager,
            config,
            warned_of_addresses: AtomicBool::new(false),
        }))
    }

    /// The manager, which opens, renews, lists and ends sessions.
    pub fn manager(&self) -> &SessionManager {
        &self.0.manager
    }

    /// The settings.
    pub fn config(&self) -> &AuthConfig {
        &self.0.config
    }

    /// Refuses a request, with the challenge that goes with the refusal. For adapters: handlers call
    /// `Rejection::new` of their framework.
    pub fn reject(&self, refusal: Refusal) -> Rejection {
        Rejection::at_route(refusal, self.config().shared_realm())
    }

    /// Asks the application's limit.
    pub(crate) fn note_attempt(
        &self,
        head: &Head<'_>,
        kind: AttemptKind<'_>,
    ) -> Result<(), Refusal> {
        self.note_attempt_from(self.client_address(head), kind)
    }

    /// The same if the address is known already.
    pub(crate) fn note_attempt_from(
        &self,
        address: Option<IpAddr>,
        kind: AttemptKind<'_>,
    ) -> Result<(), Refusal> {
        let Some(limit) = self.config().limit() else {
            return Ok(());
        };
        if address.is_none() {
            self.warn_of_addresses();
        }
        limit
            .attempt(Attempt { address, kind })
            .map_err(|retry_after| Refusal::TooManyRequests { retry_after })
    }

    /// Whether both are clones of the same one. For adapters.
    #[doc(hidden)]
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Logs, once, that attempts of different clients cannot be told apart.
    pub(crate) fn warn_of_addresses(&self) {
        if !self.0.warned_of_addresses.swap(true, Ordering::Relaxed) {
            warn!(
                target: PRODUCT,
                "attempts are limited, but the clients' addresses are not known: on axum serve the \
                 router with `into_make_service_with_connect_info::<SocketAddr>()`"
            );
        }
    }

    /// Refuses a request to a protected resource.
    pub(crate) fn challenge(&self, refusal: Refusal) -> Rejection {
        Rejection::at_resource(refusal, self.config().shared_realm())
    }
}

/// Why [`Auth::in_memory`] cannot be made.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum InMemoryError {
    /// The settings do not fit together.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A key cannot be generated.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The manager cannot be built.
    #[error(transparent)]
    Manager(#[from] ManagerError),
    /// The origin is too long for an issuer.
    #[error(transparent)]
    Name(#[from] InvalidValue),
    /// The text is not an origin.
    #[error(transparent)]
    Origin(#[from] OriginError),
}
