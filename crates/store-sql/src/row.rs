//! The rows that a database gives, and what is read from them. The same for every database.

use std::error::Error;
use std::str::FromStr;

use thiserror::Error;
use token_core::binding::Binding;
use token_core::session::{
    Device, EarlierRotations, Epoch, Generation, Nonce, Revocation, RotatedBy,
};
use token_core::types::TokenHash;
use token_core::{Authentication, CustomClaims, Session, SessionId, UnixTime};
use token_session::store::Ended;
use token_session::store::SessionData;

use crate::column::Column;

/// What a row of any database gives, by the place of a column; `None` for NULL.
pub(crate) trait Fields {
    fn bytes(&self, place: usize) -> Result<Option<&[u8]>, sqlx::Error>;
    fn flag(&self, place: usize) -> Result<Option<bool>, sqlx::Error>;
    fn int(&self, place: usize) -> Result<Option<i64>, sqlx::Error>;
    fn text(&self, place: usize) -> Result<Option<&str>, sqlx::Error>;
}

/// A value in the database that this library did not write.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) session: Option<SessionId>,
    pub(crate) column: &'static str,
    pub(crate) source: Box<dyn Error + Send + Sync>,
}

/// Reads a session from a row of [`Column::LIST`].
pub(crate) fn read_session(row: &impl Fields) -> Result<Session, Fault> {
    let id = read_id(row)?;
    let reader = Reader { row, id };
    Ok(Session {
        id,
        subject: reader.word(Column::Subject)?,
        subject_epoch: Epoch(reader.count(Column::SubjectEpoch)?),
        client_id: reader.word(Column::ClientId)?,
        transport: reader.word(Column::Transport)?,
        scope: reader.word(Column::Scope)?,
        created_at: reader.time(Column::CreatedAt)?,
        authentication: Authentication {
            time: reader.time(Column::AuthTime)?,
            acr: reader.text(Column::Acr)?,
            amr: reader.amr()?,
        },
        generation: Generation(reader.count(Column::Generation)?),
        token_hash: TokenHash::from_bytes(reader.bytes(Column::TokenHash)?),
        previous_hash: reader
            .optional_bytes(Column::PreviousHash)?
            .map(TokenHash::from_bytes),
        nonce: Nonce::from_bytes(reader.bytes(Column::Nonce)?),
        rotated_at: reader.time(Column::RotatedAt)?,
        rotated_by: reader.word::<RotatedBy>(Column::RotatedBy)?,
        earlier_rotations: reader.earlier_rotations()?,
        rotation_kid: reader.word(Column::RotationKid)?,
        idle_expires_at: reader.time(Column::IdleExpiresAt)?,
        absolute_expires_at: reader.time(Column::AbsoluteExpiresAt)?,
        remember: reader.required(Column::Remember, Fields::flag)?,
        revocation: reader.revocation()?,
        last_seen_at: reader.time(Column::LastSeenAt)?,
        claims: reader.claims()?,
        device: Device {
            label: reader.text(Column::DeviceLabel)?,
            user_agent: reader.text(Column::DeviceUserAgent)?,
            ip_prefix: reader.text(Column::DeviceIpPrefix)?,
        },
        purge_at: reader.time(Column::PurgeAt)?,
        binding: reader.binding()?,
    })
}

/// Reads a session, and whose it is also if the rest cannot be read.
pub(crate) fn read_written(row: &impl Fields) -> Option<(SessionId, Result<Session, Fault>)> {
    Some((read_id(row).ok()?, read_session(row)))
}

/// Reads an ending from a row of `id, revoked_at`.
pub(crate) fn read_ended(row: &impl Fields) -> Result<Ended, Fault> {
    let id = read_id(row)?;
    let fault = |source| Fault {
        session: Some(id),
        column: Column::RevokedAt.name(),
        source,
    };
    let at = row.int(1).map_err(|error| fault(error.into()))?;
    let at = at.ok_or_else(|| fault(Missing.into()))?;
    let at = UnixTime::try_from(at).map_err(|error| fault(error.into()))?;
    Ok(Ended::new(id, at))
}

/// Reads a session id from the first place of a row.
pub(crate) fn read_id(row: &impl Fields) -> Result<SessionId, Fault> {
    let fault = |source| Fault {
        session: None,
        column: Column::Id.name(),
        source,
    };
    let bytes = row.bytes(0).map_err(|error| fault(error.into()))?;
    let bytes = bytes.ok_or_else(|| fault(Missing.into()))?;
    let id = exactly(bytes).map_err(|error| fault(error.into()))?;
    Ok(SessionId::from_bytes(id))
}

/// Reads the private data of a session from a row of `version, json`.
pub(crate) fn read_data(row: &impl Fields, id: SessionId) -> Result<SessionData, Fault> {
    let json = row.text(1).map_err(|error| Fault {
        session: Some(id),
        column: "json",
        source: error.into(),
    })?;
    Ok(SessionData {
        version: read_count(row, 0, "version")?,
        json: json.map(Into::into),
    })
}

