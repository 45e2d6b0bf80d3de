//! Tokens in the keyring of the system.
//!
//! The tests need a D-Bus session with an unlocked keyring, which `cargo xtask test long` starts.

#![cfg(feature = "keyring")]

use std::process::Command;
use std::time::SystemTime;

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
    let client = || {
        let builder = Client::builder("http://127.0.0.1:1/auth");
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
    let response = br#"{"access_token":"a","refresh_token":"r","expires_in":300}"#;
    first.set_tokens(response, SystemTime::now()).await.unwrap();
    // Another process finds them, and its logout reaches the first.
    let second = client();
    assert_eq!(second.access_token().await.unwrap().secret(), "a");
    // Nobody listens at the address, so the server is not told.
    second.logout().await.unwrap_err();
    let error = client().access_token().await.unwrap_err();
    let TokenError::LoginRequired { reason } = error else {
        panic!("{error:?}");
    };
    assert_eq!(&*reason, "logout");
}

const LOCKS: &str = "TEST_LOCKS";
