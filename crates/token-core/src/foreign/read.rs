//! Reading the claims of a foreign token, each under the names that its profile gives.

use std::borrow::Cow;

use serde::de::{Error as _, MapAccess};

use crate::access::error::ClaimsError;
use crate::access::read::{KnownClaims, put, put_text, put_time};
use crate::foreign::profile::Profile;
use crate::jose::json::{Texts, Value};
use crate::types::time::UnixTime;

/// The claims while they are read. Texts borrow from the buffer that the token was decoded into.
pub(super) struct BorrowedClaims<'a> {
    profile: Profile,
    pub(super) issuer: Option<Cow<'a, str>>,
    pub(super) subject: Option<Cow<'a, str>>,
    pub(super) session_id: Option<Cow<'a, str>>,
    pub(super) jti: Option<Cow<'a, str>>,
    pub(super) issued_at: Option<UnixTime>,
    pub(super) expires_at: Option<UnixTime>,
    pub(super) not_before: Option<UnixTime>,
    pub(super) auth_time: Option<UnixTime>,
    pub(super) acr: Option<Cow<'a, str>>,
    pub(super) amr: Option<Texts<'a>>,
    pub(super) audience: Choice<'a>,
    pub(super) client_id: Choice<'a>,
    pub(super) token_id: Choice<'a>,
    pub(super) scope: Choice<'a>,
    pub(super) tenant: Choice<'a>,
    /// Which of the profile's claims with fixed texts were there.
    fixed: u64,
}

/// A claim that may have several names, of which the first counts.
#[derive(Default)]
pub(super) struct Choice<'a> {
    pub(super) value: Option<Value<'a>>,
    rank: usize,
    seen: u64,
}

impl<'a> Choice<'a> {
    /// Takes the value of the name with this rank.
    fn put(&mut self, rank: usize, value: Value<'a>) -> Result<(), Twice> {
        see(&mut self.seen, rank)?;
        if self.value.is_none() || rank < self.rank {
            self.value = Some(value);
            self.rank = rank;
        }
        Ok(())
    }

    /// The one text that it must be, if it is there.
    pub(super) fn text(&self) -> Option<&str> {
        match &self.value {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        }
    }
}

/// A claim that was there before.
struct Twice;

fn see(seen: &mut u64, rank: usize) -> Result<(), Twice> {
    // A profile has a handful of names; `build` refuses more than there are bits.
    let bit = 1 << (rank % 64);
    if *seen & bit != 0 {
        return Err(Twice);
    }
    *seen |= bit;
    Ok(())
}

impl<'a> BorrowedClaims<'a> {
    pub(super) fn new(profile: Profile) -> Self {
        Self {
            profile,
            issuer: None,
            subject: None,
            session_id: None,
            jti: None,
            issued_at: None,
            expires_at: None,
            not_before: None,
            auth_time: None,
            acr: None,
            amr: None,
            audience: Choice::default(),
            client_id: Choice::default(),
            token_id: Choice::default(),
            scope: Choice::default(),
            tenant: Choice::default(),
            fixed: 0,
        }
    }

    /// The token's identifier: `jti`, or what stands for it.
    pub(super) fn id(&self) -> Option<&str> {
        self.jti.as_deref().or_else(|| self.token_id.text())
    }

    /// The first of the profile's claims with fixed texts that the token does not have.
    pub(super) fn missing_fixed(&self) -> Option<&'static str> {
        let claims = self.profile.claims.iter().enumerate();
        let mut missing = claims.filter(|(rank, _)| self.fixed & (1 << rank) == 0);
        missing.next().map(|(_, (claim, _))| *claim)
    }

    /// Takes a claim under a name that the profile gives, for everything that it gives the name to.
    fn take_named<A: MapAccess<'a>>(
        &mut self,
        name: &str,
        map: &mut A,
        fault: &mut Option<ClaimsError>,
    ) -> Result<bool, A::Error> {
        let Profile {
            audience,
            client_id,
            token_id,
            scope,
            tenant,
            claims,
            ..
        } = self.profile;
        let choices = [
            (&mut self.audience, audience, true),
            (&mut self.scope, scope, true),
            (&mut self.client_id, client_id, false),
            (&mut self.token_id, token_id, false),
            (&mut self.tenant, tenant.as_slice(), false),
        ];
        let mut read = None;
        for (choice, names, list) in choices {
            let Some((rank, claim)) = find(names.iter().copied(), name) else {
                continue;
            };
            let value = once(&mut read, claim, map, fault)?;
            let fits = matches!(value, Value::Text(_)) || list && matches!(value, Value::Texts(_));
            if !fits {
                *fault = Some(ClaimsError::Type { claim });
                return Err(A::Error::custom("refused"));
            }
            if choice.put(rank, value.clone()).is_err() {
                *fault = Some(ClaimsError::Duplicate { claim });
                return Err(A::Error::custom("refused"));
            }
        }
        if let Some((rank, claim)) = find(claims.iter().map(|(claim, _)| *claim), name) {
            let value = once(&mut read, claim, map, fault)?;
            let expected = claims.get(rank).map(|(_, text)| *text);
            let same = matches!(&value, Value::Text(text) if Some(&**text) == expected);
            if !same {
                *fault = Some(ClaimsError::Value { claim });
                return Err(A::Error::custom("refused"));
            }
            if see(&mut self.fixed, rank).is_err() {
                *fault = Some(ClaimsError::Duplicate { claim });
                return Err(A::Error::custom("refused"));
            }
        }
        Ok(read.is_some())
    }
}

/// The rank of a name among others, and the name as it is written there.
fn find(names: impl Iterator<Item = &'static str>, name: &str) -> Option<(usize, &'static str)> {
    names.enumerate().find(|(_, own)| *own == name)
}

/// The value of a claim, which is read when it is needed first.
fn once<'a, 'r, A: MapAccess<'a>>(
    read: &'r mut Option<Value<'a>>,
    claim: &'static str,
    map: &mut A,
    fault: &mut Option<ClaimsError>,
) -> Result<&'r Value<'a>, A::Error> {
    if read.is_none() {
        put(claim, read, map, fault, Some)?;
    }
    read.as_ref().ok_or_else(|| A::Error::custom("refused"))
}

impl<'a> KnownClaims<'a> for BorrowedClaims<'a> {
    fn take<A: MapAccess<'a>>(
        &mut self,
        name: &str,
        map: &mut A,
        fault: &mut Option<ClaimsError>,
    ) -> Result<bool, A::Error> {
        match name {
            "iss" => put_text("iss", &mut self.issuer, map, fault),
            "sub" => put_text("sub", &mut self.subject, map, fault),
            "sid" => put_text("sid", &mut self.session_id, map, fault),
            "jti" => put_text("jti", &mut self.jti, map, fault),
            "acr" => put_text("acr", &mut self.acr, map, fault),
            "iat" => put_time("iat", &mut self.issued_at, map, fault),
            "exp" => put_time("exp", &mut self.expires_at, map, fault),
            "nbf" => put_time("nbf", &mut self.not_before, map, fault),
            "auth_time" => put_time("auth_time", &mut self.auth_time, map, fault),
            "amr" => put("amr", &mut self.amr, map, fault, |value| match value {
                Value::Texts(texts) => Some(texts),
                _ => None,
            }),
            // As with tokens of ours: it must not work for a mere bearer.
            "cnf" => {
                *fault = Some(ClaimsError::BoundToKey);
                Err(A::Error::custom("refused"))
            }
            _ => return self.take_named(name, map, fault),
        }?;
        Ok(true)
    }
}
