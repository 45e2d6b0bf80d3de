//! Whether others on the way to the server can read along.

use std::net::IpAddr;

use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::{PgConnection, SqlSafeStr as _};
use token_core::PRODUCT;
use tracing::warn;

use super::driver::query;
use crate::row::Fields as _;

/// Says once, when the store is opened, that others can. With `sslmode=prefer`, the default, that
/// depends on the server.
pub(crate) async fn warn_if_readable(connection: &mut PgConnection, server: &PgConnectOptions) {
    let host = server.get_host();
    let asked_for = match server.get_ssl_mode() {
        PgSslMode::Require | PgSslMode::VerifyCa | PgSslMode::VerifyFull => true,
        PgSslMode::Allow | PgSslMode::Disable | PgSslMode::Prefer => false,
    };
    if asked_for || server.get_socket().is_some() || is_this_machine(host) {
        return;
    }
    let statement = "SELECT ssl FROM pg_catalog.pg_stat_ssl WHERE pid = pg_backend_pid()";
    let statement = statement.into_sql_str();
    let row = query(&statement, &[]).fetch_one(connection).await;
    // What is compatible with PostgreSQL may not have that view.
    if let Ok(row) = row
        && matches!(row.flag(0), Ok(Some(false)))
    {
        warn!(
            target: PRODUCT, host,
            "the connection to PostgreSQL is not encrypted, and this host is not this machine: anyone who \
             is on the way can read and change sessions; use `sslmode=verify-full`"
        );
    }
}

fn is_this_machine(host: &str) -> bool {
    match host.parse::<IpAddr>() {
        Ok(address) => address.is_loopback(),
        // The folder of a Unix socket.
        Err(_) => host.starts_with('/') || host.eq_ignore_ascii_case("localhost"),
    }
}
