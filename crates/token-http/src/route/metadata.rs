//! `GET /.well-known/oauth-authorization-server`
//! ([RFC 8414](https://www.rfc-editor.org/rfc/rfc8414)).

use bytes::Bytes;
use http::Response;
use serde::Serialize;
use token_core::binding::dpop::ALGORITHMS;

use crate::answer;
use crate::auth::Auth;

/// The paths of the routes that the metadata names.
pub(super) struct Endpoints {
    pub(super) introspect: String,
    pub(super) jwks: String,
    pub(super) refresh: String,
    pub(super) revoke: String,
}

/// All of the metadata is configured, and nothing comes from the request.
///
/// `response_types_supported` is left out, although RFC 8414 section 2 lists it as required: there is no
/// authorization endpoint, so the list would be empty, and section 3.2 says:
///
/// > Claims with zero elements MUST be omitted from the response.
pub(super) fn metadata(auth: &Auth, paths: &Endpoints) -> Response<Bytes> {
    let config = auth.config();
    let issuer = auth.manager().issuer();
    let url = |path: &str| format!("{}{path}", config.origin());
    let body = Metadata {
        issuer: issuer.issuer.as_str(),
        jwks_uri: url(&paths.jwks),
        token_endpoint: url(&paths.refresh),
        grant_types_supported: ["refresh_token"],
        token_endpoint_auth_methods_supported: ["none"],
        revocation_endpoint: url(&paths.revoke),
        // > If omitted, the default is "client_secret_basic"
        // RFC 8414 section 2. No client has a secret here.
        revocation_endpoint_auth_methods_supported: ["none"],
        introspection_endpoint: config.introspects().then(|| url(&paths.introspect)),
        introspection_endpoint_auth_methods_supported: config
            .introspects()
            .then_some(["Bearer", "client_secret_basic"]),
        dpop_signing_alg_values_supported: config.dpop().map(|_| ALGORITHMS),
    };
    let body = serde_json::to_vec(&body).expect("texts are JSON");
    answer::public("application/json", body, config.jwks_max_age().as_secs())
}

/// How clients and resource servers find the other routes.
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
    /// The algorithms of proofs, if clients may prove a key (RFC 9449 section 5.1).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<String>, required = false))]
    dpop_signing_alg_values_supported: Option<[&'static str; 3]>,
}
