//! Hears what other nodes end.

use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use token_core::session::Generation;
use token_core::{PRODUCT, UnixTime};
use token_session::store::{Changed, Ended, Heartbeat, Notice};
use tokio::sync::broadcast;
use tokio::task::JoinHandle;
use tracing::{debug, warn};

use super::PostgresStoreError;

/// What the payload of a heartbeat begins with; the rest is it, in hexadecimal digits.
const HEARTBEAT: &str = "heartbeat ";

/// What the payload of a change begins with; the id in base64url and the generation follow.
const CHANGED: &str = "changed ";

/// A connection that hears nothing for so long is asked whether it is still there.
const SILENCE: Duration = Duration::from_secs(5);

/// How long that question, and a new connection, may take.
const PATIENCE: Duration = Duration::from_secs(3);

/// The pause before the next try to connect, which doubles up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

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
        notices: broadcast::Sender<Notice>,
    ) -> Result<Self, PostgresStoreError> {
        let ear = Ear {
            server,
            channel,
            notices,
        };
        let connection = ear.listen().await?;
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
    server: PgConnectOptions,
    channel: String,
    notices: broadcast::Sender<Notice>,
}

impl Ear {
    /// Passes on what is heard, and says where something may not have been.
    async fn hear(self, mut connection: PgListener) {
        loop {
            let error = self.hear_until_lost(&mut connection).await;
            self.tell(Notice::Gap);
            warn!(
                target: PRODUCT, error = &error as &dyn std::error::Error,
                "no notices of ended sessions"
            );
            drop(connection);
            let mut pause = FIRST_PAUSE;
            connection = loop {
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
                match self.listen().await {
                    Ok(connection) => break connection,
                    Err(error) => {
                        debug!(target: PRODUCT, error = &error as &dyn std::error::Error, "still none");
                    }
                }
            };
            debug!(target: PRODUCT, "notices of ended sessions again");
            self.tell(Notice::Resumed);
        }
    }

    async fn hear_until_lost(&self, connection: &mut PgListener) -> sqlx::Error {
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
                    if let Some(notice) = parse(notice.payload()) {
                        self.tell(notice);
                    } else {
                        warn!(target: PRODUCT, "a notice on the store's channel that the store did not send");
                    }
                }
                Ok(None) => return lost(),
                Err(error) => return error,
            }
        }
    }

    async fn listen(&self) -> Result<PgListener, sqlx::Error> {
        within_patience(async {
            // A pool for each connection: sqlx takes the last one back with `UNLISTEN`, for whose
            // answer it waits without a limit.
            let pool = PgPoolOptions::new()
                .max_connections(1)
                .max_lifetime(None)
                .idle_timeout(None)
                .acquire_timeout(PATIENCE)
                .connect_lazy_with(self.server.clone());
            let mut listener = PgListener::connect_with(&pool).await?;
            listener.eager_reconnect(false);
            listener.listen(&self.channel).await?;
            Ok(listener)
        })
        .await
    }

    fn tell(&self, notice: Notice) {
        // It is not an error if nobody listens.
        let _ = self.notices.send(notice);
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

/// The payload of a heartbeat.
pub(crate) fn heartbeat(heartbeat: Heartbeat) -> String {
    let number = u128::from_be_bytes(*heartbeat.as_bytes());
    format!("{HEARTBEAT}{number:032x}")
}

/// The payload of a change.
pub(crate) fn changed(changed: Changed) -> String {
    format!("{CHANGED}{} {}", changed.id, changed.version.0)
}

/// Reads `id at`: the id in base64url, the time in Unix seconds; or a heartbeat, or a change.
fn parse(payload: &str) -> Option<Notice> {
    if let Some(digits) = payload.strip_prefix(HEARTBEAT) {
        let number = u128::from_str_radix(digits, 16).ok()?;
        let heartbeat = Heartbeat::from_bytes(number.to_be_bytes());
        return Some(Notice::Heartbeat(heartbeat));
    }
    if let Some(changed) = payload.strip_prefix(CHANGED) {
        let (id, version) = changed.split_once(' ')?;
        let version = Generation(version.parse().ok()?);
        return Some(Notice::Changed(Changed::new(id.parse().ok()?, version)));
    }
    let (id, at) = payload.split_once(' ')?;
    Some(Notice::Ended(Ended::new(
        id.parse().ok()?,
        UnixTime::from_secs(at.parse().ok()?).ok()?,
    )))
}
