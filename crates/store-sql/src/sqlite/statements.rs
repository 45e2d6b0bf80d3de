//! The statements of SQLite, put together once.

use sqlx::SqlStr;

use crate::parameters;
use crate::statement::{self, Names};

/// The statements, put together once.
#[derive(Debug)]
pub(crate) struct Statements {
    pub(crate) bind: SqlStr,
    pub(crate) checkpoint: SqlStr,
    pub(crate) create: SqlStr,
    pub(crate) epoch: SqlStr,
    pub(crate) keep: SqlStr,
    pub(crate) list: SqlStr,
    pub(crate) live_data: SqlStr,
    pub(crate) load: SqlStr,
    pub(crate) load_data: SqlStr,
    pub(crate) permit: SqlStr,
    pub(crate) purge: SqlStr,
    pub(crate) raise_epoch: SqlStr,
    pub(crate) revocations: SqlStr,
    pub(crate) revoke: SqlStr,
    pub(crate) revoke_subject: SqlStr,
    pub(crate) rotate: SqlStr,
    pub(crate) touch: SqlStr,
    pub(crate) write_data: SqlStr,
}

impl Statements {
    pub(crate) fn new(names: &Names) -> Self {
        Self {
            bind: names.fill(statement::BIND, parameters::BIND),
            checkpoint: names.fill("PRAGMA wal_checkpoint(PASSIVE)", &[]),
            create: names.fill(CREATE, parameters::INSERT),
            epoch: names.fill(statement::EPOCH, &[]),
            keep: names.fill(KEEP, &["id", "subject", "epoch"]),
            list: names.fill(LIST, &[]),
            live_data: names.fill(statement::LIVE_DATA, &[]),
            load: names.fill(statement::LOAD, &[]),
            load_data: names.fill(statement::LOAD_DATA, &[]),
            permit: names.fill(statement::PERMIT, parameters::PERMIT),
            purge: names.fill(PURGE, &[]),
            raise_epoch: names.fill(RAISE_EPOCH, &[]),
            revocations: names.fill(statement::REVOCATIONS, &[]),
            revoke: names.fill(REVOKE, parameters::REVOKE),
            revoke_subject: names.fill(REVOKE_SUBJECT, parameters::REVOKE_SUBJECT),
            rotate: names.fill(statement::ROTATE, parameters::ROTATE),
            touch: names.fill(statement::TOUCH, parameters::TOUCH),
            write_data: names.fill(WRITE_DATA, parameters::WRITE_DATA),
        }
    }
}

/// Reading the epoch and inserting are one step: SQLite has one writer at a time.
const CREATE: &str = "
INSERT INTO {session} ({columns})
SELECT {parameters}
WHERE coalesce((SELECT epoch FROM {subject} WHERE subject = :subject), 0) = :subject_epoch
ON CONFLICT (id) DO NOTHING";

/// Of two logins in one second the later insert is the newer.
const LIST: &str = "
SELECT {columns} FROM {session} WHERE subject = $1 ORDER BY created_at DESC, rowid DESC";

const PURGE: &str = "
DELETE FROM {session} WHERE rowid IN (
    SELECT rowid FROM {session} WHERE purge_at <= $1 ORDER BY purge_at LIMIT $2)";

/// Gives the new epoch to the one that lives on.
const KEEP: &str =
    "UPDATE {session} SET subject_epoch = :epoch WHERE id = :id AND subject = :subject";

const RAISE_EPOCH: &str = "
INSERT INTO {subject} (subject, epoch) VALUES ($1, 1)
ON CONFLICT (subject) DO UPDATE SET epoch = epoch + 1
RETURNING epoch";

/// [`Ending`](token_core::session::Ending).
const REVOKE: &str = "
UPDATE {session} SET revoked_at = :at, revoke_reason = :reason, purge_at = :purge_at
WHERE id = :id AND revoked_at IS NULL
RETURNING {columns}";

/// Ends all but the one that lives on.
const REVOKE_SUBJECT: &str = "
UPDATE {session} SET revoked_at = :at, revoke_reason = :reason, purge_at = :purge_at
WHERE subject = :subject AND revoked_at IS NULL AND (:except IS NULL OR id <> :except)
RETURNING id";

/// A session without data has version 0 and no row here.
const WRITE_DATA: &str = "
INSERT INTO {data} AS d (session, version, json)
SELECT s.id, :next_version, :json FROM {session} AS s
WHERE s.id = :session AND s.revoked_at IS NULL
    AND s.idle_expires_at > :now AND s.absolute_expires_at > :now
    AND coalesce((SELECT version FROM {data} WHERE session = :session), 0) = :version
ON CONFLICT (session) DO UPDATE SET version = excluded.version, json = excluded.json
WHERE d.version = :version";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sqlite::schema;
    use crate::statement::unused;

    #[test]
    fn every_statement_uses_all_its_parameters() {
        for (template, parameters) in [
            (CREATE, parameters::INSERT),
            (REVOKE, parameters::REVOKE),
            (REVOKE_SUBJECT, parameters::REVOKE_SUBJECT),
            (WRITE_DATA, parameters::WRITE_DATA),
        ] {
            assert_eq!(unused(template, parameters), [""; 0]);
        }
        let _ = Statements::new(&schema::names());
    }
}
