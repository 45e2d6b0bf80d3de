//! Who may call: the security schemes, and what a rule means for an operation.

use std::any::TypeId;

use token_core::binding::dpop::NonceKeys;
use token_core::{NoClaims, Transport, UnixTime};
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};

use super::refused::{self, INVALID_TOKEN};
use crate::config::AuthConfig;
use crate::cookies::Kind;
use crate::origin::Origin;
use crate::refusal::Refusal;
use crate::rule::Rule;

pub(super) const ACCESS_TOKEN: &str = "access_token";
pub(super) const REFRESH_COOKIE: &str = "refresh_cookie";
pub(super) const SESSION_COOKIE: &str = "session_cookie";
const INTROSPECTION_KEY: &str = "introspection_key";
const INTROSPECTION_CLIENT: &str = "introspection_client";

/// The credential that authenticates a caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "one extractor each")]
pub enum Credential {
    /// An access token: the extractor `Access`.
    Access,
    /// An access token or a session cookie: `Any`.
    Any,
    /// A session cookie: `ServerSession`.
    Session,
}

/// Adds to one of the application's operations what its extractors demand and answer: the credential,
/// and a [`Rule`] with its scopes. Answers that the operation has already stay.
pub fn protected<R: Rule>(operation: Operation, by: Credential) -> Operation {
    protected_by_claims::<R, NoClaims>(operation, by)
}

/// The same for a rule that looks at the application's own claims. A caller whom it does not permit is
/// answered with 403 `forbidden`.
pub fn protected_by_claims<R: Rule<C>, C: 'static>(
    operation: Operation,
    by: Credential,
) -> Operation {
    let mut refusals = caller(by);
    if TypeId::of::<C>() != TypeId::of::<NoClaims>() {
        refusals.push(Refusal::Forbidden);
    }
    if !R::SCOPE.is_empty() {
        let scope = R::SCOPE.into();
        refusals.push(Refusal::InsufficientScope { scope });
    }
    if R::MAX_AGE.is_some() || !R::ACR.is_empty() || !R::AMR.is_empty() {
        refusals.push(Refusal::InsufficientUserAuthentication {
            max_age: R::MAX_AGE,
            acr_values: R::ACR.into(),
        });
    }
    demand(operation, by, R::SCOPE, &refusals)
}

/// The same with a scope and a list of refusals instead of a rule.
pub(super) fn demand(
    mut operation: Operation,
    by: Credential,
    scope: &str,
    refusals: &[Refusal],
) -> Operation {
    let scopes = || scope.split(' ').filter(|word| !word.is_empty());
    let names: &[&str] = match by {
        Credential::Access => &[ACCESS_TOKEN],
        Credential::Any => &[ACCESS_TOKEN, SESSION_COOKIE],
        Credential::Session => &[SESSION_COOKIE],
    };
    let requirements = names
        .iter()
        .map(|name| SecurityRequirement::new(*name, scopes()));
    operation.security = Some(requirements.collect());
    let mut responses = std::mem::take(&mut operation.responses);
    refused::add_at_resource(&mut responses, refusals);
    operation.responses = responses;
    operation
}

/// What every extractor of a caller may answer.
pub(super) fn caller(by: Credential) -> Vec<Refusal> {
    let mut refusals = vec![
        Refusal::InvalidRequest,
        Refusal::Unauthorized,
        INVALID_TOKEN,
        Refusal::ServerError,
        Refusal::TemporarilyUnavailable,
        Refusal::GatewayTimeout,
    ];
    if by != Credential::Session {
        refusals.push(Refusal::InvalidDpopProof);
        // Only that there may be one is said.
        let nonce = NonceKeys::new([[0; 32]]).current(UnixTime::EPOCH);
        refusals.extend(nonce.map(Refusal::UseDpopNonce));
    }
    if by != Credential::Access {
        refusals.extend([Refusal::Conflict, Refusal::Csrf, Refusal::Unbound]);
    }
    refusals
}

/// How a resource server authenticates.
pub(super) fn introspection() -> [SecurityRequirement; 2] {
    [INTROSPECTION_KEY, INTROSPECTION_CLIENT].map(|name| SecurityRequirement::new(name, [""; 0]))
}

/// Every scheme that is in use.
pub(super) fn schemes(config: &AuthConfig) -> Vec<(&'static str, SecurityScheme)> {
    let http = |scheme: HttpAuthScheme, description: String| {
        let scheme = HttpBuilder::new().scheme(scheme);
        SecurityScheme::Http(scheme.description(Some(description)).build())
    };
    let cookie = |kind: Kind, description: String| {
        let cookie =
            ApiKeyValue::with_description(config.cookie_names().of(kind).to_owned(), description);
        SecurityScheme::ApiKey(ApiKey::Cookie(cookie))
    };
    let origins = origins(config).join(", ");
    let csrf = format!(
        "Unsafe methods need `Sec-Fetch-Site: same-origin` or `none`, or an `Origin` of: {origins}."
    );
    let access = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("at+jwt")
        .description(Some("An access token (RFC 6750, RFC 9068)."));
    let offered = config.transports();
    let mut schemes = Vec::new();
    if offered.iter().any(|one| *one != Transport::Session) {
        schemes.push((ACCESS_TOKEN, SecurityScheme::Http(access.build())));
    }
    if offered.contains(&Transport::Cookie) {
        let description = format!("The refresh token of transport `cookie`. {csrf}");
        schemes.push((REFRESH_COOKIE, cookie(Kind::Refresh, description)));
    }
    if offered.contains(&Transport::Session) {
        let description = format!("The credential of transport `session`. {csrf}");
        schemes.push((SESSION_COOKIE, cookie(Kind::Session, description)));
    }
    if config.introspects() {
        let key = "The key that a resource server was given";
        schemes.extend([
            (
                INTROSPECTION_KEY,
                http(HttpAuthScheme::Bearer, format!("{key}.")),
            ),
            (
                INTROSPECTION_CLIENT,
                http(
                    HttpAuthScheme::Basic,
                    format!("{key}, as a client's secret (RFC 6749 section 2.3.1)."),
                ),
            ),
        ]);
    }
    schemes
}

/// The origins that pass the CSRF rule, the server's own first.
pub(super) fn origins(config: &AuthConfig) -> Vec<&str> {
    let own = std::iter::once(config.origin());
    let all = own.chain(config.allowed_origins());
    all.map(Origin::as_str).collect()
}
