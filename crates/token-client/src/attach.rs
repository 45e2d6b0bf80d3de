//! To which requests a token is added, and which answers ask for another one.

use reqwest::Url;
use reqwest::header::HeaderMap;
use reqwest::{StatusCode, header};

use crate::address::below;
use crate::dpop::challenge_says;

/// The origins that get tokens, and the routes at them that get none.
#[derive(Debug)]
pub(crate) struct Destinations {
    origins: Vec<String>,
    exempt: [Url; 4],
}

impl Destinations {
    pub(crate) fn new(base: &Url, others: &[Url]) -> Self {
        let origins = others.iter().chain([base]).map(origin);
        Self {
            origins: origins.collect(),
            exempt: ["login", "logout", "refresh", "revoke"].map(|route| below(base, route)),
        }
    }

    /// Whether a request gets a token, unless it has one.
    pub(crate) fn include(&self, url: &Url, headers: &HeaderMap) -> bool {
        !headers.contains_key(header::AUTHORIZATION)
            && self.origins.contains(&origin(url))
            && !self.exempt.contains(url)
    }
}

/// Whether an answer says that the token is not accepted
/// ([RFC 6750 section 3.1](https://www.rfc-editor.org/rfc/rfc6750#section-3.1)). Another token helps then, but not
/// if the request had none, if a scope is missing, or if the user has to authenticate again.
pub(crate) fn refuses_token(status: StatusCode, headers: &HeaderMap) -> bool {
    status == StatusCode::UNAUTHORIZED && challenge_says(headers, "invalid_token")
}

/// Scheme, host and port, as a text to compare.
fn origin(url: &Url) -> String {
    url.origin().ascii_serialization()
}
