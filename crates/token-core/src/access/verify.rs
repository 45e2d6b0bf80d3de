//! `UntrustedToken → VerifiedToken`: the one way in.
//!
//! `Verifier::accept`, below, is the whole pipeline, each rule beside the sentence it comes from. What a
//! token must look like is checked in [`crate::jose`], the types of its claims in [`crate::access`],
//! and what a key must be in [`crate::keys`]. Revocation is not decided here.

use std::fmt;
use std::sync::Arc;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::access::bounds::{Bounds, Expiry};
use crate::access::claims::{AccessClaims, BorrowedClaims, NoClaims};
use crate::access::error::{ClaimsError, VerifyError};
use crate::access::read;
use crate::access::sign::BEFORE_NAME;
use crate::access::token::{UntrustedToken, VerifiedToken, check_key};
use crate::jose::base64url::Room;
use crate::jose::header::{self, ACCESS_TOKEN, Header};
use crate::jose::json::Value;
use crate::jose::jws::{Compact, MAX_PAYLOAD, MAX_SIGNATURE, Part};
use crate::keys::public::VerifyingKey;
use crate::types::id::SessionId;
use crate::types::invalid::InvalidValue;
use crate::types::name::{Audience, ClientId, Issuer, Subject};
use crate::types::scope::Scope;
use crate::types::time::UnixTime;

/// Decides whether an access token is genuine, meant for here, and alive.
///
/// It needs public keys only, is cheap to clone and share, and never changes: when keys rotate, build
/// another and put it in its place.
#[derive(Clone)]
pub struct Verifier(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub(super) issuer: Issuer,
    pub(super) audience: Audience,
    /// How claims begin, as this library writes them for these two.
    pub(super) beginning: Box<[u8]>,
    pub(super) keys: Box<[Prepared]>,
    pub(super) bounds: Bounds,
}

/// A key, and the header part of a token as this library writes it.
pub(super) struct Prepared {
    pub(super) key: VerifyingKey,
    pub(super) header: Box<str>,
}

impl Verifier {
    /// Accepts a token, or says which rule it breaks. `now` is the caller's clock. A token that is bound to
    /// a key is refused: it came without the proof.
    ///
    /// # Errors
    /// [`VerifyError`], one variant a rule, for the log. The client learns only whether it
    /// [has expired](VerifyError::is_expired).
    pub fn verify<C: DeserializeOwned>(
        &self,
        token: UntrustedToken<'_>,
        now: UnixTime,
    ) -> Result<VerifiedToken<C>, VerifyError> {
        let token = self.verify_unproven(token, now)?;
        token.check_proof(None)?;
        Ok(token)
    }

    /// The same, whether or not the token is bound to a key: for who answers questions about a token that
    /// somebody else was shown, and for caches. Ask [`VerifiedToken::check_proof`] before anything
    /// is done for the one who presents it.
    ///
    /// # Errors
    /// As [`Self::verify`], but for [`ClaimsError::BoundToKey`] of a key.
    pub fn verify_unproven<C: DeserializeOwned>(
        &self,
        token: UntrustedToken<'_>,
        now: UnixTime,
    ) -> Result<VerifiedToken<C>, VerifyError> {
        let (mut buffer, mut claims) = (Room::new(), BorrowedClaims::default());
        let custom = self.accept(token, now, Expiry::Enforce, &mut buffer, &mut claims)?;
        let own = &self.0;
        Ok(VerifiedToken::assertion(claims.into_owned(
            &own.issuer,
            &own.audience,
            custom,
        )))
    }

    /// Decides as [`Self::verify`] does and keeps nothing of the token, without an allocation: for a
    /// gateway that only lets requests through.
    ///
    /// # Errors
    /// As [`Self::verify`].
    pub fn check(&self, token: UntrustedToken<'_>, now: UnixTime) -> Result<(), VerifyError> {
        let (mut buffer, mut claims) = (Room::new(), BorrowedClaims::default());
        let NoClaims {} = self.accept(token, now, Expiry::Enforce, &mut buffer, &mut claims)?;
        check_key(claims.key, None)
    }

