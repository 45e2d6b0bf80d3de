//! Whether a token is still good, in its issuer's word ([RFC 7662](https://www.rfc-editor.org/rfc/rfc7662)).

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{Client, Url};
use serde::Deserialize;
use token_core::Issuer;
use tokio::time::Instant;
use zeroize::Zeroizing;

use crate::address;
use crate::build_error::BuildError;
use crate::fetch::{self, FetchError, Metadata, own, read, send};

/// Asks an issuer whether a token is still good: its session was not ended meanwhile.
///
/// It is a question to the issuer at each call, so verify the token before, with
/// [`RemoteJwks`](crate::RemoteJwks), and ask only about those that hold.
#[derive(Clone)]
pub struct Introspection {
    client: Client,
    place: Place,
    key: HeaderValue,
}

/// Where the endpoint is.
#[derive(Clone)]
enum Place {
    Known(Url),
    /// As the issuer's metadata says, once it could be asked.
    AtIssuer {
        issuer: Issuer,
        metadata: Url,
        found: Arc<ArcSwapOption<Found>>,
    },
}

/// What the metadata said, and until when nobody asks for it again.
struct Found {
    endpoint: Url,
    stale: Instant,
}

impl Place {
    /// What is asked first.
    const fn asked(&self) -> &Url {
        match self {
            Self::Known(url) => url,
            Self::AtIssuer { metadata, .. } => metadata,
        }
    }
}

impl Introspection {
    /// `address` is the issuer's introspection endpoint, `key` what it knows this service by.
    /// As with keys, only `https` is asked, or this very machine.
    ///
    /// # Errors
    /// [`BuildError`], with a sentence that says what to do.
    pub fn new(address: &str, key: &str) -> Result<Self, BuildError> {
        Self::build(Place::Known(address::parse(address, false)?), key)
    }

    /// The same if only the issuer's URL is known: the endpoint is the one that its metadata names
    /// (RFC 8414), which must be at the issuer's own origin. It is looked for when it is needed for the first
    /// time, and again if the last answer is more than 5 minutes old. If the metadata cannot be asked then, the
    /// endpoint of before is asked, and the metadata again after half a minute.
    ///
    /// # Errors
    /// [`BuildError`], with a sentence that says what to do.
    pub fn at_issuer(issuer: Issuer, key: &str) -> Result<Self, BuildError> {
        let metadata = address::metadata(&address::parse(issuer.as_str(), false)?);
        let found = Arc::default();
        let place = Place::AtIssuer {
            issuer,
            metadata,
            found,
        };
        Self::build(place, key)
    }

    /// Trusts these certificate authorities (PEM, one or more) and no others, as
    /// [`RemoteJwksBuilder::trust_only`](crate::RemoteJwksBuilder::trust_only) does.
    ///
    /// # Errors
    /// [`BuildError::NoCertificate`].
    pub fn trust_only(self, pem: impl AsRef<[u8]>) -> Result<Self, BuildError> {
        let client = fetch::client(TIMEOUT, Some(pem.as_ref()), self.place.asked())?;
        Ok(Self { client, ..self })
    }

    fn build(place: Place, key: &str) -> Result<Self, BuildError> {
        let bearer = Zeroizing::new(format!("Bearer {key}"));
        let key = HeaderValue::from_str(&bearer);
        let mut key = key.map_err(|_| BuildError::Key)?;
        key.set_sensitive(true);
        Ok(Self {
            client: fetch::client(TIMEOUT, None, place.asked())?,
            place,
            key,
        })
    }

    /// Whether the token is still good.
    ///
    /// # Errors
    /// [`FetchError`] if the issuer does not say: answer 503, not 401.
    pub async fn is_active(&self, token: &str) -> Result<bool, FetchError> {
        #[derive(Deserialize)]
        struct Answer {
            active: bool,
        }
        let url = &self.address().await?;
        let request = self
            .client
            .post(url.clone())
            .header(AUTHORIZATION, self.key.clone())
            .header(ACCEPT, "application/json")
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(form(token));
        let text = read(send(request, url).await?, url, MAX_ANSWER).await?;
        let answer: Result<Answer, _> = serde_json::from_str(&text);
        let answer = answer.map_err(|_| FetchError::Answer {
            address: url.as_str().into(),
        })?;
        Ok(answer.active)
    }

    async fn address(&self) -> Result<Url, FetchError> {
        let (issuer, metadata, found) = match &self.place {
            Place::Known(url) => return Ok(url.clone()),
            Place::AtIssuer {
                issuer,
                metadata,
                found,
            } => (issuer.as_str(), metadata, found),
        };
        let now = Instant::now();
        let before = found.load_full();
        if let Some(before) = &before {
            if now < before.stale {
                return Ok(before.endpoint.clone());
            }
            // The others go on with what is known while this one asks, and for a while if nothing answers: an issuer in
            // trouble is not asked twice as much as before.
            let kept = Arc::new(Found {
                endpoint: before.endpoint.clone(),
                stale: now + PAUSE,
            });
            let seen = found.compare_and_swap(before, Some(kept));
            if !seen.as_ref().is_some_and(|seen| Arc::ptr_eq(seen, before)) {
                return Ok(before.endpoint.clone());
            }
        }
        match self.look_up(issuer, metadata).await {
            Ok(endpoint) => {
                found.store(Some(Arc::new(Found {
                    endpoint: endpoint.clone(),
                    stale: now + FRESHNESS,
                })));
                Ok(endpoint)
            }
            Err(error) if error.is_outage() => {
                before.map(|before| before.endpoint.clone()).ok_or(error)
            }
            Err(error) => {
                // What it says is wrong, so that nothing which it said before holds either.
                found.store(before);
                Err(error)
            }
        }
    }

    /// What the metadata says now.
    async fn look_up(&self, issuer: &str, metadata: &Url) -> Result<Url, FetchError> {
        let told = Metadata::fetch(&self.client, metadata, issuer).await?;
        let endpoint = told.introspection_endpoint;
        let endpoint = endpoint.ok_or_else(|| FetchError::NoIntrospection {
            address: metadata.as_str().into(),
        })?;
        own(&endpoint, metadata, &[], false)
    }
}

/// Not in the future itself: what writes forms is not `Send`.
fn form(token: &str) -> String {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("token", token).finish()
}

impl fmt::Debug for Introspection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Introspection")
            .field("address", &self.place.asked().as_str())
            .finish_non_exhaustive()
    }
}

/// How long one question may take.
const TIMEOUT: Duration = Duration::from_secs(5);

/// How long the address of the endpoint is believed.
const FRESHNESS: Duration = Duration::from_secs(5 * 60);

/// How long it is believed after that, once the metadata could not be asked.
const PAUSE: Duration = Duration::from_secs(30);

/// The most of an answer that is read, in bytes.
const MAX_ANSWER: usize = 64 * 1024;
