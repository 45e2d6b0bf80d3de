//! Values on their way into and out of PostgreSQL.

use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use sqlx::{Postgres, Row, SqlStr};

use crate::row::Fields;
use crate::value::Value;

/// A statement with its values; named and prepared once a connection.
pub(crate) fn query<'q>(
    statement: &SqlStr,
    values: &'q [Value<'_>],
) -> Query<'q, Postgres, PgArguments> {
    let query = sqlx::query(statement.clone());
    values.iter().fold(query, |query, value| match value {
        Value::Bytes(bytes) => query.bind(*bytes),
        Value::Flag(flag) => query.bind(*flag),
        Value::Int(number) => query.bind(*number),
        Value::OwnedBytes(bytes) => query.bind(bytes.as_slice()),
        Value::OwnedText(text) => query.bind(text.as_str()),
        Value::Text(text) => query.bind(*text),
    })
}

impl Fields for PgRow {
    fn bytes(&self, place: usize) -> Result<Option<&[u8]>, sqlx::Error> {
        self.try_get(place)
    }

    fn flag(&self, place: usize) -> Result<Option<bool>, sqlx::Error> {
        self.try_get(place)
    }

    fn int(&self, place: usize) -> Result<Option<i64>, sqlx::Error> {
        self.try_get(place)
    }

    fn text(&self, place: usize) -> Result<Option<&str>, sqlx::Error> {
        self.try_get(place)
    }
}
