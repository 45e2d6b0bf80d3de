//! The state of the router.

use axum::extract::FromRef;
use example_support::{Metrics, Page, Thief, Users};
use hallpass::{Auth, KeyAdmin};

/// What handlers take from the state, each by its type.
#[derive(Clone, FromRef)]
pub(crate) struct Shared {
    pub(crate) auth: Auth,
    pub(crate) users: Users,
    pub(crate) page: Page,
    pub(crate) metrics: Metrics,
    pub(crate) key_admin: Option<KeyAdmin>,
    pub(crate) thief: Thief,
}
