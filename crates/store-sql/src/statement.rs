//! The statements that all databases share, and how a statement is put together.
//!
//! `{…}` stands for a table or the columns, `:name` for the value of that name in the list of
//! [`parameters`](crate::parameters), and `$n` for the n-th value if there are only one or two.

use std::fmt::Write as _;

use sqlx::{AssertSqlSafe, SqlSafeStr, SqlStr};

use crate::column::Column;

/// The names of the tables.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    pub(crate) data: String,
    pub(crate) session: String,
    pub(crate) subject: String,
}

impl Names {
    /// The finished statement: `parameters` are the names of its values, in the order in which
    /// they are bound.
    ///
    /// # Panics
    /// If the template names a parameter that is not in the list. Templates are constants, and a
    /// store puts all of its statements together when it is opened.
    pub(crate) fn fill(&self, template: &str, parameters: &[&str]) -> SqlStr {
        let text = template
            .replace("{columns}", Column::LIST)
            .replace("{parameters}", Column::PARAMETERS)
            .replace("{data}", &self.data)
            .replace("{session}", &self.session)
            .replace("{subject}", &self.subject);
        // Templates are constants, and names are checked when they are set; values are bound.
        AssertSqlSafe(number(&text, parameters)).into_sql_str()
    }
}

/// An update of many rows at once: each parameter is a column of `rows`, whose condition and write are those of
/// the template.
pub(crate) fn with_rows(template: &str, parameters: &[&str], rows: &str) -> String {
    // No column of the session table has such a name.
    let columns: Vec<String> = parameters.iter().map(|name| format!("p_{name}")).collect();
    let update = with_names(template, |name, text| {
        text.push_str("v.p_");
        text.push_str(name);
    });
    let (set, condition) = update.split_once("WHERE").expect("it has a condition");
    let columns = columns.join(", ");
    format!("WITH v ({columns}) AS ({rows}) {set} FROM v WHERE {condition}")
}

/// Replaces each `:name` by `$n`, where `n` is the place of the name in the list, counted from 1.
///
/// SQLite would take the names themselves, PostgreSQL takes numbers alone.
fn number(text: &str, parameters: &[&str]) -> String {
    with_names(text, |name, numbered| {
        let place = parameters.iter().position(|parameter| *parameter == name);
        let place = place.expect("a statement names nothing but its parameters");
        write!(numbered, "${}", place + 1).expect("a `String` takes any text");
    })
}

/// The text with something in the place of each `:name`, which `put` appends to what comes before it.
fn with_names(text: &str, mut put: impl FnMut(&str, &mut String)) -> String {
    let mut replaced = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(':') {
        replaced.push_str(before);
        // Two colons are a cast.
        if let Some(after) = after.strip_prefix(':') {
            replaced.push_str("::");
            rest = after;
            continue;
        }
        let end = after.find(|c: char| !(c.is_ascii_lowercase() || c == '_'));
        let (name, after) = after.split_at(end.unwrap_or(after.len()));
        put(name, &mut replaced);
        rest = after;
    }
    replaced.push_str(rest);
    replaced
}

pub(crate) const EPOCH: &str = "SELECT epoch FROM {subject} WHERE subject = $1";

pub(crate) const LOAD: &str = "SELECT {columns} FROM {session} WHERE id = $1";

/// [`Bind`](token_core::session::Bind), with the values of [`parameters::bind`](crate::parameters::bind).
pub(crate) const BIND: &str = "
UPDATE {session} SET binding = :to
WHERE id = :id AND binding IS NOT DISTINCT FROM :from
    AND revoked_at IS NULL AND idle_expires_at > :at AND absolute_expires_at > :at
RETURNING {columns}";

/// [`Permit`](token_core::session::Permit), with the values of
/// [`parameters::permit`](crate::parameters::permit).
pub(crate) const PERMIT: &str = "
UPDATE {session} SET scope = coalesce(:scope, scope), claims = coalesce(:claims, claims)
WHERE id = :id
    AND revoked_at IS NULL AND idle_expires_at > :at AND absolute_expires_at > :at
RETURNING {columns}";

/// [`Rotation`](token_core::session::Rotation), with the values of
/// [`parameters::rotate`](crate::parameters::rotate). The condition and the write are one atomic
/// step because they are one statement.
pub(crate) const ROTATE: &str = "
UPDATE {session} SET
    generation = :to, token_hash = :to_hash, previous_hash = :previous_hash, nonce = :nonce,
    rotation_kid = :kid, rotated_at = :at, rotated_by = :by,
    earlier_rotations = :earlier_rotations,
    idle_expires_at = CASE WHEN remember THEN :remember_idle_expires_at ELSE :idle_expires_at END,
    purge_at = CASE WHEN remember THEN :remember_purge_at ELSE :purge_at END,
    last_seen_at = :last_seen_at,
    auth_time = coalesce(:auth_time, auth_time),
    acr = CASE WHEN :auth_time IS NULL THEN acr ELSE :acr END,
    amr = coalesce(:amr, amr),
    scope = coalesce(:scope, scope),
    claims = coalesce(:claims, claims)
WHERE id = :id AND generation = :from AND token_hash = :from_hash
    AND revoked_at IS NULL AND idle_expires_at > :at AND absolute_expires_at > :at
    AND (:rotated_before IS NULL OR rotated_at <= :rotated_before)
    AND (binding IS NULL OR binding < :demanding OR substr(binding, 1, length(:proof)) = :proof)
RETURNING {columns}";

/// [`Touch`](token_core::session::Touch), with the values of
/// [`parameters::touch`](crate::parameters::touch).
pub(crate) const TOUCH: &str = "
UPDATE {session} SET
    idle_expires_at = :idle_expires_at, purge_at = :purge_at, last_seen_at = :last_seen_at
WHERE id = :id AND generation = :generation
    AND revoked_at IS NULL AND idle_expires_at > :at AND absolute_expires_at > :at
    AND idle_expires_at <= :idle_expires_at
    AND (binding IS NULL OR binding < :demanding OR substr(binding, 1, length(:proof)) = :proof)
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

/// The names of a list that a template does not use.
#[cfg(test)]
pub(crate) fn unused<'a>(template: &str, parameters: &[&'a str]) -> Vec<&'a str> {
    let template = template.replace("{parameters}", Column::PARAMETERS);
    let mut unused = parameters.to_vec();
    for part in template.split(':').skip(1) {
        let end = part.find(|c: char| !(c.is_ascii_lowercase() || c == '_'));
        let (name, _) = part.split_at(end.unwrap_or(part.len()));
        unused.retain(|parameter| *parameter != name);
    }
    unused
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parameters;

    #[test]
    fn a_name_becomes_the_number_of_its_place_in_the_list() {
        let text = "SELECT a::bigint FROM b WHERE c = :id_of_c AND d = :d OR e = :id_of_c";
        let numbered = "SELECT a::bigint FROM b WHERE c = $2 AND d = $1 OR e = $2";
        assert_eq!(number(text, &["d", "id_of_c"]), numbered);
    }

    #[test]
    #[should_panic = "names nothing but its parameters"]
    fn a_name_that_is_not_in_the_list_is_a_fault() {
        number("SELECT :other", &["id"]);
    }

    #[test]
    fn every_shared_statement_uses_all_its_parameters() {
        for (template, parameters) in [
            (BIND, parameters::BIND),
            (PERMIT, parameters::PERMIT),
            (ROTATE, parameters::ROTATE),
            (TOUCH, parameters::TOUCH),
        ] {
            assert_eq!(unused(template, parameters), [""; 0]);
            number(template, parameters);
        }
    }
}
