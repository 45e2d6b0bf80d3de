//! The address of a store leads elsewhere, and the old host does not say so: it freezes, or lives on
//! as a standby. Calls succeed again within 15 seconds and the feed is live within 20, without a
//! restart, and no session that has ended is accepted.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests fail loudly"
)]

mod cluster;
mod lost_answer;
mod network;
mod postgres;
mod redis;
mod sentinel;

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use token_core::{Policy, Subject};
use token_session::test_util::test_issuer;
use token_session::{
    FeedState, Issued, LoginError, NewSession, Presented, RefreshError, RevocationCheck,
    SessionManager, SessionStore, WhenBehind,
};

/// By when calls succeed again, and by when the feed is live.
const CALLS: Duration = Duration::from_secs(15);
const FEED: Duration = Duration::from_secs(20);
/// So many at once that each connection of a pool is in use.
const AT_ONCE: usize = 12;

/// A node with the defaults, which follows the feed.
async fn node(store: impl SessionStore) -> SessionManager {
    let manager = SessionManager::builder(store, test_issuer(Policy::default()))
        .revocation_check(RevocationCheck::Feed(WhenBehind::AskStore))
        .build()
        .unwrap();
    manager.catch_up().await.unwrap();
    tokio::spawn(manager.clone().follow_revocations());
    let logins = join_all((0..AT_ONCE).map(|_| login(&manager))).await;
    assert!(logins.iter().all(Result::is_ok), "{logins:?}");
    manager
}

/// Of one of many, who are spread over all servers of a Cluster.
async fn login(manager: &SessionManager) -> Result<Issued, LoginError> {
    let subject = Subject::new(format!("user-{}", fastrand::u8(..))).unwrap();
    let ticket = manager.begin_login(subject).await?;
    manager.login(ticket, NewSession::default()).await
}

fn token(issued: &Issued) -> String {
    issued.tokens().unwrap().refresh_token.secret().to_owned()
}

/// A session that has ended.
async fn ended(manager: &SessionManager) -> String {
    let token = token(&login(manager).await.unwrap());
    assert!(manager.logout(Presented::Refresh(&token)).await.unwrap());
    token
}

/// Calls fail for a while, and say nothing that is not true.
async fn recovers(manager: &SessionManager, ended: &str) {
    recovers_since(Instant::now(), manager, ended).await;
}

/// The same if the address has led to a healthy server since then.
async fn recovers_since(start: Instant, manager: &SessionManager, ended: &str) {
    loop {
        match manager.refresh(ended, None).await {
            Err(RefreshError::Denied(_) | RefreshError::Store(_)) => {}
            other => panic!("a session that has ended: {other:?}"),
        }
        let logins = join_all((0..AT_ONCE).map(|_| login(manager))).await;
        if logins.iter().all(Result::is_ok) {
            break;
        }
        assert!(start.elapsed() < CALLS, "{logins:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    while manager.feed_state() != FeedState::Live {
        assert!(start.elapsed() < FEED, "the feed is behind");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
