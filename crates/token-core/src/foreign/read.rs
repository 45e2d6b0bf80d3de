//! Reading the claims of a foreign token, each under the names that its profile gives.

use std::borrow::Cow;

use serde::de::{Error as _, MapAccess};
use smallvec::SmallVec;

use crate::access::error::ClaimsError;
use crate::access::read::{KnownClaims, put, put_amr, put_text, put_time};
use crate::foreign::profile::Profile;
use crate::jose::json::{Texts, Value};
use crate::types::time::UnixTime;

/// The claims while they are read. Texts borrow from the buffer that the token was decoded into.
pub(super) struct BorrowedClaims<'a> {
    profile: &'a Profile,
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
    /// Those that the profile names, each once, of the types that it demands.
    named: SmallVec<[(&'static str, Value<'a>); 4]>,
}

impl<'a> BorrowedClaims<'a> {
    pub(super) fn new(profile: &'a Profile) -> Self {
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
            named: SmallVec::new(),
        }
    }

    /// The first of these claims that the token has.
    pub(super) fn first(&self, names: &[&str]) -> Option<&Value<'a>> {
        names.iter().find_map(|name| self.get(name))
    }

    /// The same for claims that have to be texts.
    pub(super) fn first_text(&self, names: &[&str]) -> Option<&str> {
        match self.first(names) {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// The token's identifier: `jti`, or what stands for it.
    pub(super) fn id(&self) -> Option<&str> {
        let other = || self.first_text(self.profile.token_id);
        self.jti.as_deref().or_else(other)
    }

    /// The first of the profile's claims with fixed texts that the token does not have.
    pub(super) fn missing_fixed(&self) -> Option<&'static str> {
        let mut claims = self.profile.claims.iter();
        claims.find_map(|(claim, _)| self.get(claim).is_none().then_some(*claim))
    }

    fn get(&self, name: &str) -> Option<&Value<'a>> {
        let mut named = self.named.iter();
        named.find_map(|(claim, value)| (*claim == name).then_some(value))
    }

    /// Takes a claim that the profile names.
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
        let find = |lists: &[&[&'static str]]| {
            let mut names = lists.iter().copied().flatten();
            names.find(|own| **own == name).copied()
        };
        let text = find(&[client_id, token_id, tenant.as_slice()]);
        let fixed = claims.iter().find(|(own, _)| *own == name);
        let claim = text.or(fixed.map(|(claim, _)| *claim));
        let Some(claim) = claim.or_else(|| find(&[audience, scope])) else {
            return Ok(false);
        };
        if self.get(claim).is_some() {
            *fault = Some(ClaimsError::Duplicate { claim });
            return Err(A::Error::custom("refused"));
        }
        let mut value = None;
        put(claim, &mut value, map, fault, |value| match value {
            Value::Texts(_) if text.is_some() => None,
            Value::Other => None,
            value => Some(value),
        })?;
        let value = value.ok_or_else(|| A::Error::custom("refused"))?;
        if let Some((_, expected)) = fixed
            && !matches!(&value, Value::Text(text) if text == expected)
        {
            *fault = Some(ClaimsError::Value { claim });
            return Err(A::Error::custom("refused"));
        }
        self.named.push((claim, value));
        Ok(true)
    }
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
            "amr" => put_amr(&mut self.amr, map, fault),
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
