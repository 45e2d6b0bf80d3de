//! The store under load: a server of its own.

use std::sync::Arc;
use std::time::Duration;

use clap::ValueEnum;
use store_redis::RedisStore;
use store_sql::PostgresStore;
use testbed::{postgres, redis};
use token_core::Algorithm;
use token_session::{
    RevocationCheck, SessionManager, SessionManagerBuilder, SessionStore, WhenBehind,
};

use crate::stores::{self, fixture, purge};
use crate::world;

/// Which store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[expect(clippy::exhaustive_enums, reason = "the stores of several nodes")]
pub enum Kind {
    /// With each commit on the disk.
    Postgres,
    /// With its log, so that a restart loses nothing.
    Redis,
}

impl Kind {
    /// As it is called in tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Postgres => "PostgreSQL",
            Self::Redis => "Redis",
        }
    }
}

/// A store's server.
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "made here alone")]
pub enum Place {
    /// With each commit on the disk.
    Postgres(postgres::Server),
    /// With its log.
    Redis(redis::Server),
}

/// So old that the next refresh is none within the grace.
const AGE: Duration = Duration::from_mins(2);

impl Place {
    /// Starts it, without sessions.
    ///
    /// # Panics
    /// If it does not start.
    pub fn start(kind: Kind) -> Self {
        match kind {
            Kind::Postgres => Self::Postgres(postgres::Server::start_with(&[
                "fsync=on",
                "shared_buffers=1GB",
                "max_wal_size=8GB",
            ])),
            Kind::Redis => Self::Redis(redis::Server::start(&["--appendonly", "yes"])),
        }
    }

    /// Its address.
    pub fn url(&self) -> String {
        match self {
            Self::Postgres(server) => server.url(),
            Self::Redis(server) => server.url(),
        }
    }

    /// Inserts live sessions, and returns their refresh tokens. PostgreSQL gets a tenth as many expired ones too;
    /// with Redis those go by themselves.
    ///
    /// # Panics
    /// If the server does not answer.
    pub async fn fill(&self, sessions: u32) -> Vec<String> {
        let now = world::now() - AGE;
        match self {
            Self::Postgres(server) => {
                let store = PostgresStore::connect(&server.url()).await;
                let store = store.expect("the server answers");
                let pool = stores::postgres::pool(server).await;
                let schema = token_core::PRODUCT;
                let expired = sessions..sessions + sessions / 10;
                let long_ago = now - purge::LONG_AGO;
                stores::postgres::copy(&pool, &store, schema, expired, long_ago).await;
                stores::postgres::copy(&pool, &store, schema, 0..sessions, now).await
            }
            Self::Redis(server) => {
                let store = RedisStore::connect(&server.url()).await;
                let store = Arc::new(store.expect("the server answers"));
                stores::redis::insert(&store, sessions, now).await
            }
        }
    }

    /// Kills the server and starts it again on what it has kept.
    ///
    /// # Panics
    /// If it does not start.
    pub fn restart(&mut self) {
        match self {
            Self::Postgres(server) => {
                server.kill();
                server.resume();
            }
            Self::Redis(server) => {
                server.kill();
                server.resume();
            }
        }
    }

    /// Opens the store, as a node does.
    ///
    /// # Panics
    /// If the server does not answer.
    pub async fn builder(&self) -> SessionManagerBuilder {
        open(&self.url()).await
    }
}

/// Opens the store that a URL names.
///
/// # Panics
/// If the server does not answer.
pub async fn open(url: &str) -> SessionManagerBuilder {
    if url.starts_with("redis") {
        builder(RedisStore::connect(url).await.expect("the server answers"))
    } else {
        builder(
            PostgresStore::connect(url)
                .await
                .expect("the server answers"),
        )
    }
}

fn builder(store: impl SessionStore) -> SessionManagerBuilder {
    SessionManager::builder(store, fixture::issuer(Algorithm::HS256))
        .revocation_check(RevocationCheck::Feed(WhenBehind::AskStore))
}
