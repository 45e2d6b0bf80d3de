//! One question to the issuer, bounded in every way.

use std::error::Error;
use std::io;
use std::time::Duration;

use reqwest::header::{ACCEPT, CONTENT_TYPE, ETAG, HeaderValue, IF_NONE_MATCH};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, RequestBuilder, Response, StatusCode, Url};
use serde::Deserialize;
use thiserror::Error;
use token_core::access::VerifierError;
use token_core::keys::KeyError;
use token_core::{Algorithm, KeyId};

use crate::address;
use crate::build_error::BuildError;
use crate::cache_control::freshness;

/// The longest key set that is read, in bytes: what `JwkSet` accepts.
const MAX_KEY_SET: usize = 256 * 1024;

/// Why a fetch gave no new keys. The last good ones stay.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FetchError {
    /// A key that is known now has another algorithm.
    #[error(
        "the key {id} was {before} and is said to be {now}; look whether the issuer was taken over"
    )]
    Algorithm {
        /// The key.
        id: KeyId,
        /// What it was.
        before: Algorithm,
        /// What it is said to be.
        now: Algorithm,
    },
    /// It does not say whether the token is good.
    #[error("{address} did not answer as RFC 7662 says; is it the introspection endpoint?")]
    Answer {
        /// What was asked.
        address: Box<str>,
    },
    /// Its certificate does not hold: the server that answers may not be the issuer.
    #[error(
        "the certificate of {address} does not hold; renew it, or name its authority with `trust_only`"
    )]
    Certificate {
        /// What was asked.
        address: Box<str>,
        /// What is wrong with it.
        source: reqwest::Error,
    },
    /// It is not JSON of the right kind.
    #[error("{address} answered with the content type {found:?} instead of JSON")]
    ContentType {
        /// What was asked.
        address: Box<str>,
        /// What came.
        found: Box<str>,
    },
    /// The metadata names another place than the issuer's own.
    #[error(
        "the issuer names {address}, at another origin; if that is right, name it with `jwks_uri` or `Introspection::new`"
    )]
    Elsewhere {
        /// The address that it names.
        address: Box<str>,
    },
    /// The keys do not go together.
    #[error("the key set cannot be used: {0}")]
    Keys(#[from] VerifierError),
    /// It is not RFC 8414 metadata.
    #[error("{address} is not the metadata of an issuer; name the key set with `jwks_uri`")]
    Metadata {
        /// What was asked.
        address: Box<str>,
    },
    /// Nothing describes the issuer there.
    #[error(
        "{address} answered with 404; if the issuer describes itself elsewhere, name the key set with `jwks_uri`, or the endpoint with `Introspection::new`"
    )]
    NoMetadata {
        /// What was asked.
        address: Box<str>,
    },
    /// None of the keys can be used.
    #[error("the key set at {address} has no usable key: {}", reasons(.refused))]
    NoUsableKey {
        /// What was asked.
        address: Box<str>,
        /// The place of each key in the set, from 0, and the rule that it breaks.
        refused: Vec<(usize, KeyError)>,
    },
    /// The metadata names no place to ask whether a token is still good.
    #[error("{address} has no `introspection_endpoint`; switch it on at the issuer")]
    NoIntrospection {
        /// What was asked.
        address: Box<str>,
    },
    /// The metadata is another issuer's.
    #[error("{address} is the metadata of another issuer; write the issuer as it stands there")]
    OtherIssuer {
        /// What was asked.
        address: Box<str>,
    },
    /// It is not a key set.
    #[error("{address} is not a key set: {source}")]
    Set {
        /// What was asked.
        address: Box<str>,
        /// What is wrong with it.
        source: KeyError,
    },
    /// It did not answer with 200. Redirects are not followed.
    #[error("{address} answered with {status}")]
    Status {
        /// What was asked.
        address: Box<str>,
        /// What came.
        status: u16,
    },
    /// It answers with more than is read.
    #[error("{address} answered with more than {limit} bytes")]
    TooLong {
        /// What was asked.
        address: Box<str>,
        /// How much is read.
        limit: usize,
    },
    /// It was asked a moment ago, or is being asked now.
    #[error("the issuer was asked a moment ago")]
    TooSoon,
    /// It cannot be reached, or is too slow.
    #[error("{address} cannot be reached")]
    Transport {
        /// What was asked.
        address: Box<str>,
        /// What went wrong.
        source: reqwest::Error,
    },
}

impl FetchError {
    /// Whether it may pass by itself: the issuer is down, slow, or was asked just now. Everything
    /// else has to be fixed by somebody.
    pub fn is_outage(&self) -> bool {
        match self {
            Self::TooSoon | Self::Transport { .. } => true,
            Self::Status { status, .. } => *status >= 500 || *status == 429,
            _ => false,
        }
    }
}

