//! A token before it is verified, and after.

use std::fmt;

use crate::access::claims::{AccessClaims, AccessClaimsRef, NoClaims};
use crate::access::error::VerifyError;
use crate::jose::base64url::Room;
use crate::jose::jws::{Compact, MAX_PAYLOAD};

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
pub struct UntrustedToken<'a>(pub(super) Compact<'a>);

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

    /// The only place that makes one.
    pub(super) fn assertion(accepted: AccessClaimsRef<'_, C>) -> Self {
        Self {
            claims: accepted.into_owned(),
        }
    }
}

/// A token that a [`Verifier`](crate::Verifier) accepted, with claims that borrow from a [`ClaimsBuffer`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedTokenRef<'a, C = NoClaims> {
    claims: AccessClaimsRef<'a, C>,
}

impl<'a, C> VerifiedTokenRef<'a, C> {
    /// What it says.
    pub fn claims(&self) -> &AccessClaimsRef<'a, C> {
        &self.claims
    }

    /// The same with texts of its own.
    pub fn into_owned(self) -> VerifiedToken<C> {
        VerifiedToken::assertion(self.claims)
    }

    /// The only place that makes one.
    pub(super) fn assertion(accepted: AccessClaimsRef<'a, C>) -> Self {
        Self { claims: accepted }
    }
}

/// A token that is genuine, and may have expired: good for ending its session, for nothing else.
///
/// ```compile_fail,E0308
/// fn handler(token: token_core::VerifiedToken) {}
///
/// fn logout(token: token_core::access::GenuineToken) {
///     handler(token);
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GenuineToken {
    claims: AccessClaims,
}

impl GenuineToken {
    /// What it says. It may be long over.
    pub fn claims(&self) -> &AccessClaims {
        &self.claims
    }

    /// The only place that makes one.
    pub(super) fn assertion(accepted: AccessClaimsRef<'_, NoClaims>) -> Self {
        Self {
            claims: accepted.into_owned(),
        }
    }
}

/// Room for the decoded claims of one token, to be used again and again.
pub struct ClaimsBuffer(pub(super) Room<MAX_PAYLOAD>);

impl ClaimsBuffer {
    /// Room for the longest token: 6 KiB.
    pub const fn new() -> Self {
        Self(Room::new())
    }
}

impl Default for ClaimsBuffer {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for ClaimsBuffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClaimsBuffer([redacted])")
    }
}
