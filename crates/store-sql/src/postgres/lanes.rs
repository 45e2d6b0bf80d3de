//! Connections, kept at hand between statements.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use sqlx::pool::PoolConnection;
use sqlx::{PgPool, Postgres};
use tokio::sync::{Semaphore, SemaphorePermit};

use super::PostgresStoreError;

/// How long a connection is kept before the pool has it back, which then looks whether it is
/// too old or gone.
const KEEP: Duration = Duration::from_secs(10);

/// The connections on which statements run.
///
/// sqlx asks a connection whether it is there each time that it comes back to the pool: one
/// more round trip for each statement, and a third of what the server can do. In a pool of
/// the store's own a connection whose statement ended as it should is kept for the next one
/// instead. A pool of the application's own gets each connection back at once.
#[derive(Debug)]
pub(crate) struct Lanes {
    pool: PgPool,
    own: Option<Own>,
}

#[derive(Debug)]
struct Own {
    /// As many as the pool has connections, so that nobody waits in the pool for one that is
    /// kept here.
    permits: Semaphore,
    patience: Duration,
    kept: Mutex<Vec<Kept>>,
}

#[derive(Debug)]
struct Kept {
    connection: PoolConnection<Postgres>,
    since: Instant,
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
            let kept = Kept::new(self.pool.acquire().await?);
            return Ok(Lane { kept, place: None });
        };
        let permit = tokio::time::timeout(own.patience, own.permits.acquire()).await;
        let permit = permit.map_err(|_| sqlx::Error::PoolTimedOut)?;
        let permit = permit.expect("nobody closes the semaphore");
        let kept = own.take();
        let kept = match kept {
            Some(kept) => kept,
            None => Kept::new(self.pool.acquire().await?),
        };
        Ok(Lane {
            kept,
            place: Some((own, permit)),
        })
    }

    /// Gives back what is kept, if one was found broken: what broke it has broken the others, too,
    /// and each of them would cost somebody an attempt.
    pub(crate) fn distrust(&self) {
        if let Some(own) = &self.own {
            let mut kept = own.kept.lock().unwrap_or_else(PoisonError::into_inner);
            kept.clear();
        }
    }
}

impl Own {
    /// A connection that is at hand. Those that were kept too long go back to the pool.
    fn take(&self) -> Option<Kept> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|kept| kept.since.elapsed() < KEEP);
        kept.pop()
    }
}

impl Drop for Own {
    /// Closes them here: giving them back takes a runtime, which may be gone by now.
    fn drop(&mut self) {
        let kept = self.kept.get_mut().unwrap_or_else(PoisonError::into_inner);
        for kept in kept.drain(..) {
            drop(kept.connection.detach());
        }
    }
}

impl Kept {
    fn new(connection: PoolConnection<Postgres>) -> Self {
        Self {
            connection,
            since: Instant::now(),
        }
    }
}

/// A connection for one statement. Dropped, it goes back to the pool, which brings it to a
/// known state or closes it.
#[derive(Debug)]
pub(crate) struct Lane<'a> {
    kept: Kept,
    place: Option<(&'a Own, SemaphorePermit<'a>)>,
}

impl Lane<'_> {
    pub(crate) fn connection(&mut self) -> &mut PoolConnection<Postgres> {
        &mut self.kept.connection
    }

    /// Keeps the connection for the next statement: only after one that ended as it should.
    pub(crate) fn keep(self) {
        if let Some((own, _permit)) = self.place {
            let mut kept = own.kept.lock().unwrap_or_else(PoisonError::into_inner);
            kept.push(self.kept);
        }
    }
}
