//! PostgreSQL under faults.

use std::time::Duration;

use store_sql::PostgresStore;
use store_sql::postgres::PostgresStoreOptions;
use testbed::postgres::Server;
use testbed::proxy::Proxy;
use token_core::Policy;
use tokio::task::block_in_place;

use crate::load::{Load, STILL, opened};

const MOMENT: Duration = Duration::from_millis(400);

async fn load(port: u16) -> Load {
    let url = format!("postgres://postgres@127.0.0.1:{port}/postgres");
    let options = PostgresStoreOptions::new()
        .acquire_timeout(Duration::from_millis(600))
        .statement_timeout(Duration::from_millis(800));
    let open = async || options.clone().connect(&url).await;
    let nodes: [PostgresStore; 2] = [opened(open).await, opened(open).await];
    Load::start(nodes, &Policy::default())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_killed_and_comes_back() {
    let mut server = Server::start();
    let mut load = load(server.port()).await;
    for _ in 0..2 {
        load.work().await;
        block_in_place(|| server.kill());
        load.suffer(MOMENT).await;
        block_in_place(|| server.resume());
    }
    load.work().await;
    load.check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_stands_still() {
    let server = Server::start();
    let mut load = load(server.port()).await;
    load.work().await;
    block_in_place(|| server.freeze());
    load.suffer(STILL).await;
    server.thaw();
    load.work().await;
    load.check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_break_in_the_middle_of_an_answer() {
    let server = Server::start();
    let proxy = Proxy::start(server.port());
    let mut load = load(proxy.port()).await;
    load.work().await;
    proxy.cut_one_in(20);
    load.run(MOMENT * 5, |_| proxy.cuts() >= 5).await;
    proxy.cut_one_in(0);
    println!("{} answers were cut", proxy.cuts());
    load.work().await;
    load.check().await;
}
