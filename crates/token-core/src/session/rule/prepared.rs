//! Credentials before they are signed and given out.

use std::fmt;

use crate::access::sign::UnsignedToken;
use crate::keys::error::IssueError;
use crate::keys::public::VerifyingKey;
use crate::session::credentials::{Credentials, TokenPair};
use crate::session::refresh_token::RefreshToken;
use crate::session::rule::granted::Granted;
use crate::types::secret::TokenHash;
use crate::types::time::UnixTime;

/// Credentials that nobody has yet. They can be used for nothing until [`give_out`](Self::give_out) is shown the
/// session that the store has; if the write does not happen, they are dropped.
///
/// If the private half of the key is in a KMS or HSM ([`SigningKey::elsewhere`](crate::SigningKey::elsewhere)), the
/// access token is still to be signed, and is not given out before that:
///
/// ```
/// # use token_core::session::rule::{Granted, Prepared};
/// # use token_core::session::{Credentials, IssueError};
/// /// `kms` signs with the key of that id.
/// fn give_out(
///     prepared: Prepared,
///     granted: &Granted,
///     kms: impl Fn(&str, &[u8]) -> Vec<u8>,
/// ) -> Result<Credentials, IssueError> {
///     let signature = prepared.to_sign().map(|(key, input)| kms(key.id().as_str(), input));
///     match signature {
///         Some(signature) => prepared.signed(&signature)?.give_out(granted),
///         None => prepared.give_out(granted),
///     }
/// }
/// ```
///
/// There is no other way to what is in it:
///
/// ```compile_fail,E0599
/// # use token_core::session::rule::Prepared;
/// # fn f(prepared: Prepared) {
/// prepared.credentials();
/// # }
/// ```
/// ```compile_fail,E0616
/// # use token_core::session::Credentials;
/// # use token_core::session::rule::Prepared;
/// # fn f(prepared: Prepared) -> Credentials {
/// prepared.credentials
/// # }
/// ```
/// and a session that may not be stored is not enough:
///
/// ```compile_fail,E0308
/// # use token_core::Session;
/// # use token_core::session::rule::Prepared;
/// # fn f(prepared: Prepared, session: &Session) {
/// let credentials = prepared.give_out(session);
/// # }
/// ```
#[must_use = "nobody has these credentials yet"]
pub struct Prepared {
    credentials: Made,
    hash: TokenHash,
}

/// Credentials with or without their signature.
pub(super) enum Made {
    Ready(Credentials),
    Unsigned(UnsignedPair),
}

/// A pair of tokens whose access token is to be signed elsewhere.
pub(super) struct UnsignedPair {
    pub(super) access_token: UnsignedToken,
    pub(super) access_expires_at: UnixTime,
    pub(super) refresh_token: RefreshToken,
    pub(super) key: VerifyingKey,
}

impl Prepared {
    /// `hash` is that of the credential's secret.
    pub(super) const fn new(credentials: Made, hash: TokenHash) -> Self {
        Self { credentials, hash }
    }

    /// The key that has to sign, and what is to be signed: the first two parts of the access token
    /// ([RFC 7515 section 5.1](https://www.rfc-editor.org/rfc/rfc7515#section-5.1)). `None` if nothing is left to
    /// sign: the key was here, or it is a session cookie.
    pub fn to_sign(&self) -> Option<(&VerifyingKey, &[u8])> {
        match &self.credentials {
            Made::Ready(_) => None,
            Made::Unsigned(pair) => Some((&pair.key, pair.access_token.signing_input().as_bytes())),
        }
    }

    /// The same with the signature of what [`to_sign`](Self::to_sign) gave, in the form of
    /// [RFC 7518 section 3](https://www.rfc-editor.org/rfc/rfc7518#section-3): of ECDSA that is R and S beside each
    /// other, not DER. If nothing is left to sign, it is not looked at.
    ///
    /// # Errors
    /// [`IssueError::Signature`] if it is not that of the key.
    pub fn signed(self, signature: &[u8]) -> Result<Self, IssueError> {
        let credentials = match self.credentials {
            Made::Ready(credentials) => credentials,
            Made::Unsigned(pair) => Credentials::Tokens(TokenPair {
                access_token: pair.access_token.signed(signature, &pair.key)?,
                access_expires_at: pair.access_expires_at,
                refresh_token: pair.refresh_token,
            }),
        };
        Ok(Self::new(Made::Ready(credentials), self.hash))
    }

    /// The credentials, for the session that they were made for, as the store has it.
    ///
    /// # Errors
    /// [`IssueError::CredentialMismatch`] if the session holds another credential, and [`IssueError::Elsewhere`]
    /// if the access token is still to be signed.
    pub fn give_out(self, granted: &Granted) -> Result<Credentials, IssueError> {
        let session = granted.session();
        // The hash of a random or derived secret: no other session and no other generation has it.
        if session.token_hash != self.hash {
            return Err(IssueError::CredentialMismatch {
                session: session.id,
                generation: session.generation,
            });
        }
        match self.credentials {
            Made::Ready(credentials) => Ok(credentials),
            Made::Unsigned(_) => Err(IssueError::Elsewhere),
        }
    }
}

impl fmt::Debug for Prepared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prepared").finish_non_exhaustive()
    }
}