/// Why no key of a set can be used, one after the other.
fn reasons(refused: &[(usize, KeyError)]) -> String {
    if refused.is_empty() {
        return "it has none".to_owned();
    }
    let reason = |(index, reason): &(usize, KeyError)| format!("key {index}: {reason}");
    let mut text: Vec<String> = refused.iter().take(MAX_REASONS).map(reason).collect();
    if refused.len() > MAX_REASONS {
        text.push(format!("and {} more", refused.len() - MAX_REASONS));
    }
    text.join("; ")
}

/// Usually all keys of a set are refused for the same reason.
const MAX_REASONS: usize = 3;

/// What may be asked, and where.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) client: Client,
    pub(crate) issuer: Box<str>,
    pub(crate) metadata: Url,
    pub(crate) jwks_uri: Option<Url>,
    pub(crate) insecure: bool,
    /// Other origins at which the metadata may place the keys.
    pub(crate) key_origins: &'static [&'static str],
    /// The media types of key sets that are accepted.
    pub(crate) content_types: Vec<Box<str>>,
}

/// An answer with a key set, or that it is still the same.
pub(crate) struct Answer {
    pub(crate) keys: Option<Keys>,
    pub(crate) freshness: Option<Duration>,
}

pub(crate) struct Keys {
    pub(crate) address: Url,
    pub(crate) json: String,
    pub(crate) tag: Option<Tag>,
}

/// The ETag of a set, and where it has come from.
#[derive(Clone, Debug)]
pub(crate) struct Tag {
    address: Url,
    etag: HeaderValue,
}

/// A client that follows nothing, and waits for so long in all.
/// `roots` are the only certificate authorities to trust; `None` trusts those of the system. `asked` has the origin that
/// is asked.
pub(crate) fn client(
    timeout: Duration,
    roots: Option<&[u8]>,
    asked: &Url,
) -> Result<Client, BuildError> {
    let mut client = Client::builder()
        .redirect(Policy::none())
        .timeout(timeout)
        .user_agent(concat!("token-remote/", env!("CARGO_PKG_VERSION")));
    if address::is_plain_loopback(asked) {
        // `HTTP_PROXY` would take it off this machine in the clear.
        client = client.no_proxy();
    }
    if let Some(pem) = roots {
        let roots = Certificate::from_pem_bundle(pem).unwrap_or_default();
        if roots.is_empty() {
            return Err(BuildError::NoCertificate);
        }
        client = client.tls_certs_only(roots);
    }
    client.build().map_err(BuildError::Client)
}

impl Source {
    /// Asks for the keys, and for their address if none was given. `known` is what the last set came with.
    pub(crate) async fn keys(&self, known: Option<&Tag>) -> Result<Answer, FetchError> {
        let url = match &self.jwks_uri {
            Some(url) => url.clone(),
            // Each time: the address is the issuer's to change.
            None => self.discover().await?,
        };
        let mut request = self.client.get(url.clone());
        // An ETag tells versions of one resource apart; another one may have the same (RFC 9110 section 8.8.3).
        let known = known.filter(|tag| tag.address == url);
        if let Some(Tag { etag, .. }) = known {
            request = request.header(IF_NONE_MATCH, etag);
        }
        let accept = "application/jwk-set+json, application/json";
        let response = send(request.header(ACCEPT, accept), &url).await?;
        let freshness = freshness(response.headers());
        if known.is_some() && response.status() == StatusCode::NOT_MODIFIED {
            let keys = None;
            return Ok(Answer { keys, freshness });
        }
        let etag = response.headers().get(ETAG).cloned();
        let tag = etag.map(|etag| Tag {
            address: url.clone(),
            etag,
        });
        let types = self.content_types.iter().map(|kind| &**kind);
        let json = read_as(response, &url, MAX_KEY_SET, types).await?;
        let keys = Some(Keys {
            address: url,
            json,
            tag,
        });
        Ok(Answer { keys, freshness })
    }

    async fn discover(&self) -> Result<Url, FetchError> {
        let url = &self.metadata;
        let metadata = Metadata::fetch(&self.client, url, &self.issuer).await?;
        let keys = metadata.jwks_uri.ok_or_else(|| FetchError::Metadata {
            address: url.as_str().into(),
        })?;
        own(&keys, url, self.key_origins, self.insecure)
    }
}

/// What an issuer says of itself ([RFC 8414](https://www.rfc-editor.org/rfc/rfc8414)).
#[derive(Deserialize)]
pub(crate) struct Metadata {
    issuer: String,
    jwks_uri: Option<String>,
    pub(crate) introspection_endpoint: Option<String>,
}

