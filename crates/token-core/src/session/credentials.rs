//! What a client is given: a pair of tokens or a session cookie.

use crate::access::sign::AccessToken;
use crate::session::refresh_token::RefreshToken;
use crate::session::rule::cookie::SessionToken;
use crate::types::time::UnixTime;

/// What a client is given for a session.
#[derive(Debug)]
#[expect(
    clippy::exhaustive_enums,
    reason = "tokens or a session cookie, by the transport"
)]
#[must_use]
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
