//! Redis is emptied under nodes that run: whatever is opened afterwards can be found and ended by all.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::time::Duration;

use store_redis::{RedisStore, RedisStoreError};
use testbed::log::Log;
use testbed::redis::{Server, cluster};
use token_core::{Policy, RevokeReason, Subject};
use token_session::test_util::TestManager;
use token_session::{RefreshError, SessionStore as _};

fn manager(store: RedisStore) -> TestManager {
    TestManager::with_store(store, Policy::default(), |builder| builder)
}

async fn node(server: &Server) -> TestManager {
    manager(RedisStore::connect(&server.url()).await.unwrap())
}

async fn login(node: &TestManager, subject: &str) -> String {
    let issued = node.login(subject, "notes:read").await;
    issued.tokens().unwrap().refresh_token.secret().to_owned()
}

async fn end_all(node: &TestManager, subject: &str) -> usize {
    let subject = Subject::new(subject).unwrap();
    let ended = node.manager.revoke_all(&subject, RevokeReason::LogoutAll);
    ended.await.unwrap().len()
}

async fn is_ended(node: &TestManager, token: &str) -> bool {
    match node.manager.refresh(token, None).await {
        Ok(_) => false,
        Err(RefreshError::Denied(_)) => true,
        Err(error) => panic!("{error}"),
    }
}

/// Enough that some would be in another bucket under another key, whatever that is.
fn subjects() -> impl Iterator<Item = String> {
    (0..8).map(|number| format!("user-{number}"))
}

#[tokio::test]
async fn what_a_node_opens_after_redis_was_emptied_a_node_that_starts_later_can_end() {
    let server = Server::start(&[]);
    let running = node(&server).await;
    let before = login(&running, "alice").await;
    let _: () = server.ask(&["FLUSHDB"]);
    assert!(is_ended(&running, &before).await, "it is gone");
    for subject in subjects() {
        let first = login(&running, &subject).await;
        let started = node(&server).await;
        let second = login(&started, &subject).await;
        assert_eq!(end_all(&started, &subject).await, 2, "{subject}");
        for token in [&first, &second] {
            assert!(is_ended(&running, token).await && is_ended(&started, token).await);
        }
    }
}

#[tokio::test]
async fn two_nodes_that_run_on_end_each_others_sessions() {
    let server = Server::start(&[]);
    let (one, two) = (node(&server).await, node(&server).await);
    let _: () = server.ask(&["FLUSHALL"]);
    for subject in subjects() {
        let token = login(&one, &subject).await;
        assert_eq!(end_all(&two, &subject).await, 1, "{subject}");
        assert!(is_ended(&one, &token).await, "{subject}");
    }
}

#[tokio::test]
async fn a_running_node_takes_the_key_that_a_starting_one_has_made() {
    let server = Server::start(&[]);
    let running = node(&server).await;
    let _: () = server.ask(&["FLUSHDB"]);
    let started = node(&server).await;
    for subject in subjects() {
        let token = login(&started, &subject).await;
        assert_eq!(end_all(&running, &subject).await, 1, "{subject}");
        assert!(is_ended(&started, &token).await, "{subject}");
        let token = login(&running, &subject).await;
        assert_eq!(end_all(&started, &subject).await, 1, "{subject}");
        assert!(is_ended(&running, &token).await, "{subject}");
    }
}

#[tokio::test]
async fn a_session_with_an_id_from_before_is_refused_and_can_be_opened_again() {
    let server = Server::start(&[]);
    let store = RedisStore::connect(&server.url()).await.unwrap();
    let _: () = server.ask(&["FLUSHDB"]);
    let _started = node(&server).await;
    let template = TestManager::new(Policy::default());
    let issued = template.login("alice", "notes:read").await;
    let mut session = issued.session().clone();
    let mut id = *session.id.as_bytes();
    let mut refused = 0;
    loop {
        *id.first_mut().unwrap() = store.bucket(&session.subject).0;
        session.id = token_core::SessionId::from_bytes(id);
        match store.create(&session, None).await {
            Ok(_) => break,
            Err(RedisStoreError::Emptied) => refused += 1,
            Err(error) => panic!("{error:?}"),
        }
    }
    assert_eq!(refused, 1);
    assert_eq!(store.list(&session.subject).await.unwrap().len(), 1);
}

