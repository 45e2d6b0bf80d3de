//! What is tested, by topic.

pub mod cookies;
pub mod cors;
pub mod csrf;
pub mod deadlines;
pub mod ending;
pub mod flags;
pub mod forgery;
pub mod input;
pub mod keys;
pub mod limits;
pub mod logs;
pub mod main_job;
pub mod openapi;
pub mod processes;
pub mod public;
pub mod resource_server;
pub mod rotation;
pub mod start;
pub mod step_up;
pub mod stores;
pub mod transports;

use std::thread;
use std::time::Duration;

/// Waits. Over a running program there is no other way to let time pass; servers count whole
/// seconds, so what has to be over gets one more than it needs. What must *not* be over yet gets ten
/// seconds and more, since a busy machine may stand still for some of them.
fn pass(seconds: f64) {
    thread::sleep(Duration::from_secs_f64(seconds));
}
