//! `PgBouncer` between the store and the server: Debian's 1.18, which does not know prepared statements in
//! transaction mode.

use std::time::Duration;

use sqlx::PgPool;
use store_sql::postgres::{Notices, PostgresStoreOptions};
use store_sql::{PostgresStore, PostgresStoreError};
use testbed::pgbouncer::PgBouncer;
use testbed::postgres::Server;
use token_session::SessionStore as _;
use token_session::store::Revoke;

use crate::faults::hears;
use crate::sessions::{at, ending, stored};

/// As the documentation has it for a pooler.
fn options() -> PostgresStoreOptions {
    PostgresStoreOptions::new()
        .acquire_timeout(Duration::from_secs(30))
        .statement_timeout(Duration::ZERO)
}

#[tokio::test]
async fn in_session_mode_sessions_and_notices_pass() {
    let server = Server::start();
    let pooler = PgBouncer::start(&server, "session", "default_pool_size = 50");
    let here = options().connect(&pooler.url()).await.unwrap();
    let there = options().connect(&pooler.url()).await.unwrap();
    let mut notices = there.subscribe();
    let session = stored(&here, "alice").await;
    let found = there.load(session.id).await.unwrap();
    assert_eq!(found.as_deref(), Some(&session));
    let ended = here.revoke(&ending(session.id, at(1))).await.unwrap();
    assert!(matches!(ended, Revoke::Applied(_)));
    hears(&mut notices, session.id).await;
}

/// A time-out is a setting with which a connection starts, and the pooler refuses those.
#[tokio::test]
async fn a_refused_setting_is_told_with_what_to_do() {
    let server = Server::start();
    let pooler = PgBouncer::start(&server, "session", "");
    let error = PostgresStore::connect(&pooler.url()).await.unwrap_err();
    assert!(matches!(error, PostgresStoreError::Startup(_)), "{error:?}");
    let pool = PgPool::connect_lazy(&pooler.url()).unwrap();
    let error = PostgresStore::new(pool).await.unwrap_err();
    assert!(matches!(error, PostgresStoreError::Startup(_)), "{error:?}");
    for advice in ["statement_timeout", "extra_float_digits", "PgBouncer"] {
        assert!(error.to_string().contains(advice), "{error}");
    }
}

/// sqlx asks for digits of floating-point numbers unless it is told not to.
#[tokio::test]
async fn a_pool_of_the_applications_own_needs_one_setting_of_the_pooler() {
    let server = Server::start();
    let settings = "ignore_startup_parameters = extra_float_digits";
    let pooler = PgBouncer::start(&server, "session", settings);
    let pool = PgPool::connect(&pooler.url()).await.unwrap();
    let store = PostgresStore::new(pool).await.unwrap();
    let session = stored(&store, "alice").await;
    assert!(store.load(session.id).await.unwrap().is_some());
}

#[tokio::test]
async fn in_transaction_mode_an_old_pooler_is_named() {
    let server = Server::start();
    // All clients share one connection of the server, and name their statements alike.
    let pooler = PgBouncer::start(&server, "transaction", "default_pool_size = 1");
    let open = async || {
        let direct = server.url().parse().unwrap();
        let options = options().notices(Notices::ListenOn(Box::new(direct)));
        options.connect(&pooler.url()).await
    };
    let mut stores = Vec::new();
    let error = loop {
        match open().await {
            Ok(store) => stores.push(store),
            Err(error) => break error,
        }
        assert!(stores.len() < 10, "nothing was mixed up");
    };
    assert!(matches!(error, PostgresStoreError::Pooler(_)), "{error:?}");
}
