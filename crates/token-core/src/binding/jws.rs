//! A proof of a key: a JWS whose header may have the key itself, read as strictly as every token.

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ParsedPublicKey};
use serde_json::value::RawValue;
use thiserror::Error;

use crate::binding::proof::Unproven;
use crate::binding::record::DeviceKey;
use crate::jose::base64url::Room;
use crate::jose::error::FormError;
use crate::jose::header::media_type_is;
use crate::jose::json::{self, JsonError, Text};
use crate::jose::jws::{Compact, Part};
use crate::keys::error::KeyError;
use crate::keys::public::VerifyingKey;

/// The longest proof that is looked at, in bytes. A browser's has some 400.
const MAX_LENGTH: usize = 2048;

/// A proof whose form, type and algorithm are as they must be. Its signature is not verified.
pub(crate) struct ProofJws<'a> {
    signing_input: &'a [u8],
    signature: [u8; 64],
    /// The JWK in its header, as it stands there.
    jwk: Option<Box<str>>,
    payload: String,
}

impl<'a> ProofJws<'a> {
    /// Reads a proof of this type, signed with ES256.
    pub(crate) fn parse(text: &'a str, kind: &str) -> Result<Self, ProofError> {
        if text.len() > MAX_LENGTH {
            return Err(FormError::TooLong { length: text.len() }.into());
        }
        let compact = Compact::parse(text.as_bytes())?;
        let mut room = Room::<MAX_LENGTH>::new();
        let header = compact.decode(Part::Header, room.as_mut_slice())?;
        let jwk = read_header(utf8(header)?, kind)?;
        let signature = compact.decode(Part::Signature, room.as_mut_slice())?;
        let signature = <[u8; 64]>::try_from(&*signature).map_err(|_| ProofError::Signature)?;
        let payload = compact.decode(Part::Payload, room.as_mut_slice())?;
        let payload = utf8(payload)?;
        // > The Claim Names within a JWT Claims Set MUST be unique
        // RFC 7519 section 4
        json::check(payload).map_err(ProofError::Json)?;
        Ok(Self {
            payload: payload.to_owned(),
            signing_input: compact.signing_input,
            signature,
            jwk,
        })
    }

    /// Whether its header has a key.
    pub(crate) const fn has_key(&self) -> bool {
        self.jwk.is_some()
    }

    /// The key in its header. To see that it is on the curve is not cheap: ask when the rest holds.
    pub(crate) fn key(&self) -> Result<DeviceKey, ProofError> {
        let jwk = self.jwk.as_ref().ok_or(ProofError::KeyPlace)?;
        DeviceKey::of(&VerifyingKey::from_jwk(jwk)?).ok_or(ProofError::Algorithm)
    }

    /// A claim, if it is there and a text.
    pub(crate) fn claim(&self, name: &'static str) -> Result<String, ProofError> {
        let claims = json::members::<&RawValue>(&self.payload).map_err(ProofError::Json)?;
        let claim = claims.iter().find(|(member, _)| member.0 == name);
        let claim = claim.and_then(|(_, value)| text(value));
        claim.ok_or(ProofError::Claim { name })
    }

    /// Whether it is signed with this key.
    pub(crate) fn verify(&self, key: &DeviceKey) -> Result<(), ProofError> {
        // The point was checked when it was registered, and a store that has another one has no session.
        let key = ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key.as_bytes());
        let key = key.map_err(|_| ProofError::Signature)?;
        let verified = key.verify_sig(self.signing_input, &self.signature);
        verified.map_err(|_| ProofError::Signature)
    }
}

fn utf8(bytes: &[u8]) -> Result<&str, ProofError> {
    std::str::from_utf8(bytes).map_err(|_| ProofError::Json(JsonError::NotUtf8))
}

fn text(value: &RawValue) -> Option<String> {
    let text = serde_json::from_str::<Text<'_>>(value.get()).ok()?;
    Some(text.0.into_owned())
}

/// The JWK in the header, if there is one. Other members than these three are refused.
fn read_header(header: &str, kind: &str) -> Result<Option<Box<str>>, ProofError> {
    let form = |error| ProofError::Form(FormError::Json(error));
    json::check(header).map_err(form)?;
    let (mut algorithm, mut typ, mut jwk) = (None, None, None);
    for (name, value) in json::members::<&RawValue>(header).map_err(form)? {
        match &*name.0 {
            "alg" => algorithm = text(value),
            "typ" => typ = text(value),
            "jwk" => jwk = Some(value.get().into()),
            _ => return Err(FormError::UnknownMember.into()),
        }
    }
    if algorithm.as_deref() != Some("ES256") {
        return Err(ProofError::Algorithm);
    }
    if !typ.is_some_and(|typ| media_type_is(&typ, kind)) {
        return Err(ProofError::Type);
    }
    Ok(jwk)
}

/// Why a text is not a proof of a key. The client learns nothing of it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ProofError {
    /// It is not signed with ES256.
    #[error("its algorithm is not ES256")]
    Algorithm,
    /// The challenge, or the authorization of the registration, was not given for this session, or is too old.
    #[error("it answers no challenge of this session: {0}")]
    Challenge(Unproven),
    /// A claim is missing, or not a text.
    #[error("missing or wrong claim `{name}`")]
    Claim {
        /// Its name.
        name: &'static str,
    },
    /// It is not a compact JWS with a strict header.
    #[error(transparent)]
    Form(#[from] FormError),
    /// Its payload is not strict JSON.
    #[error("the payload is not strict JSON: {0}")]
    Json(JsonError),
    /// The key in its header cannot be used.
    #[error("its key cannot be used: {0}")]
    Key(#[from] KeyError),
    /// It has no key where it must have one, or one where the key is known.
    #[error("it has no key where it must have one, or one where the key is known")]
    KeyPlace,
    /// Its signature does not fit.
    #[error("the signature does not fit")]
    Signature,
    /// It is of another type.
    #[error("its type is another one")]
    Type,
}
