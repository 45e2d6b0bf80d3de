//! The rotations of one turn: usually nothing that an index has changes, and many go at once.

use std::collections::HashMap;

use sqlx::sqlite::SqliteRow;
use token_core::session::Rotation;

use super::statements::Statements;
use super::writer::WritePermit;
use super::{SqliteStoreError, schema};
use crate::gathering::Written;
use crate::parameters;
use crate::row;
use crate::value::Value;

/// Writes one rotation. The first statement usually does.
pub(crate) async fn rotate(
    permit: &mut WritePermit<'_>,
    statements: &Statements,
    rotation: &Rotation,
) -> Result<Vec<SqliteRow>, SqliteStoreError> {
    let values = parameters::rotate(rotation);
    let rows = permit.fetch(&statements.rotate_in_place, &values).await?;
    if rows.is_empty() {
        return permit.fetch(&statements.rotate, &values).await;
    }
    Ok(rows)
}

/// Writes rotations in the transaction that the permit holds. None of it counts unless the commit succeeds.
pub(crate) async fn write(
    statements: &Statements,
    mut permit: WritePermit<'_>,
    rotations: &[Rotation],
) -> Result<Vec<Written<SqliteStoreError>>, SqliteStoreError> {
    let corrupt = |fault| SqliteStoreError::corrupt(schema::SESSION)(fault);
    let mut in_place = HashMap::new();
    if !rotations.is_empty() {
        let values: Vec<Value<'_>> = rotations.iter().flat_map(parameters::rotate).collect();
        let statement = statements.rotate_together.of(rotations.len());
        for row in permit.fetch(statement, &values).await? {
            in_place.insert(row::read_id(&row).map_err(corrupt)?, row);
        }
    }
    let mut written = Vec::with_capacity(rotations.len());
    for rotation in rotations {
        let mut row = in_place.remove(&rotation.id);
        if row.is_none() {
            let values = parameters::rotate(rotation);
            row = permit.fetch(&statements.rotate, &values).await?.pop();
        }
        // A row that cannot be read is this session's fault, and no other's.
        let session = row.as_ref().map(row::read_session).transpose();
        written.push(session.map_err(corrupt));
    }
    permit.commit().await?;
    Ok(written)
}
