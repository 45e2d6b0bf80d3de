//! The header of a proof, with the public key in it.

use std::borrow::Cow;

use aws_lc_rs::digest;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey};
use serde::de::MapAccess;
use serde_json::value::RawValue;

use crate::binding::dpop::error::ProofError;
use crate::binding::thumbprint::Thumbprint;
use crate::jose::base64url;
use crate::jose::header::media_type_is;
use crate::jose::json::{self, JsonError, Members, Refused, Value};
use crate::keys::weak;

/// The public key of a proof, on P-256 or Ed25519, with its thumbprint.
pub(super) struct Key {
    pub(super) thumbprint: Thumbprint,
    key: ParsedPublicKey,
}

impl Key {
    pub(super) fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        self.key.verify_sig(message, signature).is_ok()
    }
}

/// Reads a decoded header: `typ`, `alg` and `jwk`, all required, and nothing else.
///
/// > alg: An identifier for a JWS asymmetric digital signature algorithm [...]. It MUST NOT be none or an
/// > identifier for a symmetric algorithm (Message Authentication Code (MAC)).
///
/// RFC 9449 section 4.2
pub(super) fn read(json: &[u8]) -> Result<Key, ProofError> {
    let mut header = Header::default();
    json::object(json, &mut header).map_err(|refused| in_json("header", refused))?;
    let missing = |member| ProofError::Missing {
        part: "header",
        member,
    };
    // > typ: A field with the value dpop+jwt, which explicitly types the DPoP proof JWT as recommended in
    // > Section 3.11 of [RFC8725].
    // RFC 9449 section 4.2
    if !media_type_is(&header.kind.ok_or(missing("typ"))?, "dpop+jwt") {
        return Err(ProofError::WrongType);
    }
    let algorithm = header.algorithm.ok_or(missing("alg"))?;
    let jwk = header.jwk.ok_or(missing("jwk"))?;
    let mut members = Jwk::default();
    let json = jwk.get().as_bytes();
    json::object(json, &mut members).map_err(|refused| in_json("key", refused))?;
    members.key(&algorithm)
}

/// Names the part that is not strict JSON.
pub(super) fn in_json(part: &'static str, refused: Refused<ProofError, JsonError>) -> ProofError {
    refused.or_json(|error| ProofError::Json { part, error })
}

/// Puts a text in its place, once.
pub(super) fn put_text<'a, A: MapAccess<'a>>(
    part: &'static str,
    member: &'static str,
    place: &mut Option<Cow<'a, str>>,
    map: &mut A,
) -> Result<(), Refused<ProofError, A::Error>> {
    if place.is_some() {
        return Err(Refused::Rule(ProofError::Duplicate { part, member }));
    }
    match map.next_value()? {
        Value::Text(text) => *place = Some(text),
        _ => return Err(Refused::Rule(ProofError::Type { part, member })),
    }
    Ok(())
}

#[derive(Default)]
struct Header<'a> {
    algorithm: Option<Cow<'a, str>>,
    kind: Option<Cow<'a, str>>,
    jwk: Option<&'a RawValue>,
}

impl<'a> Members<'a> for Header<'a> {
    type Fault = ProofError;

    fn take<A: MapAccess<'a>>(
        &mut self,
        name: &str,
        map: &mut A,
    ) -> Result<(), Refused<ProofError, A::Error>> {
        const PART: &str = "header";
        match name {
            "alg" => put_text(PART, "alg", &mut self.algorithm, map),
            "typ" => put_text(PART, "typ", &mut self.kind, map),
            "jwk" if self.jwk.is_some() => Err(Refused::Rule(ProofError::Duplicate {
                part: PART,
                member: "jwk",
            })),
            "jwk" => {
                self.jwk = Some(map.next_value()?);
                Ok(())
            }
            _ => Err(Refused::Rule(ProofError::UnknownMember { part: PART })),
        }
    }
}

/// The members of a public key.
#[derive(Default)]
struct Jwk<'a> {
    crv: Option<Cow<'a, str>>,
    kty: Option<Cow<'a, str>>,
    x: Option<Cow<'a, str>>,
    y: Option<Cow<'a, str>>,
    algorithm: Option<Cow<'a, str>>,
    purpose: Option<Cow<'a, str>>,
    /// Members that libraries add to what they export, which say nothing here.
    others: [bool; 3],
}

