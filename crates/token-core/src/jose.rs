//! The outer layers of a token: base64url, strict JSON, and the compact form of a JWS with its header.
//!
//! Nothing here knows a key or a claim.

pub(crate) mod base64url;
pub(crate) mod error;
pub(crate) mod header;
pub(crate) mod json;
pub(crate) mod jws;
pub(crate) mod object;
