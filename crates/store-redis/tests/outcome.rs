//! Whether a refresh may have been carried out, if the server went away before it answered.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::time::Duration;

use store_redis::RedisStore;
use testbed::redis::Server;
use token_core::Policy;
use token_session::test_util::TestManager;
use token_session::{RefreshError, StoreError};

/// A session on this server, and its refresh token a while after the login.
async fn logged_in(server: &Server) -> (TestManager, String) {
    let store = RedisStore::connect(&server.url()).await.unwrap();
    let test = TestManager::with_store(store, Policy::default(), |builder| builder);
    let issued = test.login("alice", "").await;
    let token = issued.tokens().unwrap().refresh_token.secret().to_owned();
    test.clock.advance(Duration::from_secs(100));
    (test, token)
}

async fn refuse(test: &TestManager, token: &str) -> StoreError {
    let error = test.manager.refresh(token, None).await.unwrap_err();
    match error {
        RefreshError::Store(error) => error,
        error => unreachable!("{error}"),
    }
}

#[tokio::test]
async fn a_refresh_that_no_server_can_have_received_is_not_done() {
    let mut server = Server::start(&[]);
    let (test, token) = logged_in(&server).await;
    server.kill();
    // What was under way when the connection broke may have been done, and so may the first.
    let _ = refuse(&test, &token).await;
    for _ in 0..3 {
        let error = refuse(&test, &token).await;
        assert!(matches!(error, StoreError::Failed(_)), "{error:?}");
    }
}

#[tokio::test]
async fn a_refresh_that_was_sent_and_not_answered_may_be_done() {
    let server = Server::start(&[]);
    let (test, token) = logged_in(&server).await;
    server.freeze();
    let error = refuse(&test, &token).await;
    assert!(matches!(error, StoreError::Unknown(_)), "{error:?}");
    // Nothing is sent over that connection any more, and there is no other.
    let error = refuse(&test, &token).await;
    assert!(matches!(error, StoreError::Failed(_)), "{error:?}");
    server.thaw();
    // Within the grace, with the same token.
    while test.manager.refresh(&token, None).await.is_err() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
