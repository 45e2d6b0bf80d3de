//! An issuer behind TLS, with certificates that hold and others that do not.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

mod support;

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use support::{AUDIENCE, Kind, PROFILE, Remote, good, key, pass, token_of, verify_as};
use token_core::{KeyRing, VerifyError};
use token_remote::{BuildError, FetchError, Introspection, RemoteError, RemoteIssuer, RemoteJwks};

/// A certificate authority.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut parameters = CertificateParams::new(Vec::new()).unwrap();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        Self(CertifiedIssuer::self_signed(parameters, key).unwrap())
    }

    /// As a service is told whom to trust.
    fn pem(&self) -> String {
        let body = STANDARD.encode(self.0.der());
        format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n")
    }

    /// What a server needs to be this host until that year.
    fn certify(&self, host: &str, until: i32) -> Arc<ServerConfig> {
        let mut parameters = CertificateParams::new([host.to_owned()]).unwrap();
        parameters.not_before = date_time_ymd(2020, 1, 1);
        parameters.not_after = date_time_ymd(until, 1, 1);
        let key = KeyPair::generate().unwrap();
        let certificate = parameters.signed_by(&key, &self.0).unwrap();
        let private = PrivatePkcs8KeyDer::from(key.serialize_der());
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], private.into());
        Arc::new(config.unwrap())
    }
}

/// An issuer with one key, whose certificate can be changed.
struct Issuer {
    url: String,
    config: Arc<Mutex<Arc<ServerConfig>>>,
    key: Arc<Mutex<u8>>,
}

impl Issuer {
    fn start(config: Arc<ServerConfig>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap());
        let issuer = Self {
            url: url.clone(),
            config: Arc::new(Mutex::new(config)),
            key: Arc::new(Mutex::new(1)),
        };
        let (config, key) = (Arc::clone(&issuer.config), Arc::clone(&issuer.key));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let config = Arc::clone(&config.lock().unwrap());
                let (url, key) = (url.clone(), *key.lock().unwrap());
                thread::spawn(move || answer(stream.unwrap(), config, &url, key));
            }
        });
        issuer
    }

    /// A service that trusts this authority, or whom the system trusts.
    fn remote(&self, kind: Kind, authority: Option<&Authority>) -> Remote {
        let (issuer, audience) = (self.url.parse().unwrap(), AUDIENCE.parse().unwrap());
        let (interval, pem) = (Duration::from_millis(100), authority.map(Authority::pem));
        match kind {
            Kind::Own => {
                let mut builder = RemoteJwks::builder(issuer, audience).interval(interval);
                if let Some(pem) = pem {
                    builder = builder.trust_only(pem);
                }
                Remote::Own(builder.build().unwrap())
            }
            Kind::Foreign => {
                let builder = RemoteIssuer::builder(issuer, audience, PROFILE);
                let mut builder = builder.interval(interval);
                if let Some(pem) = pem {
                    builder = builder.trust_only(pem);
                }
                Remote::Foreign(builder.build().unwrap())
            }
        }
    }

    fn present(&self, config: Arc<ServerConfig>) {
        *self.config.lock().unwrap() = config;
    }
}

fn answer(stream: TcpStream, config: Arc<ServerConfig>, url: &str, own: u8) {
    let connection = ServerConnection::new(config).unwrap();
    let mut reader = BufReader::new(StreamOwned::new(connection, stream));
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        // A client that does not accept the certificate goes without a word.
        if reader.read_line(&mut head).unwrap_or(0) == 0 {
            return;
        }
    }
    let text = if head.starts_with("GET /.well-known/") {
        let metadata = format!(
            r#"{{"issuer":"{url}","jwks_uri":"{url}/keys","introspection_endpoint":"{url}/live"}}"#
        );
        good("application/json", "", &metadata)
    } else if head.starts_with("POST /live ") {
        good("application/json", "", r#"{"active":true}"#)
    } else {
        let jwks = KeyRing::new(key(own)).jwks();
        let fields = "Cache-Control: max-age=0\r\n";
        good("application/jwk-set+json", fields, &jwks)
    };
    let mut stream = reader.into_inner();
    let _ = stream.write_all(text.as_bytes());
    stream.conn.send_close_notify();
    let _ = stream.flush();
}

