//! The claims of a proof.

use std::borrow::Cow;

use serde::de::MapAccess;

use crate::binding::dpop::error::ProofError;
use crate::binding::dpop::header::{in_json, put_text};
use crate::jose::json::{self, Members, Refused};
use crate::types::time::UnixTime;

const PART: &str = "payload";

/// The claims as they are written: exactly those of
/// [RFC 9449 section 4.2](https://www.rfc-editor.org/rfc/rfc9449#section-4.2).
pub(super) struct Claims<'a> {
    pub(super) id: Cow<'a, str>,
    pub(super) method: Cow<'a, str>,
    pub(super) target: Cow<'a, str>,
    pub(super) issued_at: UnixTime,
    pub(super) token_hash: Option<Cow<'a, str>>,
    pub(super) nonce: Option<Cow<'a, str>>,
}

impl<'a> Claims<'a> {
    pub(super) fn read(json: &'a [u8]) -> Result<Self, ProofError> {
        let mut payload = Payload::default();
        json::object(json, &mut payload).map_err(|refused| in_json(PART, refused))?;
        let missing = |member| ProofError::Missing { part: PART, member };
        let id = payload.id.ok_or(missing("jti"))?;
        if id.is_empty() {
            return Err(ProofError::Type {
                part: PART,
                member: "jti",
            });
        }
        Ok(Self {
            id,
            method: payload.method.ok_or(missing("htm"))?,
            target: payload.target.ok_or(missing("htu"))?,
            issued_at: payload.issued_at.ok_or(missing("iat"))?,
            token_hash: payload.token_hash,
            nonce: payload.nonce,
        })
    }
}

#[derive(Default)]
struct Payload<'a> {
    id: Option<Cow<'a, str>>,
    method: Option<Cow<'a, str>>,
    target: Option<Cow<'a, str>>,
    issued_at: Option<UnixTime>,
    token_hash: Option<Cow<'a, str>>,
    nonce: Option<Cow<'a, str>>,
}

impl<'a> Members<'a> for Payload<'a> {
    type Fault = ProofError;

    fn take<A: MapAccess<'a>>(
        &mut self,
        name: &str,
        map: &mut A,
    ) -> Result<(), Refused<ProofError, A::Error>> {
        match name {
            "jti" => put_text(PART, "jti", &mut self.id, map),
            "htm" => put_text(PART, "htm", &mut self.method, map),
            "htu" => put_text(PART, "htu", &mut self.target, map),
            "ath" => put_text(PART, "ath", &mut self.token_hash, map),
            "nonce" => put_text(PART, "nonce", &mut self.nonce, map),
            "iat" if self.issued_at.is_some() => Err(Refused::Rule(ProofError::Duplicate {
                part: PART,
                member: "iat",
            })),
            "iat" => {
                let wrong = ProofError::Type {
                    part: PART,
                    member: "iat",
                };
                // A whole number, as in every other token: 1e3, 1.5 and -1 are refused like "1000".
                let seconds = map.next_value::<u64>().map_err(|_| Refused::Rule(wrong))?;
                let time = UnixTime::from_secs(seconds).map_err(|_| Refused::Rule(wrong))?;
                self.issued_at = Some(time);
                Ok(())
            }
            _ => Err(Refused::Rule(ProofError::UnknownMember { part: PART })),
        }
    }
}
