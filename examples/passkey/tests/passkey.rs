//! Passkeys in Chromium: the tests are in `passkey.test.mjs`, since Chromium is driven with playwright. It needs
//! what `cargo xtask test examples` installs: Node.js, Chromium, and the packages of `clients/web`.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::process::Command;

#[test]
fn a_passkey_logs_in_completes_a_login_and_steps_a_session_up() {
    let mut node = Command::new("node");
    node.args(["--test", "--test-reporter=spec", "tests/passkey.test.mjs"]);
    node.env("HALLPASS_EXAMPLE", env!("CARGO_BIN_EXE_passkey"));
    assert!(node.status().unwrap().success());
}
