//! The thief's HTTP client: cookies in a jar, a connection for each request, and a key that is not the browser's.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
#[cfg(feature = "tls")]
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use hallpass::{Auth, Origin, SessionId};
use http::header::{COOKIE, HOST, ORIGIN, SET_COOKIE};
use http::{HeaderName, HeaderValue, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
#[cfg(feature = "tls")]
use rustls::pki_types::CertificateDer;
#[cfg(feature = "tls")]
use rustls::{ClientConfig, RootCertStore};
use serde::Deserialize;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
#[cfg(feature = "tls")]
use tokio_rustls::TlsConnector;

const SESSION: HeaderName = HeaderName::from_static("sec-secure-session-id");
const PROOF: HeaderName = HeaderName::from_static("secure-session-response");
const CHALLENGE: &str = "secure-session-challenge";

/// How long an answer may take.
const LIMIT: Duration = Duration::from_secs(10);

/// The longest body of an answer, in bytes.
const MAX_BODY: usize = 64 * 1024;

/// What a client got no answer for.
#[derive(Debug, Error)]
pub(super) enum ClientError {
    /// The answer has no such form.
    #[error("the answer cannot be read: {0}")]
    Answer(Box<dyn std::error::Error + Send + Sync>),
    /// The connection broke.
    #[error("the connection failed: {0}")]
    Connection(#[from] io::Error),
    /// It is not HTTP.
    #[error("no HTTP: {0}")]
    Http(#[from] hyper::Error),
    /// There is no key for a false proof.
    #[error("no key can be made")]
    Key,
    /// A cookie is no header.
    #[error("the request cannot be made: {0}")]
    Request(#[from] http::Error),
    /// It took too long.
    #[error("no answer within {} s", LIMIT.as_secs())]
    Slow,
}

/// Reaches the server over its own port, as any other client would.
#[derive(Clone)]
#[expect(missing_debug_implementations, reason = "rustls' connector has none")]
pub struct Client {
    address: SocketAddr,
    origin: Origin,
    #[cfg(feature = "tls")]
    tls: Option<TlsConnector>,
}

impl Client {
    /// For a server that listens there, and whose pages have this origin.
    pub const fn new(address: SocketAddr, origin: Origin) -> Self {
        Self {
            address,
            origin,
            #[cfg(feature = "tls")]
            tls: None,
        }
    }

    /// Speaks TLS, and trusts this certificate alone.
    ///
    /// # Errors
    /// If it cannot be read.
    #[cfg(feature = "tls")]
    pub fn with_tls(mut self, certificate: &CertificateDer<'_>) -> Result<Self, rustls::Error> {
        let mut trusted = RootCertStore::empty();
        trusted.add(certificate.clone().into_owned())?;
        // Named, since a program may have linked another provider as well.
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(trusted)
            .with_no_client_auth();
        self.tls = Some(Arc::new(config).into());
        Ok(self)
    }

    /// Sends a request without a body.
    pub(super) async fn send(
        &self,
        method: &Method,
        path: &str,
        cookies: &Cookies,
        fields: &[(HeaderName, HeaderValue)],
    ) -> Result<Answered, ClientError> {
        let origin = self.origin.as_str();
        let authority = origin.split("://").nth(1).unwrap_or_default();
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, authority)
            .header(ORIGIN, origin)
            .header(COOKIE, cookies.field());
        for (name, value) in fields {
            request = request.header(name, value);
        }
        let request = request.body(Empty::new())?;
        let answered = timeout(LIMIT, self.exchange(request)).await;
        answered.map_err(|_| ClientError::Slow)?
    }

    /// Asks for a new bound cookie, and answers the challenge with a key of its own.
    pub(super) async fn renew(
        &self,
        auth: &Auth,
        session: SessionId,
        cookies: &Cookies,
    ) -> Result<Answered, ClientError> {
        let path = device(auth);
        let id = HeaderValue::try_from(session.to_string()).map_err(http::Error::from)?;
        let named = [(SESSION, id)];
        let asked = self.send(&Method::POST, &path, cookies, &named).await?;
        let Some(challenge) = &asked.challenge else {
            return Ok(asked);
        };
        let proof = HeaderValue::try_from(false_proof(challenge)?).map_err(http::Error::from)?;
        let [named] = named;
        let fields = [named, (PROOF, proof)];
        self.send(&Method::POST, &path, cookies, &fields).await
    }

    async fn exchange(&self, request: Request<Empty<Bytes>>) -> Result<Answered, ClientError> {
        let stream = TcpStream::connect(self.address).await?;
        #[cfg(feature = "tls")]
        if let Some(tls) = &self.tls {
            // The certificate names this too, whatever the origin is.
            let name = rustls::pki_types::ServerName::try_from("localhost");
            let name = name.map_err(io::Error::other)?;
            let stream = tls.connect(name, stream).await?;
            return over(stream, request).await;
        }
        over(stream, request).await
    }
}

/// Sends a request over this connection, and ends it.
async fn over(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    request: Request<Empty<Bytes>>,
) -> Result<Answered, ClientError> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let response = sender.send_request(request).await?;
    let (head, body) = response.into_parts();
    let body = Limited::new(body, MAX_BODY).collect().await;
    let body = body.map_err(ClientError::Answer)?.to_bytes();
    connection.abort();
    let set_cookies = head.headers.get_all(SET_COOKIE).iter();
    let set_cookies = set_cookies.filter_map(|field| field.to_str().ok());
    let challenge = head.headers.get(CHALLENGE);
    // In quotes, and the session after it.
    let challenge = challenge.and_then(|field| field.to_str().ok()?.split('"').nth(1));
    let error = serde_json::from_slice::<Refused>(&body);
    Ok(Answered {
        status: head.status,
        error: error
            .ok()
            .map(|refused| refused.reason.unwrap_or(refused.error)),
        set_cookies: set_cookies.map(str::to_owned).collect(),
        challenge: challenge.map(str::to_owned),
    })
}

/// Where browsers register and renew.
pub(super) fn device(auth: &Auth) -> String {
    format!("{}/device", auth.config().prefix())
}

/// A proof as a browser makes it, by a key that was made just now.
fn false_proof(challenge: &str) -> Result<String, ClientError> {
    let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING);
    let key = key.map_err(|_| ClientError::Key)?;
    let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"ES256","typ":"dbsc+jwt"}"#);
    let payload = URL_SAFE_NO_PAD.encode(format!(r#"{{"jti":"{challenge}"}}"#));
    let input = format!("{header}.{payload}");
    let signature = key.sign(&SystemRandom::new(), input.as_bytes());
    let signature = signature.map_err(|_| ClientError::Key)?;
    Ok(format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

/// The body of a refusal.
#[derive(Deserialize)]
struct Refused {
    error: String,
    reason: Option<String>,
}

/// What the server answered.
pub(super) struct Answered {
    pub(super) status: StatusCode,
    /// Why it was refused, if it was.
    pub(super) error: Option<String>,
    set_cookies: Vec<String>,
    challenge: Option<String>,
}

/// The cookies that a browser sent, by name.
#[derive(Clone, Default)]
pub(super) struct Cookies(BTreeMap<String, String>);

impl Cookies {
    /// Reads the values of the field `Cookie`.
    pub(super) fn read<'a>(fields: impl Iterator<Item = &'a [u8]>) -> Self {
        let fields = fields.filter_map(|field| std::str::from_utf8(field).ok());
        let pairs = fields.flat_map(|field| field.split("; "));
        let pairs = pairs.filter_map(|pair| pair.split_once('='));
        Self(
            pairs
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
        )
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    fn field(&self) -> String {
        let pairs: Vec<_> = self
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        pairs.join("; ")
    }

    /// Keeps what the answer sets. A deleted cookie stays: a thief obeys nobody.
    pub(super) fn update(&mut self, answered: &Answered) {
        for field in &answered.set_cookies {
            let pair = field.split(';').next().unwrap_or_default();
            if let Some((name, value)) = pair.split_once('=')
                && !value.is_empty()
            {
                self.0.insert(name.into(), value.into());
            }
        }
    }
}
