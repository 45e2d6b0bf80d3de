//! A token before it is verified, and after.

use std::fmt;

use crate::access::claims::{AccessClaims, NoClaims};
use crate::access::error::{ClaimsError, VerifyError};
use crate::binding::dpop::VerifiedProof;
use crate::binding::thumbprint::Thumbprint;
use crate::jose::jws::Compact;

/// Text that may be a token: three parts over the right alphabet, at most 8 KiB. Nothing in it is trusted.
///
/// ```
/// use token_core::UntrustedToken;
///
/// assert!(UntrustedToken::parse("eyJhbGciOiJFZERTQSJ9.e30.c2lnbmF0dXJl").is_ok());
/// assert!(UntrustedToken::parse("eyJhbGciOiJub25lIn0.e30.").is_err());
/// ```
///
/// It has no claims to ask for:
///
/// ```compile_fail,E0599
/// let token = token_core::UntrustedToken::parse("eyJhbGciOiJFZERTQSJ9.e30.c2lnbmF0dXJl").unwrap();
/// let subject = token.claims();
/// ```
///
/// and does not pass for a verified one:
///
/// ```compile_fail,E0308
/// fn handler(token: token_core::VerifiedToken) {}
///
/// handler(token_core::UntrustedToken::parse("eyJhbGciOiJFZERTQSJ9.e30.c2lnbmF0dXJl").unwrap());
/// ```
#[derive(Clone, Copy)]
pub struct UntrustedToken<'a>(pub(crate) Compact<'a>);

impl<'a> UntrustedToken<'a> {
    /// Splits the text that came with a request, or its bytes.
    ///
    /// # Errors
    /// [`VerifyError::Form`], before anything is decoded.
    pub fn parse(text: &'a (impl AsRef<[u8]> + ?Sized)) -> Result<Self, VerifyError> {
        Ok(Self(Compact::parse(text.as_ref())?))
    }
}

impl fmt::Debug for UntrustedToken<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UntrustedToken([redacted])")
    }
}

/// A token that a [`Verifier`](crate::Verifier) accepted. There is no other way to make one:
///
/// ```compile_fail,E0451
/// fn forge(claims: token_core::AccessClaims) -> token_core::VerifiedToken {
///     token_core::VerifiedToken { claims }
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedToken<C = NoClaims> {
    claims: AccessClaims<C>,
}

impl<C> VerifiedToken<C> {
    /// What it says.
    pub fn claims(&self) -> &AccessClaims<C> {
        &self.claims
    }

    /// What it says, by value.
    pub fn into_claims(self) -> AccessClaims<C> {
        self.claims
    }

    /// Whether it may be presented with this proof, or without one: only a token that is bound to no key may.
    ///
    /// # Errors
    /// [`ClaimsError::BoundToKey`](crate::access::ClaimsError::BoundToKey) if the proof is missing,
    /// [`VerifyError::NotBound`] and [`VerifyError::WrongKey`] if it is of no use.
    pub fn check_proof(&self, proof: Option<&VerifiedProof>) -> Result<(), VerifyError> {
        check_key(self.claims.key, proof.map(VerifiedProof::thumbprint))
    }

    /// The only place that makes one.
    pub(super) const fn assertion(claims: AccessClaims<C>) -> Self {
        Self { claims }
    }
}

/// Whether a token that is bound to this key, or to none, may be presented by a client that has proven this
/// key, or none.
pub(super) fn check_key(
    bound: Option<Thumbprint>,
    proven: Option<Thumbprint>,
) -> Result<(), VerifyError> {
    match (bound, proven) {
        (None, None) => Ok(()),
        // It would be worth as much as one that is bound to nothing.
        (Some(_), None) => Err(ClaimsError::BoundToKey.into()),
        (None, Some(_)) => Err(VerifyError::NotBound),
        (Some(bound), Some(proven)) if bound == proven => Ok(()),
        (Some(_), Some(_)) => Err(VerifyError::WrongKey),
    }
}
