//! What an access token says ([RFC 9068 section 2.2](https://www.rfc-editor.org/rfc/rfc9068#section-2.2)).

use std::borrow::Cow;

use serde::Deserialize;

use crate::jose::texts::Texts;
use crate::types::id::{SessionId, TokenId};
use crate::types::name::{Audience, ClientId, Issuer, Subject};
use crate::types::scope::Scope;
use crate::types::time::UnixTime;

/// The claims of an access token that a [`Verifier`](crate::Verifier) accepted.
///
/// `C` has the application's own claims: any type that serde reads from an object, in which the
/// claims of the library do not show up.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AccessClaims<C = NoClaims> {
    /// `iss`: who issued it.
    pub issuer: Issuer,
    /// `aud`: for whom it is. A token may name several; this is the verifier's own.
    pub audience: Audience,
    /// `sub`: who is calling.
    pub subject: Subject,
    /// `client_id`: through which application.
    pub client_id: ClientId,
    /// `iat`: when it was issued, by the issuer's clock.
    pub issued_at: UnixTime,
    /// `exp`: when it ends, by the issuer's clock.
    pub expires_at: UnixTime,
    /// `jti`: its own identifier.
    pub id: TokenId,
    /// `sid`: the session behind it.
    pub session_id: SessionId,
    /// `auth_time`: when the subject last authenticated.
    pub auth_time: UnixTime,
    /// `scope`: what it may do; empty where the claim is missing.
    pub scope: Scope,
    /// `acr`: how strongly the subject authenticated.
    pub acr: Option<Box<str>>,
    /// `amr`: by which methods; empty where the claim is missing.
    pub amr: Vec<Box<str>>,
    /// The application's own claims.
    pub custom: C,
}

/// [`AccessClaims`] that borrow their texts from the buffer the token was decoded into, and from the verifier.
///
/// Nothing is allocated, but for texts with escapes, for more than three methods or audiences, and for
/// more than sixteen claims of the application's.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AccessClaimsRef<'a, C = NoClaims> {
    /// `iss`: who issued it.
    pub issuer: &'a Issuer,
    /// `aud`: for whom it is. A token may name several; this is the verifier's own.
    pub audience: &'a Audience,
    /// `sub`: who is calling. It would make a [`Subject`].
    pub subject: Cow<'a, str>,
    /// `client_id`: through which application. It would make a [`ClientId`].
    pub client_id: Cow<'a, str>,
    /// `iat`: when it was issued, by the issuer's clock.
    pub issued_at: UnixTime,
    /// `exp`: when it ends, by the issuer's clock.
    pub expires_at: UnixTime,
    /// `jti`: its own identifier.
    pub id: TokenId,
    /// `sid`: the session behind it.
    pub session_id: SessionId,
    /// `auth_time`: when the subject last authenticated.
    pub auth_time: UnixTime,
    /// `scope`: what it may do, as a text; it would make a [`Scope`].
    pub scope: Cow<'a, str>,
    /// `acr`: how strongly the subject authenticated.
    pub acr: Option<Cow<'a, str>>,
    /// `amr`: by which methods; empty where the claim is missing.
    pub amr: Texts<'a>,
    /// The application's own claims.
    pub custom: C,
}

impl<C> AccessClaimsRef<'_, C> {
    /// The same with texts of its own.
    pub fn into_owned(self) -> AccessClaims<C> {
        let checked = "checked when the claims were read";
        AccessClaims {
            issuer: self.issuer.clone(),
            audience: self.audience.clone(),
            subject: Subject::new(self.subject).expect(checked),
            client_id: ClientId::new(self.client_id).expect(checked),
            issued_at: self.issued_at,
            expires_at: self.expires_at,
            id: self.id,
            session_id: self.session_id,
            auth_time: self.auth_time,
            scope: self.scope.parse().expect(checked),
            acr: self.acr.map(Into::into),
            amr: self.amr.into(),
            custom: self.custom,
        }
    }
}

/// For applications without claims of their own: whatever else a token carries is ignored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct NoClaims {}
