//! What the demo servers share. Nothing here depends on a framework: each demo has only its handlers
//! and its router.
//!
//! - [`Flags`] are the settings, and [`App`] puts everything together.
//! - [`Users`] decides who may log in.
//! - [`demands`] is what the routes demand of callers, [`answers`] what they answer, [`Page`] what a browser shows.

pub mod account;
pub mod answers;
pub mod app;
pub mod demands;
pub mod events;
pub mod flags;
mod hangup;
pub mod hashes;
pub mod log;
pub mod metrics;
pub mod openapi;
pub mod page;
pub mod shutdown;
pub mod start_error;
#[cfg(feature = "tls")]
pub mod tls;
pub mod users;

pub use account::Account;
pub use answers::{Me, Note, Reports, Transfer};
pub use app::{App, HEAD_TIMEOUT};
pub use demands::{JustAuthenticated, Profile, ReadReports, WriteNotes};
pub use events::events;
pub use example_thief::Thief;
pub use flags::Flags;
pub use metrics::Metrics;
pub use page::{LOSE_ANSWER, Page};
pub use start_error::StartError;
pub use users::{PasswordChange, Users};
