//! The refresh token: a JWS that only its issuer reads, and the keys that sign it and derive its successor.
//!
//! `typ: rt+jwt`, HS256, a key ring of its own. Its `jti` is the [`TokenSecret`] of the
//! session's current credential. Since only we read it, its header must be byte for byte one
//! of those that we write: nothing in it is interpreted.

use std::fmt;

use aws_lc_rs::hmac;
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::access::error::{ClaimsError, VerifyError};
use crate::access::verify::named;
use crate::binding::keys::{BindingKey, BindingKeys};
use crate::binding::proof::Proof;
use crate::jose::base64url;
use crate::jose::error::FormError;
use crate::jose::jws::MAX_LENGTH;
use crate::jose::object::{Object, is_plain};
use crate::keys::algorithm::Algorithm;
use crate::keys::error::{IssueError, KeyError};
use crate::keys::ring::KeyRingError;
use crate::session::record::{Nonce, RotatedBy, Session, Transport};
use crate::types::count::Generation;
use crate::types::id::SessionId;
use crate::types::name::{Audience, Issuer, KeyId, Subject};
use crate::types::scope::Scope;
use crate::types::secret::{
    SecretBytes, SecretText, TokenHash, TokenSecret, decode_exact, secret_text,
};
use crate::types::time::UnixTime;

secret_text! {
    /// A refresh token in compact form, to be handed to its client and nobody else. Anyone who has it can
    /// take the session over until it is rotated.
    RefreshToken
}

/// What a genuine refresh token says. Made by [`RefreshKeyRing::verify`] alone.
///
/// Genuine means: signed by us, for this issuer and audience. Whether it still works is decided on the
/// session, by [`decide`](crate::session::rule::decide).
#[derive(Debug)]
pub struct RefreshClaims {
    /// Whose session it is.
    pub subject: Subject,
    /// The session.
    pub session_id: SessionId,
    /// Which credential of the session it is.
    pub generation: Generation,
    pub(crate) secret: TokenSecret,
    /// The hash of its secret.
    pub token_hash: TokenHash,
    /// When it was issued.
    pub issued_at: UnixTime,
    /// The session's absolute deadline, exclusive.
    pub expires_at: UnixTime,
    /// What the session may do.
    pub scope: Scope,
    /// How it travels.
    pub transport: Transport,
    /// What made it.
    pub(crate) by: RotatedBy,
    /// What the request proves beside the token: nothing, until it is set.
    pub proof: Proof,
}

impl RefreshClaims {
    pub(crate) const fn presented(&self) -> Presented<'_> {
        Presented {
            generation: self.generation,
            secret: &self.secret,
            hash: self.token_hash,
            proof: self.proof,
        }
    }
}

/// A credential as it was presented.
#[derive(Clone, Copy)]
pub(crate) struct Presented<'a> {
    pub(crate) generation: Generation,
    pub(crate) secret: &'a TokenSecret,
    pub(crate) hash: TokenHash,
    pub(crate) proof: Proof,
}

/// A key of refresh tokens: it signs them and derives their successors, and recognises the
/// browsers of bound sessions. All its keys come from one secret by HMAC with distinct labels, so no use
/// tells anything about another.
///
/// It is a type of its own, so a key of access tokens cannot take its place:
///
/// ```compile_fail,E0308
/// # fn f(access: token_core::SigningKey) {
/// let ring = token_core::RefreshKeyRing::new(access);
/// # }
/// ```
#[derive(Clone)]
pub struct RefreshKey {
    kid: KeyId,
    header: Box<str>,
    signing: hmac::Key,
    rotation: hmac::Key,
    pub(crate) adoption: hmac::Key,
    /// `None` once it signs no more, and nothing is left of what it gave to browsers and clients for some minutes.
    binding: Option<BindingKey>,
}