impl<'a> Members<'a> for Jwk<'a> {
    type Fault = ProofError;

    fn take<A: MapAccess<'a>>(
        &mut self,
        name: &str,
        map: &mut A,
    ) -> Result<(), Refused<ProofError, A::Error>> {
        const PART: &str = "key";
        const OTHERS: [&str; 3] = ["ext", "key_ops", "kid"];
        match name {
            "crv" => put_text(PART, "crv", &mut self.crv, map),
            "kty" => put_text(PART, "kty", &mut self.kty, map),
            "x" => put_text(PART, "x", &mut self.x, map),
            "y" => put_text(PART, "y", &mut self.y, map),
            "alg" => put_text(PART, "alg", &mut self.algorithm, map),
            "use" => put_text(PART, "use", &mut self.purpose, map),
            // > The jwk JOSE Header Parameter does not contain a private key.
            // RFC 9449 section 4.3
            "d" | "p" | "q" | "dp" | "dq" | "qi" | "oth" | "k" => {
                Err(Refused::Rule(ProofError::PrivateKey))
            }
            _ => {
                let mut others = OTHERS.iter().zip(&mut self.others);
                let Some((member, seen)) = others.find(|(other, _)| **other == name) else {
                    return Err(Refused::Rule(ProofError::UnknownMember { part: PART }));
                };
                if std::mem::replace(seen, true) {
                    return Err(Refused::Rule(ProofError::Duplicate { part: PART, member }));
                }
                map.next_value::<Value<'a>>()?;
                Ok(())
            }
        }
    }
}

impl Jwk<'_> {
    /// The key, for the algorithm that the header names.
    fn key(&self, algorithm: &str) -> Result<Key, ProofError> {
        let kty = require("kty", self.kty.as_deref())?;
        let crv = require("crv", self.crv.as_deref())?;
        let x = require("x", self.x.as_deref())?;
        let edwards = matches!(algorithm, "EdDSA" | "Ed25519");
        let fits = match (kty, crv) {
            ("EC", "P-256") => algorithm == "ES256",
            ("OKP", "Ed25519") => edwards,
            _ => false,
        };
        // What the key says of itself must fit too.
        let named = self.algorithm.as_deref().unwrap_or(algorithm);
        let same = named == algorithm || (edwards && matches!(named, "EdDSA" | "Ed25519"));
        if !fits || !same {
            return Err(ProofError::Algorithm);
        }
        if self.purpose.as_deref().unwrap_or("sig") != "sig" {
            return Err(wrong("use"));
        }
        if edwards {
            if self.y.is_some() {
                return Err(ProofError::UnknownMember { part: "key" });
            }
            let mut point = [0; 32];
            coordinate("x", x, &mut point)?;
            weak::check_ed25519(&point).map_err(|_| ProofError::Key)?;
            let key = ParsedPublicKey::new(&ED25519, point).map_err(|_| ProofError::Key)?;
            let thumbprint = hash(&[r#"{"crv":"Ed25519","kty":"OKP","x":""#, x, r#""}"#]);
            return Ok(Key { thumbprint, key });
        }
        let y = require("y", self.y.as_deref())?;
        let mut point = [0; 65];
        let (form, coordinates) = point.split_at_mut(1);
        form.copy_from_slice(&[4]);
        let (left, right) = coordinates.split_at_mut(32);
        coordinate("x", x, left)?;
        coordinate("y", y, right)?;
        // It is checked that the point is on the curve.
        let key = ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point);
        let key = key.map_err(|_| ProofError::Key)?;
        let thumbprint = hash(&[
            r#"{"crv":"P-256","kty":"EC","x":""#,
            x,
            r#"","y":""#,
            y,
            r#""}"#,
        ]);
        Ok(Key { thumbprint, key })
    }
}

fn require<'a>(member: &'static str, value: Option<&'a str>) -> Result<&'a str, ProofError> {
    value.ok_or(ProofError::Missing {
        part: "key",
        member,
    })
}

const fn wrong(member: &'static str) -> ProofError {
    ProofError::Type {
        part: "key",
        member,
    }
}

/// > The length of this octet string MUST be the full size of a coordinate for the curve specified in the
/// > "crv" parameter.
///
/// RFC 7518 section 6.2.1.2
fn coordinate(member: &'static str, text: &str, bytes: &mut [u8]) -> Result<(), ProofError> {
    let length = bytes.len();
    let decoded = base64url::decode(text.as_bytes(), bytes);
    match decoded {
        Some(decoded) if decoded.len() == length => Ok(()),
        _ => Err(wrong(member)),
    }
}

/// The thumbprint of a key ([RFC 7638 section 3](https://www.rfc-editor.org/rfc/rfc7638#section-3)), whose
/// required members are written in these pieces. A coordinate has one spelling, so its text is used.
fn hash(pieces: &[&str]) -> Thumbprint {
    let mut context = digest::Context::new(&digest::SHA256);
    for piece in pieces {
        context.update(piece.as_bytes());
    }
    let hash = context.finish();
    Thumbprint::from_bytes(hash.as_ref().try_into().expect("SHA-256 has 32 bytes"))
}
