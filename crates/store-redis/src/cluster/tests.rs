//! What a Cluster is asked again, and what not.

use redis::FromRedisValue as _;
use testbed::redis::{Server, cluster};

use super::*;
use crate::error::RedisStoreError;

const KEY: &str = "{a}";

/// The servers, the one that has the slot of [`KEY`], and another.
fn servers() -> (Vec<Server>, usize, usize) {
    let servers = cluster(3, &[]);
    let has_it = |one: &Server| one.try_ask::<u64>(&["EXISTS", KEY]).is_ok();
    let one = servers.iter().position(has_it).unwrap();
    let other = (one + 1) % 3;
    (servers, one, other)
}

fn migrate(servers: &[Server], from: usize, to: usize) {
    let (from, to) = (servers.get(from).unwrap(), servers.get(to).unwrap());
    let slot: u64 = from.ask(&["CLUSTER", "KEYSLOT", KEY]);
    let to: String = to.ask(&["CLUSTER", "MYID"]);
    let _: () = from.ask(&["CLUSTER", "SETSLOT", &slot.to_string(), "MIGRATING", &to]);
}

async fn open(servers: &[Server], response: Duration) -> Arc<Cluster> {
    let seeds = servers.iter().map(|one| one.url().parse().unwrap());
    let connect = Duration::from_secs(2);
    let cluster = Cluster::open(seeds.collect(), Timeouts { connect, response });
    Arc::new(cluster.await.unwrap())
}

/// Who called it must know: a repetition finds what the first attempt wrote.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_script_that_may_have_written_is_not_sent_again() {
    let (servers, from, to) = servers();
    let cluster = open(&servers, Duration::from_secs(2)).await;
    let mut script = redis::cmd("EVAL");
    script
        .arg("redis.call('INCR', KEYS[1]) return redis.call('GET', ARGV[1])")
        .arg(1)
        .arg(KEY)
        .arg("{a}other");
    assert_eq!(cluster.send(&script).await.unwrap(), Value::Nil);
    migrate(&servers, from, to);
    let error = cluster.send(&script).await.unwrap_err();
    let count: u64 = servers.get(from).unwrap().ask(&["GET", KEY]);
    assert_eq!(count, 2, "{error}");
    let error = RedisStoreError::from(error);
    assert!(matches!(error, RedisStoreError::Moving(_)), "{error:?}");
    assert!(!error.wrote_nothing(), "{error:?}");
}

/// One says that the key has gone ahead, and the other that it has not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn masters_that_name_each_other_are_not_asked_all_the_time() {
    let (servers, from, to) = servers();
    let cluster = open(&servers, Duration::from_millis(500)).await;
    migrate(&servers, from, to);
    let mut get = redis::cmd("GET");
    get.arg(KEY);
    let error = cluster.send(&get).await.unwrap_err();
    assert!(error.redirect_node().is_some(), "{error}");
    let asked = servers.get(to).unwrap().calls("asking");
    // A pause of 50 ms after each way there and back.
    assert!((2..=25).contains(&asked), "{asked}");
    // As soon as it is there, it is found.
    let ids: Vec<String> = servers
        .iter()
        .map(|s| s.ask(&["CLUSTER", "MYID"]))
        .collect();
    let slot: u64 = servers.get(to).unwrap().ask(&["CLUSTER", "KEYSLOT", KEY]);
    let (slot, source) = (slot.to_string(), ids.get(from).unwrap());
    let _: () = servers
        .get(to)
        .unwrap()
        .ask(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", source]);
    let answer = cluster.send(&get).await.unwrap();
    assert_eq!(Option::<String>::from_redis_value(answer).unwrap(), None);
}
