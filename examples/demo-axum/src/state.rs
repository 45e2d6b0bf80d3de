//! The state of the router.

use axum::extract::FromRef;
use example_support::{KeyAdmin, Metrics, Page, Thief, Users};
use hallpass::Auth;

/// What handlers take from the state, each by its type.
#[derive(Clone, FromRef)]
pub(crate) struct Shared {
    pub(crate) auth: Auth,
    pub(crate) users: Users,
    pub(crate) page: Page,
    pub(crate) metrics: Metrics,
    pub(crate) key_admin: KeyAdmin,
    pub(crate) thief: Thief,
}
