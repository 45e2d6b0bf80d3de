//! Where sessions live, and what drives them.
//!
//! [`SessionManager`] is what an application holds: it opens, renews, shows and ends sessions.
//! It verifies, asks a [`SessionStore`], lets `token-core` decide, commits, and only then
//! issues. The adapters for axum and actix-web call nothing else.
//!
//! - [`MemoryStore`] is here; SQLite and PostgreSQL are in `store-sql`, Redis and Valkey in
//!   `store-redis`.
//! - A store of your own: implement [`SessionStore`], then run the suite of `store_contract!` on it (feature `contract`).
//! - Keys change while requests are served ([`SessionManager::replace_keys`]) at the times that a
//!   [`schedule`] says, and may sign in a KMS or HSM ([`signer::Signer`]).
//! - An application's tests: `test_util` has a manager, a clock moved by hand, tokens in one line, and
//!   a store that fails (feature `test-util`).
//!
//! Not here: HTTP (`token-http`), checking passwords (`token-password`), keys at rest (`token-keys`), the rotation rule
//! itself ([`token_core::session`]).

// Says beside each item which feature it needs; docs.rs sets this.
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod adopt;
pub mod binding;
pub mod clock;
#[cfg(feature = "contract")]
pub mod contract;
pub mod entropy;
pub mod error;
pub mod event;
pub mod hook;
pub mod manager;
pub mod memory;
pub mod metric;
pub mod schedule;
pub mod signer;
pub mod store;
#[cfg(feature = "test-util")]
pub mod test_util;
pub mod visitor;

mod any_store;
mod bounded;
mod bucket_key;
mod cache;
mod ephemeral;
mod erased;
mod feed;
mod id_hash;
mod revocation_check;
mod revocation_view;
mod session_cache;
mod session_data;
mod store_in_arc;
mod sync;
mod to_end;
mod waiters;

pub use any_store::AnyStore;
pub use cache::{CacheCounts, CachedVerifier};
pub use ephemeral::ephemeral_issuer;
pub use erased::StoreError;
pub use error::{LoginError, RefreshError, WriteDataError};
pub use manager::{
    AccessError, BindingError, BindingOffer, BoundCookie, BoundSession, CookieSession, Issued,
    LoginTicket, ManagerError, NewSession, PermitError, Presented, SessionCredential, SessionEnd,
    SessionManager, SessionManagerBuilder, ShownCookie, StepUp,
};
pub use memory::MemoryStore;
pub use revocation_check::{FeedState, RevocationCheck, WhenBehind};
pub use revocation_view::{RevocationView, ViewFull};
pub use session_cache::SessionCacheCounts;
pub use store::SessionStore;
pub use to_end::to_end;
pub use token_core as core;
