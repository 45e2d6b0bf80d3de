//! The routes that the library serves itself.

mod device;
pub(crate) mod introspect;
mod jwks;
pub(crate) mod logout;
pub(crate) mod metadata;
pub(crate) mod refresh;
mod revoke;
pub(crate) mod sessions;

use bytes::Bytes;
use http::{Method, Response};
use token_core::Issuer;

use crate::auth::Auth;
use crate::binding;
use crate::head::{Head, MAX_BODY};
use crate::media_type::MediaType;
use crate::refusal::Refusal;
use crate::rejection::Rejection;

/// A route that the library serves itself. An adapter mounts each [`path`](Self::path) for every
/// method and calls [`answer`](Self::answer).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Route {
    /// `POST /auth/device`: a browser registers a key for its session, or renews the bound cookie.
    Device,
    /// `POST /auth/introspect`, [RFC 7662](https://www.rfc-editor.org/rfc/rfc7662).
    Introspect,
    /// `GET /.well-known/jwks.json`, [RFC 7517 section 5](https://www.rfc-editor.org/rfc/rfc7517#section-5).
    Jwks,
    /// `POST /auth/logout`: ends the session of each genuine credential.
    Logout,
    /// `GET /.well-known/oauth-authorization-server`, [RFC 8414](https://www.rfc-editor.org/rfc/rfc8414).
    Metadata,
    /// `DELETE /auth/sessions/{session_id}`: ends one of the subject's own sessions.
    OneSession,
    /// `GET /.well-known/openid-configuration`: the metadata once more, if that is switched on
    /// ([`AuthConfigBuilder::openid_configuration`](crate::AuthConfigBuilder::openid_configuration)).
    OpenIdConfiguration,
    /// `GET /.well-known/oauth-protected-resource`, [RFC 9728](https://www.rfc-editor.org/rfc/rfc9728), if
    /// there is one
    /// ([`AuthConfigBuilder::protected_resource`](crate::AuthConfigBuilder::protected_resource)).
    ProtectedResource,
    /// `POST /auth/refresh`, [RFC 6749 section 6](https://www.rfc-editor.org/rfc/rfc6749#section-6).
    Refresh,
    /// `POST /auth/revoke`, [RFC 7009](https://www.rfc-editor.org/rfc/rfc7009).
    Revoke,
    /// `GET /auth/session`: the current session.
    Session,
    /// `GET` and `DELETE /auth/sessions`: the subject's sessions.
    Sessions,
}

impl Route {
    /// All routes, those that may be switched off among them.
    const ALL: &[Self] = &[
        Self::Device,
        Self::Introspect,
        Self::Jwks,
        Self::Logout,
        Self::Metadata,
        Self::OneSession,
        Self::OpenIdConfiguration,
        Self::ProtectedResource,
        Self::Refresh,
        Self::Revoke,
        Self::Session,
        Self::Sessions,
    ];

    /// The routes that an application has with these settings.
    pub fn mounted(auth: &Auth) -> impl Iterator<Item = Self> {
        let config = auth.config();
        let alias = config.has_openid_configuration();
        let resource = config.resource().is_some();
        let routes = Self::ALL.iter().copied();
        routes.filter(move |route| match route {
            Self::OpenIdConfiguration => alias,
            Self::ProtectedResource => resource,
            _ => true,
        })
    }

    /// The path, prefix included. `{session_id}` is a parameter.
    ///
    /// If the issuer is a URL with a path, as in `https://id.example/staff`, the path is at the end of
    /// both `/.well-known` routes, so that an application can have several issuers:
    ///
    /// > the well-known URI suffix "oauth-authorization-server" [...] inserted between the host
    /// > component and the path component
    ///
    /// [RFC 8414 section 3.1](https://www.rfc-editor.org/rfc/rfc8414#section-3.1).
    pub fn path(self, auth: &Auth) -> String {
        let well_known = |name| {
            let issuer = auth.manager().issuer();
            format!("/.well-known/{name}{}", issuer_path(&issuer.issuer))
        };
        let path = match self {
            Self::Jwks => {
                let path = auth.config().jwks_path().map(str::to_owned);
                return path.unwrap_or_else(|| well_known("jwks.json"));
            }
            Self::Metadata => return well_known("oauth-authorization-server"),
            Self::Device => return binding::path(auth),
            // > [...] concatenating the string /.well-known/openid-configuration to the Issuer.
            // OpenID Connect Discovery section 4.1: here the issuer's path comes first.
            Self::OpenIdConfiguration => {
                let issuer = auth.manager().issuer();
                let path = issuer_path(&issuer.issuer);
                return format!("{path}/.well-known/openid-configuration");
            }
            Self::ProtectedResource => {
                let resource = auth.config().resource();
                return resource.map_or_else(String::new, |resource| resource.path().to_owned());
            }
            Self::Introspect => "/introspect",
            Self::Logout => "/logout",
            Self::OneSession => "/sessions/{session_id}",
            Self::Refresh => "/refresh",
            Self::Revoke => "/revoke",
            Self::Session => "/session",
            Self::Sessions => "/sessions",
        };
        format!("{}{path}", auth.config().prefix())
    }

