//! The statements that all databases share. `{…}` stands for a table or the columns, which
//! [`Names::fill`] puts in; `$n` for a value.

use sqlx::{AssertSqlSafe, SqlSafeStr, SqlStr};

use crate::row::Column;

/// The names of the tables.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    pub(crate) data: String,
    pub(crate) session: String,
    pub(crate) subject: String,
}

impl Names {
    /// The finished statement.
    pub(crate) fn fill(&self, template: &str) -> SqlStr {
        let text = template
            .replace("{columns}", Column::LIST)
            .replace("{data}", &self.data)
            .replace("{session}", &self.session)
            .replace("{subject}", &self.subject);
        // Templates are constants, and names are checked when they are set; values are bound.
        AssertSqlSafe(text).into_sql_str()
    }
}

pub(crate) const EPOCH: &str = "SELECT epoch FROM {subject} WHERE subject = $1";

pub(crate) const LOAD: &str = "SELECT {columns} FROM {session} WHERE id = $1";

/// [`Rotation`](token_core::session::Rotation). The condition and the write are one atomic
/// step because they are one statement.
pub(crate) const ROTATE: &str = "
UPDATE {session} SET
    generation = $6, token_hash = $7, previous_hash = $8, nonce = $9, rotation_kid = $10,
    rotated_at = $4, rotated_by = $11,
    idle_expires_at = CASE WHEN remember THEN $14 ELSE $12 END,
    purge_at = CASE WHEN remember THEN $15 ELSE $13 END,
    last_seen_at = $16,
    auth_time = coalesce($17, auth_time),
    acr = CASE WHEN $17 IS NULL THEN acr ELSE $18 END,
    amr = coalesce($19, amr),
    claims = coalesce($20, claims)
WHERE id = $1 AND generation = $2 AND token_hash = $3
    AND revoked_at IS NULL AND idle_expires_at > $4 AND absolute_expires_at > $4
    AND ($5 IS NULL OR rotated_at <= $5)
RETURNING {columns}";

/// [`Touch`](token_core::session::Touch).
pub(crate) const TOUCH: &str = "
UPDATE {session} SET idle_expires_at = $4, purge_at = $5, last_seen_at = $6
WHERE id = $1 AND generation = $2
    AND revoked_at IS NULL AND idle_expires_at > $3 AND absolute_expires_at > $3
    AND idle_expires_at <= $4
RETURNING {columns}";

pub(crate) const LOAD_DATA: &str = "
SELECT coalesce(d.version, 0), d.json
FROM {session} AS s LEFT JOIN {data} AS d ON d.session = s.id
WHERE s.id = $1";

/// The data of a session that is live: session, now.
pub(crate) const LIVE_DATA: &str = "
SELECT coalesce(d.version, 0), d.json
FROM {session} AS s LEFT JOIN {data} AS d ON d.session = s.id
WHERE s.id = $1 AND s.revoked_at IS NULL
    AND s.idle_expires_at > $2 AND s.absolute_expires_at > $2";

pub(crate) const REVOCATIONS: &str = "SELECT id, revoked_at FROM {session} WHERE revoked_at >= $1";
