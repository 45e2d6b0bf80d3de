//! PostgreSQL.

use std::time::{Duration, Instant};

use store_sql::postgres::{Notices, PostgresStoreOptions};
use store_sql::{PostgresStore, PostgresStoreError};
use testbed::postgres::Server;
use testbed::proxy::Proxy;
use token_core::SessionId;
use token_session::RefreshError;

use crate::{CALLS, ended, login, node, recovers};

fn url(port: u16) -> String {
    format!("postgres://postgres@127.0.0.1:{port}/postgres")
}

/// Waits until a session is on the standby.
pub(crate) async fn has(standby: &Server, id: SessionId) {
    let follower = sqlx::PgPool::connect(&standby.url()).await.unwrap();
    let there = "SELECT 1 FROM hallpass.session WHERE id = $1";
    loop {
        let found = sqlx::query(there).bind(id.as_bytes().as_slice());
        if matches!(found.fetch_optional(&follower).await, Ok(Some(_))) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_freeze_are_replaced() {
    let server = Server::start();
    let proxy = Proxy::start(server.port());
    let node = node(PostgresStore::connect(&url(proxy.port())).await.unwrap()).await;
    let ended = ended(&node).await;
    proxy.freeze();
    recovers(&node, &ended).await;
}

/// The primary hangs, and its standby takes over.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_that_is_promoted_is_found() {
    let primary = Server::start();
    let standby = primary.standby();
    let proxy = Proxy::start(primary.port());
    // What is answered is on the standby.
    let store = PostgresStoreOptions::new();
    let node = node(store.connect(&url(proxy.port())).await.unwrap()).await;
    let ended = ended(&node).await;
    let last = login(&node).await.unwrap();
    has(&standby, last.session().id).await;
    proxy.freeze();
    standby.promote();
    proxy.lead_new_to(standby.port());
    recovers(&node, &ended).await;
}

/// The standby lags behind: what has ended lives there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_leads_to_a_standby_for_a_while_does_no_lasting_harm() {
    let primary = Server::start();
    let proxy = Proxy::start(primary.port());
    let node = node(PostgresStore::connect(&url(proxy.port())).await.unwrap()).await;
    let standby = primary.standby();
    let pause = sqlx::PgPool::connect(&standby.url()).await.unwrap();
    let pause = sqlx::query("SELECT pg_wal_replay_pause()").execute(&pause);
    pause.await.unwrap();
    // Whose login the standby has seen, and whose end it has not.
    let ended = ended(&node).await;
    proxy.lead_to(standby.port());
    for _ in 0..20 {
        let (logins, refused) = tokio::join!(
            futures_util::future::join_all((0..crate::AT_ONCE).map(|_| login(&node))),
            node.refresh(&ended, None),
        );
        assert!(logins.iter().all(Result::is_err), "{logins:?}");
        assert!(
            matches!(refused, Err(RefreshError::Store(_))),
            "{refused:?}"
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    // What was connected meanwhile stays connected to the standby.
    proxy.lead_new_to(primary.port());
    recovers(&node, &ended).await;
}

#[tokio::test]
async fn a_standby_is_refused_also_if_nobody_listens() {
    let primary = Server::start();
    let _tables = PostgresStore::connect(&primary.url()).await.unwrap();
    let standby = primary.standby();
    let options = PostgresStoreOptions::new().notices(Notices::Poll);
    let error = options.connect(&standby.url()).await.unwrap_err();
    assert!(
        matches!(error, PostgresStoreError::ReadOnly(_)),
        "{error:?}"
    );
    let pool = sqlx::PgPool::connect(&standby.url()).await.unwrap();
    let options = PostgresStoreOptions::new().notices(Notices::Poll);
    let error = options.with_pool(pool).await.unwrap_err();
    assert!(
        matches!(error, PostgresStoreError::ReadOnly(_)),
        "{error:?}"
    );
}

/// Each of them would otherwise cost a call its time-out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_hangs_is_a_warning_of_all_other_connections() {
    let server = Server::start();
    let proxy = Proxy::start(server.port());
    let node = node(PostgresStore::connect(&url(proxy.port())).await.unwrap()).await;
    // So many wait at once that each of the ten connections is there.
    let pool = sqlx::PgPool::connect(&server.url()).await.unwrap();
    let mut other = pool.begin().await.unwrap();
    let lock = sqlx::query("LOCK TABLE hallpass.session").execute(&mut *other);
    lock.await.unwrap();
    let waiting: Vec<_> = (0..10)
        .map(|_| node.clone())
        .map(|node| tokio::spawn(async move { login(&node).await.map(drop) }))
        .collect();
    tokio::time::sleep(Duration::from_secs(1)).await;
    other.rollback().await.unwrap();
    for waiting in waiting {
        waiting.await.unwrap().unwrap();
    }
    proxy.freeze();
    let start = Instant::now();
    while let Err(error) = login(&node).await {
        assert!(start.elapsed() < CALLS, "{error}");
    }
    // The store's time-out, and no second one.
    assert!(
        start.elapsed() < Duration::from_secs(10),
        "{:?}",
        start.elapsed()
    );
}
