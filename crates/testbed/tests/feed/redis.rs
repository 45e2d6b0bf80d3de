//! Redis: pub/sub.

use std::time::{Duration, Instant};

use store_redis::RedisStore;
use testbed::proxy::Proxy;
use testbed::redis::Server;
use token_session::contract::FeedModel;
use token_session::event::{Behind, EventKind};
use token_session::{SessionManager, WhenBehind};

use crate::{
    BOUND, Events, HEARTBEAT, PATIENCE, POLICIES, SELDOM, alarms, assert_unbroken, back, bound,
};

/// A busy machine may miss the limit at first.
async fn store(url: &str) -> RedisStore {
    let start = Instant::now();
    loop {
        let builder = RedisStore::builder(url).response_timeout(Duration::from_millis(500));
        match builder.connect().await {
            Ok(store) => return store,
            Err(error) => assert!(start.elapsed() < PATIENCE, "{error:?}"),
        }
    }
}

async fn node(url: &str, when: WhenBehind) -> (SessionManager, Events) {
    crate::node(store(url).await, when).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_is_cut_hides_nothing() {
    let server = Server::start(&[]);
    for when in POLICIES {
        let proxy = Proxy::start(server.port);
        let url = format!("redis://127.0.0.1:{}/", proxy.port());
        let (here, _) = node(&server.url(), WhenBehind::AskStore).await;
        let (there, events) = crate::beating(store(&url).await, when, SELDOM).await;
        let mut model = FeedModel::new(here, there);
        model.open(8).await;
        model.end().await;
        model.hear().await;
        for _ in 0..2 {
            proxy.lead_to(0);
            model.fall_behind().await;
            model.end().await;
            model.check(bound(when)).await;
            proxy.lead_to(server.port);
            model.settle().await;
            let gap = [
                EventKind::FeedBehind(Behind::Interrupted),
                EventKind::FeedLive,
            ];
            assert_eq!(alarms(&events, 1).await, gap);
        }
        // And it hears as before.
        model.end().await;
        model.hear().await;
    }
}

/// Only the subscription breaks, again and again, while sessions end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscription_that_is_killed_hides_nothing() {
    let server = Server::start(&[]);
    for when in POLICIES {
        let (here, _) = node(&server.url(), WhenBehind::AskStore).await;
        let (there, _) = node(&server.url(), when).await;
        let mut model = FeedModel::new(here, there);
        model.open(30).await;
        for _ in 0..10 {
            let _: u64 = server.ask(&["CLIENT", "KILL", "TYPE", "pubsub"]);
            for _ in 0..3 {
                model.end().await;
                model.check(bound(when)).await;
            }
        }
        model.hear().await;
        model.settle().await;
    }
}

/// Nothing comes any more, and nothing says so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_is_held_is_noticed() {
    let server = Server::start(&[]);
    for when in POLICIES {
        let proxy = Proxy::start(server.port);
        let url = format!("redis://127.0.0.1:{}/", proxy.port());
        let (here, _) = node(&server.url(), WhenBehind::AskStore).await;
        let (there, events) = node(&url, when).await;
        let mut model = FeedModel::new(here, there);
        model.open(5).await;
        proxy.hold(true);
        model.end().await;
        model.fall_behind().await;
        model.end().await;
        model.check(bound(when)).await;
        proxy.hold(false);
        model.settle().await;
        // Unless a sign of life was asked for at this very moment.
        let first = &alarms(&events, 1).await[0];
        let silent = EventKind::FeedBehind(Behind::Silent);
        let interrupted = EventKind::FeedBehind(Behind::Interrupted);
        assert!([silent, interrupted].contains(first), "{first:?}");
        model.end().await;
        model.hear().await;
    }
}

/// More notices than anybody reads, and things that are none.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_hides_nothing() {
    let server = Server::start(&[]);
    let (here, _) = node(&server.url(), WhenBehind::AskStore).await;
    let (there, _) = node(&server.url(), WhenBehind::AskStore).await;
    let mut model = FeedModel::new(here, there);
    model.open(30).await;
    let flood = tokio::task::spawn_blocking(move || {
        let mut connection = server.connection().unwrap();
        for round in 0..20_u32 {
            let mut pipe = redis::pipe();
            for one in 0..1000_u32 {
                // An instant and an id, or garbage.
                let mut notice = vec![0, 0x65, 0x53, 0xF1, 0x00];
                notice.extend_from_slice(&round.to_be_bytes());
                notice.extend_from_slice(&one.to_be_bytes());
                notice.resize(if one % 10 == 0 { 20 } else { 23 }, 7);
                pipe.cmd("PUBLISH")
                    .arg("hallpass:ended")
                    .arg(notice)
                    .ignore();
            }
            pipe.exec(&mut connection).unwrap();
        }
        server
    });
    while !flood.is_finished() {
        model.end().await;
        model.check(Some(BOUND)).await;
        model.open(1).await;
    }
    let _server = flood.await.unwrap();
    model.hear().await;
    model.settle().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_restarted_hides_nothing() {
    let mut server = Server::start(&["--appendonly", "yes", "--appendfsync", "always"]);
    for when in POLICIES {
        let (here, _) = node(&server.url(), WhenBehind::AskStore).await;
        let (there, _) = node(&server.url(), when).await;
        let mut model = FeedModel::new(here.clone(), there);
        model.open(5).await;
        model.end().await;
        model.hear().await;
        server.kill();
        model.fall_behind().await;
        model.check(bound(when)).await;
        server.resume();
        back(&here).await;
        model.settle().await;
        model.open(1).await;
        model.end().await;
        model.hear().await;
        model.check(bound(when)).await;
    }
}

/// In a Cluster a heartbeat takes the way from every master.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_is_heard_whole() {
    let urls = testbed::redis::shared_cluster().iter().map(Server::url);
    let urls: Vec<String> = urls.collect();
    let prefix = format!("{:016x}:", fastrand::u64(..));
    let node = async || {
        let store = RedisStore::cluster(&urls).prefix(&prefix).connect();
        crate::node(store.await.unwrap(), WhenBehind::Refuse).await
    };
    let ((here, _), (there, events)) = (node().await, node().await);
    let mut model = FeedModel::new(here, there);
    model.settle().await;
    model.open(10).await;
    for _ in 0..10 {
        model.end().await;
    }
    model.hear().await;
    model.check(Some(BOUND)).await;
    // Longer than one proof lasts.
    tokio::time::sleep(HEARTBEAT * 3).await;
    // By its heartbeats.
    model.settle().await;
    assert_unbroken(&events);
}
