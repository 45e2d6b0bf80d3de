//! PostgreSQL: LISTEN and NOTIFY.

use std::str::FromStr as _;

use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, PgPool};
use store_sql::postgres::{Notices, PostgresStoreOptions};
use testbed::postgres::{Server, url};
use testbed::proxy::Proxy;
use token_session::contract::FeedModel;
use token_session::event::{Behind, EventKind};
use token_session::{SessionManager, WhenBehind};

use crate::{BOUND, Events, HEARTBEAT, POLICIES, SELDOM, alarms, back, bound, raised};

async fn node(
    options: &PostgresStoreOptions,
    url: &str,
    when: WhenBehind,
) -> (SessionManager, Events) {
    let store = options.clone().connect(url).await.unwrap();
    crate::node(store, when).await
}

/// A schema that no other test has.
fn schema() -> String {
    format!("hallpass_test_{:016x}", fastrand::u64(..))
}

/// Listens at a port of the loopback.
fn listens_at(options: &PostgresStoreOptions, url: &str, port: u16) -> PostgresStoreOptions {
    let server = PgConnectOptions::from_str(url).unwrap().port(port);
    options.clone().notices(Notices::ListenOn(Box::new(server)))
}

fn port(url: &str) -> u16 {
    PgConnectOptions::from_str(url).unwrap().get_port()
}

/// The connection that listens is cut.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_is_cut_hides_nothing() {
    for when in POLICIES {
        let proxy = Proxy::start(port(url()));
        let options = PostgresStoreOptions::new().schema(schema());
        let through = listens_at(&options, url(), proxy.port());
        let (here, _) = node(&options, url(), WhenBehind::AskStore).await;
        let store = through.connect(url()).await.unwrap();
        let (there, events) = crate::beating(store, when, SELDOM).await;
        let mut model = FeedModel::new(here, there);
        model.open(8).await;
        model.end().await;
        model.hear().await;
        assert_eq!(raised(&events), []);

        proxy.lead_to(0);
        model.fall_behind().await;
        model.end().await;
        model.check(bound(when)).await;
        proxy.lead_to(port(url()));
        model.settle().await;
        let gap = [
            EventKind::FeedBehind(Behind::Interrupted),
            EventKind::FeedLive,
        ];
        assert_eq!(alarms(&events, 1).await, gap);
        model.end().await;
        model.hear().await;
    }
}

/// The connection that listens is held, so that nothing says so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_is_held_is_noticed() {
    for when in POLICIES {
        let proxy = Proxy::start(port(url()));
        let options = PostgresStoreOptions::new().schema(schema());
        let through = listens_at(&options, url(), proxy.port());
        let (here, _) = node(&options, url(), WhenBehind::AskStore).await;
        let (there, events) = node(&through, url(), when).await;
        let mut model = FeedModel::new(here, there);
        model.open(8).await;
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

/// As behind a transaction-mode PgBouncer: LISTEN succeeds, and no notice ever comes. Here it
/// is because notices stay in their database.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listen_that_hears_nothing_is_found_out() {
    let pool = PgPool::connect(url()).await.unwrap();
    let deaf = format!("deaf_{:016x}", fastrand::u64(..));
    let create = AssertSqlSafe(format!("CREATE DATABASE {deaf}"));
    sqlx::query(create).execute(&pool).await.unwrap();
    let elsewhere = PgConnectOptions::from_str(url()).unwrap().database(&deaf);
    let options = PostgresStoreOptions::new().schema(schema());
    let listens = Notices::ListenOn(Box::new(elsewhere));
    let (here, _) = node(&options, url(), WhenBehind::AskStore).await;
    let deaf = options.clone().notices(listens);
    let (there, events) = node(&deaf, url(), WhenBehind::AskStore).await;
    assert!(!there.revocations_are_live(), "nothing proves the feed");
    let mut model = FeedModel::new(here, there.clone());
    model.open(5).await;
    for _ in 0..4 {
        model.end().await;
        model.check(Some(BOUND)).await;
    }
    assert!(!there.revocations_are_live());
    tokio::time::sleep(HEARTBEAT).await;
    assert_eq!(raised(&events).len(), 1, "one alarm");
}

/// More notices than anybody reads.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_hides_nothing() {
    let name = schema();
    let options = PostgresStoreOptions::new().schema(&name);
    let (here, _) = node(&options, url(), WhenBehind::AskStore).await;
    let (there, _) = node(&options, url(), WhenBehind::AskStore).await;
    let mut model = FeedModel::new(here, there);
    model.open(30).await;
    let flood = tokio::spawn(async move {
        let pool = PgPool::connect(url()).await.unwrap();
        for round in 0..10 {
            let flood = format!(
                "SELECT {name}.tell($1, substring(sha256(n::text::bytea), 1, 18), 1700000000)
                FROM generate_series(1, 2000) AS n WHERE n + {round} > 0"
            );
            let flood = sqlx::query(AssertSqlSafe(flood)).bind(format!("{name}_ended"));
            flood.execute(&pool).await.unwrap();
        }
    });
    while !flood.is_finished() {
        model.end().await;
        model.check(Some(BOUND)).await;
        model.open(1).await;
    }
    flood.await.unwrap();
    model.hear().await;
    model.settle().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_stopped_and_restarted_hides_nothing() {
    let mut server = Server::start();
    for when in POLICIES {
        let options = PostgresStoreOptions::new().schema(schema());
        let (here, _) = node(&options, &server.url(), WhenBehind::AskStore).await;
        let (there, _) = node(&options, &server.url(), when).await;
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
