//! Looks again at what was seen when the store was opened, as long as it is open.

use std::time::Duration;

use token_core::PRODUCT;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tracing::{debug, error};

use crate::check;
use crate::database::Database;
use crate::error::RedisStoreError;

/// How often it is looked whether the server is still a master.
const ROLE: Duration = Duration::from_secs(5);

/// A task that looks, for as long as this lives.
#[derive(Debug)]
pub(crate) struct Watch(JoinHandle<()>);

impl Watch {
    pub(crate) fn start(database: Database, interval: Duration, assume_noeviction: bool) -> Self {
        let interval = interval.max(Duration::from_millis(100));
        let every = |time| {
            let mut ticks = interval_at(Instant::now() + time, time);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            ticks
        };
        let (mut roles, mut settings) = (every(ROLE), every(interval));
        Self(tokio::spawn(async move {
            loop {
                tokio::select! {
                    _ = roles.tick() => database.connection.check_role().await,
                    _ = settings.tick() => look(&database, assume_noeviction).await,
                }
            }
        }))
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn look(database: &Database, assume_noeviction: bool) {
    // What it finds it has logged.
    let found = match database.check_secret().await {
        Ok(()) => check::servers(&database.connection, assume_noeviction).await,
        Err(error) => Err(error),
    };
    let Err(error) = found else {
        return;
    };
    let serious = matches!(
        error,
        RedisStoreError::Evicts { .. }
            | RedisStoreError::Secret { .. }
            | RedisStoreError::WrongType { .. }
    );
    let error = &error as &dyn std::error::Error;
    if serious {
        error!(target: PRODUCT, error, "this Redis is not fit for sessions any more");
    } else {
        debug!(target: PRODUCT, error, "the settings of Redis could not be looked at");
    }
}
