//! Routes for callers who prove a key, on axum.

use adapter_axum::{Require, Rule};
use axum::Router;
use axum::routing::get;
use token_core::binding::BindingLevel;
use token_http::Auth;

enum Key {}
impl Rule for Key {
    const BINDING: Option<BindingLevel> = Some(BindingLevel::Key);
}

enum Device {}
impl Rule for Device {
    const BINDING: Option<BindingLevel> = Some(BindingLevel::Device);
}

async fn by_key(caller: Require<Key>) -> String {
    caller.subject().to_string()
}

async fn by_device(caller: Require<Device>) -> String {
    caller.subject().to_string()
}

pub(super) fn routes() -> Router<Auth> {
    Router::new()
        .route("/by-key", get(by_key))
        .route("/by-device", get(by_device))
}
