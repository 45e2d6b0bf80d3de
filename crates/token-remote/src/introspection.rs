//! Whether a token is still good, in its issuer's word ([RFC 7662](https://www.rfc-editor.org/rfc/rfc7662)).

use std::fmt;
use std::time::Duration;

use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{Client, Url};
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::address::{self, AddressError};
use crate::builder::BuildError;
use crate::fetch::{self, FetchError, read, send};

/// Asks an issuer whether a token is still good: its session was not ended meanwhile.
///
/// It is a question to the issuer at each call, so verify the token before, with
/// [`RemoteJwks`](crate::RemoteJwks), and ask only about those that hold.
#[derive(Clone)]
pub struct Introspection {
    client: Client,
    address: Url,
    key: HeaderValue,
}

impl Introspection {
    /// `address` is the issuer's introspection endpoint, `key` what it knows this service by.
    /// As with keys, only `https` is asked, or this very machine.
    ///
    /// # Errors
    /// [`BuildError`], with a sentence that says what to do.
    pub fn new(address: &str, key: &str) -> Result<Self, BuildError> {
        let address = address::parse(address, false)?;
        let bearer = Zeroizing::new(format!("Bearer {key}"));
        let key = HeaderValue::from_str(&bearer);
        let mut key = key.map_err(|_| AddressError::Extra("the introspection key".into()))?;
        key.set_sensitive(true);
        Ok(Self {
            client: fetch::client(Duration::from_secs(5)).map_err(BuildError::Client)?,
            address,
            key,
        })
    }

    /// Whether the token is still good.
    ///
    /// # Errors
    /// [`FetchError`] where the issuer does not say: answer 503, not 401.
    pub async fn is_active(&self, token: &str) -> Result<bool, FetchError> {
        #[derive(Deserialize)]
        struct Answer {
            active: bool,
        }
        let url = &self.address;
        let mut form = form_urlencoded::Serializer::new(String::new());
        let form = form.append_pair("token", token).finish();
        let request = self
            .client
            .post(url.clone())
            .header(AUTHORIZATION, self.key.clone())
            .header(ACCEPT, "application/json")
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(form);
        let text = read(send(request, url).await?, url, MAX_ANSWER).await?;
        let answer: Result<Answer, _> = serde_json::from_str(&text);
        let answer = answer.map_err(|_| FetchError::ContentType {
            address: url.as_str().into(),
            found: "not an introspection".into(),
        })?;
        Ok(answer.active)
    }
}

impl fmt::Debug for Introspection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Introspection")
            .field("address", &self.address.as_str())
            .finish_non_exhaustive()
    }
}

/// The most of an answer that is read, in bytes.
const MAX_ANSWER: usize = 64 * 1024;
