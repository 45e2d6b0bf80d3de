//! The tables: made, brought up to date, and refused if they are newer than this library.

use std::time::{Duration, Instant};

use rand::Rng as _;
use rand::rand_core::UnwrapErr;
use rand::rngs::SysRng;
use sqlx::SqlSafeStr;
use token_session::store::BucketKey;

use super::SqliteStoreError;
use super::writer::{WritePermit, Writer};
use crate::row::{Fault, Fields as _, Missing, exactly};
use crate::statement::Names;

/// Each takes the tables from the version before to its own, which is its place counted
/// from 1. One that was released never changes.
const MIGRATIONS: [&str; VERSION as usize] = [
    include_str!("../../migrations/sqlite/0001_sessions.sql"),
    include_str!("../../migrations/sqlite/0002_binding.sql"),
];

const VERSION: u32 = 2;

pub(crate) fn names() -> Names {
    Names {
        data: DATA.into(),
        session: SESSION.into(),
        subject: SUBJECT.into(),
    }
}

pub(crate) const SESSION: &str = "hallpass_session";
pub(crate) const SUBJECT: &str = "hallpass_subject";
pub(crate) const DATA: &str = "hallpass_data";
const META: &str = "hallpass_meta";

/// Brings the tables up to date and reads the bucket key. Writes nothing if they are, so
/// that a file which may only be read can be opened.
pub(crate) async fn prepare(writer: &Writer) -> Result<BucketKey, SqliteStoreError> {
    let mut permit = writer.durable().await?;
    if version(&mut permit).await? < i64::from(VERSION) {
        permit.begin().await?;
        // Another process may have been faster.
        let found = version(&mut permit).await?;
        for (migration, to) in MIGRATIONS.iter().zip(1..).filter(|(_, to)| *to > found) {
            permit.run(migration.into_sql_str()).await?;
            let note = "INSERT INTO hallpass_migration (version, applied_at)
                VALUES ($1, unixepoch())";
            permit.execute(&note.into_sql_str(), &[to.into()]).await?;
        }
        // For shards, not for secrets: a reader of the key reads the subjects beside it as well.
        let mut key = [0; 32];
        UnwrapErr(SysRng).fill_bytes(&mut key);
        let keep = "INSERT INTO hallpass_meta (name, value) VALUES ('bucket_key', $1)
            ON CONFLICT (name) DO NOTHING";
        permit
            .execute(&keep.into_sql_str(), &[key.as_slice().into()])
            .await?;
        permit.commit().await?;
        permit = writer.durable().await?;
    }
    bucket_key(&mut permit).await
}

/// Switches the file to a write-ahead log, which it then keeps.
///
/// SQLite does not wait for the lock that this needs, so two processes that open a new file
/// at the same time must try again.
pub(crate) async fn use_wal(writer: &Writer, patience: Duration) -> Result<(), SqliteStoreError> {
    let start = Instant::now();
    loop {
        match try_wal(writer).await {
            Err(SqliteStoreError::Busy(_)) if start.elapsed() < patience => {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            result => return result,
        }
    }
}

async fn try_wal(writer: &Writer) -> Result<(), SqliteStoreError> {
    let mut permit = writer.everyday().await?;
    let mode = "PRAGMA journal_mode".into_sql_str();
    let rows = permit.fetch(&mode, &[]).await?;
    let row = rows.first().expect("the pragma has one row");
    if row.text(0)? != Some("wal") {
        let wal = "PRAGMA journal_mode = WAL".into_sql_str();
        permit.fetch(&wal, &[]).await?;
    }
    Ok(())
}

/// The version of the tables; 0 if there are none.
async fn version(permit: &mut WritePermit<'_>) -> Result<i64, SqliteStoreError> {
    const EXISTS: &str =
        "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'hallpass_migration'";
    const VERSION_NOW: &str = "SELECT coalesce(max(version), 0) FROM hallpass_migration";
    if permit.fetch(&EXISTS.into_sql_str(), &[]).await?.is_empty() {
        return Ok(0);
    }
    let rows = permit.fetch(&VERSION_NOW.into_sql_str(), &[]).await?;
    let row = rows.first().expect("an aggregate has one row");
    let found = row.int(0)?.expect("coalesce is not NULL");
    let expected = i64::from(VERSION);
    if found > expected {
        return Err(SqliteStoreError::SchemaVersion { found, expected });
    }
    Ok(found)
}

async fn bucket_key(permit: &mut WritePermit<'_>) -> Result<BucketKey, SqliteStoreError> {
    const KEY: &str = "SELECT value FROM hallpass_meta WHERE name = 'bucket_key'";
    let rows = permit.fetch(&KEY.into_sql_str(), &[]).await?;
    let fault = |source| {
        SqliteStoreError::corrupt(META)(Fault {
            session: None,
            column: "value",
            source,
        })
    };
    let row = rows.first().ok_or_else(|| fault(Missing.into()))?;
    let bytes = row.bytes(0)?.ok_or_else(|| fault(Missing.into()))?;
    let key = exactly(bytes).map_err(|error| fault(error.into()))?;
    Ok(BucketKey::new(&key))
}
