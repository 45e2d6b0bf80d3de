//! The settings of all routes.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use ipnet::IpNet;
use token_core::{ClientId, Transport};
use zeroize::Zeroizing;

use crate::adopt::Adoption;
use crate::cookies::CookieNames;
use crate::dpop::Dpop;
use crate::limit::AttemptLimit;
use crate::origin::Origin;
use crate::resource::ProtectedResource;

mod builder;
mod error;

pub use builder::AuthConfigBuilder;
pub(crate) use builder::is_path;
pub use error::ConfigError;

/// The settings of all routes, which an application chooses once.
///
/// ```
/// use token_http::AuthConfig;
///
/// let config = AuthConfig::builder("https://app.example".parse()?)
///     .realm("notes")
///     .allow_origin("https://spa.example".parse()?)
///     .build()?;
/// assert_eq!(config.prefix(), "/auth");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct AuthConfig {
    origin: Origin,
    allowed_origins: Vec<Origin>,
    prefix: Box<str>,
    realm: Arc<str>,
    transports: Vec<Transport>,
    introspection_keys: Vec<IntrospectionKey>,
    trusted_proxies: Vec<IpNet>,
    jwks_max_age: Duration,
    jwks_path: Option<Box<str>>,
    openid_configuration: bool,
    resource: Option<ProtectedResource>,
    body_timeout: Duration,
    clients: Vec<ClientId>,
    limit: Option<SharedLimit>,
    cookie_suffix: Box<str>,
    cookie_names: CookieNames,
    dpop: Option<Dpop>,
    scheme: Option<Box<str>>,
    adoptions: Vec<Adoption>,
}

impl AuthConfig {
    /// The server's own origin.
    pub const fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Other origins whose pages may use cookies here.
    pub fn allowed_origins(&self) -> &[Origin] {
        &self.allowed_origins
    }

    /// Where the routes are mounted, without a slash at the end.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The transports that a login may ask for. The first is used if it asks for none.
    pub(crate) fn transports(&self) -> &[Transport] {
        &self.transports
    }

    /// Whether there is an introspection route.
    pub(crate) fn introspects(&self) -> bool {
        !self.introspection_keys.is_empty()
    }

    pub(crate) fn shared_realm(&self) -> Arc<str> {
        Arc::clone(&self.realm)
    }

    /// Whether a resource server's key is one of ours, in constant time.
    pub(crate) fn has_introspection_key(&self, presented: &str) -> bool {
        // Every key is compared, so that the time does not depend on which one matches.
        self.introspection_keys.iter().fold(false, |found, key| {
            found | verify_slices_are_equal(key.0.as_bytes(), presented.as_bytes()).is_ok()
        })
    }

    pub(crate) fn trusted_proxies(&self) -> &[IpNet] {
        &self.trusted_proxies
    }

    pub(crate) const fn jwks_max_age(&self) -> Duration {
        self.jwks_max_age
    }

    pub(crate) const fn cookie_names(&self) -> &CookieNames {
        &self.cookie_names
    }

    /// Which clients prove a key; `None` if none can.
    pub(crate) const fn dpop(&self) -> Option<&Dpop> {
        self.dpop.as_ref()
    }

    /// Another name for the scheme `Bearer`.
    pub(crate) fn scheme(&self) -> Option<&str> {
        self.scheme.as_deref()
    }

    /// What reads sessions and tokens of the system that was used before.
    pub(crate) fn adoptions(&self) -> &[Adoption] {
        &self.adoptions
    }

    /// Where the key set is, if not below `/.well-known`.
    pub(crate) fn jwks_path(&self) -> Option<&str> {
        self.jwks_path.as_deref()
    }

    /// Whether the metadata is also where OpenID Connect has it.
    pub(crate) const fn has_openid_configuration(&self) -> bool {
        self.openid_configuration
    }

    /// What the protected resource says of itself, if there is one.
    pub(crate) const fn resource(&self) -> Option<&ProtectedResource> {
        self.resource.as_ref()
    }

    /// The URL that challenges name.
    pub(crate) fn resource_metadata(&self) -> Option<Arc<str>> {
        self.resource.as_ref().map(ProtectedResource::metadata_url)
    }

    pub(crate) const fn body_timeout(&self) -> Duration {
        self.body_timeout
    }

    /// Whether the body of a login may name this client.
    pub(crate) fn has_client(&self, client: &ClientId) -> bool {
        self.clients.contains(client)
    }

    pub(crate) fn limit(&self) -> Option<&dyn AttemptLimit> {
        self.limit.as_ref().map(|limit| &*limit.0)
    }
}

#[derive(Clone)]
struct IntrospectionKey(Arc<Zeroizing<String>>);

impl fmt::Debug for IntrospectionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IntrospectionKey([redacted])")
    }
}

#[derive(Clone)]
struct SharedLimit(Arc<dyn AttemptLimit>);

impl fmt::Debug for SharedLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AttemptLimit")
    }
}