impl Metadata {
    pub(crate) async fn fetch(
        client: &Client,
        url: &Url,
        issuer: &str,
    ) -> Result<Self, FetchError> {
        let request = client.get(url.clone());
        let response = send(request.header(ACCEPT, "application/json"), url).await?;
        let address = || url.as_str().into();
        if response.status() == StatusCode::NOT_FOUND {
            return Err(FetchError::NoMetadata { address: address() });
        }
        let text = read(response, url, MAX_METADATA).await?;
        let metadata: Self =
            serde_json::from_str(&text).map_err(|_| FetchError::Metadata { address: address() })?;
        // > The "issuer" value returned MUST be identical to the authorization server's issuer
        // > identifier value into which the well-known URI string was inserted to create the URL
        // > used to retrieve the metadata.
        // RFC 8414 section 3.3
        if metadata.issuer != *issuer {
            return Err(FetchError::OtherIssuer { address: address() });
        }
        Ok(metadata)
    }
}

/// An address that the metadata names, if it is at the origin of the metadata, or at another of these.
pub(crate) fn own(
    named: &str,
    metadata: &Url,
    others: &[&str],
    insecure: bool,
) -> Result<Url, FetchError> {
    let url = address::parse(named, insecure).ok();
    let url = url.filter(|url| {
        let origin = url.origin();
        origin == metadata.origin() || others.contains(&&*origin.ascii_serialization())
    });
    url.ok_or_else(|| FetchError::Elsewhere {
        address: named.chars().take(200).collect(),
    })
}

/// The most of an issuer's metadata that is read, in bytes.
const MAX_METADATA: usize = 64 * 1024;

pub(crate) async fn send(request: RequestBuilder, url: &Url) -> Result<Response, FetchError> {
    let address = || url.as_str().into();
    let sent = request.send().await;
    sent.map_err(|source| {
        let (address, source) = (address(), source.without_url());
        if is_about_certificate(&source) {
            FetchError::Certificate { address, source }
        } else {
            FetchError::Transport { address, source }
        }
    })
}

fn is_about_certificate(error: &(dyn Error + 'static)) -> bool {
    if let Some(error) = error.downcast_ref::<rustls::Error>() {
        return matches!(error, rustls::Error::InvalidCertificate(_));
    }
    // What an I/O error wraps is not its source, but its source's source is the next.
    let wrapped = error.downcast_ref::<io::Error>();
    let wrapped = wrapped.and_then(io::Error::get_ref);
    wrapped.is_some_and(|error| is_about_certificate(error))
        || error.source().is_some_and(is_about_certificate)
}

/// What JSON is called.
pub(crate) const JSON: [&str; 2] = ["application/jwk-set+json", "application/json"];

/// The body of a good answer in JSON, up to a limit.
pub(crate) async fn read(
    response: Response,
    url: &Url,
    limit: usize,
) -> Result<String, FetchError> {
    read_as(response, url, limit, JSON.into_iter()).await
}

/// The same if it has one of these media types.
async fn read_as<'a>(
    mut response: Response,
    url: &Url,
    limit: usize,
    mut types: impl Iterator<Item = &'a str>,
) -> Result<String, FetchError> {
    let address = || url.as_str().into();
    if response.status() != StatusCode::OK {
        let status = response.status().as_u16();
        return Err(FetchError::Status {
            address: address(),
            status,
        });
    }
    let content_type = response.headers().get(CONTENT_TYPE);
    let content_type = content_type.map_or("", |value| value.to_str().unwrap_or("?"));
    let kind = content_type.split(';').next().unwrap_or_default().trim();
    if !types.any(|own| kind.eq_ignore_ascii_case(own)) {
        return Err(FetchError::ContentType {
            address: address(),
            found: content_type.chars().take(100).collect(),
        });
    }
    let too_long = || FetchError::TooLong {
        address: address(),
        limit,
    };
    let announced = response.content_length().unwrap_or(0);
    if usize::try_from(announced).map_or(true, |announced| announced > limit) {
        return Err(too_long());
    }
    let mut body = Vec::new();
    loop {
        let chunk = response.chunk().await;
        let chunk = chunk.map_err(|source| FetchError::Transport {
            address: address(),
            source: source.without_url(),
        })?;
        let Some(chunk) = chunk else { break };
        if body.len() + chunk.len() > limit {
            return Err(too_long());
        }
        body.extend_from_slice(&chunk);
    }
    String::from_utf8(body).map_err(|_| FetchError::ContentType {
        address: address(),
        found: "not UTF-8".into(),
    })
}