impl RefreshKey {
    /// Makes a key of at least 32 random bytes that every node has.
    ///
    /// # Errors
    /// [`KeyError::SecretTooShort`] for fewer bytes.
    pub fn new(kid: KeyId, secret: &[u8]) -> Result<Self, KeyError> {
        if secret.len() < 32 {
            return Err(KeyError::SecretTooShort {
                algorithm: Algorithm::HS256,
                bytes: secret.len(),
                min: 32,
            });
        }
        let master = hmac::Key::new(hmac::HMAC_SHA256, secret);
        let derive =
            |label: &[u8]| hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&master, label).as_ref());
        let binding = hmac::sign(&master, b"device binding v1");
        // A `KeyId` has no character that JSON escapes.
        let header = format!(r#"{{"alg":"HS256","kid":"{kid}","typ":"rt+jwt"}}"#);
        Ok(Self {
            header: base64url::to_text(header.as_bytes()).into(),
            signing: derive(b"refresh token signature v1"),
            rotation: derive(b"refresh token rotation v1"),
            adoption: derive(b"adopted session v1"),
            binding: Some(BindingKey::new(binding.as_ref(), derive(b"dpop nonce v1"))),
            kid,
        })
    }

    /// Its identifier.
    pub const fn kid(&self) -> &KeyId {
        &self.kid
    }

    /// The secret of generation `to`, from the one before it. A client that presents that one again gets
    /// the same successor bit for bit, and nobody can compute it without both key and secret.
    pub(crate) fn successor(
        &self,
        secret: &TokenSecret,
        session: SessionId,
        to: Generation,
        nonce: Nonce,
    ) -> TokenSecret {
        let mut context = hmac::Context::with_key(&self.rotation);
        // Every part has a fixed length, so the parts cannot be shifted against each other.
        context.update(b"successor");
        context.update(session.as_bytes());
        context.update(&to.0.to_be_bytes());
        context.update(secret.secret());
        context.update(nonce.as_bytes());
        let tag = context.sign();
        let secret = tag.as_ref().try_into().expect("HMAC-SHA256 has 32 bytes");
        TokenSecret::from_bytes(secret)
    }
}

impl fmt::Debug for RefreshKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RefreshKey")
            .field("kid", &self.kid)
            .finish_non_exhaustive()
    }
}

/// The keys of refresh tokens: one signs, all verify and replay.
///
/// Every node that may see a token needs every key in use. To rotate: add the new key to
/// every node with [`with_other`](Self::with_other), then make it the first everywhere. A day later add
/// the old one [as retired](Self::with_retired), and drop it no earlier than one absolute lifetime later, or
/// log its users out.
#[derive(Clone, Debug)]
pub struct RefreshKeyRing {
    keys: Vec<RefreshKey>,
}

impl RefreshKeyRing {
    /// A ring whose `current` key signs.
    pub fn new(current: RefreshKey) -> Self {
        Self {
            keys: vec![current],
        }
    }

    /// Adds a key that verifies and replays what it signed before, or will sign after the
    /// next change.
    ///
    /// # Errors
    /// [`KeyRingError::DuplicateId`] if the ring has that identifier already.
    pub fn with_other(mut self, key: RefreshKey) -> Result<Self, KeyRingError> {
        if self.find(&key.kid).is_ok() {
            return Err(KeyRingError::DuplicateId { id: key.kid });
        }
        self.keys.push(key);
        Ok(self)
    }

    /// Adds a key that stopped signing longer ago than [`BindingKeys::RECOGNISED`]. It still verifies and replays
    /// its refresh tokens, but a thief who has it can no longer vouch for a browser or make a nonce.
    ///
    /// # Errors
    /// As [`with_other`](Self::with_other).
    pub fn with_retired(self, mut key: RefreshKey) -> Result<Self, KeyRingError> {
        key.binding = None;
        self.with_other(key)
    }

    /// The keys of what browsers and clients are given for some minutes: one of each refresh key that signs, will
    /// sign, or stopped lately, so that they come and go with these.
    pub fn binding_keys(&self) -> BindingKeys {
        BindingKeys::new(self.keys.iter().filter_map(|key| key.binding.clone()))
    }

