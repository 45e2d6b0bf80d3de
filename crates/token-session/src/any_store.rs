//! A store of which it is decided at run time which one it is.

use std::fmt;

use crate::erased::ErasedStore;
use crate::store::SessionStore;

/// Any [`SessionStore`], for a program that chooses one while it runs. Whatever takes an `impl Into<AnyStore>` takes
/// the store itself too.
///
/// ```
/// use token_session::{AnyStore, MemoryStore};
///
/// # fn choose(yours: impl token_session::SessionStore, in_memory: bool) -> AnyStore {
/// let store: AnyStore = if in_memory {
///     MemoryStore::with_capacity(100_000).into()
/// } else {
///     yours.into()
/// };
/// # store
/// # }
/// ```
pub struct AnyStore(pub(crate) Box<dyn ErasedStore>);

impl<S: SessionStore> From<S> for AnyStore {
    fn from(store: S) -> Self {
        Self(Box::new(store))
    }
}

impl fmt::Debug for AnyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AnyStore")
    }
}
