//! Builds the settings, and checks them.

use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use token_core::{ClientId, PRODUCT, Transport};
use tracing::warn;
use zeroize::Zeroizing;

use super::error::ConfigError;
use super::{AuthConfig, IntrospectionKey, SharedLimit};
use crate::adopt::Adoption;
use crate::bearer;
use crate::cookies::CookieNames;
use crate::dpop::Dpop;
use crate::limit::AttemptLimit;
use crate::origin::Origin;
use crate::resource::ProtectedResource;

impl AuthConfig {
    /// Starts with the server's own origin, as browsers see it. The CSRF rule compares with it, and
    /// the metadata has it. It is never taken from a request.
    pub fn builder(origin: Origin) -> AuthConfigBuilder {
        AuthConfigBuilder(Self {
            origin,
            allowed_origins: Vec::new(),
            prefix: "/auth".into(),
            realm: "api".into(),
            transports: vec![Transport::Header, Transport::Cookie, Transport::Session],
            introspection_keys: Vec::new(),
            trusted_proxies: Vec::new(),
            jwks_max_age: Duration::from_secs(5 * 60),
            jwks_path: None,
            openid_configuration: false,
            resource: None,
            body_timeout: Duration::from_secs(10),
            clients: Vec::new(),
            limit: None,
            cookie_suffix: Box::default(),
            cookie_names: CookieNames::with_suffix(""),
            dpop: None,
            scheme: None,
            adoptions: Vec::new(),
        })
    }
}

/// 128 bits in base64url. The holder of a key can ask as often as they like which tokens are live,
/// but needs the tokens to ask; so a shorter key gets a warning and no error.
const SAFE_KEY: usize = 22;

/// Long enough for a word, and short beside the cookie's value.
const MAX_COOKIE_SUFFIX: usize = 32;

/// Builds an [`AuthConfig`].
#[derive(Clone, Debug)]
#[must_use]
pub struct AuthConfigBuilder(AuthConfig);

impl AuthConfigBuilder {
    /// Default `/auth`. Begins with a slash and does not end with one; empty for the root.
    pub fn prefix(mut self, prefix: impl Into<Box<str>>) -> Self {
        self.0.prefix = prefix.into();
        self
    }

    /// Default `api`. Visible ASCII and spaces, without quotes and backslashes.
    pub fn realm(mut self, realm: impl Into<Arc<str>>) -> Self {
        self.0.realm = realm.into();
        self
    }

    /// Default none; call it for each origin. Pages of this origin pass the CSRF rule. Whether they
    /// can read the answers is up to the application's CORS middleware.
    pub fn allow_origin(mut self, origin: Origin) -> Self {
        self.0.allowed_origins.push(origin);
        self
    }

    /// Default all three, with `header` first. A login that asks for another transport is refused
    /// with 400; if it asks for none, it gets the first. Leave `header` out to keep refresh tokens
    /// away from scripts.
    ///
    /// Existing sessions are not affected, and neither are handlers that name a
    /// transport in [`NewSession`](token_session::NewSession).
    pub fn transports(mut self, transports: impl IntoIterator<Item = Transport>) -> Self {
        self.0.transports = transports.into_iter().collect();
        self
    }

    /// Default none, and then the introspection route answers 404; call it for each key. A resource
    /// server sends it as `Authorization: Bearer KEY`. Use 128 random bits as base64url; a shorter
    /// key gets a warning in the log.
    pub fn introspection_key(mut self, key: impl Into<String>) -> Self {
        let key = IntrospectionKey(Arc::new(Zeroizing::new(key.into())));
        self.0.introspection_keys.push(key);
        self
    }

    /// Default none; call it for each network. A proxy in this network is trusted if it names the
    /// client's address in `X-Forwarded-For` or `Forwarded`. It must write one of the two itself. If
    /// the client adds the other one with another address, both are ignored.
    ///
    /// `IpNet` is from the crate `ipnet`; `"10.0.0.0/8".parse()?` makes one.
    ///
    /// On axum the server has to know who sends a request, which it does if the router is served with
    /// `into_make_service_with_connect_info::<SocketAddr>()`. Without it this setting has no effect.
    pub fn trust_proxy(mut self, network: IpNet) -> Self {
        self.0.trusted_proxies.push(network);
        self
    }

    /// How long the key set may be cached. Default 5 minutes; 1 second to 1 day. A new key must be
    /// published for at least that long before it signs.
    pub fn jwks_max_age(mut self, max_age: Duration) -> Self {
        self.0.jwks_max_age = max_age;
        self
    }

    /// Default none: the cookies are `__Host-Http-session` and `__Host-Http-refresh`. With the suffix
    /// `staff` they are `__Host-Http-session-staff` and `__Host-Http-refresh-staff`. 1 to 32 letters,
    /// digits, `-` and `_`.
    ///
    /// A browser keeps one cookie of each name for a host, whatever the port. Applications that share
    /// a host name need different suffixes, and so do two [`Auth`](crate::Auth)s in one application. If
    /// the suffix changes, everybody who has a cookie is logged out.
    pub fn cookie_suffix(mut self, suffix: impl Into<Box<str>>) -> Self {
        self.0.cookie_suffix = suffix.into();
        self
    }

