//! The store follows the master that a Sentinel names.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::time::{Duration, Instant};

use store_redis::{RedisStore, RedisStoreError};
use testbed::redis::Server;
use testbed::wait_until;
use token_core::Policy;
use token_session::test_util::TestManager;
use token_session::{Presented, RefreshError, SessionStore as _};

const NAME: &str = "sessions";

/// A master, its replica, and a Sentinel that knows both.
fn servers() -> (Server, Server, Server) {
    let master = Server::start(&["--repl-diskless-sync-delay", "0"]);
    let port = master.port.to_string();
    let replica = Server::start(&["--replicaof", "127.0.0.1", &port]);
    let sentinel = Server::sentinel(NAME, &master);
    wait_until("the Sentinel knows the replica", || {
        let replicas: redis::Value = sentinel.ask(&["SENTINEL", "REPLICAS", NAME]);
        let replication: String = replica.ask(&["INFO", "replication"]);
        format!("{replicas:?}").contains(&replica.port.to_string())
            && replication.contains("master_link_status:up")
    });
    (master, replica, sentinel)
}

async fn store(sentinel: &Server) -> Result<RedisStore, RedisStoreError> {
    let builder = RedisStore::sentinel([sentinel.url()], NAME);
    builder.connect().await
}

fn refresh_token(issued: &token_session::Issued) -> String {
    issued.tokens().unwrap().refresh_token.secret().to_owned()
}

#[tokio::test]
async fn a_replica_that_takes_over_is_found() {
    let (mut master, replica, sentinel) = servers();
    let store = store(&sentinel).await.unwrap();
    let mut notices = store.subscribe();
    let test = TestManager::with_store(store, Policy::default(), |builder| builder);
    let issued = test.login("alice", "notes:read").await;
    let ended = refresh_token(&test.login("alice", "notes:read").await);
    assert!(
        test.manager
            .logout(Presented::Refresh(&ended))
            .await
            .unwrap()
    );
    let written = master.info("master_repl_offset");
    wait_until("the replica has it", || {
        replica.info("slave_repl_offset") >= written
    });
    master.kill();

    // Until the Sentinel has decided, calls fail, and nobody is logged out.
    test.clock.advance(Duration::from_secs(100));
    let token = refresh_token(&issued);
    let start = Instant::now();
    let next = loop {
        match test.manager.refresh(&token, None).await {
            Ok(issued) => break refresh_token(&issued),
            Err(RefreshError::Store(_)) => {}
            Err(error) => panic!("{error}"),
        }
        assert!(start.elapsed() < Duration::from_mins(2), "no new master");
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    assert_ne!(next, token);
    assert!(
        replica
            .ask::<String>(&["INFO", "replication"])
            .contains("role:master")
    );
    let refused = test.manager.refresh(&ended, None).await;
    assert!(
        matches!(refused, Err(RefreshError::Denied(_))),
        "{refused:?}"
    );

    // Notices come from the new master.
    while notices.try_recv().is_ok() {}
    let heard = async {
        loop {
            // Each ending is told to this node at once, and once more by the server.
            let one = refresh_token(&test.login("bob", "notes:read").await);
            assert!(test.manager.logout(Presented::Refresh(&one)).await.unwrap());
            tokio::time::sleep(Duration::from_millis(200)).await;
            let mut told = 0;
            while notices.try_recv().is_ok() {
                told += 1;
            }
            if told > 1 {
                return;
            }
        }
    };
    let heard = tokio::time::timeout(Duration::from_mins(1), heard).await;
    heard.expect("notices from the new master");
}

#[tokio::test]
async fn a_name_that_the_sentinel_does_not_know_is_refused() {
    let (_master, _replica, sentinel) = servers();
    let error = RedisStore::sentinel([sentinel.url()], "nobody");
    let error = error.connect().await.unwrap_err();
    assert!(matches!(error, RedisStoreError::Connection(_)), "{error:?}");
}
