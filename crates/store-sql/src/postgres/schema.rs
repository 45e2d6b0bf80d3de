//! The tables: made, brought up to date, and refused if they are newer than this library.

use rand::Rng as _;
use rand::rand_core::UnwrapErr;
use rand::rngs::SysRng;
use sqlx::{AssertSqlSafe, PgConnection, PgPool, SqlSafeStr, SqlStr};
use token_session::store::BucketKey;

use super::PostgresStoreError;
use super::driver::query;
use super::encryption::warn_if_readable;
use super::lanes::{is_standby, standby};
use crate::row::{Fault, Fields as _, Missing, exactly};
use crate::statement::Names;
use crate::value::Value;

/// Each takes the tables from the version before to its own, which is its place counted
/// from 1. One that was released never changes.
const MIGRATIONS: [&str; VERSION as usize] = [
    include_str!("../../migrations/postgres/0001_sessions.sql"),
    include_str!("../../migrations/postgres/0002_binding.sql"),
];

const VERSION: u32 = 2;

/// Nodes that start at the same time migrate one after the other. The number is arbitrary and
/// never changes.
const LOCK: i64 = 0x746f_6b65_6e73;

/// A schema name that needs no quotes.
#[derive(Clone, Debug)]
pub(crate) struct Schema(String);

impl Schema {
    pub(crate) fn new(name: &str) -> Result<Self, PostgresStoreError> {
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        let first = name.starts_with(|c: char| c.is_ascii_lowercase());
        // The channel's name is longer by some, and the server cuts names at 63 bytes.
        if first && name.len() <= 40 && name.chars().all(allowed) {
            Ok(Self(name.to_owned()))
        } else {
            let name = name.to_owned();
            Err(PostgresStoreError::SchemaName { name })
        }
    }

    pub(crate) fn names(&self) -> Names {
        Names {
            data: format!("{self}.data"),
            session: format!("{self}.session"),
            subject: format!("{self}.subject"),
        }
    }

    /// The channel of the notices.
    pub(crate) fn channel(&self) -> String {
        format!("{self}_ended")
    }

    /// Puts the name into a statement.
    pub(crate) fn fill(&self, template: &str) -> SqlStr {
        // Templates are constants, and the name was checked.
        AssertSqlSafe(template.replace("{schema}", &self.0)).into_sql_str()
    }

    /// Brings the tables up to date and reads the bucket key. Writes nothing if they are,
    /// so that a role which may not make tables can start.
    pub(crate) async fn prepare(&self, pool: &PgPool) -> Result<BucketKey, PostgresStoreError> {
        let connection = pool.acquire().await;
        let mut connection = connection.map_err(|error| match error {
            // What rustls says of a certificate.
            sqlx::Error::Io(ref fault) if fault.kind() == std::io::ErrorKind::InvalidData => {
                PostgresStoreError::Tls(error)
            }
            sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::Protocol(_) => {
                PostgresStoreError::Connect(error)
            }
            error if is_protocol_violation(&error) => PostgresStoreError::Startup(error),
            error => error.into(),
        })?;
        warn_if_readable(&mut connection, &pool.connect_options()).await;
        if is_standby(&mut connection).await? {
            return Err(standby());
        }
        check_isolation(&mut connection).await?;
        if self.version(&mut connection).await? < i64::from(VERSION) {
            self.migrate(&mut connection).await?;
        }
        self.bucket_key(&mut connection).await
    }

    async fn migrate(&self, connection: &mut PgConnection) -> Result<(), PostgresStoreError> {
        let mut transaction = sqlx::Connection::begin(connection).await?;
        // A large table takes longer than a refresh may.
        let patience = "SET LOCAL statement_timeout = 0".into_sql_str();
        execute(&mut transaction, patience, &[]).await?;
        let lock = "SELECT pg_advisory_xact_lock($1)".into_sql_str();
        execute(&mut transaction, lock, &[LOCK.into()]).await?;
        // Another node may have been faster.
        let found = self.version(&mut transaction).await?;
        for (migration, to) in MIGRATIONS.iter().zip(1..).filter(|(_, to)| *to > found) {
            let statements = sqlx::raw_sql(self.fill(migration));
            statements.execute(&mut *transaction).await?;
            let note = self.fill("INSERT INTO {schema}.migration (version) VALUES ($1)");
            execute(&mut transaction, note, &[to.into()]).await?;
        }
        let mut key = [0; 32];
        UnwrapErr(SysRng).fill_bytes(&mut key);
        let keep = self.fill(
            "INSERT INTO {schema}.meta (name, value) VALUES ('bucket_key', $1)
            ON CONFLICT (name) DO NOTHING",
        );
        execute(&mut transaction, keep, &[key.as_slice().into()]).await?;
        Ok(transaction.commit().await?)
    }

    /// The version of the tables; 0 if there are none.
    async fn version(&self, connection: &mut PgConnection) -> Result<i64, PostgresStoreError> {
        // Not to_regclass, whose cache may be older than the lock that was waited for.
        let exists = "SELECT 1 FROM pg_catalog.pg_class AS c
            JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
            WHERE n.nspname = $1 AND c.relname = 'migration'"
            .into_sql_str();
        let values = [self.0.as_str().into()];
        let rows = query(&exists, &values).fetch_all(&mut *connection).await?;
        if rows.is_empty() {
            return Ok(0);
        }
        let version = self.fill("SELECT coalesce(max(version), 0) FROM {schema}.migration");
        let row = query(&version, &[]).fetch_one(&mut *connection).await?;
        let found = row.int(0)?.expect("coalesce is not NULL");
        let expected = i64::from(VERSION);
        if found > expected {
            return Err(PostgresStoreError::SchemaVersion { found, expected });
        }
        Ok(found)
    }

    async fn bucket_key(
        &self,
        connection: &mut PgConnection,
    ) -> Result<BucketKey, PostgresStoreError> {
        let fault = |source| {
            PostgresStoreError::corrupt("meta")(Fault {
                session: None,
                column: "value",
                source,
            })
        };
        let key = self.fill("SELECT value FROM {schema}.meta WHERE name = 'bucket_key'");
        let rows = query(&key, &[]).fetch_all(connection).await?;
        let row = rows.first().ok_or_else(|| fault(Missing.into()))?;
        let bytes = row.bytes(0)?.ok_or_else(|| fault(Missing.into()))?;
        let key = exactly(bytes).map_err(|error| fault(error.into()))?;
        Ok(BucketKey::new(&key))
    }
}

impl std::fmt::Display for Schema {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// `protocol_violation`, as `PgBouncer` calls a setting that it does not know.
fn is_protocol_violation(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Database(error) if error.code().as_deref() == Some("08P01"))
}

/// The conditions rely on a statement that waited for another write looking at the row again,
/// as it is after that write. That is read committed; the stricter levels refuse instead.
async fn check_isolation(connection: &mut PgConnection) -> Result<(), PostgresStoreError> {
    let level = "SELECT current_setting('transaction_isolation')".into_sql_str();
    let row = query(&level, &[]).fetch_one(connection).await?;
    match row.text(0)? {
        Some("read committed") => Ok(()),
        found => Err(PostgresStoreError::Isolation {
            found: found.unwrap_or_default().to_owned(),
        }),
    }
}

async fn execute(
    connection: &mut PgConnection,
    statement: SqlStr,
    values: &[Value<'_>],
) -> Result<(), PostgresStoreError> {
    query(&statement, values).execute(connection).await?;
    Ok(())
}
