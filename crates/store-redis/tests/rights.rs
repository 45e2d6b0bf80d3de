//! The rights that the documentation asks for are enough, and rows end when they should.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use store_redis::{RedisStore, RedisStoreError};
use testbed::redis::{Server, cluster};
use testbed::slot::Move;
use token_core::Policy;
use token_session::contract::{self, World};
use token_session::test_util::TestManager;
use token_session::{Presented, SessionStore};

/// The lines of the crate's documentation.
const RIGHTS: &str = "~hallpass* &hallpass:* \
    +eval +evalsha +script|load \
    +del +exists +expire +get +hdel +hexists +hget +hgetall +hkeys +hrandfield +hset +pttl \
    +set +ttl +type +zadd +zrange +zrangebyscore +zrem \
    +info +ping +publish +subscribe";
const RIGHTS_IN_A_CLUSTER: &str = "+asking +cluster|slots";

fn allow(server: &Server, rights: &str) -> String {
    let mut words = vec!["ACL", "SETUSER", "app", "reset", "on", ">pw"];
    words.extend(rights.split_whitespace());
    let _: () = server.ask(&words);
    format!("redis://app:pw@127.0.0.1:{}/", server.port)
}

/// Every operation at least once, and the notices.
async fn do_everything<S: SessionStore>(open: impl AsyncFn() -> S) {
    contract::random_sequences_end_as_in_memory(World::new(open().await)).await;
    contract::private_data_is_written_by_version(World::new(open().await)).await;
    contract::purging_deletes_what_is_due_and_nothing_else(World::new(open().await)).await;
    contract::an_ending_is_told_to_subscribers_and_in_the_log(World::new(open().await)).await;
    contract::a_heartbeat_comes_back_behind_the_endings_before_it(World::new(open().await)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_rights_of_the_documentation_are_enough() {
    let documentation = include_str!("../src/lib.rs").replace("//! ", "");
    for right in RIGHTS
        .split_whitespace()
        .chain(RIGHTS_IN_A_CLUSTER.split_whitespace())
    {
        assert!(documentation.contains(right), "{right} is not documented");
    }
    let server = Server::start(&[]);
    let url = allow(&server, RIGHTS);
    do_everything(async || RedisStore::connect(&url).await.unwrap()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_a_cluster_two_more_are() {
    let servers = cluster(3, &[]);
    let rights = format!("{RIGHTS} {RIGHTS_IN_A_CLUSTER}");
    let urls: Vec<String> = servers.iter().map(|s| allow(s, &rights)).collect();
    do_everything(async || RedisStore::cluster(&urls).connect().await.unwrap()).await;
}

/// Sessions that have gone ahead with a part of their slot are asked for where they are.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn they_are_enough_while_a_slot_moves() {
    let servers = cluster(3, &[]);
    for (extra, may_ask) in [(RIGHTS_IN_A_CLUSTER, true), ("+cluster|slots", false)] {
        let rights = format!("{RIGHTS} {extra}");
        let urls: Vec<String> = servers.iter().map(|s| allow(s, &rights)).collect();
        let store = RedisStore::cluster(&urls).connect().await.unwrap();
        let store = Arc::new(store);
        let test = TestManager::with_store(Arc::clone(&store), Policy::default(), |b| b);
        let id = test.login("alice", "notes:read").await.session().id;
        let key = format!("hallpass{{{:02x}}}", id.bucket().0);
        let moving = Move::begin(&servers, &key);
        moving.carry(|_| true);
        let start = Instant::now();
        match store.load(id).await {
            Ok(Some(_)) if may_ask => {}
            // It is said, and at once.
            Err(RedisStoreError::Permission(_)) if !may_ask => {}
            other => panic!("{may_ask}: {other:?}"),
        }
        assert!(start.elapsed() < Duration::from_secs(2), "{may_ask}");
        moving.end();
    }
}

/// Redis deletes a row when it may be forgotten, and never before.
#[tokio::test]
async fn a_row_ends_with_its_session() {
    let server = Server::start(&[]);
    let store = RedisStore::connect(&server.url()).await.unwrap();
    let policy = Policy::default();
    let test = TestManager::with_store(store, policy.clone(), |builder| builder);
    let ends_in = || -> u64 {
        let rows: Vec<Vec<u8>> = server.ask(&["KEYS", "hallpass{*}??????????????????"]);
        assert_eq!(rows.len(), 1);
        let mut ttl = redis::cmd("TTL");
        let left: i64 = ttl
            .arg(&rows[..])
            .query(&mut server.connection().unwrap())
            .unwrap();
        left.unsigned_abs()
    };
    let day = Duration::from_hours(24).as_secs();
    let about = |idle: Duration| {
        let shortest = (idle + policy.tombstone()).as_secs();
        // To the day, and as long as this test may take.
        shortest - 60..=shortest + day
    };
    let issued = test.login("alice", "notes:read").await;
    let idle = policy.idle_lifetime();
    assert!(about(idle).contains(&ends_in()), "{}", ends_in());
    // Two days later it is used, and moves by as much.
    test.clock.advance(Duration::from_hours(48));
    let token = issued.tokens().unwrap().refresh_token.secret();
    let _ = test.manager.refresh(token, None).await.unwrap();
    assert!(about(idle).contains(&ends_in()), "{}", ends_in());
    // What is left of it after its end is a tombstone.
    assert!(
        test.manager
            .logout(Presented::Refresh(token))
            .await
            .unwrap()
    );
    assert!(about(Duration::ZERO).contains(&ends_in()), "{}", ends_in());
}
