//! What a refresh costs: one script and one round trip.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::time::{Duration, Instant};

use store_redis::RedisStore;
use testbed::proxy::Proxy;
use testbed::redis::{Server, cluster};
use token_core::Policy;
use token_session::SessionStore as _;
use token_session::test_util::TestManager;

const REFRESHES: u64 = 50;

fn manager(store: RedisStore) -> TestManager {
    TestManager::with_store(store, Policy::default(), |builder| builder)
}

async fn login(test: &TestManager) -> String {
    let issued = test.login("alice", "notes:read").await;
    issued.tokens().unwrap().refresh_token.secret().to_owned()
}

/// The happy path: the token is the current one, and the last refresh is a while ago.
async fn refresh(test: &TestManager, token: &str) -> String {
    test.clock.advance(Duration::from_secs(100));
    let issued = test.manager.refresh(token, None).await.unwrap();
    let next = issued.tokens().unwrap().refresh_token.secret().to_owned();
    assert_ne!(next, token, "a rotation");
    next
}

/// Every command that was called since the last `CONFIG RESETSTAT`, with how often. What a
/// script calls is among them.
fn commands(servers: &[Server]) -> Vec<(String, u64)> {
    let mut all = Vec::new();
    for server in servers {
        let stats: String = server.ask(&["INFO", "commandstats"]);
        for line in stats.lines() {
            let Some((name, rest)) = line
                .strip_prefix("cmdstat_")
                .and_then(|line| line.split_once(":calls="))
            else {
                continue;
            };
            all.push((
                name.to_owned(),
                rest.split(',').next().unwrap().parse().unwrap(),
            ));
        }
    }
    // Those that count, and signs of life of the connection that listens.
    all.retain(|(name, _)| !["config|resetstat", "info", "ping"].contains(&name.as_str()));
    all
}

fn reset(servers: &[Server]) {
    for server in servers {
        let _: () = server.ask(&["CONFIG", "RESETSTAT"]);
    }
}

fn assert_only_the_script_was_called(servers: &[Server]) {
    let mut commands = commands(servers);
    commands.sort();
    let named = |name: &str| (name.to_owned(), REFRESHES);
    // The script reads the row and the epoch, and writes the row, whose end in Redis moves once
    // a day.
    let expected = ["evalsha", "hget", "hgetall", "hset"].map(named);
    assert_eq!(commands, expected);
}

#[tokio::test]
async fn a_refresh_is_one_script_and_one_round_trip() {
    let servers = [Server::start(&[])];
    let proxy = Proxy::start(servers[0].port);
    let url = format!("redis://127.0.0.1:{}/", proxy.port());
    let test = manager(RedisStore::connect(&url).await.unwrap());
    let mut token = login(&test).await;
    reset(&servers);
    let (before, start) = (proxy.round_trips(), Instant::now());
    for _ in 0..REFRESHES {
        token = refresh(&test, &token).await;
    }
    let trips = proxy.round_trips();
    let trips = trips.iter().zip(before).map(|(now, before)| now - before);
    let trips: Vec<u64> = trips.collect();
    // The connection that listens may have been asked for signs of life, and the other one for the
    // server's role: each of them once in 5 seconds.
    let signs = 1 + start.elapsed().as_secs() / 4 * 2;
    let most = trips.iter().max().copied().unwrap();
    assert!((REFRESHES..=REFRESHES + signs).contains(&most), "{trips:?}");
    assert!(trips.iter().sum::<u64>() <= REFRESHES + signs, "{trips:?}");
    assert_only_the_script_was_called(&servers);
}

#[tokio::test]
async fn a_refresh_in_a_cluster_is_one_script() {
    let servers = cluster(3, &[]);
    let nodes = servers.iter().map(Server::url);
    let test = manager(RedisStore::cluster(nodes).connect().await.unwrap());
    let mut token = login(&test).await;
    token = refresh(&test, &token).await;
    reset(&servers);
    for _ in 0..REFRESHES {
        token = refresh(&test, &token).await;
    }
    assert_only_the_script_was_called(&servers);
}

#[tokio::test]
async fn a_server_that_has_forgotten_a_script_is_sent_it_once() {
    let servers = [Server::start(&[])];
    let test = manager(RedisStore::connect(&servers[0].url()).await.unwrap());
    let mut token = login(&test).await;
    let _: () = servers[0].ask(&["SCRIPT", "FLUSH"]);
    reset(&servers);
    for _ in 0..REFRESHES {
        token = refresh(&test, &token).await;
    }
    assert_eq!(servers[0].calls("eval"), 1);
    assert_eq!(servers[0].calls("evalsha"), REFRESHES);
}

/// The calls of half a second fail, one after the other, because the connection has died.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_calls_that_fail_with_one_connection_make_one_new() {
    let server = Server::start(&[]);
    let proxy = Proxy::start(server.port);
    let store = RedisStore::builder(&format!("redis://127.0.0.1:{}/", proxy.port()));
    let store = store.response_timeout(Duration::from_millis(500)).connect();
    let store = std::sync::Arc::new(store.await.unwrap());
    let before = proxy.round_trips().len();
    proxy.freeze();
    let calls = (0..50).map(|number| {
        let store = std::sync::Arc::clone(&store);
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(8 * number)).await;
            let nobody = token_core::SessionId::from_bytes([0; token_core::SessionId::LENGTH]);
            store.load(nobody).await.is_err()
        })
    });
    let calls: Vec<_> = calls.collect();
    let mut failed = 0;
    for call in calls {
        failed += usize::from(call.await.unwrap());
    }
    assert!(failed > 10, "{failed}");
    // The one for calls, and the one that listens.
    let made = proxy.round_trips().len() - before;
    assert!(
        (1..=4).contains(&made),
        "{made} connections for {failed} failures"
    );
}
