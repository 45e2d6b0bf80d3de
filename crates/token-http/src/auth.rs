//! What adapters take from their state: the manager and the settings.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use token_session::SessionManager;
use tracing::warn;

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
    /// Whether it was said that clients have no addresses.
    told_of_addresses: AtomicBool,
}

impl Auth {
    /// Joins the two.
    pub fn new(manager: SessionManager, config: AuthConfig) -> Self {
        Self(Arc::new(Shared {
            manager,
            config,
            told_of_addresses: AtomicBool::new(false),
        }))
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

    /// Says once that attempts from different clients cannot be told apart.
    pub(crate) fn tell_of_addresses(&self) {
        if !self.0.told_of_addresses.swap(true, Ordering::Relaxed) {
            warn!(
                "attempts are limited, and from which address they come is not known: on axum serve \
                 the router with `into_make_service_with_connect_info::<SocketAddr>()`"
            );
        }
    }

    /// Refuses a request where a credential is demanded.
    pub(crate) fn challenge(&self, refusal: Refusal) -> Rejection {
        Rejection::at_resource(refusal, self.config().shared_realm())
    }
}
