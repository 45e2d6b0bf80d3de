//! `GET /.well-known/oauth-authorization-server`
//! ([RFC 8414](https://www.rfc-editor.org/rfc/rfc8414)).

use bytes::Bytes;
use http::Response;
use serde::Serialize;

use super::Route;
use crate::answer;
use crate::auth::Auth;

/// Everything in it is configured, nothing is taken from the request.
pub(super) fn metadata(auth: &Auth) -> Response<Bytes> {
    let config = auth.config();
    let issuer = auth.manager().issuer();
    let url = |route: Route| format!("{}{}", config.origin(), route.path(config));
    let body = Metadata {
        issuer: issuer.issuer.as_str(),
        jwks_uri: url(Route::Jwks),
        token_endpoint: url(Route::Refresh),
        grant_types_supported: ["refresh_token"],
        token_endpoint_auth_methods_supported: ["none"],
        revocation_endpoint: url(Route::Revoke),
        // > If omitted, the default is "client_secret_basic"
        // RFC 8414 section 2. No client has a secret here.
        revocation_endpoint_auth_methods_supported: ["none"],
        introspection_endpoint: config.introspects().then(|| url(Route::Introspect)),
        introspection_endpoint_auth_methods_supported: config
            .introspects()
            .then_some(["Bearer", "client_secret_basic"]),
    };
    let body = serde_json::to_vec(&body).expect("texts are JSON");
    answer::public("application/json", body, config.jwks_max_age().as_secs())
}

/// What clients and resource servers find everything by.
#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub(crate) struct Metadata<'a> {
    issuer: &'a str,
    jwks_uri: String,
    token_endpoint: String,
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<String>))]
    grant_types_supported: [&'static str; 1],
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<String>))]
    token_endpoint_auth_methods_supported: [&'static str; 1],
    revocation_endpoint: String,
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<String>))]
    revocation_endpoint_auth_methods_supported: [&'static str; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = String, required = false))]
    introspection_endpoint: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<String>, required = false))]
    introspection_endpoint_auth_methods_supported: Option<[&'static str; 2]>,
}
