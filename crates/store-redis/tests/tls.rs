//! Connections that are encrypted, and a warning of those that others can read.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::time::Duration;

use store_redis::{RedisStore, RedisStoreError};
use testbed::log::Log;
use testbed::redis::{Server, cluster_with_tls};
use testbed::tls::Authority;
use token_core::Policy;
use token_session::store::Notice;
use token_session::test_util::TestManager;
use token_session::{Presented, SessionStore as _};
use tokio::time::timeout;

/// A server that has a certificate for this host, and the port where it asks for TLS.
fn server(authority: &Authority, host: &str) -> (Server, u16) {
    let [certificate, key] = authority.certify_in_files(host);
    let port = testbed::free_port();
    let server = Server::start(&[
        "--tls-port",
        &port.to_string(),
        "--tls-cert-file",
        certificate.to_str().unwrap(),
        "--tls-key-file",
        key.to_str().unwrap(),
        "--tls-ca-cert-file",
        authority.root_file().to_str().unwrap(),
        "--tls-auth-clients",
        "no",
    ]);
    (server, port)
}

#[tokio::test]
async fn a_store_is_opened_through_tls() {
    let authority = Authority::new();
    let (_server, port) = server(&authority, "localhost");
    let url = format!("rediss://localhost:{port}/");
    let store = RedisStore::builder(&url).root_certificate(authority.pem());
    let store = store.connect().await.unwrap();
    let test = TestManager::with_store(store, Policy::default(), |builder| builder);
    let issued = test.login("alice", "notes:read").await;
    let token = issued.tokens().unwrap().refresh_token.secret();
    let _ = test.manager.refresh(token, None).await.unwrap();
    let ended = test.manager.logout(Presented::Refresh(token)).await;
    assert!(ended.unwrap());
}

#[tokio::test]
async fn a_server_that_proves_nothing_is_refused() {
    let (authority, other) = (Authority::new(), Authority::new());
    let (_server, port) = server(&authority, "redis.example");
    let url = format!("rediss://localhost:{port}/");
    for builder in [
        // Another name; another authority; an authority that the system does not know.
        RedisStore::builder(&url).root_certificate(authority.pem()),
        RedisStore::builder(&url).root_certificate(other.pem()),
        RedisStore::builder(&url),
    ] {
        let error = builder.connect().await.unwrap_err();
        assert!(matches!(error, RedisStoreError::Connection(_)), "{error:?}");
    }
}

/// The Sentinel and the master are reached through TLS alone, and the master by the address that the Sentinel
/// names.
#[tokio::test]
async fn a_master_that_sentinels_name_is_checked_by_the_same_authority() {
    let authority = Authority::new();
    let (_master, port) = server(&authority, "127.0.0.1");
    let [certificate, key] = authority.certify_in_files("localhost");
    let sentinel_port = testbed::free_port();
    let settings = format!(
        "tls-port {sentinel_port}\ntls-cert-file {}\ntls-key-file {}\ntls-ca-cert-file {}\n\
         tls-auth-clients no\ntls-replication yes",
        certificate.display(),
        key.display(),
        authority.root_file().display(),
    );
    let _sentinel = Server::sentinel_at("sessions", port, &settings);
    let sentinels = || [format!("rediss://localhost:{sentinel_port}/")];
    let store = RedisStore::sentinel(sentinels(), "sessions").root_certificate(authority.pem());
    let store = store.connect().await.unwrap();
    let test = TestManager::with_store(store, Policy::default(), |builder| builder);
    let issued = test.login("alice", "notes:read").await;
    let token = issued.tokens().unwrap().refresh_token.secret();
    let _ = test.manager.refresh(token, None).await.unwrap();

    let other =
        RedisStore::sentinel(sentinels(), "sessions").root_certificate(Authority::new().pem());
    let error = other.connect().await.unwrap_err();
    assert!(matches!(error, RedisStoreError::Connection(_)), "{error:?}");
}

/// One node is named, and the others are found through it: all speak TLS alone with this store, and are checked
/// by the same authority. So is the one that is subscribed to.
#[tokio::test]
async fn the_nodes_of_a_cluster_are_checked_by_the_same_authority() {
    let authority = Authority::new();
    let [certificate, key] = authority.certify_in_files("127.0.0.1");
    let (servers, ports) = cluster_with_tls(3, &authority, [&certificate, &key]);
    let named = || [format!("rediss://127.0.0.1:{}/", ports.first().unwrap())];
    let store = RedisStore::cluster(named()).root_certificate(authority.pem());
    let store = store.connect().await.unwrap();
    let mut notices = store.subscribe();
    let test = TestManager::with_store(store, Policy::default(), |builder| builder);
    for number in 0..20 {
        let issued = test.login(&format!("user-{number}"), "notes:read").await;
        let token = issued.tokens().unwrap().refresh_token.secret();
        let _ = test.manager.refresh(token, None).await.unwrap();
        let ended = test.manager.logout(Presented::Refresh(token)).await;
        assert!(ended.unwrap());
    }
    let asked = servers.iter().filter(|one| one.calls("evalsha") > 0);
    assert_eq!(asked.count(), 3);
    // Each is told to this node at once, and once more by the server.
    for _ in 0..40 {
        let notice = timeout(Duration::from_secs(20), notices.recv()).await;
        assert!(matches!(notice.unwrap().unwrap(), Notice::Ended(_)));
    }

    let other = RedisStore::cluster(named()).root_certificate(Authority::new().pem());
    let error = other.connect().await.unwrap_err();
    assert!(matches!(error, RedisStoreError::Connection(_)), "{error:?}");
}

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
    let server = Server::start(&[]);
    let _own = RedisStore::connect(&server.url()).await.unwrap();
    assert_eq!(warnings(), 0);
    // An address that does not look like this machine, and is.
    let url = format!("redis://[::ffff:127.0.0.1]:{}/", server.port);
    let _elsewhere = RedisStore::connect(&url).await.unwrap();
    assert_eq!(warnings(), 1);
}