/// The key is on one master, and the buckets are on all of them.
#[tokio::test]
async fn of_a_cluster_one_master_is_emptied() {
    let servers = cluster(3, &[]);
    let urls: Vec<String> = servers.iter().map(Server::url).collect();
    let open = async || {
        let store = RedisStore::cluster(&urls).catch_up_interval(Duration::from_millis(200));
        store.connect().await
    };
    for emptied in &servers {
        let (one, two) = (
            manager(open().await.unwrap()),
            manager(open().await.unwrap()),
        );
        let _: () = emptied.ask(&["FLUSHALL"]);
        for subject in subjects() {
            let token = login(&one, &subject).await;
            let count = end_all(&two, &subject).await;
            assert!(count == 1, "{subject}: {count}");
            assert!(is_ended(&one, &token).await, "{subject}");
        }
        let third = manager(open().await.unwrap());
        let token = login(&one, "alice").await;
        assert_eq!(end_all(&third, "alice").await, 1);
        assert!(is_ended(&one, &token).await);
    }
}

/// No session in use is on the emptied master, so that the running node has yet to notice.
#[tokio::test]
async fn a_node_that_starts_before_a_running_one_notices_waits_for_the_key() {
    let server = Server::start(&[]);
    let store = || RedisStore::builder(&server.url()).catch_up_interval(Duration::from_secs(1));
    let running = manager(store().connect().await.unwrap());
    let token = login(&running, "alice").await;
    let _: () = server.ask(&["DEL", "hallpass:key"]);
    let started = manager(store().connect().await.unwrap());
    assert_eq!(end_all(&started, "alice").await, 1);
    assert!(is_ended(&running, &token).await);
}

/// Nobody could find by their subject what is stored by the lost one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_is_lost_while_sessions_are_there_is_not_replaced_but_put_back() {
    let server = Server::start(&[]);
    let store = RedisStore::builder(&server.url()).catch_up_interval(Duration::from_millis(200));
    let running = manager(store.connect().await.unwrap());
    let token = login(&running, "alice").await;
    drop(running);
    let key: Vec<u8> = server.ask(&["GET", "hallpass:key"]);
    let _: () = server.ask(&["DEL", "hallpass:key"]);
    let store = RedisStore::builder(&server.url()).catch_up_interval(Duration::from_millis(200));
    let error = store.connect().await.unwrap_err();
    assert!(matches!(error, RedisStoreError::Secret { .. }), "{error:?}");
    // As somebody would who has a backup; and a node that runs does it by itself.
    let mut connection = server.connection().unwrap();
    let mut set = redis::cmd("SET");
    set.arg("hallpass:key")
        .arg(&key)
        .exec(&mut connection)
        .unwrap();
    let store = RedisStore::builder(&server.url()).catch_up_interval(Duration::from_millis(200));
    let running = manager(store.connect().await.unwrap());
    let _: () = server.ask(&["DEL", "hallpass:key"]);
    tokio::task::block_in_place(|| {
        testbed::wait_until("the key is back", || {
            let again: Option<Vec<u8>> = server.ask(&["GET", "hallpass:key"]);
            again.as_ref() == Some(&key)
        });
    });
    let started = node(&server).await;
    assert_eq!(end_all(&started, "alice").await, 1);
    assert!(is_ended(&running, &token).await);
}

fn errors(log: &Log) -> Vec<String> {
    let text = log.text();
    let lines = text.lines().filter(|line| line.contains("ERROR"));
    lines.map(ToOwned::to_owned).collect()
}

#[tokio::test]
async fn the_log_says_that_redis_was_emptied_and_that_it_began_to_evict() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_writer(move || writer.clone());
    let _guard = tracing::subscriber::set_default(subscriber.finish());
    let server = Server::start(&[]);
    let store = RedisStore::builder(&server.url()).catch_up_interval(Duration::from_millis(100));
    let _store = store.connect().await.unwrap();
    let logged = async |text: &str| {
        for _ in 0..600 {
            if errors(&log).iter().any(|line| line.contains(text)) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("{text}: {:?}", errors(&log));
    };
    assert_eq!(errors(&log), [""; 0]);
    let _: () = server.ask(&["FLUSHDB"]);
    logged("Redis was emptied").await;
    let _: () = server.ask(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]);
    logged("maxmemory-policy is `allkeys-lru`").await;
}
