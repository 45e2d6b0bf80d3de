//! TLS with a certificate that the server makes for itself at start, for a first try. It is in memory
//! alone, so browsers ask about it again after each start.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hallpass::Origin;
use http::Uri;
use rcgen::{CertificateParams, KeyPair, PublicKeyData as _};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use thiserror::Error;
use tracing::info;

/// Why there is no certificate.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TlsError {
    /// The host cannot be named by a certificate, or no key can be made.
    #[error("no certificate can be made: {0}")]
    Certificate(#[from] rcgen::Error),
    /// The certificate cannot be served.
    #[error("the certificate cannot be served: {0}")]
    Serve(#[from] rustls::Error),
}

/// What a server encrypts connections with.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "taken apart at once")]
pub struct SelfSigned {
    /// For the server, which has the key.
    pub server: Arc<ServerConfig>,
    /// For clients in the same process, which trust nothing else.
    pub certificate: CertificateDer<'static>,
}

/// Makes a key and a certificate for the host of the origin and for this machine.
///
/// Tools that shall trust the certificate can be given the SHA-256 of its public key, which is in the
/// log: `curl --pinnedpubkey`, or Chromium's `--ignore-certificate-errors-spki-list`.
///
/// # Errors
/// [`TlsError`] if the host cannot be named by a certificate.
pub fn self_signed(origin: &Origin) -> Result<SelfSigned, TlsError> {
    let uri = origin.as_str().parse::<Uri>().ok();
    let host = uri.as_ref().and_then(Uri::host).unwrap_or("localhost");
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let mut hosts = vec!["localhost", "127.0.0.1", "::1"];
    if !hosts.contains(&host) {
        hosts.push(host);
    }
    let hosts: Vec<_> = hosts.into_iter().map(str::to_owned).collect();
    let key = KeyPair::generate()?;
    let certificate = CertificateParams::new(hosts)?.self_signed(&key)?;
    let pin = STANDARD.encode(digest(&SHA256, &key.subject_public_key_info()));
    info!("the certificate was made just now: browsers will warn; its public key is sha256//{pin}");
    // Named, since a program may have linked another provider as well.
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let server = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
        )?;
    Ok(SelfSigned {
        server: Arc::new(server),
        certificate: certificate.der().clone(),
    })
}
