//! Opens the session store that a URL names, for programs whose store is a setting.
//!
//! ```
//! use store_url::StoreUrl;
//! use token_session::AnyStore;
//!
//! # async fn open() -> Result<AnyStore, Box<dyn std::error::Error>> {
//! // memory:, sqlite:FILE, postgres://… or redis://…
//! let url: StoreUrl = std::env::var("STORE")?.parse()?;
//! let store: AnyStore = url.open().await?; // for `Auth::open` or `SessionManager::builder`
//! # Ok(store)
//! # }
//! ```
//!
//! Each store but the one in memory is behind a feature of its name. An application whose sessions are in the pool of
//! its own database has no use for this: it opens the store with that pool.

mod error;
mod url;

pub use error::{OpenStoreError, StoreUrlError};
pub use url::StoreUrl;