    /// The methods that the route has, in alphabetic order.
    pub const fn allow(self) -> &'static str {
        match self {
            Self::Device | Self::Introspect | Self::Logout | Self::Refresh | Self::Revoke => "POST",
            Self::Jwks
            | Self::Metadata
            | Self::OpenIdConfiguration
            | Self::ProtectedResource
            | Self::Session => "GET, HEAD",
            Self::OneSession => "DELETE",
            Self::Sessions => "DELETE, GET, HEAD",
        }
    }

    /// The longest body that the route reads, in bytes. A form at the refresh route may be longer than
    /// other bodies, because a client library (requests-oauthlib) sends the body of the API call along that
    /// found its token expired.
    pub fn max_body(self, head: &Head<'_>) -> usize {
        let is_form = || matches!(MediaType::of(head), Ok(Some(MediaType::Form)));
        if self == Self::Refresh && is_form() {
            MAX_REFRESH_FORM
        } else {
            MAX_BODY
        }
    }

    /// Answers a request. `body` is the whole body, or the reason why it could not be read. The
    /// framework leaves out the body of an answer to `HEAD`.
    pub async fn answer(
        self,
        auth: &Auth,
        head: Head<'_>,
        body: Result<Bytes, Rejection>,
    ) -> Response<Bytes> {
        let answer = self.try_answer(auth, &head, body).await;
        answer.unwrap_or_else(|rejection| rejection.response())
    }

    async fn try_answer(
        self,
        auth: &Auth,
        head: &Head<'_>,
        body: Result<Bytes, Rejection>,
    ) -> Result<Response<Bytes>, Rejection> {
        if self == Self::Introspect && !auth.config().introspects() {
            let why = "no key of a resource server is configured, so nothing is introspected";
            return Err(auth.refuse(Refusal::NotFound.because(why)));
        }
        let allow = self.allow();
        if !allow.split(", ").any(|method| *head.method == *method) {
            let why = format_args!("{} is not one of {allow}", head.method);
            return Err(auth.refuse(Refusal::MethodNotAllowed { allow }.because(why)));
        }
        // At a logout a body that cannot be read must not keep the session of a cookie alive, so there alone it
        // can still be an error below.
        let body = if self == Self::Logout {
            body
        } else {
            Ok(body?)
        };
        match self {
            Self::Device => device::device(auth, head).await,
            Self::Introspect => introspect::introspect(auth, head, &body?).await,
            Self::Jwks => Ok(jwks::jwks(auth, head)),
            Self::Logout => logout::logout(auth, head, body).await,
            Self::ProtectedResource => {
                let resource = auth.config().resource();
                let resource = resource.ok_or_else(|| auth.reject(Refusal::NotFound))?;
                Ok(resource.answer(head.method))
            }
            Self::Metadata | Self::OpenIdConfiguration => {
                let path = |route: Self| route.path(auth);
                let expected = path(self);
                if head.uri.path() != expected {
                    auth.warn_of_nesting(head.uri.path(), &expected);
                }
                let paths = metadata::Endpoints {
                    introspect: path(Self::Introspect),
                    jwks: path(Self::Jwks),
                    refresh: path(Self::Refresh),
                    revoke: path(Self::Revoke),
                };
                Ok(metadata::metadata(auth, &paths))
            }
            Self::OneSession => sessions::end_session(auth, head).await,
            Self::Refresh => refresh::refresh(auth, head, &body?).await,
            Self::Revoke => revoke::revoke(auth, head, &body?).await,
            Self::Session => sessions::session(auth, head).await,
            Self::Sessions if *head.method == Method::DELETE => {
                sessions::end_sessions(auth, head).await
            }
            Self::Sessions => sessions::sessions(auth, head).await,
        }
    }
}

/// The longest form at the refresh route, in bytes. The refresh token in it has at most 8 KiB all the same.
const MAX_REFRESH_FORM: usize = 64 * 1024;

/// The path of an issuer that is a URL, without a slash at its end: empty for most issuers. An issuer
/// need not be a URL, and then it has no path.
fn issuer_path(issuer: &Issuer) -> &str {
    let after_scheme = issuer.as_str().split_once("://");
    let after_host = after_scheme.and_then(|(_, rest)| rest.find('/').map(|at| rest.split_at(at)));
    let path = after_host.map_or("", |(_, path)| path.trim_end_matches('/'));
    // Frameworks take braces, stars and colons in a route for parameters, and decode what is escaped.
    let plain = |c: char| c.is_ascii_alphanumeric() || "/-._~".contains(c);
    if path.chars().all(plain) { path } else { "" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_of_an_issuer_is_what_follows_its_host() {
        for (issuer, path) in [
            ("https://id.example", ""),
            ("https://id.example/", ""),
            ("https://id.example:8443/staff", "/staff"),
            ("https://id.example/tenants/a-1/", "/tenants/a-1"),
            ("https://id.example/{x}", ""),
            ("https://id.example/a%20b", ""),
            ("urn:example:issuer/a", ""),
            ("staff", ""),
        ] {
            let issuer = Issuer::new(issuer).unwrap();
            assert_eq!(issuer_path(&issuer), path, "{issuer}");
        }
    }
}
