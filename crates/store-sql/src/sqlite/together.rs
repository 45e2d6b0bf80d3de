//! The rotations of one turn: usually nothing that an index has changes, and many go at once.

use sqlx::sqlite::SqliteRow;
use token_core::session::Rotation;

use super::SqliteStoreError;
use super::statements::{Statements, Together};
use super::writer::WritePermit;
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

/// Writes many rotations in one statement, which is a transaction of its own. Those that change the index, or miss,
/// are written by a second one. A batch whose second statement fails is tried again one by one, which finds what
/// the first has written.
pub(crate) async fn write(
    statements: &Statements,
    permit: &mut WritePermit<'_>,
    rotations: &[Rotation],
) -> Result<Vec<SqliteRow>, SqliteStoreError> {
    let all = rotations.iter().map(parameters::rotate).collect::<Vec<_>>();
    let mut rows = together(permit, &statements.rotate_in_place_together, all).await?;
    if rows.len() < rotations.len() {
        let written: Vec<_> = rows
            .iter()
            .filter_map(|row| row::read_id(row).ok())
            .collect();
        let rest = rotations
            .iter()
            .filter(|rotation| !written.contains(&rotation.id));
        let rest = rest.map(parameters::rotate).collect::<Vec<_>>();
        rows.extend(together(permit, &statements.rotate_together, rest).await?);
    }
    Ok(rows)
}

async fn together<const N: usize>(
    permit: &mut WritePermit<'_>,
    statement: &Together,
    rotations: Vec<[Value<'_>; N]>,
) -> Result<Vec<SqliteRow>, SqliteStoreError> {
    if rotations.is_empty() {
        return Ok(Vec::new());
    }
    let statement = statement.of(rotations.len());
    let values: Vec<Value<'_>> = rotations.into_iter().flatten().collect();
    permit.fetch(statement, &values).await
}
