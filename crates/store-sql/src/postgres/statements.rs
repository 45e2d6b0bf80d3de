//! The statements of PostgreSQL, put together once.

use sqlx::SqlStr;

use super::schema::Schema;
use super::together;
use crate::parameters;
use crate::statement::{self, Names};

/// The statements, put together once.
#[derive(Debug)]
pub(crate) struct Statements {
    pub(crate) bind_and_tell: SqlStr,
    pub(crate) create: SqlStr,
    pub(crate) create_with_data: SqlStr,
    pub(crate) epoch: SqlStr,
    pub(crate) list: SqlStr,
    pub(crate) live_data: SqlStr,
    pub(crate) load: SqlStr,
    pub(crate) load_data: SqlStr,
    pub(crate) notify: SqlStr,
    pub(crate) permit_and_tell: SqlStr,
    pub(crate) purge: SqlStr,
    pub(crate) revocations: SqlStr,
    pub(crate) revoke: SqlStr,
    pub(crate) revoke_subject: SqlStr,
    pub(crate) rotate: SqlStr,
    pub(crate) rotate_and_tell: SqlStr,
    pub(crate) rotate_together: SqlStr,
    pub(crate) touch: SqlStr,
    pub(crate) write_data: SqlStr,
}

impl Statements {
    pub(crate) fn new(names: &Names, schema: &Schema) -> Self {
        let schema = schema.to_string();
        let fill = |template: &str, parameters: &[&str]| {
            names.fill(&template.replace("{schema}", &schema), parameters)
        };
        let with_channel = |parameters: &[&'static str]| [parameters, &["channel"]].concat();
        Self {
            bind_and_tell: fill(
                &and_tell(statement::BIND),
                &[parameters::BIND, &["channel", "notice"]].concat(),
            ),
            create: fill(&create(""), parameters::INSERT),
            create_with_data: fill(
                &create(WITH_DATA),
                &[parameters::INSERT, &["json"]].concat(),
            ),
            epoch: fill(statement::EPOCH, &[]),
            list: fill(LIST, &[]),
            live_data: fill(statement::LIVE_DATA, &[]),
            load: fill(statement::LOAD, &[]),
            load_data: fill(statement::LOAD_DATA, &[]),
            notify: fill(NOTIFY, &[]),
            permit_and_tell: fill(
                &and_tell(statement::PERMIT),
                &[parameters::PERMIT, &["channel", "notice"]].concat(),
            ),
            purge: fill(PURGE, &[]),
            revocations: fill(statement::REVOCATIONS, &[]),
            revoke: fill(REVOKE, &with_channel(parameters::REVOKE)),
            revoke_subject: fill(REVOKE_SUBJECT, &with_channel(parameters::REVOKE_SUBJECT)),
            rotate: fill(statement::ROTATE, parameters::ROTATE),
            rotate_and_tell: fill(
                &and_tell(statement::ROTATE),
                &[parameters::ROTATE, &["channel", "notice"]].concat(),
            ),
            rotate_together: fill(&together::rotate(), &[]),
            touch: fill(statement::TOUCH, parameters::TOUCH),
            write_data: fill(WRITE_DATA, parameters::WRITE_DATA),
        }
    }
}

/// The same write, which tells every node when its transaction commits.
fn and_tell(write: &str) -> String {
    format!(
        "WITH changed AS ({write}) SELECT {{columns}}, pg_notify(:channel, :notice) FROM changed"
    )
}

/// Inserts a session, and beside it what `also` inserts.
///
/// The subject's row is locked and read as it is after every write that was waited for, also
/// one that this statement began before: `ON CONFLICT DO UPDATE` does that. A plain `SELECT`
/// would see the epoch as it was when the statement began.
fn create(also: &str) -> String {
    format!(
        "
WITH own AS (
    INSERT INTO {{subject}} AS s (subject, epoch) VALUES (:subject, 0)
    ON CONFLICT (subject) DO UPDATE SET epoch = s.epoch
    RETURNING epoch
), inserted AS (
    INSERT INTO {{session}} ({{columns}})
    SELECT {{parameters}} FROM own WHERE own.epoch = :subject_epoch
    ON CONFLICT (id) DO NOTHING
    RETURNING id, 1::bigint AS done
){also}
SELECT own.epoch, inserted.done FROM own LEFT JOIN inserted ON true"
    )
}

/// The private data with which the session begins.
const WITH_DATA: &str = ", with_data AS (
    INSERT INTO {data} (session, version, json) SELECT id, 1, :json FROM inserted
)";

const LIST: &str = "
SELECT {columns} FROM {session} WHERE subject = $1 ORDER BY created_at DESC, serial DESC";

const NOTIFY: &str = "SELECT pg_notify($1, $2)";

/// Locked rows are somebody's refresh; the next batch finds them.
///
/// What a crash brings back is deleted again, so its commit waits for no disk, and no refresh waits
/// for a disk that is busy with it.
const PURGE: &str = "
WITH due AS MATERIALIZED (
    SELECT id FROM {session}
    WHERE purge_at <= $1 AND (SELECT set_config('synchronous_commit', 'off', true)) = 'off'
    ORDER BY purge_at LIMIT $2
    FOR UPDATE SKIP LOCKED
), data AS (
    DELETE FROM {data} AS d USING due WHERE d.session = due.id
)
DELETE FROM {session} AS s USING due WHERE s.id = due.id";

const REVOKE: &str = "
WITH ended AS (
    UPDATE {session} SET revoked_at = :at, revoke_reason = :reason, purge_at = :purge_at
    WHERE id = :id AND revoked_at IS NULL
    RETURNING {columns}
)
SELECT {columns}, {schema}.tell(:channel, id, revoked_at) FROM ended";

const REVOKE_SUBJECT: &str = "
SELECT {schema}.revoke_subject(:subject, :at, :reason, :purge_at, :except, :channel)";

/// The lock keeps a purge from deleting the session in between, and no refresh from anything.
const WRITE_DATA: &str = "
INSERT INTO {data} AS d (session, version, json)
SELECT s.id, :next_version, :json FROM {session} AS s
WHERE s.id = :session AND s.revoked_at IS NULL
    AND s.idle_expires_at > :now AND s.absolute_expires_at > :now
    AND coalesce((SELECT version FROM {data} WHERE session = :session), 0) = :version
FOR KEY SHARE OF s
ON CONFLICT (session) DO UPDATE SET version = excluded.version, json = excluded.json
WHERE d.version = :version";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statement::unused;

    #[test]
    fn every_statement_uses_all_its_parameters() {
        for (template, parameters) in [
            (create("").as_str(), parameters::INSERT),
            (REVOKE, parameters::REVOKE),
            (REVOKE_SUBJECT, parameters::REVOKE_SUBJECT),
            (WRITE_DATA, parameters::WRITE_DATA),
        ] {
            assert_eq!(unused(template, parameters), [""; 0]);
        }
        let schema = Schema::new("sessions").expect("a name of a schema");
        let _ = Statements::new(&schema.names(), &schema);
    }
}
