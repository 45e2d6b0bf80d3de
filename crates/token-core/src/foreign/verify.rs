//! `UntrustedToken → ForeignToken`: the one way in for tokens of another issuer.

use std::fmt;
use std::sync::Arc;

use serde::de::DeserializeOwned;

use crate::access::bounds::{Bounds, Expiry};
use crate::access::error::{ClaimsError, VerifyError};
use crate::access::read::read;
use crate::access::token::UntrustedToken;
use crate::access::verify::{check_signature, find_by_header, named, require};
use crate::foreign::claims::ForeignClaims;
use crate::foreign::profile::Profile;
use crate::foreign::read::BorrowedClaims;
use crate::foreign::token::ForeignToken;
use crate::jose::base64url::Room;
use crate::jose::header::{ACCESS_TOKEN, Header, media_type_is};
use crate::jose::json::Value;
use crate::jose::jws::{Compact, MAX_PAYLOAD, Part};
use crate::keys::public::VerifyingKey;
use crate::types::id::{SessionId, TokenId};
use crate::types::name::{Audience, ClientId, ForeignId, Issuer, Subject};
use crate::types::scope::Scope;
use crate::types::time::UnixTime;

/// Decides whether a token of one other issuer is genuine, meant for here, and alive.
///
/// It is cheap to clone and share, and never changes: when keys rotate, build another and put it in
/// its place.
///
/// ```
/// use token_core::foreign::{ForeignKeys, ForeignToken, ForeignVerifier, Profile};
/// use token_core::{UntrustedToken, VerifyError};
///
/// # fn f(jwks: &str, bearer: &str, now: token_core::UnixTime) -> Result<(), Box<dyn std::error::Error>> {
/// let profile = Profile::OKTA;
/// let verifier = ForeignVerifier::builder(
///     "https://dev-1.okta.com/oauth2/default".parse()?,
///     "api://default".parse()?,
///     profile,
/// )
/// .keys(ForeignKeys::parse(jwks, &profile)?)
/// .build()?;
/// let token: ForeignToken = verifier.verify(UntrustedToken::parse(bearer)?, now)?;
/// println!("{} of {}", token.claims().subject, token.claims().issuer);
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct ForeignVerifier(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub(super) issuer: IssuerName,
    pub(super) audiences: Box<[Audience]>,
    pub(super) profile: Profile,
    pub(super) keys: Box<[Prepared]>,
    pub(super) bounds: Bounds,
}

/// A key, and the issuers that its set allows it for; none if it does not say.
pub(super) struct Prepared {
    pub(super) key: VerifyingKey,
    pub(super) issuers: Box<[Box<str>]>,
}

/// What stands for the tenant in the name of an issuer of several.
pub(super) const TENANT: &str = "{tenantid}";

/// Whose tokens are accepted.
#[derive(Debug)]
pub(super) enum IssuerName {
    One(Issuer),
    OfTenants {
        before: Box<str>,
        after: Box<str>,
        tenants: Tenants,
    },
}

/// Which tenants of an issuer are accepted.
#[derive(Clone, Debug)]
pub(super) enum Tenants {
    Any,
    These(Vec<Box<str>>),
}

impl Tenants {
    pub(super) fn is_empty(&self) -> bool {
        matches!(self, Self::These(tenants) if tenants.is_empty())
    }

    fn has(&self, tenant: &str) -> bool {
        match self {
            Self::Any => true,
            Self::These(tenants) => tenants.iter().any(|own| **own == *tenant),
        }
    }
}

