//! Values back to sessions.

use std::collections::HashMap;

use redis::Value;
use token_core::binding::Binding;
use token_core::session::{
    Device, EarlierRotations, Epoch, Generation, Nonce, Revocation, RotatedBy,
};
use token_core::types::TokenHash;
use token_core::{
    Authentication, ClientId, CustomClaims, KeyId, RevokeReason, Scope, Session, SessionId,
    Subject, Transport, UnixTime,
};

use super::{
    AUTHENTICATION, BINDING, CLAIMS, CONSTANT, EARLIER_ROTATIONS, ENDED, Field, HASHES, KEY_ID,
    LAYOUT, REMEMBER, RowFault, SCOPE, STATE, STEP_UP,
};
use crate::bytes::Reader;
use crate::user_agent;

/// Reads the fields and values of a row back.
pub(crate) fn decode(id: SessionId, flat: &[Value]) -> Result<Session, RowFault> {
    Fields::new(flat).session(id)
}

struct Fields<'a>(HashMap<&'a [u8], &'a [u8]>);

impl<'a> Fields<'a> {
    fn new(flat: &'a [Value]) -> Self {
        let mut fields = HashMap::with_capacity(flat.len() / 2);
        for pair in flat.chunks_exact(2) {
            if let [Value::BulkString(name), Value::BulkString(value)] = pair {
                fields.insert(name.as_slice(), value.as_slice());
            }
        }
        Self(fields)
    }

    fn get(&self, field: Field) -> Result<&'a [u8], RowFault> {
        let value = self.0.get(field.0.as_bytes()).copied();
        value.ok_or(RowFault::Missing { field: field.1 })
    }

    /// A value with all its pieces.
    fn whole(&self, field: Field) -> Result<Vec<u8>, RowFault> {
        let mut value = self.get(field)?.to_vec();
        for number in 1.. {
            match self.0.get(field.piece(number).as_bytes()) {
                Some(piece) => value.extend_from_slice(piece),
                None => break,
            }
        }
        Ok(value)
    }

    fn session(&self, id: SessionId) -> Result<Session, RowFault> {
        let state = State::read(self.get(STATE)?)?;
        let (token_hash, previous_hash) = read_hashes(self.get(HASHES)?).ok_or(fault(HASHES))?;
        let constant = read_constant(&self.whole(CONSTANT)?).ok_or(fault(CONSTANT))?;
        let key_id = text(self.get(KEY_ID)?).and_then(|text| KeyId::new(text).ok());
        let authentication = match self.whole(AUTHENTICATION) {
            Ok(value) => read_authentication(&value).ok_or(fault(AUTHENTICATION))?,
            Err(_) => Authentication::password(constant.created_at),
        };
        let claims = match self.whole(CLAIMS) {
            Ok(value) => read_claims(&value).ok_or(fault(CLAIMS))?,
            Err(_) => CustomClaims::default(),
        };
        let scope = match self.whole(SCOPE) {
            Ok(value) => read_scope(&value).ok_or(fault(SCOPE))?,
            Err(_) => constant.scope,
        };
        let revocation = match self.0.get(ENDED.0.as_bytes()) {
            Some(value) => Some(read_ended(value).ok_or(fault(ENDED))?),
            None => None,
        };
        let earlier_rotations = match self.0.get(EARLIER_ROTATIONS.0.as_bytes()) {
            Some(value) => read_earlier_rotations(value).ok_or(fault(EARLIER_ROTATIONS))?,
            None => EarlierRotations::default(),
        };
        let binding = match self.0.get(BINDING.0.as_bytes()) {
            Some(value) => Binding::from_bytes(value).map_err(|_| fault(BINDING))?,
            None => Binding::default(),
        };
        Ok(Session {
            id,
            subject: constant.subject,
            subject_epoch: state.epoch,
            client_id: constant.client_id,
            transport: state.transport,
            scope,
            created_at: constant.created_at,
            authentication,
            generation: state.generation,
            token_hash,
            previous_hash,
            nonce: state.nonce,
            rotated_at: state.rotated_at,
            rotated_by: state.rotated_by,
            earlier_rotations,
            rotation_kid: key_id.ok_or(fault(KEY_ID))?,
            idle_expires_at: state.idle_expires_at,
            absolute_expires_at: state.absolute_expires_at,
            remember: state.remember,
            revocation,
            last_seen_at: state.last_seen_at,
            claims,
            device: constant.device,
            purge_at: state.purge_at,
            binding,
        })
    }
}

