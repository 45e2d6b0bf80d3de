//! The keys in force, which change while requests are served.

use std::sync::Arc;

use token_core::access::VerifierError;
use token_core::binding::BindingKeys;
use token_core::binding::dpop::NonceKeys;
use token_core::{KeyRing, RefreshKeyRing, TokenIssuer, Verifier};

use super::error::ManagerError;
use crate::cache::CachedVerifier;

/// An issuer, with what follows from its keys.
pub(super) struct KeysInForce {
    pub(super) issuer: Arc<TokenIssuer>,
    pub(super) verifier: CachedVerifier,
    pub(super) jwks: Arc<str>,
    pub(super) binding: BindingKeys,
    pub(super) nonces: NonceKeys,
}

impl KeysInForce {
    /// The keys of an issuer, and an empty cache of the tokens that they signed.
    ///
    /// `signs_elsewhere` says whether there is a [`Signer`](crate::signer::Signer).
    pub(super) fn new(
        issuer: TokenIssuer,
        signs_elsewhere: bool,
        cache_bytes: usize,
    ) -> Result<Self, ManagerError> {
        check_signer(&issuer.access_keys, signs_elsewhere)?;
        let verifier = CachedVerifier::new(verifier(&issuer)?, cache_bytes);
        Ok(Self::with_verifier(issuer, verifier))
    }

    /// The same issuer with other keys.
    pub(super) fn renew(
        &self,
        access: KeyRing,
        refresh: RefreshKeyRing,
        signs_elsewhere: bool,
    ) -> Result<Self, ManagerError> {
        check_signer(&access, signs_elsewhere)?;
        let mut issuer = TokenIssuer::clone(&self.issuer);
        issuer.access_keys = access;
        issuer.refresh_keys = refresh;
        // With another verifier begins another cache: nothing that a removed key signed is known.
        let verifier = self.verifier.renew(verifier(&issuer)?);
        Ok(Self::with_verifier(issuer, verifier))
    }

    fn with_verifier(issuer: TokenIssuer, verifier: CachedVerifier) -> Self {
        let binding = issuer.refresh_keys.binding_keys();
        Self {
            verifier,
            jwks: issuer.access_keys.jwks().into(),
            nonces: binding.nonce_keys(),
            binding,
            issuer: Arc::new(issuer),
        }
    }
}

/// The verifier of an issuer's own tokens.
fn verifier(issuer: &TokenIssuer) -> Result<Verifier, VerifierError> {
    let policy = &issuer.policy;
    Verifier::builder(issuer.issuer.clone(), issuer.audience.clone())
        .keys(issuer.access_keys.verifying_keys())
        .leeway(policy.tolerance())
        .max_age(policy.access_lifetime())
        .build()
}

/// A key whose private half is elsewhere needs a signer that asks for signatures there.
fn check_signer(keys: &KeyRing, signs_elsewhere: bool) -> Result<(), ManagerError> {
    let mut signing = keys.signing_keys();
    match signing.find(|key| key.is_elsewhere()) {
        Some(key) if !signs_elsewhere => {
            let id = key.id().clone();
            Err(ManagerError::NoSigner { id })
        }
        _ => Ok(()),
    }
}