    /// Default: none. Another name for the scheme `Bearer`, such as `Token`, for clients that were written for
    /// a server which wants `Authorization: Token …`. Both are accepted from then on; challenges and answers
    /// go on saying `Bearer`. Not `Bearer`, `DPoP` or `Basic`.
    pub fn scheme(mut self, name: impl Into<Box<str>>) -> Self {
        self.0.scheme = Some(name.into());
        self
    }

    /// Default `/.well-known/jwks.json`, with the issuer's path at its end if it has one. The path of the
    /// key set, for example `/app/jwks.json` behind a proxy that passes on only what begins with `/app`.
    /// Begins with a slash and does not end with one. The metadata names it as `jwks_uri`, and so
    /// resource servers find it; the metadata itself stays where RFC 8414 demands it.
    pub fn jwks_path(mut self, path: impl Into<Box<str>>) -> Self {
        self.0.jwks_path = Some(path.into());
        self
    }

    /// Default no: serves the metadata at `/.well-known/openid-configuration` too, where several clients and
    /// verifiers look and nowhere else. It is no OpenID provider: there are no ID tokens
    /// and no authorization endpoint.
    pub fn openid_configuration(mut self) -> Self {
        self.0.openid_configuration = true;
        self
    }

    /// Default none: serves what the application says of itself as a protected resource (RFC 9728), and names
    /// it in every challenge. The issuer of its own tokens is among its authorization servers only if you
    /// name it.
    pub fn protected_resource(mut self, resource: ProtectedResource) -> Self {
        self.0.resource = Some(resource);
        self
    }

    /// How long the body of a request may take to come, from when its head was read; then the answer
    /// is 408. Default 10 seconds; 1 second to 10 minutes. It holds for the routes of the library and
    /// for extractors that read the body, such as `LoginRequest`. Bodies that your own handlers read
    /// are not affected.
    pub fn body_timeout(mut self, limit: Duration) -> Self {
        self.0.body_timeout = limit;
        self
    }

    /// Default none; call it for each client. The body of a login may name this client, and the
    /// session's tokens then have it as `client_id`. A login that names another one is refused with
    /// 400. If it names none, the tokens have the manager's default.
    ///
    /// A name that a body chooses proves nothing: anyone who knows the password may send any of these.
    pub fn client(mut self, client: ClientId) -> Self {
        self.0.clients.push(client);
        self
    }

    /// Default none: `DPoP` fields are ignored, and every access token is a bearer token. If it is switched
    /// off again, sessions that are bound to a key cannot be renewed.
    pub fn dpop(mut self, dpop: Dpop) -> Self {
        self.0.dpop = Some(dpop);
        self
    }

    /// Default none; call it for each reader. Sessions and tokens of another system go on here until the instant
    /// that the policy says
    /// ([`adopts_until`](token_core::session::PolicyBuilder::adopts_until)). The readers are asked in the
    /// order in which they were given.
    pub fn adopt(mut self, adoption: Adoption) -> Self {
        self.0.adoptions.push(adoption);
        self
    }

    /// Default none: attempts are not limited. `Limits`, with the feature `limits`, is a good first choice. `LoginRequest`, `StepUpRequest` and `PasswordRequest` are
    /// counted when they are read. A handler that takes `CustomLogin` calls `attempt` itself.
    pub fn limit(mut self, limit: impl AttemptLimit) -> Self {
        self.0.limit = Some(SharedLimit(Arc::new(limit)));
        self
    }

