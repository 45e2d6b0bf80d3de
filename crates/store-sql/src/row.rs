//! The row of a session: its columns, what is written to them and what is read from them.
//! The same for every database.

use std::error::Error;
use std::str::FromStr;

use thiserror::Error;
use token_core::session::{
    Device, Ending, Epoch, Generation, Nonce, Revocation, RotatedBy, Rotation, SessionData, Touch,
};
use token_core::types::TokenHash;
use token_core::{Authentication, CustomClaims, Session, SessionId, UnixTime};
use token_session::store::{DataWrite, Ended};

/// Defines the columns once, in the order in which they are written and read.
macro_rules! columns {
    ($first:ident = $first_name:literal, $($column:ident = $name:literal,)*) => {
        /// A column of the session table; its number is its place in a row.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Column { $first, $($column),* }

        impl Column {
            /// All of them, for an `INSERT`, a `SELECT` or a `RETURNING`.
            pub(crate) const LIST: &str = concat!($first_name, $(", ", $name),*);

            #[cfg(test)]
            const ALL: &[Self] = &[Self::$first, $(Self::$column),*];

            pub(crate) const fn name(self) -> &'static str {
                match self { Self::$first => $first_name, $(Self::$column => $name),* }
            }
        }
    };
}

columns! {
    Id = "id",
    Subject = "subject",
    SubjectEpoch = "subject_epoch",
    ClientId = "client_id",
    Transport = "transport",
    Scope = "scope",
    CreatedAt = "created_at",
    AuthTime = "auth_time",
    Acr = "acr",
    Amr = "amr",
    Generation = "generation",
    TokenHash = "token_hash",
    PreviousHash = "previous_hash",
    Nonce = "nonce",
    RotatedAt = "rotated_at",
    RotatedBy = "rotated_by",
    RotationKid = "rotation_kid",
    IdleExpiresAt = "idle_expires_at",
    AbsoluteExpiresAt = "absolute_expires_at",
    Remember = "remember",
    RevokedAt = "revoked_at",
    RevokeReason = "revoke_reason",
    LastSeenAt = "last_seen_at",
    Claims = "claims",
    DeviceLabel = "device_label",
    DeviceUserAgent = "device_user_agent",
    DeviceIpPrefix = "device_ip_prefix",
    PurgeAt = "purge_at",
}

/// One value of a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    Bytes(Option<&'a [u8]>),
    Flag(bool),
    Int(Option<i64>),
    OwnedText(String),
    Text(Option<&'a str>),
}

impl<'a> From<&'a [u8]> for Value<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self::Bytes(Some(bytes))
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(Some(text))
    }
}

impl From<i64> for Value<'_> {
    fn from(number: i64) -> Self {
        Self::Int(Some(number))
    }
}

impl From<UnixTime> for Value<'_> {
    fn from(time: UnixTime) -> Self {
        time.as_i64().into()
    }
}

impl<'a> From<&'a SessionId> for Value<'a> {
    fn from(id: &'a SessionId) -> Self {
        id.as_bytes().as_slice().into()
    }
}

