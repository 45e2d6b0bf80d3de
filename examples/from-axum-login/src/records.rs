//! Where the sessions of before are.

use hallpass::adopt::ReadError;
use redis::AsyncCommands as _;
use redis::aio::MultiplexedConnection;
use sqlx::{PgPool, SqlitePool};

/// Where the sessions of before are.
#[derive(Clone)]
pub(crate) enum Records {
    Postgres(PgPool),
    Redis(MultiplexedConnection),
    Sqlite(SqlitePool),
}

impl Records {
    pub(crate) async fn open(sessions: &str, users: &SqlitePool) -> Result<Self, ReadError> {
        Ok(if sessions == "sqlite" {
            Self::Sqlite(users.clone())
        } else if sessions.starts_with("postgres:") {
            Self::Postgres(PgPool::connect(sessions).await?)
        } else {
            let client = redis::Client::open(sessions)?;
            Self::Redis(client.get_multiplexed_async_connection().await?)
        })
    }

    /// The record of a session.
    pub(crate) async fn read(self, id: String) -> Result<Option<Vec<u8>>, ReadError> {
        Ok(match self {
            Self::Postgres(pool) => {
                let query = "SELECT data FROM tower_sessions.session WHERE id = $1";
                let query = sqlx::query_scalar(query).bind(id);
                query.fetch_optional(&pool).await?
            }
            Self::Redis(mut redis) => redis.get(id).await?,
            Self::Sqlite(pool) => {
                let query = "SELECT data FROM tower_sessions WHERE id = ?";
                let query = sqlx::query_scalar(query).bind(id);
                query.fetch_optional(&pool).await?
            }
        })
    }
    /// Deletes the record of a session, which is not needed any more.
    pub(crate) async fn delete(self, id: String) -> Result<(), ReadError> {
        match self {
            Self::Postgres(pool) => {
                let delete = "DELETE FROM tower_sessions.session WHERE id = $1";
                sqlx::query(delete).bind(id).execute(&pool).await?;
            }
            Self::Redis(mut redis) => redis.del(id).await?,
            Self::Sqlite(pool) => {
                let delete = "DELETE FROM tower_sessions WHERE id = ?";
                sqlx::query(delete).bind(id).execute(&pool).await?;
            }
        }
        Ok(())
    }
}
