//! The rotation of several sessions in one statement: each parameter is an array.

use sqlx::postgres::PgArguments;
use sqlx::query::Query;
use sqlx::{Postgres, SqlStr};
use token_core::session::Rotation;

use crate::parameters;
use crate::statement;
use crate::value::Value;

/// The shared statement with a row of arrays in the place of each parameter.
///
/// Only the ids become rows; of the other arrays each row takes the element of its number. If all became rows, the
/// server would keep each array's elements in a store of its own and read all of them again: for batches of 4 and of
/// 16 that took 40 % and 25 % more of its processor in all.
///
/// The ids are behind a `SELECT`. Otherwise the server sees how many there are, takes a plan for so few to be cheaper
/// than the one that it has kept, and plans each small batch anew, which takes as long as writing it.
pub(crate) fn rotate() -> String {
    let (id, others) = parameters::ROTATE.split_first().expect("it has parameters");
    let others = others.iter().zip(2..);
    let elements = others.map(|(name, n)| format!("(${n}::{}[])[place]", type_of(name)));
    let elements: Vec<String> = elements.collect();
    let rows = format!(
        "SELECT id, {} FROM unnest((SELECT $1::{}[])) WITH ORDINALITY AS ids (id, place)",
        elements.join(", "),
        type_of(id),
    );
    statement::with_rows(statement::ROTATE, parameters::ROTATE, &rows)
}

/// The type of a parameter of a rotation. The arrays are bound by it as well.
fn type_of(name: &str) -> &'static str {
    match name {
        "id" | "from_hash" | "demanding" | "proof" | "to_hash" | "previous_hash" | "nonce" => {
            "bytea"
        }
        "kid" | "by" | "acr" | "amr" | "scope" | "claims" => "text",
        _ => "bigint",
    }
}

/// The statement with the values of each rotation.
pub(crate) fn query(
    statement: &SqlStr,
    rotations: &[Rotation],
) -> Query<'static, Postgres, PgArguments> {
    let rows: Vec<_> = rotations.iter().map(parameters::rotate).collect();
    let mut query = sqlx::query(statement.clone());
    for (place, name) in parameters::ROTATE.iter().enumerate() {
        let column = rows.iter().filter_map(|row| row.get(place));
        query = match type_of(name) {
            "bytea" => query.bind(column.map(bytes).collect::<Vec<_>>()),
            "text" => query.bind(column.map(text).collect::<Vec<_>>()),
            _ => query.bind(column.map(int).collect::<Vec<_>>()),
        };
    }
    query
}

fn bytes(value: &Value<'_>) -> Option<Vec<u8>> {
    match value {
        Value::Bytes(bytes) => bytes.map(<[u8]>::to_vec),
        Value::OwnedBytes(bytes) => Some(bytes.clone()),
        _ => unreachable!("`type_of` has its type"),
    }
}

fn int(value: &Value<'_>) -> Option<i64> {
    match value {
        Value::Int(number) => *number,
        _ => unreachable!("`type_of` has its type"),
    }
}

fn text(value: &Value<'_>) -> Option<String> {
    match value {
        Value::OwnedText(text) => Some(text.clone()),
        Value::Text(text) => text.map(str::to_owned),
        _ => unreachable!("`type_of` has its type"),
    }
}

#[cfg(test)]
mod tests {
    use token_core::session::{Generation, Nonce};
    use token_core::types::TokenHash;
    use token_core::{Session, SessionId, Transport, UnixTime};

    use super::*;

    #[test]
    fn every_parameter_is_an_array_of_its_type() {
        let hash = TokenHash::from_bytes([1; 32]);
        let session = Session::new(
            SessionId::from_bytes([1; 18]),
            "alice".parse().unwrap(),
            "web".parse().unwrap(),
            Transport::Header,
            hash,
            "key".parse().unwrap(),
            UnixTime::EPOCH,
        );
        let rotation = Rotation::new(&session, hash, Nonce::from_bytes([1; 16]), UnixTime::EPOCH);
        assert_eq!(rotation.to, Generation(1));
        // A value of another type panics.
        let _ = query(&SqlStr::from_static("SELECT 1"), &[rotation]);
        let statement = rotate();
        for name in parameters::ROTATE {
            assert!(statement.contains(&format!("v.p_{name}")), "{name}");
        }
        assert!(!statement.contains(" :"), "{statement}");
    }
}
