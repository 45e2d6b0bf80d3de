//! The nodes that a Cluster has now, which may be others than those that it was found by.

use std::collections::BTreeSet;

use redis::cluster_async::ClusterConnection;
use redis::{Client, ConnectionAddr, ErrorKind, FromRedisValue as _, RedisResult, Value};

/// A master of the Cluster, reached as one that was named is: with its user, password and TLS. Another one
/// with each `attempt`, if there are several.
pub(crate) async fn master(
    mut connection: ClusterConnection,
    like: &Client,
    attempt: usize,
) -> RedisResult<Client> {
    let mut ask = redis::cmd("CLUSTER");
    ask.arg("SLOTS");
    let ranges = ask.query_async::<Vec<Value>>(&mut connection).await?;
    let masters: BTreeSet<_> = ranges.iter().filter_map(master_of).collect();
    let master = masters.iter().cycle().nth(attempt).cloned();
    let (host, port) = master.ok_or((ErrorKind::Parse, "a Cluster without masters"))?;
    let info = like.get_connection_info().clone();
    let address = match info.addr().clone() {
        ConnectionAddr::TcpTls {
            insecure,
            tls_params,
            ..
        } => ConnectionAddr::TcpTls {
            host,
            port,
            insecure,
            tls_params,
        },
        _ => ConnectionAddr::Tcp(host, port),
    };
    Client::open(info.set_addr(address))
}

/// The host and port of the first node of a range: `[first slot, last slot, [host, port, …], …]`.
fn master_of(range: &Value) -> Option<(String, u16)> {
    let Value::Array(parts) = range else {
        return None;
    };
    let Value::Array(node) = parts.get(2)? else {
        return None;
    };
    let host = String::from_redis_value(node.first()?.clone()).ok()?;
    let port = u16::from_redis_value(node.get(1)?.clone()).ok()?;
    // A node that does not know its own address says none.
    (!host.is_empty()).then_some((host, port))
}
