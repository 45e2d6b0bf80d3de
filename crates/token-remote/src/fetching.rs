//! How keys are fetched: the settings that every kind of verifier has.

use std::time::Duration;

use reqwest::Url;

use crate::address::{self, AddressError};
use crate::build_error::BuildError;
use crate::fetch::{self, JSON, Source};

/// Where keys come from, how often, and what is trusted on the way.
#[derive(Clone, Debug)]
pub(crate) struct Fetching {
    pub(crate) jwks_uri: Option<Box<str>>,
    pub(crate) metadata: Option<Box<str>>,
    pub(crate) interval: Duration,
    pub(crate) timeout: Duration,
    pub(crate) keep: Duration,
    pub(crate) insecure: bool,
    pub(crate) roots: Option<Vec<u8>>,
    pub(crate) key_origins: &'static [&'static str],
    pub(crate) content_types: Vec<Box<str>>,
}

impl Default for Fetching {
    fn default() -> Self {
        Self {
            jwks_uri: None,
            metadata: None,
            interval: Duration::from_secs(10),
            timeout: Duration::from_secs(5),
            keep: Duration::from_secs(24 * 60 * 60),
            insecure: false,
            roots: None,
            key_origins: &[],
            content_types: JSON.map(Into::into).into(),
        }
    }
}

impl Fetching {
    /// Checks everything. `place` is where the metadata of an issuer is, unless it was named.
    pub(crate) fn source(
        &self,
        issuer: &str,
        place: impl FnOnce(&Url) -> Url,
    ) -> Result<Source, BuildError> {
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
        let parse = |text: &str| address::parse(text, self.insecure);
        let jwks_uri = self.jwks_uri.as_deref().map(parse).transpose()?;
        let metadata = match &self.metadata {
            Some(address) => parse(address),
            None => parse(&issuer.replace(TENANT, "common")).map(|issuer| place(&issuer)),
        };
        let metadata = match (metadata, &jwks_uri) {
            (Ok(metadata), _) => metadata,
            // The issuer is only compared then, and need not be an address.
            (Err(_), Some(keys)) if self.metadata.is_none() => keys.clone(),
            (Err(error), _) => return Err(AddressError::into(error)),
        };
        let asked = jwks_uri.as_ref().unwrap_or(&metadata);
        Ok(Source {
            client: fetch::client(self.timeout, self.roots.as_deref(), asked)?,
            issuer: issuer.into(),
            metadata,
            jwks_uri,
            insecure: self.insecure,
            key_origins: self.key_origins,
            content_types: self.content_types.clone(),
        })
    }
}

/// What stands for the tenant in the name of an issuer of several. Microsoft, which has invented it,
/// describes all of them under the tenant `common`.
const TENANT: &str = "{tenantid}";

/// The setters that every builder has, which keeps a [`Fetching`] in `fetching`.
macro_rules! fetching_setters {
    () => {
        /// How often the issuer is asked at most, whatever comes in; after failures less often, up
        /// to a sixth of that rate. Default 10 seconds; 100 ms to 1 hour.
        pub fn interval(mut self, interval: Duration) -> Self {
            self.fetching.interval = interval;
            self
        }

        /// How long one question may take. Default 5 seconds; 100 ms to 1 minute.
        pub fn timeout(mut self, timeout: Duration) -> Self {
            self.fetching.timeout = timeout;
            self
        }

        /// How long the last good set is believed in an outage, after its `max-age`: for so long a
        /// key that leaked may be accepted while the issuer cannot be asked. Default 24 hours; up to
        /// 31 days, and 0 for not at all.
        pub fn keep(mut self, keep: Duration) -> Self {
            self.fetching.keep = keep;
            self
        }

        /// Trusts these certificate authorities (PEM, one or more) and no others: for an issuer whose
        /// certificate is of an authority of your own. Default: those of the system.
        pub fn trust_only(mut self, pem: impl Into<Vec<u8>>) -> Self {
            self.fetching.roots = Some(pem.into());
            self
        }

        /// Asks over plain HTTP, beyond this machine too: an attacker on the way can give
        /// this service keys of their own, and be anybody. For closed networks.
        pub fn danger_accept_http(mut self) -> Self {
            self.fetching.insecure = true;
            self
        }
    };
}
pub(crate) use fetching_setters;
