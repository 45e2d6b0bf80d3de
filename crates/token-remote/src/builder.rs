//! What a service says of the issuer that it trusts.

use std::time::Duration;

use reqwest::Url;
use token_core::access::VerifierError;
use token_core::{Algorithm, Audience, Issuer, Verifier};

use crate::address;
use crate::build_error::BuildError;
use crate::fetch::{self, Source};
use crate::remote::{RemoteJwks, Settings};

/// Collects what a [`RemoteJwks`] needs.
#[derive(Clone, Debug)]
#[must_use]
pub struct RemoteJwksBuilder {
    issuer: Issuer,
    audience: Audience,
    jwks_uri: Option<Box<str>>,
    algorithms: Vec<Algorithm>,
    interval: Duration,
    timeout: Duration,
    keep: Duration,
    leeway: Duration,
    max_age: Duration,
    insecure: bool,
    roots: Option<Vec<u8>>,
}

impl RemoteJwks {
    /// Starts with the issuer, whose URL is also where its metadata is looked for, and with the
    /// audience that this service is.
    pub fn builder(issuer: Issuer, audience: Audience) -> RemoteJwksBuilder {
        RemoteJwksBuilder {
            issuer,
            audience,
            jwks_uri: None,
            algorithms: Vec::new(),
            interval: Duration::from_secs(10),
            timeout: Duration::from_secs(5),
            keep: Duration::from_secs(24 * 60 * 60),
            leeway: Duration::from_secs(5),
            max_age: Duration::from_secs(24 * 60 * 60),
            insecure: false,
            roots: None,
        }
    }
}

impl RemoteJwksBuilder {
    /// The address of the keys. Default: the one in the issuer's metadata (RFC 8414), which must be
    /// at the issuer's own origin.
    pub fn jwks_uri(mut self, address: impl Into<Box<str>>) -> Self {
        self.jwks_uri = Some(address.into());
        self
    }

    /// Believes keys of this algorithm; call it for each. Default: of every asymmetric one that
    /// the library has.
    pub fn algorithm(mut self, algorithm: Algorithm) -> Self {
        self.algorithms.push(algorithm);
        self
    }

    /// How often the issuer is asked at most, whatever comes in; after failures less often, up
    /// to a sixth of that rate. Default 10 seconds; 100 ms to 1 hour.
    pub fn interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    /// How long one question may take. Default 5 seconds; 100 ms to 1 minute.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How long the last good set is believed in an outage, after its `max-age`: for so long a
    /// key that leaked may be accepted while the issuer cannot be asked. Default 24 hours; up to
    /// 31 days, and 0 for not at all.
    pub fn keep(mut self, keep: Duration) -> Self {
        self.keep = keep;
        self
    }

    /// See [`VerifierBuilder::leeway`](token_core::access::VerifierBuilder::leeway).
    pub fn leeway(mut self, leeway: Duration) -> Self {
        self.leeway = leeway;
        self
    }

    /// See [`VerifierBuilder::max_age`](token_core::access::VerifierBuilder::max_age).
    pub fn max_age(mut self, max_age: Duration) -> Self {
        self.max_age = max_age;
        self
    }

    /// Trusts these certificate authorities (PEM, one or more) and no others: for an issuer whose
    /// certificate is of an authority of your own. Default: those of the system.
    pub fn trust_only(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.roots = Some(pem.into());
        self
    }

    /// Asks over plain HTTP, beyond this machine too: an attacker on the way can give
    /// this service keys of their own, and be anybody. For closed networks.
    pub fn danger_accept_http(mut self) -> Self {
        self.insecure = true;
        self
    }

    /// Checks everything; asks nothing yet.
    ///
    /// # Errors
    /// [`BuildError`], with a sentence that says what to do.
    pub fn build(self) -> Result<RemoteJwks, BuildError> {
        let range = |name, value: Duration, min: Duration, max: Duration| {
            if (min..=max).contains(&value) {
                Ok(())
            } else {
                Err(BuildError::Range {
                    name,
                    value,
                    min,
                    max,
                })
            }
        };
        let short = Duration::from_millis(100);
        let month = Duration::from_secs(31 * 24 * 60 * 60);
        range("interval", self.interval, short, Duration::from_secs(3600))?;
        range("timeout", self.timeout, short, Duration::from_secs(60))?;
        range("keep", self.keep, Duration::ZERO, month)?;
        if let Some(algorithm) = self.algorithms.iter().find(|a| a.is_symmetric()) {
            return Err(BuildError::Symmetric {
                algorithm: *algorithm,
            });
        }
        let parse = |text: &str| address::parse(text, self.insecure);
        let jwks_uri = self.jwks_uri.as_deref().map(parse).transpose()?;
        let issuer = parse(self.issuer.as_str());
        let metadata = match (&jwks_uri, issuer) {
            (_, Ok(issuer)) => address::metadata(&issuer),
            // It is only compared then, and need not be an address.
            (Some(keys), Err(_)) => Url::clone(keys),
            (None, Err(error)) => return Err(error.into()),
        };
        let verifier = Verifier::builder(self.issuer.clone(), self.audience)
            .leeway(self.leeway)
            .max_age(self.max_age);
        // Whatever is wrong besides the keys, which are yet to come, is said now.
        match verifier.clone().build() {
            Ok(_) | Err(VerifierError::NoKeys) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(RemoteJwks::new(Settings {
            source: Source {
                client: fetch::client(self.timeout, self.roots.as_deref())?,
                issuer: self.issuer.as_str().into(),
                metadata,
                jwks_uri,
                insecure: self.insecure,
            },
            verifier,
            algorithms: self.algorithms,
            interval: self.interval,
            keep: self.keep,
        }))
    }
}
