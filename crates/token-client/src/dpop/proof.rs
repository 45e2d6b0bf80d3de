//! What one request shows.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64URL;
use reqwest::header::{HeaderName, HeaderValue};
use reqwest::{Method, Url};
use serde::Serialize;

use super::key::ClientKey;

/// The field that carries a proof.
pub(crate) const FIELD: HeaderName = HeaderName::from_static("dpop");

/// A proof for one request: by which key, for which method, address and token, and when.
///
/// [`Client::proof`](crate::Client::proof) makes one. It is good once, for seconds.
pub struct Proof {
    text: HeaderValue,
    pub(super) origin: String,
    pub(super) nonce: Option<String>,
    /// The correction of the clock with which it was made, in milliseconds.
    pub(super) ahead: i64,
}

/// The claims of a proof (RFC 9449 section 4.2).
#[derive(Serialize)]
struct Claims<'a> {
    jti: String,
    htm: &'a str,
    htu: String,
    iat: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    nonce: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ath: Option<String>,
}

/// What is proven.
pub(super) struct Subject<'a> {
    pub(super) method: &'a Method,
    pub(super) url: &'a Url,
    /// The access token that goes along.
    pub(super) token: Option<&'a str>,
    /// What tells this proof from all others.
    pub(super) id: [u8; 16],
    /// Milliseconds since 1970, by the clock of this machine.
    pub(super) wall: i64,
}

impl Subject<'_> {
    /// The proof for a server of which the nonce and the clock are known as told.
    pub(super) fn sign(&self, key: &ClientKey, nonce: Option<&str>, ahead: i64) -> Proof {
        let origin = origin(self.url);
        let claims = Claims {
            jti: BASE64URL.encode(self.id),
            htm: self.method.as_str(),
            // > without query and fragment parts (RFC 9449 section 4.2)
            htu: format!("{origin}{}", self.url.path()),
            iat: self.wall.saturating_add(ahead).max(0) / 1_000,
            nonce,
            ath: self.token.map(hash),
        };
        let claims = serde_json::to_vec(&claims).expect("the claims are texts and a number");
        let text = HeaderValue::try_from(key.sign(&claims));
        Proof {
            text: text.expect("a JWS is visible ASCII"),
            origin,
            nonce: nonce.map(str::to_owned),
            ahead,
        }
    }
}

impl Proof {
    /// The value of the field `DPoP`.
    pub fn header_value(&self) -> HeaderValue {
        self.text.clone()
    }
}

impl fmt::Debug for Proof {
    /// Within seconds somebody else could use it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proof")
            .field("origin", &self.origin)
            .finish_non_exhaustive()
    }
}

/// Scheme, host and port.
pub(super) fn origin(url: &Url) -> String {
    url.origin().ascii_serialization()
}

fn hash(token: &str) -> String {
    BASE64URL.encode(digest(&SHA256, token.as_bytes()))
}