    /// Checks every setting.
    ///
    /// # Errors
    /// [`ConfigError`] names the first setting that is out of its range.
    pub fn build(self) -> Result<AuthConfig, ConfigError> {
        let mut config = self.0;
        if !(config.prefix.is_empty() || is_path(&config.prefix)) {
            return Err(ConfigError::Prefix);
        }
        if !config.jwks_path.as_deref().is_none_or(is_path) {
            return Err(ConfigError::JwksPath);
        }
        let quotable = |c: char| matches!(c, ' '..='~') && c != '"' && c != '\\';
        if !config.realm.chars().all(quotable) {
            return Err(ConfigError::Realm);
        }
        let keys = &config.introspection_keys;
        if !keys.iter().all(|key| bearer::is_token(key.0.as_bytes())) {
            return Err(ConfigError::IntrospectionKey);
        }
        if keys.iter().any(|key| key.0.len() < SAFE_KEY) {
            warn!(
                target: PRODUCT,
                "an introspection key of less than {SAFE_KEY} characters can be guessed: use 16 \
                 random bytes as base64url"
            );
        }
        if !(1..=86_400).contains(&config.jwks_max_age.as_secs()) {
            return Err(ConfigError::JwksMaxAge(config.jwks_max_age));
        }
        let word = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        let suffix = &*config.cookie_suffix;
        if suffix.len() > MAX_COOKIE_SUFFIX || !suffix.chars().all(word) {
            return Err(ConfigError::CookieSuffix);
        }
        config.cookie_names = CookieNames::with_suffix(suffix);
        if !(Duration::from_secs(1)..=Duration::from_secs(600)).contains(&config.body_timeout) {
            return Err(ConfigError::BodyTimeout(config.body_timeout));
        }
        let base = config.dpop.as_ref().map_or("", Dpop::base);
        if !(base.is_empty() || is_path(base)) {
            return Err(ConfigError::DpopBasePath);
        }
        if !config.dpop.as_ref().is_none_or(Dpop::has_room) {
            return Err(ConfigError::DpopRoom);
        }
        let taken = |name: &str| {
            let mut taken = ["Bearer", "DPoP", "Basic"].into_iter();
            taken.any(|taken| name.eq_ignore_ascii_case(taken))
        };
        let scheme = config.scheme.as_deref();
        if scheme.is_some_and(|name| taken(name) || !bearer::is_scheme_name(name)) {
            return Err(ConfigError::Scheme);
        }
        let adoptions = &config.adoptions;
        for (index, adoption) in adoptions.iter().enumerate() {
            let name = adoption.name();
            if adoptions
                .iter()
                .skip(index + 1)
                .any(|other| other.name() == name)
            {
                return Err(ConfigError::DuplicateReader(name));
            }
            if let Some(cookie) = adoption.invalid_cookie() {
                return Err(ConfigError::OldCookie(cookie.name().into()));
            }
            if let Some(cookie) = adoption.untrusted_cookie() {
                return Err(ConfigError::PlantableCookie(cookie.name().into()));
            }
            if let Some(cookie) = adoption.cookie_of_unknown_life() {
                return Err(ConfigError::OldCookieLife(cookie.name().into()));
            }
            if adoption.reads_both() {
                return Err(ConfigError::TwoCarriers(name));
            }
        }
        // Otherwise each login would be refused, and only then.
        if config.transports.is_empty() {
            return Err(ConfigError::Transports);
        }
        Ok(config)
    }
}

/// Whether the text is a path that begins with a slash, does not end with one, and needs no escapes.
pub(crate) fn is_path(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "/-._~".contains(c);
    let slashes = text.starts_with('/') && !text.ends_with('/') && !text.contains("//");
    slashes && text.chars().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn builder() -> AuthConfigBuilder {
        AuthConfig::builder("https://own.example".parse().unwrap())
    }

    #[test]
    fn a_setting_out_of_its_range_is_named() {
        for prefix in ["auth", "/", "/auth/", "/a//b", "/a b", "/{id}"] {
            let error = builder().prefix(prefix).build().unwrap_err();
            assert_eq!(error, ConfigError::Prefix, "{prefix}");
            let error = builder().jwks_path(prefix).build().unwrap_err();
            assert_eq!(error, ConfigError::JwksPath, "{prefix}");
        }
        assert!(builder().prefix("").build().is_ok());
        for suffix in ["a b", "a=b", "a;b", "\u{e4}", &"a".repeat(33)] {
            let error = builder().cookie_suffix(suffix).build().unwrap_err();
            assert_eq!(error, ConfigError::CookieSuffix, "{suffix}");
        }
        let error = builder().realm("a\"b").build().unwrap_err();
        assert_eq!(error, ConfigError::Realm);
        let error = builder().introspection_key("a b").build().unwrap_err();
        assert_eq!(error, ConfigError::IntrospectionKey);
        // Only a warning.
        assert!(builder().introspection_key("short").build().is_ok());
        let error = builder().jwks_max_age(Duration::ZERO).build().unwrap_err();
        assert_eq!(error, ConfigError::JwksMaxAge(Duration::ZERO));
        for limit in [Duration::from_millis(999), Duration::from_secs(601)] {
            let error = builder().body_timeout(limit).build().unwrap_err();
            assert_eq!(error, ConfigError::BodyTimeout(limit));
        }
        for (capacity, per_owner) in [(0, 1), (1, 0)] {
            let dpop = Dpop::optional().remember(capacity, per_owner);
            let error = builder().dpop(dpop).build().unwrap_err();
            assert_eq!(error, ConfigError::DpopRoom);
        }
        for name in ["", "a b", "Token:", "bearer", "dpop", "Basic"] {
            let error = builder().scheme(name).build().unwrap_err();
            assert_eq!(error, ConfigError::Scheme, "{name}");
        }
        let error = builder().transports([]).build().unwrap_err();
        assert_eq!(error, ConfigError::Transports);
    }

    #[test]
    fn introspection_keys_are_compared_whole_and_never_shown() {
        let (abc, xyz) = ("abc".repeat(8), "xyz".repeat(8));
        let config = builder().introspection_key(&abc).introspection_key(&xyz);
        let config = config.build().unwrap();
        assert!(config.has_introspection_key(&abc) && config.has_introspection_key(&xyz));
        assert!(!config.has_introspection_key("abc") && !config.has_introspection_key(""));
        assert!(!format!("{config:?}").contains("abc"));
    }
}