/// Asks, and again where it was asked a moment ago.
async fn fetch(remote: &Remote) -> Result<(), FetchError> {
    loop {
        match remote.fetch().await {
            Err(FetchError::TooSoon) => pass(50).await,
            result => return result,
        }
    }
}

#[tokio::test]
async fn a_certificate_that_does_not_hold_is_named_and_the_last_good_set_stays() {
    for kind in [Kind::Own, Kind::Foreign] {
        let (own, other) = (Authority::new(), Authority::new());
        let good = || own.certify("127.0.0.1", 2100);
        let issuer = Issuer::start(good());
        let remote = issuer.remote(kind, Some(&own));
        let first = token_of(kind, &issuer.url, 1);
        fetch(&remote).await.unwrap();
        verify_as(&remote, &first).await.unwrap();

        *issuer.key.lock().unwrap() = 2;
        let second = token_of(kind, &issuer.url, 2);
        for bad in [
            other.certify("127.0.0.1", 2100),
            own.certify("id.example", 2100),
            own.certify("127.0.0.1", 2021),
        ] {
            issuer.present(bad);
            let error = fetch(&remote).await.unwrap_err();
            assert!(matches!(error, FetchError::Certificate { .. }), "{error:?}");
            assert!(!error.is_outage() && error.to_string().contains("certificate"));
            verify_as(&remote, &first).await.unwrap();
            let unknown = verify_as(&remote, &second).await;
            assert!(matches!(
                unknown,
                Err(RemoteError::Invalid(VerifyError::UnknownKey))
            ));
        }
        // A good one again, and the new key is taken.
        issuer.present(good());
        fetch(&remote).await.unwrap();
        verify_as(&remote, &second).await.unwrap();
    }
}

#[tokio::test]
async fn an_authority_that_nobody_named_is_not_trusted() {
    let own = Authority::new();
    let issuer = Issuer::start(own.certify("127.0.0.1", 2100));
    for kind in [Kind::Own, Kind::Foreign] {
        for authority in [Some(&Authority::new()), None] {
            let remote = issuer.remote(kind, authority);
            let error = fetch(&remote).await.unwrap_err();
            assert!(matches!(error, FetchError::Certificate { .. }), "{error:?}");
            let verdict = verify_as(&remote, &token_of(kind, &issuer.url, 1)).await;
            assert!(matches!(verdict, Err(RemoteError::Unavailable)));
        }
    }
}

#[tokio::test]
async fn introspection_trusts_whom_it_was_told_to() {
    let own = Authority::new();
    let issuer = Issuer::start(own.certify("127.0.0.1", 2100));
    let ask = || Introspection::at_issuer(issuer.url.parse().unwrap(), "hush").unwrap();
    let trusting = ask().trust_only(own.pem()).unwrap();
    assert!(trusting.is_active("a.b.c").await.unwrap());
    let error = ask().is_active("a.b.c").await.unwrap_err();
    assert!(matches!(error, FetchError::Certificate { .. }), "{error:?}");
}

#[test]
fn what_is_no_certificate_is_said_at_once() {
    let builder = || {
        let issuer = "https://id.example".parse().unwrap();
        RemoteJwks::builder(issuer, AUDIENCE.parse().unwrap())
    };
    let foreign = || {
        let issuer = "https://id.example".parse().unwrap();
        RemoteIssuer::builder(issuer, AUDIENCE.parse().unwrap(), PROFILE)
    };
    for nonsense in ["", "not a certificate"] {
        let error = builder().trust_only(nonsense).build().unwrap_err();
        assert!(matches!(error, BuildError::NoCertificate), "{error}");
        let error = foreign().trust_only(nonsense).build().unwrap_err();
        assert!(matches!(error, BuildError::NoCertificate), "{error}");
    }
}
