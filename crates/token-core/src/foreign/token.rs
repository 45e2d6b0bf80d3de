//! A foreign token after it was verified.

use crate::access::claims::NoClaims;
use crate::foreign::claims::ForeignClaims;

/// A token that a [`ForeignVerifier`](crate::foreign::ForeignVerifier) accepted. There is no other way to
/// make one:
///
/// ```compile_fail,E0451
/// use token_core::foreign::{ForeignClaims, ForeignToken};
///
/// fn forge(claims: ForeignClaims) -> ForeignToken {
///     ForeignToken { claims }
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForeignToken<C = NoClaims> {
    claims: ForeignClaims<C>,
}

impl<C> ForeignToken<C> {
    /// What it says.
    pub fn claims(&self) -> &ForeignClaims<C> {
        &self.claims
    }

    /// What it says, by value.
    pub fn into_claims(self) -> ForeignClaims<C> {
        self.claims
    }

    /// The only place that makes one.
    pub(super) const fn assertion(claims: ForeignClaims<C>) -> Self {
        Self { claims }
    }
}
