//! Building a [`ForeignVerifier`], with every value checked.

use std::sync::Arc;
use std::time::Duration;

use crate::access::builder::{VerifierError, bounds};
use crate::foreign::keys::ForeignKeys;
use crate::foreign::profile::Profile;
use crate::foreign::verify::{ForeignVerifier, Inner, IssuerName, Prepared, TENANT, Tenants};
use crate::keys::ring;
use crate::types::name::{Audience, Issuer};

/// Collects what a [`ForeignVerifier`] needs.
#[derive(Clone, Debug)]
#[must_use]
pub struct ForeignVerifierBuilder {
    issuer: Issuer,
    audiences: Vec<Audience>,
    profile: Profile,
    tenants: Tenants,
    keys: Option<ForeignKeys>,
    leeway: Duration,
}

impl ForeignVerifier {
    /// Starts with whose tokens they are, for whom, and what they look like.
    ///
    /// For an issuer with a name for each tenant, write `{tenantid}` in its place, and choose the
    /// [tenants](ForeignVerifierBuilder::tenant).
    pub fn builder(issuer: Issuer, audience: Audience, profile: Profile) -> ForeignVerifierBuilder {
        ForeignVerifierBuilder {
            issuer,
            audiences: vec![audience],
            profile,
            tenants: Tenants::These(Vec::new()),
            keys: None,
            leeway: Duration::from_secs(5),
        }
    }
}

impl ForeignVerifierBuilder {
    /// Accepts tokens for this audience as well.
    pub fn audience(mut self, audience: Audience) -> Self {
        self.audiences.push(audience);
        self
    }

    /// Accepts tokens of this tenant; call it for each. For an issuer with `{tenantid}` in its name.
    pub fn tenant(mut self, tenant: impl Into<Box<str>>) -> Self {
        if let Tenants::These(tenants) = &mut self.tenants {
            tenants.push(tenant.into());
        }
        self
    }

    /// Accepts tokens of every tenant, so that anybody with an account anywhere at the issuer is let
    /// in: compare [`ForeignClaims::tenant`](crate::foreign::ForeignClaims::tenant) yourself.
    pub fn any_tenant(mut self) -> Self {
        self.tenants = Tenants::Any;
        self
    }

    /// The keys, in place of those before.
    pub fn keys(mut self, keys: ForeignKeys) -> Self {
        self.keys = Some(keys);
        self
    }

    /// How far the issuer's clock may be ahead, in whole seconds: see
    /// [`VerifierBuilder::leeway`](crate::access::VerifierBuilder::leeway).
    pub fn leeway(mut self, leeway: Duration) -> Self {
        self.leeway = leeway;
        self
    }

    /// Checks everything together.
    ///
    /// # Errors
    /// [`VerifierError`], with a sentence that says what to do.
    pub fn build(self) -> Result<ForeignVerifier, VerifierError> {
        let profile = self.profile;
        let bounds = bounds(self.leeway, profile.max_age)?;
        if profile.types.is_empty() && !profile.untyped {
            return Err(VerifierError::NoType);
        }
        let known = ["auth_time", "client_id", "jti", "scope", "sid"];
        let known = profile.required.iter().all(|claim| known.contains(claim));
        if !known {
            return Err(VerifierError::Profile);
        }
        let issuer = match self.issuer.as_str().split_once(TENANT) {
            None => IssuerName::One(self.issuer),
            Some((before, after)) => {
                if profile.tenant.is_none() || self.tenants.is_empty() {
                    return Err(VerifierError::NoTenant);
                }
                IssuerName::OfTenants {
                    before: before.into(),
                    after: after.into(),
                    tenants: self.tenants,
                }
            }
        };
        let keys = self.keys.filter(|keys| !keys.keys().is_empty());
        let keys = keys.ok_or(VerifierError::NoKeys)?;
        ring::check_together(keys.keys().iter())?;
        let prepare = |key: &_| Prepared {
            issuers: keys.issuers_of(key),
            key: Clone::clone(key),
        };
        Ok(ForeignVerifier(Arc::new(Inner {
            issuer,
            audiences: self.audiences.into(),
            profile,
            keys: keys.keys().iter().map(prepare).collect(),
            bounds,
        })))
    }
}
