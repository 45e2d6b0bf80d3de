//! What a service says of another issuer that it trusts.

use std::time::Duration;

use token_core::access::VerifierError;
use token_core::foreign::{Discovery, ForeignVerifier, ForeignVerifierBuilder, Profile};
use token_core::{Audience, Issuer};

use crate::address;
use crate::build_error::BuildError;
use crate::fetching::{Fetching, fetching_setters};
use crate::issuer::{ForeignTokens, RemoteIssuer};
use crate::keeper::Settings;

/// Collects what a [`RemoteIssuer`] needs.
#[derive(Clone, Debug)]
#[must_use]
pub struct RemoteIssuerBuilder {
    issuer: Issuer,
    profile: Profile,
    verifier: ForeignVerifierBuilder,
    cache: usize,
    fetching: Fetching,
}

impl RemoteIssuer {
    /// Starts with whose tokens they are, for whom, and what they look like. The issuer's URL is also
    /// where its metadata is looked for; if `{tenantid}` stands in it, the metadata of the tenant
    /// `common` is taken.
    pub fn builder(issuer: Issuer, audience: Audience, profile: Profile) -> RemoteIssuerBuilder {
        RemoteIssuerBuilder {
            verifier: ForeignVerifier::builder(issuer.clone(), audience, profile),
            issuer,
            profile,
            cache: 16 << 20,
            fetching: Fetching {
                key_origins: profile.key_origins_of(),
                ..Fetching::default()
            },
        }
    }
}

impl RemoteIssuerBuilder {
    /// Accepts tokens for this audience as well.
    pub fn audience(mut self, audience: Audience) -> Self {
        self.verifier = self.verifier.audience(audience);
        self
    }

    /// Accepts tokens of this tenant; call it for each. For an issuer with `{tenantid}` in its name.
    pub fn tenant(mut self, tenant: impl Into<Box<str>>) -> Self {
        self.verifier = self.verifier.tenant(tenant);
        self
    }

    /// Accepts tokens of every tenant: see
    /// [`ForeignVerifierBuilder::any_tenant`](token_core::foreign::ForeignVerifierBuilder::any_tenant).
    pub fn any_tenant(mut self) -> Self {
        self.verifier = self.verifier.any_tenant();
        self
    }

    /// The address of the keys. Default: the one in the issuer's metadata, which must be at the origin
    /// of the metadata, or at one that the profile names.
    pub fn jwks_uri(mut self, address: impl Into<Box<str>>) -> Self {
        self.fetching.jwks_uri = Some(address.into());
        self
    }

    /// The address of the metadata. Default: where the profile's [`Discovery`] says.
    pub fn metadata(mut self, address: impl Into<Box<str>>) -> Self {
        self.fetching.metadata = Some(address.into());
        self
    }

    /// Accepts key sets of this media type too, such as `text/plain` or `application/octet-stream`; call
    /// it for each. Default: `application/jwk-set+json` and `application/json` alone.
    pub fn content_type(mut self, media_type: impl Into<Box<str>>) -> Self {
        self.fetching.content_types.push(media_type.into());
        self
    }

    /// How much memory the tokens that were accepted may take, in bytes, as
    /// [`CachedVerifier::new`](token_session::CachedVerifier::new) estimates it. Default 16 MiB; with 0
    /// none is kept.
    pub fn token_cache(mut self, bytes: usize) -> Self {
        self.cache = bytes;
        self
    }

    /// See [`VerifierBuilder::leeway`](token_core::access::VerifierBuilder::leeway).
    pub fn leeway(mut self, leeway: Duration) -> Self {
        self.verifier = self.verifier.leeway(leeway);
        self
    }

    fetching_setters!();

    /// Checks everything; asks nothing yet.
    ///
    /// # Errors
    /// [`BuildError`], with a sentence that says what to do.
    pub fn build(self) -> Result<RemoteIssuer, BuildError> {
        let place = match self.profile.discovery_of() {
            Discovery::OpenId => address::openid_configuration,
            _ => address::metadata,
        };
        let source = self.fetching.source(self.issuer.as_str(), place)?;
        // Whatever is wrong besides the keys, which are yet to come, is said now.
        match self.verifier.clone().build() {
            Ok(_) | Err(VerifierError::NoKeys) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(RemoteIssuer::new(Settings {
            source,
            recipe: ForeignTokens {
                verifier: self.verifier,
                profile: self.profile,
                cache: self.cache,
            },
            interval: self.fetching.interval,
            keep: self.fetching.keep,
        }))
    }
}
