//! What [`shard`](super::shard) locks with; `tests/cache_model.rs` puts loom's in its place.

pub(super) use std::sync::atomic::{AtomicBool, Ordering};
pub(super) use std::sync::{PoisonError, RwLock};
