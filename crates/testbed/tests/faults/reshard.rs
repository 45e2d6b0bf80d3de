//! Slots of a Redis Cluster that move under load.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use store_redis::{RedisStore, RedisStoreError};
use testbed::redis::{Server, cluster, reshard};
use token_core::{Policy, Subject, UnixTime};
use token_session::SessionStore as _;
use token_session::test_util::TestManager;
use tokio::task::block_in_place;

use crate::load::{Load, opened};

const LIMIT: Duration = Duration::from_millis(600);
/// By when calls succeed once nothing moves any more.
const CALLS: Duration = Duration::from_secs(15);
const SUBJECTS: usize = 200;
const SESSIONS: usize = 4;
/// How many slots move at once, of 5,461 that a master has at first.
const SLOTS: u16 = 500;

fn name(number: usize) -> Subject {
    Subject::new(format!("resident-{number}")).unwrap()
}

/// Lists all the while; gives how many lists there were, and how many of them were refused.
async fn list(store: Arc<RedisStore>, over: Arc<AtomicBool>) -> (u64, u64) {
    let (mut listed, mut refused) = (0, 0);
    while !over.load(Ordering::SeqCst) {
        for number in 0..SUBJECTS {
            match store.list(&name(number)).await {
                Ok(found) => assert_eq!(found.len(), SESSIONS, "sessions are lost"),
                Err(RedisStoreError::Moving(_) | RedisStoreError::Timeout(_)) => refused += 1,
                Err(error) => panic!("{error:?}"),
            }
            listed += 1;
        }
    }
    (listed, refused)
}

/// Purges all the while, although nothing is due.
async fn purge(store: Arc<RedisStore>, over: Arc<AtomicBool>) {
    let long_ago = UnixTime::from_secs(1).unwrap();
    while !over.load(Ordering::SeqCst) {
        match store.purge(long_ago, 1000).await {
            Ok(0) | Err(RedisStoreError::Moving(_) | RedisStoreError::Timeout(_)) => {}
            other => panic!("nothing is due: {other:?}"),
        }
    }
}

/// Each master gives slots to the next one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_while_slots_move() {
    let servers = block_in_place(|| cluster(3, &[]));
    let urls: Vec<String> = servers.iter().map(Server::url).collect();
    let open = async || {
        let builder = RedisStore::cluster(&urls).connect_timeout(LIMIT);
        builder.response_timeout(LIMIT / 2).connect().await
    };
    let store = Arc::new(opened(open).await);
    let test = TestManager::with_store(Arc::clone(&store), Policy::default(), |b| b);
    for number in 0..SUBJECTS {
        let name = name(number);
        let logins = (0..SESSIONS).map(|_| test.login(name.as_str(), "notes:read"));
        join_all(logins).await;
    }
    let mut load = Load::start([opened(open).await, opened(open).await], &Policy::default());
    load.work().await;
    let over = Arc::<AtomicBool>::default();
    let listing = tokio::spawn(list(Arc::clone(&store), Arc::clone(&over)));
    let purging = tokio::spawn(purge(Arc::clone(&store), Arc::clone(&over)));
    let start = Instant::now();
    for from in 0..3 {
        let to = (from + 1) % 3;
        block_in_place(|| reshard(&servers[from], &servers[to], SLOTS));
        load.work().await;
    }
    println!("slots moved for {:?}", start.elapsed());
    over.store(true, Ordering::SeqCst);
    let (listed, refused) = listing.await.unwrap();
    purging.await.unwrap();
    println!("{listed} lists, {refused} of which were refused");
    let start = Instant::now();
    for number in 0..SUBJECTS {
        loop {
            match store.list(&name(number)).await {
                Ok(found) => break assert_eq!(found.len(), SESSIONS, "sessions are lost"),
                Err(error) => assert!(start.elapsed() < CALLS, "{error:?}"),
            }
        }
    }
    load.check_all().await;
}
