//! Where a request was refused, and the challenge that goes with a refusal there.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::sync::Arc;

use http::{HeaderValue, StatusCode};
use token_core::binding::dpop::ALGORITHMS;

use crate::bearer::TokenScheme;
use crate::refusal::Refusal;

/// Where a request was refused, which decides on the challenge.
#[derive(Clone, Debug)]
pub(super) enum Place {
    /// Without a challenge.
    Anywhere,
    /// In an application that is set up wrongly, with the fix.
    Misconfigured(Cow<'static, str>),
    /// In a handler or route that checks credentials itself, in this realm.
    Route(Arc<str>),
    /// At a protected resource.
    Resource(Resource),
}

/// What a challenge says of a protected resource.
#[derive(Clone, Debug)]
pub(super) struct Resource {
    /// Its realm, if it is known.
    pub(super) realm: Option<Arc<str>>,
    /// The URL of its metadata, if it has any.
    pub(super) metadata: Option<Arc<str>>,
    /// By which scheme a token has to come.
    pub(super) scheme: TokenScheme,
}

impl Resource {
    pub(super) const fn new(realm: Option<Arc<str>>) -> Self {
        Self {
            realm,
            metadata: None,
            scheme: TokenScheme::Bearer,
        }
    }
}

impl Place {
    /// The status of a refusal here. One of the proof is an error of the token request
    /// ([RFC 9449 section 5](https://www.rfc-editor.org/rfc/rfc9449#section-5)), but a challenge at a resource
    /// (section 7.1).
    pub(super) const fn status(&self, refusal: &Refusal) -> StatusCode {
        match (refusal, self) {
            (Refusal::InvalidDpopProof | Refusal::UseDpopNonce(_), Self::Resource(resource))
                if matches!(resource.scheme, TokenScheme::Dpop) =>
            {
                StatusCode::UNAUTHORIZED
            }
            _ => refusal.status(),
        }
    }

    /// The `WWW-Authenticate` field ([RFC 6750 section 3](https://www.rfc-editor.org/rfc/rfc6750#section-3)).
    pub(super) fn challenge(&self, refusal: &Refusal) -> Option<HeaderValue> {
        let (realm, resource) = match self {
            Self::Anywhere | Self::Misconfigured(_) => return None,
            Self::Route(realm) => (Some(realm), None),
            Self::Resource(resource) => (resource.realm.as_ref(), Some(resource)),
        };
        let is_bound = resource.is_some_and(|resource| resource.scheme == TokenScheme::Dpop);
        // Texts of the application: characters that cannot be quoted are left out.
        let quotable = |c: &char| matches!(c, ' '..='~') && *c != '"' && *c != '\\';
        let cut = |value: &str| value.chars().filter(quotable).collect::<String>();
        // > If the client attempted to authenticate via the "Authorization" request header field,
        // > the authorization server MUST [...] include the "WWW-Authenticate" response header
        // > field matching the authentication scheme used by the client.
        // RFC 6749 section 5.2; only Basic is refused so.
        let scheme = match refusal {
            Refusal::InvalidClient => "Basic",
            _ if is_bound => "DPoP",
            _ => "Bearer",
        };
        let mut text = scheme.to_owned();
        let mut add = |name: &str, value: &str| {
            let comma = if text.len() > scheme.len() { "," } else { "" };
            let value = cut(value);
            write!(text, "{comma} {name}=\"{value}\"").expect("writing to a String succeeds");
        };
        if let Some(realm) = realm {
            add("realm", realm);
        }
        match refusal {
            // > If the request lacks any authentication information [...], the resource server
            // > SHOULD NOT include an error code or other error information.
            // RFC 6750 section 3.1
            Refusal::InvalidClient
            | Refusal::InvalidCredentials
            | Refusal::Unauthorized
            | Refusal::Unbound => {}
            Refusal::InvalidRequest if resource.is_some() => add("error", "invalid_request"),
            Refusal::InvalidToken(fault) => {
                add("error", "invalid_token");
                add("error_description", fault.as_str());
            }
            Refusal::InsufficientScope { scope } => {
                add("error", "insufficient_scope");
                add("scope", scope);
            }
            Refusal::InsufficientUserAuthentication {
                max_age,
                acr_values,
            } => {
                add("error", "insufficient_user_authentication");
                if let Some(max_age) = max_age {
                    add("max_age", &max_age.as_secs().to_string());
                }
                if !acr_values.is_empty() {
                    add("acr_values", acr_values);
                }
            }
            Refusal::InvalidDpopProof | Refusal::UseDpopNonce(_) if is_bound => {
                add("error", refusal.code());
            }
            _ => return None,
        }
        // > The algs parameter SHOULD be included to signal to the client the JWS algorithms that are
        // > acceptable for the DPoP proof JWT.
        // RFC 9449 section 7.1
        if is_bound {
            add("algs", &ALGORITHMS.join(" "));
        }
        // > The parameter "resource_metadata" [...] The URL of the protected resource metadata.
        // RFC 9728 section 5.1
        if let Some(metadata) = resource.and_then(|resource| resource.metadata.as_deref()) {
            add("resource_metadata", metadata);
        }
        Some(HeaderValue::try_from(text).expect("only quotable characters are left"))
    }
}