struct State {
    transport: Transport,
    remember: bool,
    rotated_by: RotatedBy,
    generation: Generation,
    rotated_at: UnixTime,
    idle_expires_at: UnixTime,
    absolute_expires_at: UnixTime,
    purge_at: UnixTime,
    last_seen_at: UnixTime,
    nonce: Nonce,
    epoch: Epoch,
}

impl State {
    fn read(value: &[u8]) -> Result<Self, RowFault> {
        match value.first() {
            Some(&LAYOUT) => Self::fields(Reader(value)).ok_or(fault(STATE)),
            Some(&found) => Err(RowFault::Layout { found }),
            None => Err(fault(STATE)),
        }
    }

    fn fields(mut reader: Reader<'_>) -> Option<Self> {
        reader.byte()?; // the layout
        let flags = reader.byte()?;
        let state = Self {
            transport: match flags & 3 {
                0 => Transport::Cookie,
                1 => Transport::Header,
                2 => Transport::Session,
                _ => return None,
            },
            remember: flags & REMEMBER != 0,
            rotated_by: if flags & STEP_UP == 0 {
                RotatedBy::Refresh
            } else {
                RotatedBy::StepUp
            },
            generation: Generation(reader.number()?),
            rotated_at: reader.instant()?,
            idle_expires_at: reader.instant()?,
            absolute_expires_at: reader.instant()?,
            purge_at: reader.instant()?,
            last_seen_at: reader.instant()?,
            nonce: Nonce::from_bytes(reader.array()?),
            epoch: if reader.is_empty() {
                Epoch::default()
            } else {
                Epoch(reader.number()?)
            },
        };
        reader.is_empty().then_some(state)
    }
}

struct Constant {
    subject: Subject,
    created_at: UnixTime,
    client_id: ClientId,
    scope: Scope,
    device: Device,
}

fn read_hashes(value: &[u8]) -> Option<(TokenHash, Option<TokenHash>)> {
    let mut reader = Reader(value);
    let current = TokenHash::from_bytes(reader.array()?);
    if reader.is_empty() {
        return Some((current, None));
    }
    let previous = TokenHash::from_bytes(reader.array()?);
    reader.is_empty().then_some((current, Some(previous)))
}

fn read_constant(value: &[u8]) -> Option<Constant> {
    let mut reader = Reader(value);
    let length = usize::from(reader.byte()?);
    let constant = Constant {
        subject: Subject::new(text(reader.raw(length)?)?).ok()?,
        created_at: reader.instant()?,
        client_id: ClientId::new(text(reader.text()?)?).ok()?,
        scope: text(reader.text()?)?.parse().ok()?,
        device: Device {
            label: optional_text(reader.optional()?)?,
            user_agent: match reader.optional()? {
                Some(short) => Some(user_agent::restore(short)?.into()),
                None => None,
            },
            ip_prefix: optional_text(reader.optional()?)?,
        },
    };
    reader.is_empty().then_some(constant)
}

/// What follows may be the rest of a longer value that was there before.
fn read_authentication(value: &[u8]) -> Option<Authentication> {
    let mut reader = Reader(value);
    let time = reader.instant()?;
    let acr = optional_text(reader.optional()?)?;
    let methods = reader.length()?;
    let amr = (0..methods).map(|_| text(reader.text()?).map(Into::into));
    Some(Authentication {
        time,
        acr,
        amr: amr.collect::<Option<_>>()?,
    })
}

/// As for an authentication.
fn read_scope(value: &[u8]) -> Option<Scope> {
    text(Reader(value).text()?)?.parse().ok()
}

/// As for an authentication.
fn read_claims(value: &[u8]) -> Option<CustomClaims> {
    match text(Reader(value).text()?)? {
        "" => Some(CustomClaims::default()),
        json => CustomClaims::from_json(json).ok(),
    }
}

fn read_earlier_rotations(value: &[u8]) -> Option<EarlierRotations> {
    let mut reader = Reader(value);
    if reader.is_empty() {
        return Some(EarlierRotations::default());
    }
    let earlier = EarlierRotations(reader.number()?);
    reader.is_empty().then_some(earlier)
}

fn read_ended(value: &[u8]) -> Option<Revocation> {
    let mut reader = Reader(value);
    let at = reader.instant()?;
    let reason: RevokeReason = text(reader.rest())?.parse().ok()?;
    Some(Revocation { at, reason })
}

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

/// The outer `None` if it is no text.
#[expect(clippy::option_option, reason = "unreadable is not absent")]
fn optional_text(bytes: Option<&[u8]>) -> Option<Option<Box<str>>> {
    match bytes {
        Some(bytes) => Some(Some(text(bytes)?.into())),
        None => Some(None),
    }
}

const fn fault(field: Field) -> RowFault {
    RowFault::Field { field: field.1 }
}
