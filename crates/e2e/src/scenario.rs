//! The scenarios, by topic.

pub mod cookies;
pub mod cors;
pub mod csrf;
pub mod deadlines;
pub mod device;
pub mod ending;
pub mod flags;
pub mod forgery;
pub mod half_done;
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
pub mod tls;
pub mod transports;

use std::thread;
use std::time::Duration;

/// Sleeps, since there is no other way to let time pass for a running program. Servers count whole
/// seconds, so a deadline that must have passed gets one second more than it needs. One that must
/// not have passed yet is at least ten seconds away, in case a busy machine stands still for some.
fn pass(seconds: f64) {
    thread::sleep(Duration::from_secs_f64(seconds));
}