    /// The identifiers of its keys, the one that signs first.
    pub fn kids(&self) -> impl Iterator<Item = &KeyId> {
        self.keys.iter().map(|key| &key.kid)
    }

    /// Reads a token and checks that it is genuinely ours.
    ///
    /// # Errors
    /// [`VerifyError`], cheapest checks first. The client learns only that the token is malformed.
    pub fn verify(
        &self,
        token: &str,
        issuer: &Issuer,
        audience: &Audience,
    ) -> Result<RefreshClaims, VerifyError> {
        let length = token.len();
        if length > MAX_LENGTH {
            return Err(FormError::TooLong { length }.into());
        }
        let parts = |count| FormError::Parts { count };
        let (signed, signature) = token.rsplit_once('.').ok_or(parts(1))?;
        let (header, payload) = signed.split_once('.').ok_or(parts(2))?;
        let key = self.keys.iter().find(|key| *key.header == *header);
        let key = key.ok_or(VerifyError::UnknownKey)?;
        let encoding = |part| FormError::Encoding { part };
        let tag: [u8; 32] =
            decode_exact("signature", signature).map_err(|_| encoding("signature"))?;
        hmac::verify(&key.signing, signed.as_bytes(), &tag).map_err(|_| VerifyError::Signature)?;

        let mut buffer = SecretBytes(vec![0; payload.len() / 4 * 3 + 2]);
        let payload = base64url::decode(payload.as_bytes(), &mut buffer.0[..]);
        let payload = payload.ok_or(encoding("payload"))?;
        let payload = std::str::from_utf8(payload).map_err(|_| ClaimsError::OfRefreshToken)?;
        let wire: Wire<'_> =
            serde_json::from_str(payload).map_err(|_| ClaimsError::OfRefreshToken)?;
        if wire.iss != issuer.as_str() {
            return Err(VerifyError::WrongIssuer);
        }
        if wire.aud != audience.as_str() {
            return Err(VerifyError::WrongAudience);
        }
        let secret =
            decode_exact("secret", wire.jti).map_err(|_| ClaimsError::Form { claim: "jti" })?;
        let secret = TokenSecret::from_bytes(secret);
        Ok(RefreshClaims {
            subject: named("sub", Subject::new(wire.sub))?,
            session_id: wire.sid,
            generation: wire.gen_,
            token_hash: secret.hash(),
            secret,
            issued_at: wire.iat,
            expires_at: wire.exp,
            scope: named("scope", wire.scope.parse())?,
            transport: wire.transport,
            by: wire.by.unwrap_or(RotatedBy::Refresh),
            proof: Proof::default(),
        })
    }

    /// Writes the token of the session's current credential, the same bytes each time: all
    /// of it comes from the session and the secret.
    pub(crate) fn sign(
        &self,
        session: &Session,
        secret: &TokenSecret,
        issuer: &Issuer,
        audience: &Audience,
    ) -> Result<RefreshToken, IssueError> {
        let key = self.find(&session.rotation_kid)?;
        let mut jti = Zeroizing::new([0; 43]);
        let texts = [issuer.as_str(), audience.as_str(), session.subject.as_str()];
        // Room for all of it: a vector that moves leaves a copy of the secret behind.
        let mut json = Object::with_capacity(longest(&texts, &session.scope));
        json.text("iss", issuer.as_str());
        json.text("aud", audience.as_str());
        json.text("sub", session.subject.as_str());
        json.text("sid", session.id.encode(&mut [0; 24]));
        json.number("gen", session.generation.0);
        json.text("jti", base64url::encode_into(secret.secret(), &mut *jti));
        json.number("iat", session.rotated_at.as_secs());
        json.number("exp", session.absolute_expires_at.as_secs());
        if !session.scope.is_empty() {
            json.text("scope", session.scope.as_str());
        }
        json.text("transport", session.transport.as_str());
        if session.rotated_by == RotatedBy::StepUp {
            json.text("by", session.rotated_by.as_str());
        }
        let json = SecretBytes(json.finish(""));
        let mut token = String::with_capacity(key.header.len() + json.0.len() * 4 / 3 + 48);
        token.push_str(&key.header);
        token.push('.');
        base64url::encode(&json.0, &mut token);
        let tag = hmac::sign(&key.signing, token.as_bytes());
        token.push('.');
        base64url::encode(tag.as_ref(), &mut token);
        Ok(RefreshToken(SecretText(token)))
    }