    /// The session of a token that is genuine, also if it has expired or is too old: for logout, as a
    /// late client still means its own session. It proves nothing else.
    ///
    /// # Errors
    /// As [`Self::verify`], but for [`VerifyError::Expired`] and [`VerifyError::TooOld`].
    pub fn verify_ignoring_expiry(
        &self,
        token: UntrustedToken<'_>,
        now: UnixTime,
    ) -> Result<SessionId, VerifyError> {
        let (mut buffer, mut claims) = (Room::new(), BorrowedClaims::default());
        let NoClaims {} = self.accept(token, now, Expiry::Ignore, &mut buffer, &mut claims)?;
        Ok(require("sid", claims.session_id)?)
    }

    /// Until when a token that was accepted is accepted, exclusive: its end, or the maximum age.
    pub fn believed_until<C>(&self, claims: &AccessClaims<C>) -> UnixTime {
        self.0.bounds.end(claims.issued_at, claims.expires_at)
    }

    /// The pipeline. Nothing of the token is believed before the signature holds. The claims are read in
    /// their place, as half a kilobyte would be moved from step to step otherwise.
    pub(crate) fn accept<'a, C: Deserialize<'a>>(
        &'a self,
        UntrustedToken(token): UntrustedToken<'_>,
        now: UnixTime,
        expiry: Expiry,
        buffer: &'a mut Room<MAX_PAYLOAD>,
        claims: &mut BorrowedClaims<'a>,
    ) -> Result<C, VerifyError> {
        let key = self.find_key(&token)?;
        check_signature(key, &token)?;
        let payload = token.decode(Part::Payload, buffer.as_mut_slice())?;
        let (json, taken) = self.take_own(payload, claims);
        let custom = read::read(json, taken, claims)?;
        self.check_claims(claims, now, expiry)?;
        Ok(custom)
    }

    /// The claims of nearly every token begin with our issuer and our audience, as this library
    /// writes them. Where one comparison says so, both are taken, and what is left is an object
    /// again; also told is how many bytes were taken.
    fn take_own<'a>(
        &'a self,
        payload: &'a mut [u8],
        claims: &mut BorrowedClaims<'a>,
    ) -> (&'a [u8], usize) {
        let own = &self.0;
        if !payload.starts_with(&own.beginning) {
            return (payload, 0);
        }
        // What follows is the name of another member, because the quote before it is compared too.
        // So the comma before that quote becomes the brace of the object.
        let taken = own.beginning.len() - BEFORE_NAME.len();
        *payload.get_mut(taken).expect("it begins so") = b'{';
        claims.issuer = Some(own.issuer.as_str().into());
        claims.audience = Some(Value::Text(own.audience.as_str().into()));
        (payload.get(taken..).unwrap_or_default(), taken)
    }

    /// Checks the header, and finds the key that it names.
    fn find_key(&self, token: &Compact<'_>) -> Result<&VerifyingKey, VerifyError> {
        // The header of nearly every token is one that we wrote: its key's algorithm, its id, and
        // `at+jwt`. One comparison says that every rule below holds.
        if let Some(own) = self
            .0
            .keys
            .iter()
            .find(|own| own.header.as_bytes() == token.header)
        {
            return Ok(&own.key);
        }
        let mut buffer = Room::<MAX_PAYLOAD>::new();
        let header = token.decode(Part::Header, buffer.as_mut_slice())?;
        let header = Header::parse(header, &[])?;
        // > Explicit JWT typing is accomplished by using the "typ" Header Parameter.
        // RFC 8725 section 3.11, and RFC 9068 section 4:
        // > The resource server MUST verify that the "typ" header value is "at+jwt" or
        // > "application/at+jwt" and reject tokens carrying any other value.
        if !header::media_type_is(header.kind()?, ACCESS_TOKEN) {
            return Err(VerifyError::WrongType);
        }
        let found = find_by_header(&header, &self.0.keys, |own| &own.key)?;
        Ok(&found.key)
    }

    /// What the claims must say: those rules first that do not depend on the time.
    fn check_claims(
        &self,
        claims: &BorrowedClaims<'_>,
        now: UnixTime,
        expiry: Expiry,
    ) -> Result<(), VerifyError> {
        // > The issuer identifier for the authorization server [...] MUST exactly match the value of
        // > the "iss" claim.
        // RFC 9068 section 4
        if *require("iss", claims.issuer.as_ref())? != *self.0.issuer.as_str() {
            return Err(VerifyError::WrongIssuer);
        }
        // > The resource server MUST validate that the "aud" claim contains a resource indicator
        // > value corresponding to an identifier the resource server expects for itself.
        // RFC 9068 section 4
        let audience = require("aud", claims.audience.as_ref())?;
        if !audience.names(self.0.audience.as_str()) {
            return Err(VerifyError::WrongAudience);
        }
        // RFC 9068 section 2.2 makes `iss`, `exp`, `aud`, `sub`, `client_id`, `iat` and `jti`
        // REQUIRED. `sid` and `auth_time` are required by this library: without them nobody could
        // revoke the token, or ask for a recent authentication.
        named(
            "sub",
            Subject::check(require("sub", claims.subject.as_ref())?),
        )?;
        named(
            "client_id",
            ClientId::check(require("client_id", claims.client_id.as_ref())?),
        )?;
        if let Some(scope) = &claims.scope {
            named("scope", Scope::check(scope))?;
        }
        require("sid", claims.session_id)?;
        require("jti", claims.id)?;
        // It is no bound of validity (RFC 9068 section 2.2.1). It is copied from the session, and may be
        // in the future after a clock that was ahead has been set right.
        require("auth_time", claims.auth_time)?;
        let issued = require("iat", claims.issued_at)?;
        let expires = require("exp", claims.expires_at)?;
        let bounds = self.0.bounds;
        bounds.check(issued, expires, claims.not_before, now, expiry)
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys: Vec<_> = self.0.keys.iter().map(|prepared| &prepared.key).collect();
        f.debug_struct("Verifier")
            .field("issuer", &self.0.issuer)
            .field("audience", &self.0.audience)
            .field("keys", &keys)
            .field("bounds", &self.0.bounds)
            .finish()
    }
}

