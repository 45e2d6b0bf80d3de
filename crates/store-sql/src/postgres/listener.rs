//! Hears what other nodes end.

use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use sqlx::{PgPool, SqlStr};
use token_core::UnixTime;
use token_store::store::Ended;
use tokio::sync::broadcast;
use tokio::task::JoinHandle;
use tracing::{debug, warn};

use super::PostgresStoreError;
use super::driver::query;
use crate::row::{Fields as _, read_ended};

/// How far back the revocations are read again after a gap, beyond the latest that was heard:
/// more than clocks of nodes may differ and statements may take.
const OVERLAP: Duration = Duration::from_mins(5);

/// A connection that hears nothing for so long is asked whether it is still there.
const SILENCE: Duration = Duration::from_secs(15);

/// How long that question, and a new connection, may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// The pause before the next try to connect.
const PAUSE: Duration = Duration::from_secs(1);

/// Listens on a connection of its own until it is dropped.
#[derive(Debug)]
pub(crate) struct Listener {
    task: JoinHandle<()>,
}

impl Listener {
    /// Connects first, so that everything which is ended after it has returned is heard.
    pub(crate) async fn start(
        server: PgConnectOptions,
        channel: String,
        revocations: SqlStr,
        latest: SqlStr,
        ended: broadcast::Sender<Ended>,
    ) -> Result<Self, PostgresStoreError> {
        let pool = PgPoolOptions::new()
            .max_connections(1)
            .max_lifetime(None)
            .idle_timeout(None)
            .acquire_timeout(PATIENCE)
            .connect_lazy_with(server);
        let mut ear = Ear {
            pool,
            channel,
            revocations,
            latest: UnixTime::EPOCH,
            ended,
        };
        let mut connection = ear.listen().await?;
        let rows = query(&latest, &[]).fetch_all(&mut connection).await?;
        let time = rows.first().map(|row| row.int(0)).transpose()?.flatten();
        ear.latest = time
            .and_then(|time| UnixTime::try_from(time).ok())
            .unwrap_or(ear.latest);
        Ok(Self {
            task: tokio::spawn(ear.hear(connection)),
        })
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Ear {
    pool: PgPool,
    channel: String,
    revocations: SqlStr,
    /// The latest ending that was heard.
    latest: UnixTime,
    ended: broadcast::Sender<Ended>,
}

impl Ear {
    /// Passes on what is heard; after a gap, what was ended meanwhile.
    async fn hear(mut self, mut connection: PgListener) {
        loop {
            let error = self.hear_until_lost(&mut connection).await;
            warn!(
                error = &error as &dyn std::error::Error,
                "no notices of ended sessions"
            );
            drop(connection);
            connection = loop {
                tokio::time::sleep(PAUSE).await;
                match self.listen_again().await {
                    Ok(connection) => break connection,
                    Err(error) => debug!(error = &error as &dyn std::error::Error, "still none"),
                }
            };
            debug!("notices of ended sessions again");
        }
    }

    async fn hear_until_lost(&mut self, connection: &mut PgListener) -> sqlx::Error {
        loop {
            let Ok(notice) = tokio::time::timeout(SILENCE, connection.try_recv()).await else {
                // A connection that a firewall forgot looks like one with no news.
                match within_patience(sqlx::query("SELECT 1").execute(&mut *connection)).await {
                    Ok(_) => continue,
                    Err(error) => return error,
                }
            };
            match notice {
                Ok(Some(notice)) => {
                    if let Some(ended) = parse(notice.payload()) {
                        self.announce(ended);
                    } else {
                        warn!("a notice on the store's channel that the store did not send");
                    }
                }
                Ok(None) => return lost(),
                Err(error) => return error,
            }
        }
    }

    async fn listen(&self) -> Result<PgListener, sqlx::Error> {
        within_patience(async {
            let mut listener = PgListener::connect_with(&self.pool).await?;
            listener.eager_reconnect(false);
            listener.listen(&self.channel).await?;
            Ok(listener)
        })
        .await
    }

    /// Listens first and reads then, so that nothing falls between.
    async fn listen_again(&mut self) -> Result<PgListener, sqlx::Error> {
        let mut connection = self.listen().await?;
        let since = [(self.latest - OVERLAP).into()];
        let missed = query(&self.revocations, &since).fetch_all(&mut connection);
        let rows = within_patience(missed).await?;
        for ended in rows.iter().filter_map(|row| read_ended(row).ok()) {
            self.announce(ended);
        }
        Ok(connection)
    }

    fn announce(&mut self, ended: Ended) {
        self.latest = self.latest.max(ended.at);
        // Nobody listening is no fault.
        let _ = self.ended.send(ended);
    }
}

async fn within_patience<T>(
    call: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, sqlx::Error> {
    let result = tokio::time::timeout(PATIENCE, call).await;
    result.unwrap_or_else(|_| Err(lost()))
}

fn lost() -> sqlx::Error {
    sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())
}

/// Reads `id at`: the id in base64url, the time in Unix seconds.
fn parse(payload: &str) -> Option<Ended> {
    let (id, at) = payload.split_once(' ')?;
    Some(Ended {
        id: id.parse().ok()?,
        at: UnixTime::from_secs(at.parse().ok()?).ok()?,
    })
}
