//! What an access token says ([RFC 9068 section 2.2](https://www.rfc-editor.org/rfc/rfc9068#section-2.2)).

use std::borrow::Cow;

use serde::Deserialize;

use crate::binding::thumbprint::Thumbprint;
use crate::jose::json::{Texts, Value};
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
    /// `iss`: who issued the token.
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
    /// `scope`: what it may do; empty if the claim is missing.
    pub scope: Scope,
    /// `acr`: how strongly the subject authenticated.
    pub acr: Option<Box<str>>,
    /// `amr`: by which methods; empty if the claim is missing.
    pub amr: Vec<Box<str>>,
    /// `cnf`: the key of the client without which the token is worth nothing, if it is bound to one.
    pub key: Option<Thumbprint>,
    /// The application's own claims.
    pub custom: C,
}

/// The same claims while they are read. Texts borrow from the buffer that the token was decoded into, so
/// nothing is allocated unless a text has escapes, `amr` or `aud` have more than three texts, or the
/// application has more than sixteen claims.
#[derive(Default)]
pub(crate) struct BorrowedClaims<'a> {
    pub(crate) issuer: Option<Cow<'a, str>>,
    pub(crate) audience: Option<Value<'a>>,
    pub(crate) subject: Option<Cow<'a, str>>,
    pub(crate) client_id: Option<Cow<'a, str>>,
    pub(crate) session_id: Option<SessionId>,
    pub(crate) id: Option<TokenId>,
    pub(crate) issued_at: Option<UnixTime>,
    pub(crate) expires_at: Option<UnixTime>,
    pub(crate) not_before: Option<UnixTime>,
    pub(crate) auth_time: Option<UnixTime>,
    pub(crate) scope: Option<Cow<'a, str>>,
    pub(crate) acr: Option<Cow<'a, str>>,
    pub(crate) amr: Option<Texts<'a>>,
    pub(crate) key: Option<Thumbprint>,
}

impl BorrowedClaims<'_> {
    /// The claims with texts of their own, once the verifier has accepted them.
    pub(crate) fn into_owned<C>(
        self,
        issuer: &Issuer,
        audience: &Audience,
        custom: C,
    ) -> AccessClaims<C> {
        let checked = "the verifier accepts no token without this claim in its form";
        AccessClaims {
            issuer: issuer.clone(),
            audience: audience.clone(),
            subject: Subject::new(self.subject.expect(checked)).expect(checked),
            client_id: ClientId::new(self.client_id.expect(checked)).expect(checked),
            issued_at: self.issued_at.expect(checked),
            expires_at: self.expires_at.expect(checked),
            id: self.id.expect(checked),
            session_id: self.session_id.expect(checked),
            auth_time: self.auth_time.expect(checked),
            scope: self.scope.unwrap_or_default().parse().expect(checked),
            acr: self.acr.map(Into::into),
            amr: self
                .amr
                .unwrap_or_default()
                .into_iter()
                .map(Into::into)
                .collect(),
            key: self.key,
            custom,
        }
    }
}

/// For applications without claims of their own: whatever else a token carries is ignored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct NoClaims {}