impl ForeignVerifier {
    /// Accepts a token, or says which rule it breaks. `now` is the caller's clock.
    ///
    /// # Errors
    /// [`VerifyError`], one variant a rule, for the log. The client learns only whether it
    /// [has expired](VerifyError::is_expired).
    pub fn verify<C: DeserializeOwned>(
        &self,
        UntrustedToken(token): UntrustedToken<'_>,
        now: UnixTime,
    ) -> Result<ForeignToken<C>, VerifyError> {
        let own = &*self.0;
        let (prepared, is_access_token) = own.find_key(&token)?;
        check_signature(&prepared.key, &token)?;
        let mut buffer = Room::<MAX_PAYLOAD>::new();
        let payload = token.decode(Part::Payload, buffer.as_mut_slice())?;
        let mut claims = BorrowedClaims::new(&own.profile);
        let custom: C = read(payload, 0, &mut claims)?;
        if is_access_token && has_session(&claims) {
            return Err(VerifyError::HasSession);
        }
        own.check_issuer(&claims, prepared)?;
        let audience = own.find_audience(&claims)?;
        let claims = own.check_claims(&claims, audience, now, custom)?;
        Ok(ForeignToken::assertion(claims))
    }

    /// Until when a token that was accepted is accepted, exclusive: its end, or the maximum age.
    pub fn believed_until<C>(&self, claims: &ForeignClaims<C>) -> UnixTime {
        self.0.bounds.end(claims.issued_at, claims.expires_at)
    }
}

/// Whether the claims are those of an access token of this library: a [`Verifier`](crate::Verifier)
/// accepts no others, and a foreign verifier accepts none of these. So no token means two things.
fn has_session(claims: &BorrowedClaims<'_>) -> bool {
    let session = claims.session_id.as_deref().unwrap_or_default();
    let id = claims.jti.as_deref().unwrap_or_default();
    claims.auth_time.is_some()
        && session.parse::<SessionId>().is_ok()
        && id.parse::<TokenId>().is_ok()
}

impl Inner {
    /// Checks the header, and finds the key that it names; also whether `typ` is that of RFC 9068.
    fn find_key(&self, token: &Compact<'_>) -> Result<(&Prepared, bool), VerifyError> {
        let mut buffer = Room::<MAX_PAYLOAD>::new();
        let header = token.decode(Part::Header, buffer.as_mut_slice())?;
        let header = Header::parse(header, self.profile.ignored)?;
        let mut types = self.profile.types.iter();
        let fits = match header.kind() {
            Ok(kind) => types.any(|own| media_type_is(kind, own)),
            Err(_) => self.profile.untyped,
        };
        if !fits {
            return Err(VerifyError::WrongType);
        }
        let is_access_token = header
            .kind()
            .is_ok_and(|kind| media_type_is(kind, ACCESS_TOKEN));
        let prepared = find_by_header(&header, &self.keys, |own| &own.key)?;
        Ok((prepared, is_access_token))
    }

    fn check_issuer(
        &self,
        claims: &BorrowedClaims<'_>,
        prepared: &Prepared,
    ) -> Result<(), VerifyError> {
        let issuer = &**require("iss", claims.issuer.as_ref())?;
        let tenant = claims.first_text(self.profile.tenant.as_slice());
        match &self.issuer {
            IssuerName::One(own) => {
                let mut aliases = self.profile.issuer_aliases.iter();
                if own.as_str() != issuer && !aliases.any(|alias| *alias == issuer) {
                    return Err(VerifyError::WrongIssuer);
                }
            }
            IssuerName::OfTenants {
                before,
                after,
                tenants,
            } => {
                let claim = self.profile.tenant.unwrap_or_default();
                let tenant = require(claim, tenant)?;
                let between = issuer.strip_prefix(&**before);
                let between = between.and_then(|rest| rest.strip_suffix(&**after));
                if between != Some(tenant) {
                    return Err(VerifyError::WrongIssuer);
                }
                if !tenants.has(tenant) {
                    return Err(VerifyError::WrongTenant);
                }
            }
        }
        let allows = |allowed: &str| match allowed.split_once(TENANT) {
            None => allowed == issuer,
            Some((before, after)) => {
                let between = issuer.strip_prefix(before);
                let between = between.and_then(|rest| rest.strip_suffix(after));
                between.is_some() && between == tenant
            }
        };
        if prepared.issuers.is_empty() || prepared.issuers.iter().any(|issuer| allows(issuer)) {
            Ok(())
        } else {
            Err(VerifyError::WrongKeyIssuer)
        }
    }

