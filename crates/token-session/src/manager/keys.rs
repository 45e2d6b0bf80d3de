//! The keys in force, which change while requests are served.

use std::sync::Arc;

use token_core::access::{CachedVerifier, VerifierError};
use token_core::{KeyRing, PRODUCT, RefreshKeyRing, TokenIssuer, Verifier};

use super::{ManagerError, SessionManager};

/// An issuer, with what follows from its keys.
pub(super) struct KeysInForce {
    pub(super) issuer: Arc<TokenIssuer>,
    pub(super) verifier: CachedVerifier,
    jwks: Arc<str>,
}

impl KeysInForce {
    pub(super) fn new(issuer: TokenIssuer, verifier: CachedVerifier) -> Self {
        Self {
            verifier,
            jwks: issuer.access_keys.jwks().into(),
            issuer: Arc::new(issuer),
        }
    }
}

/// The verifier of an issuer's own tokens.
pub(super) fn verifier(issuer: &TokenIssuer) -> Result<Verifier, VerifierError> {
    let policy = &issuer.policy;
    Verifier::builder(issuer.issuer.clone(), issuer.audience.clone())
        .keys(issuer.access_keys.verifying_keys())
        .leeway(policy.tolerance())
        .max_age(policy.access_lifetime())
        .build()
}

impl SessionManager {
    /// The names and keys in force. Ask again after [`replace_keys`](Self::replace_keys).
    pub fn issuer(&self) -> Arc<TokenIssuer> {
        Arc::clone(&self.inner.keys.load().issuer)
    }

    /// The public JWK set of the keys in force.
    pub fn jwks(&self) -> Arc<str> {
        Arc::clone(&self.inner.keys.load().jwks)
    }

    /// Puts other keys in the place of those in force, for every clone of this manager at once.
    /// Requests never wait for it; one that is under way goes on with the keys that it read.
    ///
    /// Before: the rings come from a [`Schedule`](token_core::schedule::Schedule), which says
    /// when a key may sign and when it may go. After: tokens are signed with the new current
    /// key, and those of a key that is not there any more are refused.
    ///
    /// # Errors
    /// [`ManagerError`] if the keys do not go together, or sign elsewhere and there is no
    /// [`Signer`](crate::signer::Signer); those in force stay.
    pub fn replace_keys(
        &self,
        access: KeyRing,
        refresh: RefreshKeyRing,
    ) -> Result<(), ManagerError> {
        if access.current().is_elsewhere() && self.inner.signer.is_none() {
            let id = access.current().id().clone();
            return Err(ManagerError::NoSigner { id });
        }
        let before = self.inner.keys.load();
        let mut issuer = TokenIssuer::clone(&before.issuer);
        issuer.access_keys = access;
        issuer.refresh_keys = refresh;
        // With another verifier begins another cache: nothing that a removed key signed is known.
        let verifier = before.verifier.renew(verifier(&issuer)?, self.draw());
        let next = KeysInForce::new(issuer, verifier);
        let keys = &next.issuer.access_keys;
        tracing::info!(
            target: PRODUCT,
            current = %keys.current().id(),
            next = keys.next().len(),
            previous = keys.previous().len(),
            "keys replaced"
        );
        self.inner.keys.store(Arc::new(next));
        Ok(())
    }
}
