//! What a client is given: a pair of tokens or a session cookie, and its forms before the commit and
//! before the signature.

use std::fmt;

use crate::access::sign::{AccessToken, UnsignedToken};
use crate::keys::error::IssueError;
use crate::keys::public::VerifyingKey;
use crate::session::change::{Granted, Pending};
use crate::session::cookie::SessionToken;
use crate::session::refresh_token::RefreshToken;
use crate::types::secret::TokenHash;
use crate::types::time::UnixTime;

/// What a client is given for a session.
#[derive(Debug)]
#[expect(
    clippy::exhaustive_enums,
    reason = "tokens or a session cookie, by the transport"
)]
#[must_use]
pub enum Credentials<T = TokenPair> {
    /// An opaque cookie.
    Session(SessionToken),
    /// Two tokens. In an [`UnsignedPair`] one of them is yet to be signed.
    Tokens(T),
}

/// An access token and a refresh token, made from a committed session.
///
/// Nothing else makes one:
///
/// ```compile_fail,E0639
/// # use token_core::session::TokenPair;
/// # fn f(pair: TokenPair, other: TokenPair) -> TokenPair {
/// TokenPair { refresh_token: other.refresh_token, ..pair }
/// # }
/// ```
/// ```compile_fail,E0308
/// # use token_core::{Entropy, Session, TokenIssuer, UnixTime};
/// # fn f(issuer: TokenIssuer, session: Session, now: UnixTime, entropy: Entropy) {
/// let pair = issuer.issue(&session, &session.scope, now, entropy);
/// # }
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct TokenPair {
    /// The short-lived token that is sent with each request.
    pub access_token: AccessToken,
    /// When the access token expires, exclusive.
    pub access_expires_at: UnixTime,
    /// The token that buys the next pair.
    pub refresh_token: RefreshToken,
}

/// A pair of tokens whose access token is to be signed elsewhere.
///
/// ```
/// # use token_core::session::{Credentials, UnsignedPair};
/// # use token_core::session::IssueError;
/// # fn f(pair: UnsignedPair, kms: impl Fn(&str, &[u8]) -> Vec<u8>) -> Result<Credentials, IssueError> {
/// let signature = kms(pair.key().id().as_str(), pair.signing_input());
/// pair.signed(&signature)
/// # }
/// ```
#[must_use]
pub struct UnsignedPair {
    pub(super) access_token: UnsignedToken,
    pub(super) access_expires_at: UnixTime,
    pub(super) refresh_token: RefreshToken,
    pub(super) key: VerifyingKey,
}

impl UnsignedPair {
    /// What is to be signed: the first two parts of the token
    /// ([RFC 7515 section 5.1](https://www.rfc-editor.org/rfc/rfc7515#section-5.1)).
    pub fn signing_input(&self) -> &[u8] {
        self.access_token.signing_input().as_bytes()
    }

    /// The public half of the key that has to sign, with its algorithm.
    pub const fn key(&self) -> &VerifyingKey {
        &self.key
    }

    /// The pair, with the signature in the form of
    /// [RFC 7518 section 3](https://www.rfc-editor.org/rfc/rfc7518#section-3): of ECDSA that is
    /// R and S beside each other, not DER.
    ///
    /// # Errors
    /// [`IssueError::Signature`] if it does not fit.
    pub fn signed(self, signature: &[u8]) -> Result<Credentials, IssueError> {
        Ok(Credentials::Tokens(TokenPair {
            access_token: self.access_token.signed(signature, &self.key)?,
            access_expires_at: self.access_expires_at,
            refresh_token: self.refresh_token,
        }))
    }
}

impl fmt::Debug for UnsignedPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnsignedPair")
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

/// Credentials that were made before their session was committed. They can be used for nothing until
/// [`committed`](Self::committed) is given the session that the store has; if the write does not
/// happen, they are dropped.
///
/// ```compile_fail,E0599
/// # use token_core::session::{Credentials, Uncommitted};
/// # fn f(ahead: Uncommitted<Credentials>) {
/// ahead.credentials();
/// # }
/// ```
/// ```compile_fail,E0616
/// # use token_core::session::{Credentials, Uncommitted};
/// # fn f(ahead: Uncommitted<Credentials>) -> Credentials {
/// ahead.credentials
/// # }
/// ```
#[must_use = "nobody has these credentials yet"]
pub struct Uncommitted<T> {
    credentials: T,
    hash: TokenHash,
}

impl<T> Uncommitted<T> {
    pub(super) fn new<W>(credentials: T, pending: &Pending<W>) -> Self {
        let hash = pending.hash;
        Self { credentials, hash }
    }

    /// The credentials, once the session that they were made for is committed.
    ///
    /// # Errors
    /// [`IssueError::CredentialMismatch`] if the session holds another credential.
    pub fn committed(self, granted: &Granted) -> Result<T, IssueError> {
        let session = granted.session();
        // The hash of a random or derived secret: no other session and no other generation has it.
        if session.token_hash == self.hash {
            Ok(self.credentials)
        } else {
            Err(IssueError::CredentialMismatch {
                session: session.id,
                generation: session.generation,
            })
        }
    }
}

impl Uncommitted<Credentials<UnsignedPair>> {
    /// The key that has to sign, and what is to be signed; `None` for a session cookie.
    pub fn to_sign(&self) -> Option<(&VerifyingKey, &[u8])> {
        match &self.credentials {
            Credentials::Session(_) => None,
            Credentials::Tokens(pair) => Some((pair.key(), pair.signing_input())),
        }
    }

    /// The credentials with the signature, as [`UnsignedPair::signed`]; that of a session cookie is not
    /// looked at.
    ///
    /// # Errors
    /// [`IssueError::Signature`] if it does not fit.
    pub fn signed(self, signature: &[u8]) -> Result<Uncommitted<Credentials>, IssueError> {
        let credentials = match self.credentials {
            Credentials::Session(token) => Credentials::Session(token),
            Credentials::Tokens(pair) => pair.signed(signature)?,
        };
        let hash = self.hash;
        Ok(Uncommitted { credentials, hash })
    }
}

impl<T> fmt::Debug for Uncommitted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Uncommitted").finish_non_exhaustive()
    }
}