/// Reads a count that is not part of a session.
pub(crate) fn read_count(
    row: &impl Fields,
    place: usize,
    column: &'static str,
) -> Result<u64, Fault> {
    let fault = |source| Fault {
        session: None,
        column,
        source,
    };
    let number = row.int(place).map_err(|error| fault(error.into()))?;
    let number = number.ok_or_else(|| fault(Missing.into()))?;
    u64::try_from(number).map_err(|_| fault(Negative.into()))
}

/// Exactly `N` bytes.
pub(crate) fn exactly<const N: usize>(bytes: &[u8]) -> Result<[u8; N], WrongLength> {
    bytes.try_into().map_err(|_| WrongLength {
        found: bytes.len(),
        expected: N,
    })
}

/// Bytes of another length than a hash, an id or a key has.
#[derive(Debug, Error)]
#[error("{found} bytes where {expected} belong")]
pub(crate) struct WrongLength {
    found: usize,
    expected: usize,
}

/// A column is NULL that must not be.
#[derive(Debug, Error)]
#[error("no value")]
pub(crate) struct Missing;

/// A count below zero.
#[derive(Debug, Error)]
#[error("a negative count")]
struct Negative;

/// One of two columns that belong together is empty.
#[derive(Debug, Error)]
#[error("revoked_at and revoke_reason belong together, and only one is set")]
struct Half;

struct Reader<'a, R> {
    row: &'a R,
    id: SessionId,
}

impl<'a, R: Fields> Reader<'a, R> {
    fn fault(&self, column: Column, source: impl Into<Box<dyn Error + Send + Sync>>) -> Fault {
        Fault {
            session: Some(self.id),
            column: column.name(),
            source: source.into(),
        }
    }

    fn optional<T>(
        &self,
        column: Column,
        get: impl FnOnce(&'a R, usize) -> Result<Option<T>, sqlx::Error>,
    ) -> Result<Option<T>, Fault> {
        get(self.row, column as usize).map_err(|error| self.fault(column, error))
    }

    fn required<T>(
        &self,
        column: Column,
        get: impl FnOnce(&'a R, usize) -> Result<Option<T>, sqlx::Error>,
    ) -> Result<T, Fault> {
        self.optional(column, get)?
            .ok_or_else(|| self.fault(column, Missing))
    }

    fn word<T: FromStr<Err: Error + Send + Sync + 'static>>(
        &self,
        column: Column,
    ) -> Result<T, Fault> {
        let text = self.required(column, Fields::text)?;
        text.parse()
            .map_err(|error: T::Err| self.fault(column, error))
    }

    fn text(&self, column: Column) -> Result<Option<Box<str>>, Fault> {
        Ok(self.optional(column, Fields::text)?.map(Into::into))
    }

    fn time(&self, column: Column) -> Result<UnixTime, Fault> {
        let seconds = self.required(column, Fields::int)?;
        UnixTime::try_from(seconds).map_err(|error| self.fault(column, error))
    }

    fn count(&self, column: Column) -> Result<u64, Fault> {
        let number = self.required(column, Fields::int)?;
        u64::try_from(number).map_err(|_| self.fault(column, Negative))
    }

    fn earlier_rotations(&self) -> Result<EarlierRotations, Fault> {
        let bits = self.optional(Column::EarlierRotations, Fields::int)?;
        Ok(EarlierRotations(bits.unwrap_or_default().cast_unsigned()))
    }

    fn binding(&self) -> Result<Binding, Fault> {
        let bytes = self.optional(Column::Binding, Fields::bytes)?;
        let binding = bytes.map(Binding::from_bytes).transpose();
        let binding = binding.map_err(|error| self.fault(Column::Binding, error))?;
        Ok(binding.unwrap_or_default())
    }

    fn optional_bytes<const N: usize>(&self, column: Column) -> Result<Option<[u8; N]>, Fault> {
        let bytes = self.optional(column, Fields::bytes)?;
        let bytes = bytes.map(exactly).transpose();
        bytes.map_err(|error| self.fault(column, error))
    }

    fn bytes<const N: usize>(&self, column: Column) -> Result<[u8; N], Fault> {
        self.optional_bytes(column)?
            .ok_or_else(|| self.fault(column, Missing))
    }

    fn amr(&self) -> Result<Vec<Box<str>>, Fault> {
        let json = self.required(Column::Amr, Fields::text)?;
        serde_json::from_str(json).map_err(|error| self.fault(Column::Amr, error))
    }

    fn claims(&self) -> Result<CustomClaims, Fault> {
        let json = self.required(Column::Claims, Fields::text)?;
        CustomClaims::from_json(json).map_err(|error| self.fault(Column::Claims, error))
    }

    fn revocation(&self) -> Result<Option<Revocation>, Fault> {
        let at = self.optional(Column::RevokedAt, Fields::int)?;
        let reason = self.optional(Column::RevokeReason, Fields::text)?;
        match (at, reason) {
            (None, None) => Ok(None),
            (Some(_), Some(_)) => Ok(Some(Revocation {
                at: self.time(Column::RevokedAt)?,
                reason: self.word(Column::RevokeReason)?,
            })),
            _ => Err(self.fault(Column::RevokeReason, Half)),
        }
    }
}
