//! The statements of SQLite, put together once.

use sqlx::SqlStr;

use crate::gathering::MOST;
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
    pub(crate) rotate_in_place: SqlStr,
    pub(crate) rotate_in_place_together: Together,
    pub(crate) rotate_together: Together,
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
            rotate_in_place: names.fill(&rotate_in_place(), parameters::ROTATE),
            rotate_in_place_together: Together::new(&rotate_in_place(), names),
            rotate_together: Together::new(statement::ROTATE, names),
            touch: names.fill(statement::TOUCH, parameters::TOUCH),
            write_data: names.fill(WRITE_DATA, parameters::WRITE_DATA),
        }
    }
}

/// A rotation that leaves `purge_at` as it is, and misses if that would change.
///
/// SQLite writes an index entry again if its column is set, even to the same value: a second page, as many bytes
/// for the log and for the file as the row's own. `purge_at` changes once a day.
fn rotate_in_place() -> String {
    const PURGE_AT: &str = "CASE WHEN remember THEN :remember_purge_at ELSE :purge_at END";
    statement::ROTATE
        .replace(&format!("purge_at = {PURGE_AT},"), "")
        .replace("RETURNING", &format!("AND purge_at = {PURGE_AT} RETURNING"))
}

/// The same for several sessions, which are handed over at once to the thread that has the connection. One by one,
/// that thread and the caller's would wait for each other as often as there are sessions.
#[derive(Debug)]
pub(crate) struct Together(Vec<(usize, SqlStr)>);

impl Together {
    /// A statement for each power of two: a row whose values are not bound matches no session.
    pub(crate) fn new(template: &str, names: &Names) -> Self {
        let sizes = (1..).map(|power| 1 << power);
        let sizes = sizes.take_while(|size| *size < 2 * MOST);
        let values = vec!["?"; parameters::ROTATE.len()].join(", ");
        let statement = |size| {
            let rows = vec![format!("({values})"); size].join(", ");
            let rows = format!("VALUES {rows}");
            let text = statement::with_rows(template, parameters::ROTATE, &rows);
            (size, names.fill(&text, &[]))
        };
        Self(sizes.map(statement).collect())
    }

    /// The statement for so many rotations, of a batch or of a part of one.
    pub(crate) fn of(&self, rotations: usize) -> &SqlStr {
        let mut all = self.0.iter();
        let found = all.find(|(size, _)| *size >= rotations);
        &found.expect("a batch has no more").1
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

    #[test]
    fn a_rotation_in_place_sets_no_column_of_an_index_and_has_every_parameter() {
        let text = rotate_in_place();
        let (set, condition) = text.split_once("WHERE").unwrap();
        assert!(!set.contains("purge_at"), "{set}");
        assert!(condition.contains(" purge_at = "), "{condition}");
        assert_eq!(unused(&text, parameters::ROTATE), [""; 0]);
    }

    #[test]
    fn each_number_of_rotations_has_a_statement_with_room_for_it() {
        let together = Together::new(&rotate_in_place(), &schema::names());
        for (rotations, room) in [(2, 2), (3, 4), (33, MOST), (MOST, MOST)] {
            let text = together.of(rotations).as_str();
            assert_eq!(text.matches('?').count(), room * parameters::ROTATE.len());
            assert!(!text.contains(':'), "{text}");
        }
    }
}
