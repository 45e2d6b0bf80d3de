//! A login at a provider that runs here: the tests are in `oidc-login.test.mjs`, since the provider is one for Node.js. They
//! need what `cargo xtask test examples` installs: Node.js, and the packages of `package-lock.json`.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::process::Command;

#[test]
fn a_login_at_a_provider_opens_a_session_and_a_logout_there_ends_it() {
    let mut node = Command::new("node");
    node.args(["--test", "--test-reporter=spec"]);
    node.arg("tests/oidc-login.test.mjs");
    node.env("HALLPASS_EXAMPLE", env!("CARGO_BIN_EXE_oidc-login"));
    assert!(node.status().unwrap().success());
}
