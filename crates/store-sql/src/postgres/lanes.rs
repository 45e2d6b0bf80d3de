//! Connections, kept at hand between statements.

use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use sqlx::pool::PoolConnection;
use sqlx::{Connection as _, PgConnection, PgPool, Postgres, SqlSafeStr as _};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

use super::PostgresStoreError;
use super::driver::query;
use crate::row::Fields as _;

/// How long a connection is used again without being asked whether it is there.
const UNASKED: Duration = Duration::from_secs(10);
/// How long it may take to say so.
const PING: Duration = Duration::from_secs(1);
/// How long a connection is kept if nobody needs it.
const IDLE: Duration = Duration::from_mins(10);
/// How long a connection is used at most: servers free memory with each that ends.
const LIFETIME: Duration = Duration::from_mins(30);
/// A statement that was given up after so long says that the others may be as dead.
const SUSPICIOUS: Duration = Duration::from_secs(1);

/// The connections on which statements run.
///
/// A connection whose statement did not end as it should (an error, a time-out, a future that was
/// dropped) is closed at once, without a word to a server that may not answer, and its place is free.
///
/// sqlx asks a connection whether it is there each time that it comes back to the pool: one
/// more round trip for each statement, and a third of what the server can do. So the store's own pool
/// only makes connections, and those whose statement ended as it should are kept here for the next
/// one. A pool of the application's own gets each of them back at once.
#[derive(Debug)]
pub(crate) struct Lanes {
    pool: PgPool,
    own: Option<Own>,
}

#[derive(Debug)]
struct Own {
    /// As many as there may be connections.
    permits: Semaphore,
    patience: Duration,
    kept: Mutex<Vec<Kept>>,
}

#[derive(Debug)]
struct Kept {
    connection: PgConnection,
    opened: Instant,
    /// When its last statement ended.
    proven: Instant,
}

impl Lanes {
    /// On a pool that nobody else uses.
    pub(crate) fn on_own(pool: PgPool) -> Self {
        let options = pool.options();
        let permits = usize::try_from(options.get_max_connections()).unwrap_or(usize::MAX);
        let own = Own {
            permits: Semaphore::new(permits.min(Semaphore::MAX_PERMITS)),
            patience: options.get_acquire_timeout(),
            kept: Mutex::default(),
        };
        let own = Some(own);
        Self { pool, own }
    }

    /// On the application's own pool.
    pub(crate) const fn on_shared(pool: PgPool) -> Self {
        Self { pool, own: None }
    }

    pub(crate) const fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// Waits for a connection, as long as the pool's options say.
    pub(crate) async fn enter(&self) -> Result<Lane<'_>, PostgresStoreError> {
        let Some(own) = &self.own else {
            let connection = Link::Shared(self.pool.acquire().await?);
            return Ok(Lane::new(self, connection, None));
        };
        let permit = timeout(own.patience, own.permits.acquire()).await;
        let permit = permit.map_err(|_| sqlx::Error::PoolTimedOut)?;
        let permit = permit.expect("nobody closes the semaphore");
        let kept = match self.take(own).await {
            Some(kept) => kept,
            None => self.open(own).await?,
        };
        Ok(Lane::new(self, Link::Own(kept), Some(permit)))
    }

    /// A connection that is at hand, if it is still there.
    async fn take(&self, own: &Own) -> Option<Kept> {
        let mut kept = own.take()?;
        if kept.proven.elapsed() < UNASKED {
            return Some(kept);
        }
        let answer = timeout(PING, kept.connection.ping()).await;
        if matches!(answer, Ok(Ok(()))) {
            return Some(kept);
        }
        self.distrust();
        None
    }

    /// A new connection to a server that takes writes: a name may lead to a standby for a while, and
    /// there sessions that have ended may live.
    async fn open(&self, own: &Own) -> Result<Kept, PostgresStoreError> {
        let mut connection = self.pool.acquire().await?.detach();
        let role = is_standby(&mut connection);
        let role = timeout(own.patience, role).await;
        if role.map_err(|_| sqlx::Error::PoolTimedOut)?? {
            // Others that were made meanwhile lead there, too.
            self.distrust();
            return Err(standby());
        }
        let now = Instant::now();
        Ok(Kept {
            connection,
            opened: now,
            proven: now,
        })
    }

    /// Closes what is kept, if one was found broken: what broke it has broken the others, too,
    /// and each of them would cost somebody an attempt.
    pub(crate) fn distrust(&self) {
        if let Some(own) = &self.own {
            let mut kept = own.kept.lock().unwrap_or_else(PoisonError::into_inner);
            kept.clear();
        }
    }
}

impl Own {
    /// The connection that was used last. Those that were kept too long are closed.
    fn take(&self) -> Option<Kept> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|kept| kept.proven.elapsed() < IDLE && kept.opened.elapsed() < LIFETIME);
        kept.pop()
    }
}

/// Whether the server only follows another.
pub(crate) async fn is_standby(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    let statement = "SELECT pg_is_in_recovery()".into_sql_str();
    let row = query(&statement, &[]).fetch_one(connection).await?;
    Ok(row.flag(0)?.unwrap_or_default())
}

/// The server only follows another.
pub(crate) fn standby() -> PostgresStoreError {
    PostgresStoreError::ReadOnly(sqlx::Error::Configuration("it is a standby".into()))
}

/// A connection for one statement. Dropped without [`keep`](Self::keep), it is closed.
#[derive(Debug)]
pub(crate) struct Lane<'a> {
    lanes: &'a Lanes,
    /// Taken when it is dropped or kept.
    link: Option<Link>,
    permit: Option<SemaphorePermit<'a>>,
    entered: Instant,
}

#[derive(Debug)]
enum Link {
    Own(Kept),
    Shared(PoolConnection<Postgres>),
}

impl<'a> Lane<'a> {
    fn new(lanes: &'a Lanes, link: Link, permit: Option<SemaphorePermit<'a>>) -> Self {
        Self {
            lanes,
            link: Some(link),
            permit,
            entered: Instant::now(),
        }
    }

    pub(crate) fn connection(&mut self) -> &mut PgConnection {
        let link = self.link.as_mut();
        &mut *link.expect("it is taken at the end alone")
    }

    /// Keeps the connection for the next statement: only after one that ended as it should.
    pub(crate) fn keep(mut self) {
        if let (Some(Link::Own(mut kept)), Some(own)) = (self.link.take(), &self.lanes.own) {
            kept.proven = Instant::now();
            let mut all = own.kept.lock().unwrap_or_else(PoisonError::into_inner);
            all.push(kept);
        }
        // One that is shared has gone back to its pool. The place is free once it can be found.
        drop(self.permit.take());
    }
}

impl Drop for Lane<'_> {
    fn drop(&mut self) {
        match self.link.take() {
            None => return,
            Some(Link::Own(kept)) => drop(kept),
            Some(Link::Shared(connection)) => drop(connection.detach()),
        }
        if self.entered.elapsed() >= SUSPICIOUS {
            self.lanes.distrust();
        }
    }
}

impl Deref for Link {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        match self {
            Self::Own(kept) => &kept.connection,
            Self::Shared(connection) => connection,
        }
    }
}

impl DerefMut for Link {
    fn deref_mut(&mut self) -> &mut PgConnection {
        match self {
            Self::Own(kept) => &mut kept.connection,
            Self::Shared(connection) => connection,
        }
    }
}
