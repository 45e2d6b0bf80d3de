//! The columns of a session in the tables of `store-sql`, to fill them in bulk.

use std::fmt::Write as _;

use token_core::Session;

/// The columns, in the order of [`values`].
pub const NAMES: [&str; 28] = [
    "id",
    "subject",
    "subject_epoch",
    "client_id",
    "transport",
    "scope",
    "created_at",
    "auth_time",
    "acr",
    "amr",
    "generation",
    "token_hash",
    "previous_hash",
    "nonce",
    "rotated_at",
    "rotated_by",
    "rotation_kid",
    "idle_expires_at",
    "absolute_expires_at",
    "remember",
    "revoked_at",
    "revoke_reason",
    "last_seen_at",
    "claims",
    "device_label",
    "device_user_agent",
    "device_ip_prefix",
    "purge_at",
];

/// The value of a column.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_enums, reason = "the types of the tables")]
pub enum Cell {
    /// A `bytea` or a `BLOB`.
    Bytes(Vec<u8>),
    /// Yes or no.
    Flag(bool),
    /// A whole number.
    Int(i64),
    /// The value NULL.
    Null,
    /// A text.
    Text(String),
}

/// The columns of a live session.
///
/// # Panics
/// Never: names can be written as JSON.
pub fn values(session: &Session) -> [Cell; 28] {
    let number = |number: u64| Cell::Int(i64::try_from(number).unwrap_or(i64::MAX));
    let text = |text: &str| Cell::Text(text.to_owned());
    let optional = |text: Option<&str>| text.map_or(Cell::Null, |text| Cell::Text(text.to_owned()));
    let previous = session.previous_hash.as_ref();
    let device = &session.device;
    let authentication = &session.authentication;
    let amr = serde_json::to_string(&authentication.amr).expect("names are JSON");
    [
        Cell::Bytes(session.id.as_bytes().to_vec()),
        text(session.subject.as_str()),
        number(session.subject_epoch.0),
        text(session.client_id.as_str()),
        text(session.transport.as_str()),
        text(session.scope.as_str()),
        number(session.created_at.as_secs()),
        number(authentication.time.as_secs()),
        optional(authentication.acr.as_deref()),
        Cell::Text(amr),
        number(session.generation.0),
        Cell::Bytes(session.token_hash.as_bytes().to_vec()),
        previous.map_or(Cell::Null, |hash| Cell::Bytes(hash.as_bytes().to_vec())),
        Cell::Bytes(session.nonce.as_bytes().to_vec()),
        number(session.rotated_at.as_secs()),
        text(session.rotated_by.as_str()),
        text(session.rotation_kid.as_str()),
        number(session.idle_expires_at.as_secs()),
        number(session.absolute_expires_at.as_secs()),
        Cell::Flag(session.remember),
        Cell::Null,
        Cell::Null,
        number(session.last_seen_at.as_secs()),
        text(session.claims.as_str()),
        optional(device.label.as_deref()),
        optional(device.user_agent.as_deref()),
        optional(device.ip_prefix.as_deref()),
        number(session.purge_at.as_secs()),
    ]
}

/// Appends a line of PostgreSQL's `COPY … FROM STDIN` in its text form.
pub fn copy_line(into: &mut String, cells: &[Cell]) {
    for (index, cell) in cells.iter().enumerate() {
        if index > 0 {
            into.push('\t');
        }
        match cell {
            Cell::Bytes(bytes) => {
                into.push_str("\\\\x");
                for byte in bytes {
                    let _ = write!(into, "{byte:02x}");
                }
            }
            Cell::Flag(flag) => into.push(if *flag { 't' } else { 'f' }),
            Cell::Int(number) => {
                let _ = write!(into, "{number}");
            }
            Cell::Null => into.push_str("\\N"),
            Cell::Text(text) => into.push_str(&text.replace('\\', "\\\\").replace('\t', "\\t")),
        }
    }
    into.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_copy_has_tabs_between_and_no_others() {
        let mut line = String::new();
        let cells = [
            Cell::Bytes(vec![0, 255]),
            Cell::Flag(true),
            Cell::Int(-1),
            Cell::Null,
            Cell::Text("a\tb\\".to_owned()),
        ];
        copy_line(&mut line, &cells);
        assert_eq!(line, "\\\\x00ff\tt\t-1\t\\N\ta\\tb\\\\\n");
    }
}
