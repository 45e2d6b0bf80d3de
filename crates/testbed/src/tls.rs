//! Certificates of an authority of our own.

use std::fs;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, IsCa, KeyPair,
};
use tempfile::TempDir;

/// A certificate authority that no system trusts by itself, with files for those that read them.
#[derive(Debug)]
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: TempDir,
}

/// A certificate and its key, as PEM.
#[derive(Debug)]
pub struct Certified {
    /// The certificate.
    pub certificate: String,
    /// The key.
    pub key: String,
}

impl Authority {
    /// Makes one.
    pub fn new() -> Self {
        let mut parameters = CertificateParams::new(Vec::new()).unwrap();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        parameters.distinguished_name = name("an authority");
        let key = KeyPair::generate().unwrap();
        let authority = Self {
            issuer: CertifiedIssuer::self_signed(parameters, key).unwrap(),
            folder: tempfile::Builder::new()
                .prefix("hallpass-tls-")
                .tempdir()
                .unwrap(),
        };
        fs::write(authority.file("root.pem"), authority.pem()).unwrap();
        authority
    }

    /// Its own certificate, as PEM: what a client is told to trust.
    pub fn pem(&self) -> String {
        pem("CERTIFICATE", self.issuer.der())
    }

    /// The file with its own certificate.
    pub fn root_file(&self) -> PathBuf {
        self.file("root.pem")
    }

    /// Certifies that a server is this host.
    pub fn certify(&self, host: &str) -> Certified {
        let key = KeyPair::generate().unwrap();
        let mut parameters = CertificateParams::new([host.to_owned()]).unwrap();
        // OpenSSL takes a certificate that has its issuer's name for one that is signed by itself.
        parameters.distinguished_name = name(host);
        let certificate = parameters.signed_by(&key, &self.issuer).unwrap();
        Certified {
            certificate: pem("CERTIFICATE", certificate.der()),
            key: pem("PRIVATE KEY", &key.serialize_der()),
        }
    }

    /// The same in two files, the certificate and its key.
    pub fn certify_in_files(&self, host: &str) -> [PathBuf; 2] {
        let certified = self.certify(host);
        let files = [self.file("server.pem"), self.file("server.key")];
        fs::write(&files[0], certified.certificate).unwrap();
        fs::write(&files[1], certified.key).unwrap();
        files
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

fn name(common: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common);
    name
}

fn pem(what: &str, der: &[u8]) -> String {
    let body = STANDARD.encode(der);
    let lines: Vec<&str> = body
        .as_bytes()
        .chunks(64)
        .map(|line| std::str::from_utf8(line).unwrap())
        .collect();
    format!(
        "-----BEGIN {what}-----\n{}\n-----END {what}-----\n",
        lines.join("\n")
    )
}
