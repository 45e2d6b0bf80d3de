//! What the demo servers share. Nothing here depends on a framework: each demo has only its handlers
//! and its router.
//!
//! - [`Flags`] are the settings, and [`App`] puts everything together.
//! - [`KeyAdmin`] changes the keys of a server at the word of an administrator.
//! - [`Users`] decides who may log in, [`Limits`] how often one may try.
//! - [`demands`] is what the routes demand of callers, [`Page`] what a browser shows.

pub mod account;
pub mod app;
pub mod background;
pub mod demands;
pub mod events;
pub mod flags;
pub mod hashes;
pub mod health;
pub mod limits;
pub mod log;
pub mod metrics;
pub mod openapi;
pub mod page;
pub mod rotation;
pub mod shutdown;
pub mod start_error;
pub mod store_url;
pub mod thief;
#[cfg(feature = "tls")]
pub mod tls;
pub mod users;

pub use account::Account;
pub use app::{App, HEAD_TIMEOUT};
pub use background::Background;
pub use demands::{JustAuthenticated, Profile, ReadReports, WriteNotes};
pub use events::events;
pub use flags::Flags;
pub use health::health;
pub use limits::Limits;
pub use metrics::Metrics;
pub use page::{LOSE_ANSWER, Page};
pub use rotation::{KeyAdmin, KeyCommand};
pub use start_error::StartError;
pub use store_url::StoreUrl;
pub use thief::Thief;
pub use users::{PasswordChange, Users};