    pub(crate) fn current(&self) -> &RefreshKey {
        self.keys.first().expect("a ring is made with a key")
    }

    pub(crate) fn find(&self, kid: &KeyId) -> Result<&RefreshKey, IssueError> {
        let key = self.keys.iter().find(|key| key.kid == *kid);
        key.ok_or_else(|| IssueError::KeyMissing { kid: kid.clone() })
    }
}

/// The claims as they are read. serde refuses duplicate and unknown members.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire<'a> {
    #[serde(borrow)]
    iss: std::borrow::Cow<'a, str>,
    #[serde(borrow)]
    aud: std::borrow::Cow<'a, str>,
    #[serde(borrow)]
    sub: std::borrow::Cow<'a, str>,
    sid: SessionId,
    #[serde(rename = "gen")]
    gen_: Generation,
    jti: &'a str,
    iat: UnixTime,
    exp: UnixTime,
    #[serde(borrow, default)]
    scope: std::borrow::Cow<'a, str>,
    transport: Transport,
    by: Option<RotatedBy>,
}

/// As long as the claims can become, in bytes.
fn longest(names: &[&str], scope: &Scope) -> usize {
    // Names have no control characters, so an escape makes two bytes of one; a scope has none. The
    // rest is an id, a secret, three numbers, two words and the names of the members.
    let escaped = |name: &&str| if is_plain(name) { 1 } else { 2 };
    let names = names.iter().map(|name| name.len() * escaped(name));
    names.sum::<usize>() + scope.as_str().len() + 245
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::id::Bucket;

    /// A vector that moves leaves a copy of the secret behind.
    #[test]
    fn there_is_room_for_the_longest_claims() {
        let kid = KeyId::new("r1").unwrap();
        let ring = RefreshKeyRing::new(RefreshKey::new(kid.clone(), &[42; 32]).unwrap());
        let (issuer, audience) = ("https://id.example", "https://api.example");
        for (subject, scope) in [
            ("a".repeat(255), "a".repeat(1024)),
            ("\"".repeat(255), String::new()),
            ("\\".repeat(100), "notes:read".to_owned()),
        ] {
            let secret = TokenSecret::from_bytes([255; 32]);
            let id = SessionId::new(Bucket(255), [255; 17]);
            let client = "web".parse().unwrap();
            let subject = Subject::new(subject).unwrap();
            let (transport, last) = (Transport::Session, UnixTime::MAX);
            let hash = secret.hash();
            let session = Session {
                generation: Generation(u64::MAX),
                rotated_at: last,
                rotated_by: RotatedBy::StepUp,
                absolute_expires_at: last,
                scope: scope.parse().unwrap(),
                ..Session::new(id, subject, client, transport, hash, kid.clone(), last)
            };
            let room = longest(
                &[issuer, audience, session.subject.as_str()],
                &session.scope,
            );
            let (issuer, audience) = (issuer.parse().unwrap(), audience.parse().unwrap());
            let token = ring.sign(&session, &secret, &issuer, &audience).unwrap();
            let payload = token.secret().split('.').nth(1).unwrap();
            let length = payload.len() * 3 / 4;
            assert!(length <= room, "{length} bytes in {room}");
            assert!(room <= length + 32, "{length} bytes in {room}");
        }
    }
}
