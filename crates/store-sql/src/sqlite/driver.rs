//! Values on their way into and out of SQLite.

use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{Row, SqlStr, Sqlite};

use crate::row::Fields;
use crate::value::Value;

/// A statement with its values, prepared once a connection.
pub(crate) fn query<'q>(
    statement: &SqlStr,
    values: &'q [Value<'_>],
) -> Query<'q, Sqlite, SqliteArguments> {
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

impl Fields for SqliteRow {
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
