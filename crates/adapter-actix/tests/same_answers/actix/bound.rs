//! Routes for callers who prove a key, on actix-web.

use actix_web::web;
use adapter_actix::{Require, Rule};
use token_core::binding::BindingLevel;

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

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/by-key").route(web::get().to(by_key)))
        .service(web::resource("/by-device").route(web::get().to(by_device)));
}