    /// The one of the own audiences that the token names.
    fn find_audience(&self, claims: &BorrowedClaims<'_>) -> Result<&Audience, VerifyError> {
        let names = self.profile.audience;
        let claim = names.first().copied().unwrap_or("aud");
        let named = require(claim, claims.first(names))?;
        let mut audiences = self.audiences.iter();
        let own = audiences.find(|own| named.names(own.as_str()));
        own.ok_or(VerifyError::WrongAudience)
    }

    fn check_claims<C>(
        &self,
        claims: &BorrowedClaims<'_>,
        audience: &Audience,
        now: UnixTime,
        custom: C,
    ) -> Result<ForeignClaims<C>, VerifyError> {
        let profile = &self.profile;
        let id = |claim, text: Option<&str>| {
            let id = text.map(ForeignId::new).transpose();
            named(claim, id)
        };
        let tenant = profile.tenant;
        let client_id = claims.first_text(profile.client_id);
        let claimed = ForeignClaims {
            issuer: named(
                "iss",
                Issuer::new(&**require("iss", claims.issuer.as_ref())?),
            )?,
            audience: audience.clone(),
            subject: named(
                "sub",
                Subject::new(&**require("sub", claims.subject.as_ref())?),
            )?,
            client_id: named("client_id", client_id.map(ClientId::new).transpose())?,
            issued_at: require("iat", claims.issued_at)?,
            expires_at: require("exp", claims.expires_at)?,
            id: id("jti", claims.id())?,
            session_id: id("sid", claims.session_id.as_deref())?,
            auth_time: claims.auth_time,
            scope: scope(claims.first(profile.scope))?,
            acr: claims.acr.as_deref().map(Into::into),
            amr: claims
                .amr
                .iter()
                .flatten()
                .map(|text| (&**text).into())
                .collect(),
            tenant: id(
                tenant.unwrap_or_default(),
                claims.first_text(tenant.as_slice()),
            )?,
            custom,
        };
        for claim in profile.required {
            let there = match *claim {
                "auth_time" => claimed.auth_time.is_some(),
                "client_id" => claimed.client_id.is_some(),
                "jti" => claimed.id.is_some(),
                "scope" => claims.first(profile.scope).is_some(),
                _ => claimed.session_id.is_some(),
            };
            require(claim, there.then_some(()))?;
        }
        if let Some(claim) = claims.missing_fixed() {
            return Err(ClaimsError::Missing { claim }.into());
        }
        let (issued, expires) = (claimed.issued_at, claimed.expires_at);
        let begins = claims.not_before;
        self.bounds
            .check(issued, expires, begins, now, Expiry::Enforce)?;
        match claimed.auth_time {
            // Elsewhere it is no bound: after a clock that was ahead has been set right, sessions from before say it.
            Some(time)
                if profile.required.contains(&"auth_time") && time > now + self.bounds.leeway =>
            {
                let claim = "auth_time";
                Err(VerifyError::InFuture { claim, now, time })
            }
            _ => Ok(claimed),
        }
    }
}

/// A scope as one text or as a list.
fn scope(value: Option<&Value<'_>>) -> Result<Scope, ClaimsError> {
    match value {
        Some(Value::Text(text)) => named("scope", text.parse()),
        Some(Value::Texts(texts)) => {
            // A value with a space would become two.
            if texts
                .iter()
                .any(|text| text.is_empty() || text.contains(' '))
            {
                return Err(ClaimsError::Form { claim: "scope" });
            }
            named("scope", texts.join(" ").parse())
        }
        Some(Value::Other) | None => Ok(Scope::default()),
    }
}

impl fmt::Debug for ForeignVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys: Vec<_> = self.0.keys.iter().map(|prepared| &prepared.key).collect();
        f.debug_struct("ForeignVerifier")
            .field("issuer", &self.0.issuer)
            .field("audiences", &self.0.audiences)
            .field("keys", &keys)
            .field("bounds", &self.0.bounds)
            .finish_non_exhaustive()
    }
}
