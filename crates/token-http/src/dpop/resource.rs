//! Proofs at a service that has no sessions of its own.

use token_core::binding::dpop::{ProofOwner, VerifiedProof};
use token_core::{SessionId, UnixTime};

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
    used: UsedByAll,
}

impl ProofVerifier {
    /// `origin` is where clients call this service. Up to 1,000,000 used proofs are remembered, and 10,000 of one
    /// session that end in the same minute.
    pub fn new(origin: Origin) -> Self {
        Self {
            origin,
            base_path: Box::default(),
            used: Dpop::optional().memory(),
        }
    }

    /// What stands before each path in the address that clients know: see [`Dpop::base_path`]. Default none.
    #[must_use]
    pub fn base_path(mut self, path: impl Into<Box<str>>) -> Self {
        self.base_path = path.into();
        self
    }

    /// The proof that came with a request and its access token. `now` is the caller's clock.
    ///
    /// # Errors
    /// [`Refusal::InvalidDpopProof`] if there is none, or if it is not one for this request and token.
    pub fn verify(
        &self,
        head: &Head<'_>,
        token: &str,
        now: UnixTime,
    ) -> Result<VerifiedProof, Refusal> {
        let here = Here {
            origin: &self.origin,
            base: &self.base_path,
            nonces: None,
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
