//! Proofs at a service that has no sessions of its own.

use token_core::binding::dpop::{NonceKeys, ProofOwner, VerifiedProof};
use token_core::{SessionId, UnixTime};

use crate::config::{ConfigError, is_path};
use crate::dpop::check::{Here, use_once};
use crate::dpop::settings::{Dpop, UsedByAll};
use crate::dpop::shown::Shown;
use crate::head::Head;
use crate::origin::Origin;
use crate::refusal::Refusal;

/// Verifies the proofs that come with access tokens
/// ([RFC 9449 section 7](https://www.rfc-editor.org/rfc/rfc9449#section-7)), for a service that accepts the
/// tokens of another server and has no [`Auth`](crate::Auth). Make one at start; clones share its memory of proofs.
///
/// For a token that came by [`TokenScheme::Dpop`](crate::TokenScheme::Dpop): [`verify`](Self::verify) the proof,
/// accept the token with it, then [`remember`](Self::remember) the proof. A token that came by
/// [`TokenScheme::Bearer`](crate::TokenScheme::Bearer) is accepted without a proof, which refuses those that are
/// bound to a key.
#[derive(Clone, Debug)]
pub struct ProofVerifier {
    origin: Origin,
    base_path: Box<str>,
    nonces: Option<NonceKeys>,
    used: UsedByAll,
}

impl ProofVerifier {
    /// `origin` is where clients call this service. Up to 1,000,000 used proofs are remembered, and 10,000 of one
    /// session that end in the same minute.
    pub fn new(origin: Origin) -> Self {
        Self {
            origin,
            base_path: Box::default(),
            nonces: None,
            used: Dpop::optional().memory(),
        }
    }

    /// What stands before each path in the address that clients know, if a proxy takes it off: see
    /// [`Dpop::base_path`]. Default none, which is the empty text.
    ///
    /// # Errors
    /// [`ConfigError::DpopBasePath`] if it is not a path that begins with a slash and does not end with one.
    pub fn base_path(mut self, path: impl Into<Box<str>>) -> Result<Self, ConfigError> {
        self.base_path = path.into();
        if self.base_path.is_empty() || is_path(&self.base_path) {
            Ok(self)
        } else {
            Err(ConfigError::DpopBasePath)
        }
    }

    /// Demands a nonce of this service in each proof
    /// ([RFC 9449 section 9](https://www.rfc-editor.org/rfc/rfc9449#section-9)), so that none can be made long
    /// before it is used. Default none is demanded. All nodes of the service need the same keys, and other
    /// services need others. Without a key every proof is refused.
    #[must_use]
    pub fn nonces(mut self, keys: NonceKeys) -> Self {
        self.nonces = Some(keys);
        self
    }

    /// The proof that came with a request and its access token. `now` is the caller's clock. The path of `head`
    /// is compared, so it has to be the one that the client has asked for: in axum that is the one of
    /// `OriginalUri`, as `Router::nest` takes the beginning off the request's own.
    ///
    /// # Errors
    /// [`Refusal::InvalidDpopProof`] if there is none, or if it is not one for this request and token;
    /// [`Refusal::UseDpopNonce`] if it has to have another nonce.
    pub fn verify(
        &self,
        head: &Head<'_>,
        token: &str,
        now: UnixTime,
    ) -> Result<VerifiedProof, Refusal> {
        let here = Here {
            origin: &self.origin,
            base: &self.base_path,
            nonces: self.nonces.as_ref(),
            used: Some(&self.used),
        };
        here.verify(&Shown::of_head(head), Some(token.as_bytes()), now)
    }

    /// Notes that a proof is used. Call it once the token is accepted, with the session that it names.
    ///
    /// # Errors
    /// [`Refusal::InvalidDpopProof`] if it was used before, [`Refusal::TemporarilyUnavailable`] if there is no
    /// room to remember it.
    pub fn remember(
        &self,
        proof: &VerifiedProof,
        session: SessionId,
        now: UnixTime,
    ) -> Result<(), Refusal> {
        use_once(&self.used, proof, ProofOwner::Session(session), now)
    }
}
