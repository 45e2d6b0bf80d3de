//! What a service says of the issuer that it trusts.

use std::time::Duration;

use token_core::access::VerifierError;
use token_core::{Algorithm, Audience, Issuer, Verifier};

use crate::address;
use crate::build_error::BuildError;
use crate::fetching::{Fetching, fetching_setters};
use crate::keeper::Settings;
use crate::remote::{OwnTokens, RemoteJwks};

/// Collects what a [`RemoteJwks`] needs.
#[derive(Clone, Debug)]
#[must_use]
pub struct RemoteJwksBuilder {
    issuer: Issuer,
    audience: Audience,
    algorithms: Vec<Algorithm>,
    leeway: Duration,
    max_age: Duration,
    fetching: Fetching,
}

impl RemoteJwks {
    /// Starts with the issuer, whose URL is also where its metadata is looked for, and with the
    /// audience that this service is.
    pub fn builder(issuer: Issuer, audience: Audience) -> RemoteJwksBuilder {
        RemoteJwksBuilder {
            issuer,
            audience,
            algorithms: Vec::new(),
            leeway: Duration::from_secs(5),
            max_age: Duration::from_secs(24 * 60 * 60),
            fetching: Fetching::default(),
        }
    }
}

impl RemoteJwksBuilder {
    /// The address of the keys. Default: the one in the issuer's metadata (RFC 8414), which must be
    /// at the issuer's own origin.
    pub fn jwks_uri(mut self, address: impl Into<Box<str>>) -> Self {
        self.fetching.jwks_uri = Some(address.into());
        self
    }

    /// Believes keys of this algorithm; call it for each. Default: of every asymmetric one that
    /// the library has. If exactly one algorithm of RSA is named, RSA keys without `alg` serve that one;
    /// otherwise such a key is refused.
    pub fn algorithm(mut self, algorithm: Algorithm) -> Self {
        self.algorithms.push(algorithm);
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

    fetching_setters!();

    /// Checks everything; asks nothing yet.
    ///
    /// # Errors
    /// [`BuildError`], with a sentence that says what to do.
    pub fn build(self) -> Result<RemoteJwks, BuildError> {
        if let Some(algorithm) = self.algorithms.iter().find(|a| a.is_symmetric()) {
            return Err(BuildError::Symmetric {
                algorithm: *algorithm,
            });
        }
        let source = self
            .fetching
            .source(self.issuer.as_str(), address::metadata)?;
        let verifier = Verifier::builder(self.issuer, self.audience)
            .leeway(self.leeway)
            .max_age(self.max_age);
        // Whatever is wrong besides the keys, which are yet to come, is said now.
        match verifier.clone().build() {
            Ok(_) | Err(VerifierError::NoKeys) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(RemoteJwks::new(Settings {
            source,
            recipe: OwnTokens {
                verifier,
                algorithms: self.algorithms,
            },
            interval: self.fetching.interval,
            keep: self.fetching.keep,
        }))
    }
}
