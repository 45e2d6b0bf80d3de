//! The words of RFC 9449 in answers.

use http::HeaderValue;
use token_core::Session;
use token_core::binding::Binding;
use token_core::binding::dpop::Nonce;

/// The name of the field with the nonce for the next proof, in lower case.
pub(crate) const NONCE_FIELD: &str = "dpop-nonce";

/// The nonce as a field's value.
pub(crate) fn nonce_value(nonce: &Nonce) -> HeaderValue {
    HeaderValue::from_str(nonce.as_str()).expect("base64url is visible ASCII")
}

/// The `token_type` of a session's access tokens.
pub(crate) const fn token_type(session: &Session) -> &'static str {
    match session.binding {
        Binding::Key(_) => "DPoP",
        Binding::Device(_) | Binding::Unbound => "Bearer",
    }
}
