//! Makes what leaves the server: token pairs and session cookies, from a committed session
//! and nothing else.

use std::fmt;

use thiserror::Error;

use crate::access::sign::{AccessGrant, AccessToken, UnsignedToken};
use crate::keys::error::SignError;
use crate::keys::public::VerifyingKey;
use crate::keys::ring::KeyRing;
use crate::session::change::Granted;
use crate::session::cookie::SessionToken;
use crate::session::policy::Policy;
use crate::session::record::Transport;
use crate::session::refresh_token::{KeyMissing, RefreshKeyRing, RefreshToken};
use crate::types::id::TokenId;
use crate::types::name::{Audience, Issuer};
use crate::types::scope::Scope;
use crate::types::secret::Entropy;
use crate::types::time::UnixTime;

/// Issues credentials in one name, with one set of keys, under one policy.
#[derive(Clone, Debug)]
#[expect(
    clippy::exhaustive_structs,
    reason = "an issuer has to be given all of it"
)]
pub struct TokenIssuer {
    /// The `iss` of every token.
    pub issuer: Issuer,
    /// The `aud` of every token.
    pub audience: Audience,
    /// Signs access tokens.
    pub access_keys: KeyRing,
    /// Signs and derives refresh tokens.
    pub refresh_keys: RefreshKeyRing,
    /// Lifetimes and tolerances.
    pub policy: Policy,
}

impl TokenIssuer {
    /// Makes the credentials of a session, as its transport wants them.
    ///
    /// `now` becomes the `iat` of the access token and `scope` its scope, usually the
    /// session's. The refresh token depends on the row alone: the same row gives the same
    /// token.
    ///
    /// # Errors
    /// [`IssueError`] where a key is missing or the signature fails. The session is
    /// committed all the same; the client asks again and gets the same refresh token.
    pub fn issue(
        &self,
        granted: &Granted,
        scope: &Scope,
        now: UnixTime,
        entropy: Entropy,
    ) -> Result<Credentials, IssueError> {
        let session = granted.session();
        match session.transport {
            Transport::Session => Ok(Credentials::Session(SessionToken::new(granted))),
            Transport::Cookie | Transport::Header => {
                let grant = self.grant(granted, scope, now, entropy);
                Ok(Credentials::Tokens(TokenPair {
                    access_expires_at: grant.expires_at,
                    refresh_token: self.refresh_token(granted)?,
                    access_token: self.access_keys.sign_access(&grant)?,
                }))
            }
        }
    }

    /// Makes an access token alone, whatever the session's transport: for a back end that keeps the
    /// session itself and calls others in the user's name. `now` and `scope` are as in [`Self::issue`].
    ///
    /// # Errors
    /// [`IssueError`] where the signature fails.
    pub fn access_token(
        &self,
        granted: &Granted,
        scope: &Scope,
        now: UnixTime,
        entropy: Entropy,
    ) -> Result<AccessToken, IssueError> {
        let grant = self.grant(granted, scope, now, entropy);
        Ok(self.access_keys.sign_access(&grant)?)
    }

    /// Makes all but the signature of the access token, for a key whose private half is in a
    /// KMS or HSM ([`SigningKey::elsewhere`](crate::SigningKey::elsewhere)).
    ///
    /// # Errors
    /// As [`Self::issue`].
    pub fn prepare(
        &self,
        granted: &Granted,
        scope: &Scope,
        now: UnixTime,
        entropy: Entropy,
    ) -> Result<Prepared, IssueError> {
        let session = granted.session();
        match session.transport {
            Transport::Session => Ok(Prepared::Session(SessionToken::new(granted))),
            Transport::Cookie | Transport::Header => {
                let grant = self.grant(granted, scope, now, entropy);
                Ok(Prepared::Tokens(UnsignedPair {
                    access_expires_at: grant.expires_at,
                    refresh_token: self.refresh_token(granted)?,
                    access_token: self.access_keys.prepare_access(&grant)?,
                    key: self.access_keys.current().verifying_key().clone(),
                }))
            }
        }
    }

    fn refresh_token(&self, granted: &Granted) -> Result<RefreshToken, KeyMissing> {
        let (session, secret) = (granted.session(), granted.secret());
        self.refresh_keys
            .sign(session, secret, &self.issuer, &self.audience)
    }

    fn grant<'a>(
        &'a self,
        granted: &'a Granted,
        scope: &'a Scope,
        now: UnixTime,
        entropy: Entropy,
    ) -> AccessGrant<'a> {
        let session = granted.session();
        AccessGrant {
            issuer: &self.issuer,
            audience: &self.audience,
            subject: &session.subject,
            client_id: &session.client_id,
            session_id: session.id,
            scope,
            auth_time: session.authentication.time,
            acr: session.authentication.acr.as_deref(),
            amr: &session.authentication.amr,
            custom: granted.claims(),
            issued_at: now,
            expires_at: self.policy.access_expires_at(session, now),
            id: TokenId::new(entropy),
        }
    }
}

/// Credentials that may lack one signature.
#[derive(Debug)]
#[expect(
    clippy::exhaustive_enums,
    reason = "tokens or a session cookie, by the transport"
)]
#[must_use]
pub enum Prepared {
    /// An opaque cookie, which needs none.
    Session(SessionToken),
    /// Two tokens, one of which is to be signed.
    Tokens(UnsignedPair),
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
    access_token: UnsignedToken,
    access_expires_at: UnixTime,
    refresh_token: RefreshToken,
    key: VerifyingKey,
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
    /// [`SignError::Signature`](crate::keys::SignError::Signature) where it does not fit.
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

/// What a client is given for a session.
#[derive(Debug)]
#[expect(
    clippy::exhaustive_enums,
    reason = "tokens or a session cookie, by the transport"
)]
pub enum Credentials {
    /// An opaque cookie.
    Session(SessionToken),
    /// Two tokens.
    Tokens(TokenPair),
}

/// An access token and a refresh token, made from a committed session.
///
/// Nothing else makes one:
///
/// ```compile_fail,E0451
/// # use token_core::session::TokenPair;
/// # fn f(pair: TokenPair, other: TokenPair) -> TokenPair {
/// TokenPair { refresh_token: other.refresh_token, ..pair }
/// # }
/// ```
/// ```compile_fail,E0308
/// # use token_core::{Entropy, Session, TokenIssuer, UnixTime};
/// # use token_core::session::Credentials;
/// # fn f(issuer: TokenIssuer, session: Session, now: UnixTime, entropy: Entropy) {
/// let pair = issuer.issue(&session, &session.scope, now, entropy);
/// # }
/// ```
#[derive(Debug)]
pub struct TokenPair {
    access_token: AccessToken,
    access_expires_at: UnixTime,
    refresh_token: RefreshToken,
}

impl TokenPair {
    /// The short-lived token that is sent with each request.
    pub const fn access_token(&self) -> &AccessToken {
        &self.access_token
    }

    /// When the access token expires, exclusive.
    pub const fn access_expires_at(&self) -> UnixTime {
        self.access_expires_at
    }

    /// The token that buys the next pair.
    pub const fn refresh_token(&self) -> &RefreshToken {
        &self.refresh_token
    }
}

/// Why credentials could not be made. Always a fault on the server's side.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum IssueError {
    /// The refresh key of the row is not in the ring.
    #[error(transparent)]
    Key(#[from] KeyMissing),
    /// The access token could not be signed.
    #[error(transparent)]
    Sign(#[from] SignError),
}
