//! What a foreign token says.

use crate::access::claims::NoClaims;
use crate::types::name::{Audience, ClientId, ForeignId, Issuer, Subject};
use crate::types::scope::Scope;
use crate::types::time::UnixTime;

/// The claims of a token that a [`ForeignVerifier`](crate::foreign::ForeignVerifier) accepted.
///
/// `C` has all other claims: any type that serde reads from an object, in which the claims that the
/// profile names do not show up.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ForeignClaims<C = NoClaims> {
    /// `iss`, as the token says it.
    pub issuer: Issuer,
    /// The one of the verifier's audiences that the token names.
    pub audience: Audience,
    /// `sub`: who is calling. It means somebody only together with the issuer.
    pub subject: Subject,
    /// Through which application, if the token says so.
    pub client_id: Option<ClientId>,
    /// `iat`: when it was issued, by the issuer's clock.
    pub issued_at: UnixTime,
    /// `exp`: when it ends, by the issuer's clock.
    pub expires_at: UnixTime,
    /// The token's own identifier.
    pub id: Option<ForeignId>,
    /// `sid`: the session at the issuer. Nothing is known of it here.
    pub session_id: Option<ForeignId>,
    /// `auth_time`: when the subject last authenticated.
    pub auth_time: Option<UnixTime>,
    /// What the token may do; empty if it does not say.
    pub scope: Scope,
    /// `acr`: how strongly the subject authenticated.
    pub acr: Option<Box<str>>,
    /// `amr`: by which methods; empty if the claim is missing.
    pub amr: Vec<Box<str>>,
    /// The tenant, if the profile names a claim for it.
    pub tenant: Option<ForeignId>,
    /// The other claims.
    pub custom: C,
}
