//! What adapters take from their state: the manager and the settings.

use std::sync::Arc;

use token_store::SessionManager;

use crate::config::AuthConfig;
use crate::refusal::Refusal;
use crate::rejection::Rejection;

/// The sessions of an application and how they are spoken of over HTTP. Cheap to clone; one
/// per application, in its state.
#[derive(Clone, Debug)]
pub struct Auth(Arc<Shared>); // one pointer: extractors clone it in each request

#[derive(Debug)]
struct Shared {
    manager: SessionManager,
    config: AuthConfig,
}

impl Auth {
    /// Joins the two.
    pub fn new(manager: SessionManager, config: AuthConfig) -> Self {
        Self(Arc::new(Shared { manager, config }))
    }

    /// Opens, renews, shows and ends sessions.
    pub fn manager(&self) -> &SessionManager {
        &self.0.manager
    }

    /// The settings.
    pub fn config(&self) -> &AuthConfig {
        &self.0.config
    }

    /// Refuses a request in a handler of the application's own, with the challenge that goes
    /// with the refusal.
    pub fn reject(&self, refusal: Refusal) -> Rejection {
        Rejection::at_route(refusal, self.config().shared_realm())
    }

    /// Whether the two are clones of one.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Refuses a request where a credential is demanded.
    pub(crate) fn challenge(&self, refusal: Refusal) -> Rejection {
        Rejection::at_resource(refusal, self.config().shared_realm())
    }
}
