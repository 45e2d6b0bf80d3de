//! The outer layers of a token: base64url, strict JSON, and the compact form of a JWS with its header.
//!
//! Nothing here knows a key or a claim. Only the errors are public: they say how a text broke the form.

pub(crate) mod base64url;
pub(crate) mod header;
pub(crate) mod json;
pub(crate) mod jws;
pub(crate) mod object;
pub(crate) mod texts;

pub use header::HeaderError;
pub use json::JsonError;
pub use jws::{FormError, MAX_LENGTH, Part};
pub use texts::Texts;