/// Databases count to 2^63 - 1. A session that is refreshed each second gets there in
/// 292 thousand million years.
pub(crate) fn count(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A new row, in the order of the columns.
pub(crate) fn insert(session: &Session) -> [Value<'_>; 28] {
    let device = &session.device;
    [
        (&session.id).into(),
        session.subject.as_str().into(),
        count(session.subject_epoch.as_u64()).into(),
        session.client_id.as_str().into(),
        session.transport.as_str().into(),
        session.scope.as_str().into(),
        session.created_at.into(),
        session.authentication.time.into(),
        Value::Text(session.authentication.acr.as_deref()),
        Value::OwnedText(amr(&session.authentication)),
        count(session.generation.as_u64()).into(),
        session.token_hash.as_bytes().as_slice().into(),
        Value::Bytes(
            session
                .previous_hash
                .as_ref()
                .map(|hash| hash.as_bytes().as_slice()),
        ),
        session.nonce.as_bytes().as_slice().into(),
        session.rotated_at.into(),
        session.rotated_by.as_str().into(),
        session.rotation_kid.as_str().into(),
        session.idle_expires_at.into(),
        session.absolute_expires_at.into(),
        Value::Flag(session.remember),
        Value::Int(session.revocation.map(|revocation| revocation.at.as_i64())),
        Value::Text(
            session
                .revocation
                .map(|revocation| revocation.reason.as_str()),
        ),
        session.last_seen_at.into(),
        session.claims.as_str().into(),
        Value::Text(device.label.as_deref()),
        Value::Text(device.user_agent.as_deref()),
        Value::Text(device.ip_prefix.as_deref()),
        session.purge_at.into(),
    ]
}

/// The values of [`statement::ROTATE`](crate::statement::ROTATE).
pub(crate) fn rotate(rotation: &Rotation) -> [Value<'_>; 20] {
    let authentication = rotation.authentication.as_ref();
    [
        (&rotation.id).into(),
        count(rotation.from.as_u64()).into(),
        rotation.from_hash.as_bytes().as_slice().into(),
        rotation.at.into(),
        Value::Int(rotation.rotated_before.map(UnixTime::as_i64)),
        count(rotation.to.as_u64()).into(),
        rotation.to_hash.as_bytes().as_slice().into(),
        rotation.previous_hash.as_bytes().as_slice().into(),
        rotation.nonce.as_bytes().as_slice().into(),
        rotation.kid.as_str().into(),
        rotation.by.as_str().into(),
        rotation.slide.idle_expires_at.into(),
        rotation.slide.purge_at.into(),
        rotation.remember_slide.idle_expires_at.into(),
        rotation.remember_slide.purge_at.into(),
        rotation.last_seen_at.into(),
        Value::Int(authentication.map(|authentication| authentication.time.as_i64())),
        Value::Text(authentication.and_then(|authentication| authentication.acr.as_deref())),
        authentication.map_or(Value::Text(None), |authentication| {
            Value::OwnedText(amr(authentication))
        }),
        Value::Text(rotation.claims.as_ref().map(CustomClaims::as_str)),
    ]
}

/// The values of [`statement::TOUCH`](crate::statement::TOUCH).
pub(crate) fn touch(touch: &Touch) -> [Value<'_>; 6] {
    [
        (&touch.id).into(),
        count(touch.generation.as_u64()).into(),
        touch.at.into(),
        touch.slide.idle_expires_at.into(),
        touch.slide.purge_at.into(),
        touch.last_seen_at.into(),
    ]
}

/// The values of an [`Ending`].
pub(crate) fn revoke(ending: &Ending) -> [Value<'_>; 4] {
    [
        (&ending.id).into(),
        ending.revocation.at.into(),
        ending.revocation.reason.as_str().into(),
        ending.purge_at.into(),
    ]
}

/// The values of a write of private data: session, expected version, new version, JSON, now.
pub(crate) fn write_data(write: &DataWrite) -> [Value<'_>; 5] {
    [
        (&write.id).into(),
        count(write.version).into(),
        count(write.version.saturating_add(1)).into(),
        Value::Text(write.json.as_deref()),
        write.at.into(),
    ]
}

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
        subject_epoch: Epoch::from_u64(reader.count(Column::SubjectEpoch)?),
        client_id: reader.word(Column::ClientId)?,
        transport: reader.word(Column::Transport)?,
        scope: reader.word(Column::Scope)?,
        created_at: reader.time(Column::CreatedAt)?,
        authentication: Authentication {
            time: reader.time(Column::AuthTime)?,
            acr: reader.text(Column::Acr)?,
            amr: reader.amr()?,
        },
        generation: Generation::from_u64(reader.count(Column::Generation)?),
        token_hash: TokenHash::from_bytes(reader.bytes(Column::TokenHash)?),
        previous_hash: reader
            .optional_bytes(Column::PreviousHash)?
            .map(TokenHash::from_bytes),
        nonce: Nonce::from_bytes(reader.bytes(Column::Nonce)?),
        rotated_at: reader.time(Column::RotatedAt)?,
        rotated_by: reader.word::<RotatedBy>(Column::RotatedBy)?,
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
    })
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
    Ok(Ended { id, at })
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

/// No value where one belongs.
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

fn amr(authentication: &Authentication) -> String {
    serde_json::to_string(&authentication.amr).expect("texts are JSON")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_stands_at_its_place_in_the_list() {
        let names: Vec<&str> = Column::LIST.split(", ").collect();
        assert_eq!(names.len(), Column::ALL.len());
        for column in Column::ALL {
            assert_eq!(names[*column as usize], column.name());
        }
    }
}
