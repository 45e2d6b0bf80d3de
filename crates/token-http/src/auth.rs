//! The manager and the settings, which adapters take from their state.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use thiserror::Error;
use token_core::keys::KeyError;
use token_core::types::InvalidValue;
use token_core::{Audience, Issuer, PRODUCT, Policy};
use token_session::{ManagerError, MemoryStore, SessionManager, ephemeral_issuer};
use tokio::time::timeout;
use tracing::{error, warn};

use crate::bearer::TokenScheme;
use crate::config::{AuthConfig, ConfigError};
use crate::dpop::{Dpop, UsedByAll};
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
    /// The proofs that were used, if clients may prove a key.
    used_proofs: Option<UsedByAll>,
    /// Whether the log says already that clients have no addresses.
    warned_of_addresses: AtomicBool,
    /// Whether the log says already that a proxy may not be trusted.
    warned_of_proxy: AtomicBool,
    /// Whether the log says already that the metadata name paths at which the routes are not.
    warned_of_nesting: AtomicBool,
}

/// How many sessions [`Auth::in_memory`] has room for; each takes about 1 KB.
const IN_MEMORY_SESSIONS: usize = 100_000;

impl Auth {
    /// Sessions in memory, and keys that are made now: for a first try and for tests. When the
    /// process ends, everybody is logged out. There is room for 100,000 sessions. Tokens are signed with
    /// `EdDSA`, which some verifiers cannot read; keys in a file sign with `ES256` unless told otherwise.
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
        if !config.adoptions().is_empty() && manager.policy().adopts_until().is_none() {
            error!(
                target: PRODUCT,
                "no old session is adopted, since the policy does not say until when: set \
                 `PolicyBuilder::adopts_until`"
            );
        }
        Self(Arc::new(Shared {
            manager,
            used_proofs: config.dpop().map(Dpop::memory),
            config,
            warned_of_addresses: AtomicBool::new(false),
            warned_of_proxy: AtomicBool::new(false),
            warned_of_nesting: AtomicBool::new(false),
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

    pub(crate) fn used_proofs(&self) -> Option<&UsedByAll> {
        self.0.used_proofs.as_ref()
    }
}

/// For adapters, which call these for an application.
impl Auth {
    /// Refuses a request, with the challenge that goes with the refusal, and logs it at `debug`.
    /// Handlers call `Rejection::new` of their framework.
    pub fn reject(&self, refusal: Refusal) -> Rejection {
        self.refuse(refusal.logged())
    }

    /// The same for a refusal whose reason is in the log already.
    pub(crate) fn refuse(&self, refusal: Refusal) -> Rejection {
        // Only extractors of protected resources miss credentials.
        if refusal == Refusal::Unauthorized {
            return if self.config().dpop().is_some_and(Dpop::is_required) {
                self.challenge_bound(refusal)
            } else {
                self.challenge(refusal)
            };
        }
        Rejection::at_route(refusal, self.config().shared_realm())
    }

    /// Waits for the body of a request, as long as one may take. `longest` is for the log: the most bytes
    /// that `body` reads.
    ///
    /// # Errors
    /// [`Refusal::InvalidRequest`] if it is cut off, [`Refusal::PayloadTooLarge`],
    /// [`Refusal::RequestTimeout`].
    pub async fn read_body(
        &self,
        longest: usize,
        body: impl Future<Output = Result<Bytes, BodyError>>,
    ) -> Result<Bytes, Rejection> {
        let limit = self.config().body_timeout();
        let body = timeout(limit, body).await;
        let error = match body.unwrap_or(Err(BodyError::TooSlow)) {
            Ok(body) => return Ok(body),
            Err(error) => error,
        };
        Err(self.refuse(match error {
            BodyError::Interrupted => Refusal::InvalidRequest.because("the body was cut off"),
            BodyError::TooLong => Refusal::PayloadTooLarge
                .because(format_args!("the body is longer than {longest} bytes")),
            BodyError::TooSlow => Refusal::RequestTimeout
                .because(format_args!("the body did not come within {limit:?}")),
        }))
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
            .map_err(|retry_after| {
                let wait = retry_after.as_secs_f64();
                Refusal::TooManyRequests { retry_after }.because(match address {
                    Some(address) => format!("{kind:?} from {address} has to wait {wait:.1} s"),
                    None => format!("{kind:?} has to wait {wait:.1} s"),
                })
            })
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

    /// Logs, once, that a proxy may stand in front that is not trusted.
    pub(crate) fn warn_of_proxy(&self, peer: IpAddr) {
        if !self.0.warned_of_proxy.swap(true, Ordering::Relaxed) {
            warn!(
                target: PRODUCT,
                %peer,
                "a request names its client in `X-Forwarded-For` or `Forwarded`, but its sender is \
                 not a trusted proxy, so the sender counts as the client: if it is your proxy, name \
                 it with `trust_proxy`"
            );
        }
    }

    /// The application has mounted the routes below another path than the metadata say. It cannot be seen before the
    /// first request.
    pub(crate) fn warn_of_nesting(&self, path: &str, expected: &str) {
        if !self.0.warned_of_nesting.swap(true, Ordering::Relaxed) {
            warn!(
                target: PRODUCT,
                path,
                expected,
                "the routes of the library are below another path than their metadata say: mount them at the root \
                 of the application, not in `Router::nest` or a scope, and set `AuthConfigBuilder::prefix`"
            );
        }
    }

    /// Refuses a request to a protected resource, for a reason that is in the log already.
    pub(crate) fn challenge(&self, refusal: Refusal) -> Rejection {
        let rejection = Rejection::resource(refusal, Some(self.config().shared_realm()));
        rejection.with_resource_metadata(self.config().resource_metadata())
    }

    /// The same for a request that came with `Authorization: DPoP`, or should have.
    pub(crate) fn challenge_bound(&self, refusal: Refusal) -> Rejection {
        self.challenge(refusal).with_scheme(TokenScheme::Dpop)
    }
}

/// Why the body of a request could not be read. For adapters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "an adapter has to say which it is")]
pub enum BodyError {
    /// The client closed the connection.
    Interrupted,
    /// It is longer than [`MAX_BODY`](crate::MAX_BODY), or [`Route::max_body`](crate::Route::max_body).
    TooLong,
    /// It did not come in time ([`AuthConfigBuilder::body_timeout`](crate::AuthConfigBuilder)).
    TooSlow,
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