/// What belongs to the key that a header names by id and algorithm.
pub(crate) fn find_by_header<'k, P>(
    header: &Header<'_>,
    keys: &'k [P],
    key: impl Fn(&P) -> &VerifyingKey,
) -> Result<&'k P, VerifyError> {
    // > The "kid" (key ID) header is used by the relying application to perform key lookup.
    // > Applications should ensure that this does not create SQL or LDAP injection
    // > vulnerabilities by validating and/or sanitizing the received value.
    // RFC 8725 section 3.10. Here it is compared with what is configured, and nothing else.
    let has_id = |own: &&P| key(own).id().as_str() == header.key_id;
    let mut keys = keys.iter().filter(has_id);
    let first = keys.next().ok_or(VerifyError::UnknownKey)?;
    // > The library MUST ensure that the "alg" or "enc" header specifies the same algorithm
    // > that is used for the cryptographic operation.
    // RFC 8725 section 3.1, and its revision:
    // > In particular, libraries SHOULD use allowlists for critical parameters such as "alg" instead
    // > of blocklists.
    // draft-ietf-oauth-rfc8725bis section 3.1. Here it is the name of the key's own algorithm (Ed25519 has
    // two), compared byte for byte. Keys with one id have different algorithms.
    let named = |own: &&P| key(own).algorithm().is_named(&header.algorithm);
    let found = std::iter::once(first).chain(keys).find(named);
    found.ok_or_else(|| VerifyError::AlgorithmMismatch {
        expected: key(first).algorithm(),
    })
}

pub(crate) fn check_signature(key: &VerifyingKey, token: &Compact<'_>) -> Result<(), VerifyError> {
    let mut buffer = Room::<MAX_SIGNATURE>::new();
    // A signature that decodes to more than the buffer holds is none of this key's.
    let signature = token.decode(Part::Signature, buffer.as_mut_slice())?;
    // > All cryptographic operations used in the JWT MUST be validated and the entire JWT MUST be
    // > rejected if any of them fail to validate.
    // RFC 8725 section 3.3
    if key.verify(token.signing_input, signature) {
        Ok(())
    } else {
        Err(VerifyError::Signature)
    }
}

pub(crate) fn require<T>(claim: &'static str, value: Option<T>) -> Result<T, ClaimsError> {
    value.ok_or(ClaimsError::Missing { claim })
}

pub(crate) fn named<T>(
    claim: &'static str,
    value: Result<T, InvalidValue>,
) -> Result<T, ClaimsError> {
    value.map_err(|reason| ClaimsError::Name { claim, reason })
}
