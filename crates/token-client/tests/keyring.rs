//! Tokens in the keyring of the system.
//!
//! The tests need a D-Bus session with an unlocked keyring, which `cargo xtask test long` starts.

#![cfg(feature = "keyring")]
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests fail like tests"
)]

#[path = "client/support.rs"]
#[expect(dead_code, reason = "each test file uses its part")]
mod support;

use std::process::Command;
use std::time::SystemTime;

use support::{Reply, Server, tokens};
use token_client::{Client, TokenError};

/// Starts a session with a keyring of its own and runs the test below in it.
#[test]
#[ignore = "needs dbus-run-session and gnome-keyring-daemon: cargo xtask test long"]
fn tokens_are_kept_in_the_keyring() {
    let home = tempfile::tempdir().unwrap();
    let own = std::env::current_exe().unwrap();
    let script = "printf secret | gnome-keyring-daemon --unlock --components=secrets >/dev/null \
         && exec \"$0\" --ignored --exact in_a_session_with_a_keyring --nocapture";
    let mut session = Command::new("dbus-run-session");
    session.args(["--", "sh", "-c", script]).arg(own);
    for name in ["HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR"] {
        session.env(name, home.path());
    }
    let done = session.env(LOCKS, home.path().join("locks")).status();
    assert!(done.unwrap().success());
}

/// Not a test of its own.
#[tokio::test]
#[ignore = "a process of the other test"]
async fn in_a_session_with_a_keyring() {
    let Some(locks) = std::env::var_os(LOCKS) else {
        return;
    };
    let server = Server::start(|number, request| match &*request.path {
        "/auth/refresh" => tokens(number + 1, "s"),
        _ => Reply::Answer(204, "", String::new()),
    });
    let server = server.await;
    let client = || {
        let builder = Client::builder(server.address());
        builder
            .keyring("hallpass-test", "alice", &locks)
            .build()
            .unwrap()
    };
    let first = client();
    let error = first.access_token().await.unwrap_err();
    assert!(
        matches!(error, TokenError::LoginRequired { .. }),
        "{error:?}"
    );
    let response =
        br#"{"access_token":"a0","refresh_token":"r0","expires_in":300,"session_id":"s"}"#;
    first.set_tokens(response, SystemTime::now()).await.unwrap();
    // Another process finds them.
    let second = client();
    let old = second.access_token().await.unwrap();
    assert_eq!(old.secret(), "a0");
    // Both need others: one asks, and the keyring has what both get.
    let (one, other) = tokio::join!(
        first.access_token_instead_of(&old),
        second.access_token_instead_of(&old)
    );
    for new in [one, other] {
        assert_eq!(new.unwrap().secret(), "a1");
    }
    let third = client();
    let new = third.access_token().await.unwrap();
    assert_eq!(new.secret(), "a1");
    let newer = third.access_token_instead_of(&new).await.unwrap();
    assert_eq!(newer.secret(), "a2");
    let asked = server.requests("refresh");
    assert_eq!(asked.len(), 2);
    for (request, token) in asked.iter().zip(["r0", "r1"]) {
        assert!(request.body.contains(token), "{request:?}");
    }
    // The logout of one reaches the others, and the server.
    second.logout().await.unwrap();
    assert_eq!(server.requests("logout").len(), 1);
    let error = client().access_token().await.unwrap_err();
    let TokenError::LoginRequired { reason } = error else {
        panic!("{error:?}");
    };
    assert_eq!(&*reason, "logout");
}

const LOCKS: &str = "TEST_LOCKS";
