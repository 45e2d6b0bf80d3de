//! Connections to PostgreSQL that are encrypted, and a warning of those that others can read.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use store_sql::{PostgresStore, PostgresStoreError};
use testbed::log::Log;
use testbed::postgres::Server;
use testbed::tls::Authority;
use token_core::Policy;
use token_session::Presented;
use token_session::test_util::TestManager;

#[tokio::test]
async fn a_server_that_asks_for_tls_is_reached_and_must_prove_itself_if_asked_to() {
    let (authority, other) = (Authority::new(), Authority::new());
    let mut server = Server::start();
    server.encrypt(&authority.certify("localhost"));
    let url = |host: &str, mode: &str, root: &Authority| {
        let root = root.root_file();
        format!(
            "postgres://postgres@{host}:{}/postgres?sslmode={mode}&sslrootcert={}",
            server.port(),
            root.display()
        )
    };
    // `require` takes any certificate if none is named, `verify-full` the right one alone.
    let plain = format!("postgres://postgres@localhost:{}/postgres", server.port());
    for good in [
        format!("{plain}?sslmode=require"),
        plain,
        url("localhost", "verify-full", &authority),
        url("127.0.0.1", "verify-ca", &authority),
    ] {
        let store = PostgresStore::connect(&good).await.unwrap();
        let test = TestManager::with_store(store, Policy::default(), |builder| builder);
        let issued = test.login("alice", "notes:read").await;
        let token = issued.tokens().unwrap().refresh_token.secret();
        let ended = test.manager.logout(Presented::Refresh(token)).await;
        assert!(ended.unwrap(), "{good}");
    }
    for bad in [
        url("127.0.0.1", "verify-full", &authority),
        url("localhost", "verify-full", &other),
        url("localhost", "verify-ca", &other),
    ] {
        let error = PostgresStore::connect(&bad).await.unwrap_err();
        assert!(
            matches!(error, PostgresStoreError::Tls(_)),
            "{bad}: {error:?}"
        );
    }
}

#[tokio::test]
async fn a_server_without_tls_is_refused_if_it_is_required() {
    let url = format!("{}?sslmode=require", testbed::postgres::url());
    let error = PostgresStore::connect(&url).await.unwrap_err();
    assert!(matches!(error, PostgresStoreError::Tls(_)), "{error:?}");
    assert!(error.to_string().contains("sslmode"), "{error}");
}

/// Also if TLS was preferred and the server has none.
#[tokio::test]
async fn a_server_elsewhere_without_tls_is_warned_of_once() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone());
    let _guard = tracing::subscriber::set_default(subscriber.finish());
    let warnings = || {
        let text = log.text();
        text.matches("is not encrypted").count()
    };
    let server = Server::start();
    let _own = PostgresStore::connect(&server.url()).await.unwrap();
    assert_eq!(warnings(), 0);
    // An address that does not look like this machine, and is.
    let elsewhere = server.url().replace("127.0.0.1", "0.0.0.0");
    for (mode, expected) in [("prefer", 1), ("disable", 2)] {
        let url = format!("{elsewhere}?sslmode={mode}");
        let _store = PostgresStore::connect(&url).await.unwrap();
        assert_eq!(warnings(), expected);
    }
    let authority = Authority::new();
    let mut encrypted = Server::start();
    encrypted.encrypt(&authority.certify("localhost"));
    let elsewhere = encrypted.url().replace("127.0.0.1", "0.0.0.0");
    let _store = PostgresStore::connect(&elsewhere).await.unwrap();
    assert_eq!(warnings(), 2);
}
