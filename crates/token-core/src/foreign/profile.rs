//! What the tokens of an issuer look like.

use std::time::Duration;

use crate::keys::algorithm::Algorithm;

/// What the tokens and keys of an issuer look like: everything in which they may differ from
/// [RFC 9068](https://www.rfc-editor.org/rfc/rfc9068).
///
/// Take the constant of your issuer. For an issuer that has none, start from [`RFC9068`](Self::RFC9068)
/// and relax what its tokens need. The names are part of the program, as the type of the claims is:
///
/// ```
/// use token_core::foreign::Profile;
///
/// /// Tokens of our own old identity server.
/// const LEGACY: Profile = Profile::RFC9068
///     .types(&["JWT"])
///     .client_id(&["azp"])
///     .scope(&["scp"])
///     .claims(&[("use", "access")]);
/// ```
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct Profile {
    pub(crate) types: &'static [&'static str],
    pub(crate) untyped: bool,
    pub(crate) ignored: &'static [&'static str],
    pub(crate) issuer_aliases: &'static [&'static str],
    pub(crate) audience: &'static [&'static str],
    pub(crate) client_id: &'static [&'static str],
    pub(crate) token_id: &'static [&'static str],
    pub(crate) scope: &'static [&'static str],
    pub(crate) tenant: Option<&'static str>,
    pub(crate) required: &'static [&'static str],
    pub(crate) claims: &'static [(&'static str, &'static str)],
    pub(crate) algorithms: &'static [Algorithm],
    pub(crate) default_algorithm: Option<Algorithm>,
    pub(crate) max_age: Duration,
    pub(crate) discovery: Discovery,
    pub(crate) key_origins: &'static [&'static str],
}

/// Where an issuer describes itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Discovery {
    /// `/.well-known/oauth-authorization-server`, between the host and the path of the issuer
    /// ([RFC 8414 section 3](https://www.rfc-editor.org/rfc/rfc8414#section-3)).
    OAuth,
    /// `/.well-known/openid-configuration`, after the path of the issuer
    /// ([OpenID Connect Discovery section 4](https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderConfig)).
    OpenId,
}

impl Profile {
    /// The accepted values of `typ`, as media types: in any case, with or without `application/`.
    /// Default `at+jwt`.
    ///
    /// Many issuers write `JWT` into tokens of every kind. Then something else has to tell an access
    /// token from an ID token: [`claims`](Self::claims), [`required`](Self::required), or an audience
    /// that only access tokens have.
    pub const fn types(mut self, types: &'static [&'static str]) -> Self {
        self.types = types;
        self
    }

    /// Accepts tokens without `typ` as well. Default no. See [`types`](Self::types).
    pub const fn untyped(mut self) -> Self {
        self.untyped = true;
        self
    }

    /// Members of the header that the issuer writes and that are ignored, such as `x5t`. Default none:
    /// a member that is not known is refused. A member that changes what a token means, such as `crit`,
    /// `b64` or `enc`, is refused even if it is named here.
    pub const fn ignore_header_members(mut self, members: &'static [&'static str]) -> Self {
        self.ignored = members;
        self
    }

    /// Other spellings of `iss` that the issuer uses, compared byte for byte. Default none.
    pub const fn issuer_aliases(mut self, aliases: &'static [&'static str]) -> Self {
        self.issuer_aliases = aliases;
        self
    }

    /// The claims that may name the audience: the first of them that a token has. Default `aud`.
    pub const fn audience(mut self, claims: &'static [&'static str]) -> Self {
        self.audience = claims;
        self
    }

    /// The claims that may name the client: the first of them that a token has. Default `client_id`;
    /// others are `azp`, `cid` and `appid`.
    pub const fn client_id(mut self, claims: &'static [&'static str]) -> Self {
        self.client_id = claims;
        self
    }

    /// The claims that may identify the token, if it has no `jti`. Default none.
    pub const fn token_id(mut self, claims: &'static [&'static str]) -> Self {
        self.token_id = claims;
        self
    }

    /// The claims that may have the scope, as one text or as a list: the first of them that a token has.
    /// Default `scope`; another is `scp`.
    pub const fn scope(mut self, claims: &'static [&'static str]) -> Self {
        self.scope = claims;
        self
    }

    /// The claim that names the tenant, which takes the place of `{tenantid}` in the issuer.
    /// Default none.
    pub const fn tenant(mut self, claim: &'static str) -> Self {
        self.tenant = Some(claim);
        self
    }

    /// What every token must have, beside `iss`, `sub`, `iat`, `exp` and the audience: any of
    /// `auth_time`, `client_id`, `jti`, `scope` and `sid`, each under any of its names. An `auth_time` that is
    /// required must not be in the future. Default `client_id` and `jti`. Other words are not known, and no
    /// verifier is built with them.
    pub const fn required(mut self, claims: &'static [&'static str]) -> Self {
        self.required = claims;
        self
    }

    /// Claims that every token must have, with these texts. Default none. For an issuer that writes the
    /// same `typ` into every kind of token, as `("token_use", "access")` does.
    pub const fn claims(mut self, claims: &'static [(&'static str, &'static str)]) -> Self {
        self.claims = claims;
        self
    }

    /// Believes keys of these algorithms. Default: of every asymmetric one that the library has.
    pub const fn algorithms(mut self, algorithms: &'static [Algorithm]) -> Self {
        self.algorithms = algorithms;
        self
    }

    /// The algorithm of RSA keys that the issuer publishes without `alg`. Default none: such a key is
    /// refused, since it could serve several.
    pub const fn default_algorithm(mut self, algorithm: Algorithm) -> Self {
        self.default_algorithm = Some(algorithm);
        self
    }

    /// How long after its `iat` a token is believed, whatever its `exp`. Default 24 hours; 1 second to
    /// 31 days.
    pub const fn max_age(mut self, max_age: Duration) -> Self {
        self.max_age = max_age;
        self
    }

    /// Where the issuer describes itself. Default [`Discovery::OAuth`].
    pub const fn discovery(mut self, discovery: Discovery) -> Self {
        self.discovery = discovery;
        self
    }

    /// Other origins at which the issuer's metadata may place the keys, such as
    /// `https://keys.example`. Default none: they must be at the issuer's own.
    pub const fn key_origins(mut self, origins: &'static [&'static str]) -> Self {
        self.key_origins = origins;
        self
    }

    /// What was set with [`discovery`](Self::discovery), for those who fetch.
    pub const fn discovery_of(&self) -> Discovery {
        self.discovery
    }

    /// What was set with [`key_origins`](Self::key_origins), for those who fetch.
    pub const fn key_origins_of(&self) -> &'static [&'static str] {
        self.key_origins
    }
}
