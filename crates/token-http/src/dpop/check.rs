//! Whether the proof that came with a request is good for it.

use token_core::binding::dpop::{
    Expected, Nonce, NonceKeys, NotRemembered, ProofError, ProofOwner, Target, UntrustedProof,
    VerifiedProof,
};
use token_core::{ClientId, PRODUCT, Transport, UnixTime};
use tracing::warn;

use crate::auth::Auth;
use crate::dpop::settings::{Dpop, UsedByAll};
use crate::dpop::shown::Shown;
use crate::head::Head;
use crate::origin::Origin;
use crate::refusal::Refusal;

impl Auth {
    /// The proof that came with a request for tokens: `None` if none did, or if proofs are switched off.
    pub(crate) fn proof(&self, head: &Head<'_>) -> Result<Option<VerifiedProof>, Refusal> {
        let Some(dpop) = self.config().dpop() else {
            return Ok(None);
        };
        let shown = Shown::of_head(head);
        if shown.is_absent() {
            return Ok(None);
        }
        let nonces = dpop.demands_nonces().then(|| self.manager().nonce_keys());
        self.verify_proof(&shown, None, nonces.as_ref()).map(Some)
    }

    /// The proof that came along with an access token.
    pub(crate) fn proof_with_token(
        &self,
        shown: &Shown<'_>,
        token: &[u8],
    ) -> Result<VerifiedProof, Refusal> {
        let dpop = self.config().dpop();
        let demanded = dpop.is_some_and(Dpop::demands_nonces_with_tokens);
        let nonces = demanded.then(|| self.manager().nonce_keys());
        self.verify_proof(shown, Some(token), nonces.as_ref())
    }

    fn verify_proof(
        &self,
        shown: &Shown<'_>,
        token: Option<&[u8]>,
        nonces: Option<&NonceKeys>,
    ) -> Result<VerifiedProof, Refusal> {
        let config = self.config();
        let here = Here {
            origin: config.origin(),
            base: config.dpop().map_or("", Dpop::base),
            nonces,
            used: self.used_proofs(),
        };
        here.verify(shown, token, self.manager().now())
    }

    /// Notes that a proof is used. Call it once the token or the password has been found right.
    pub(crate) fn use_proof(
        &self,
        proof: &VerifiedProof,
        owner: ProofOwner,
    ) -> Result<(), Refusal> {
        let Some(used) = self.used_proofs() else {
            return Ok(());
        };
        use_once(used, proof, owner, self.manager().now())
    }

    /// Refuses a login without a proof if its client has to have one, and one with a proof if nothing can be
    /// bound to the key. `client` is `None` for the default one.
    pub(crate) fn check_login(
        &self,
        client: Option<&ClientId>,
        transport: Transport,
        proof: Option<&VerifiedProof>,
    ) -> Result<(), Refusal> {
        let Some(dpop) = self.config().dpop() else {
            return Ok(());
        };
        let client = client.unwrap_or_else(|| self.manager().default_client());
        let by_header = transport == Transport::Header;
        if !by_header && (proof.is_some() || dpop.names(client)) {
            let why = "a login that proves a key, or has to, needs the transport `header`";
            return Err(Refusal::InvalidRequest.because(why));
        }
        if by_header && proof.is_none() && dpop.demands(client) {
            let why = "the client has to prove a key at its login, and sent no proof";
            return Err(Refusal::InvalidDpopProof.because(why));
        }
        Ok(())
    }

    /// The nonce that goes out with an answer.
    pub(crate) fn next_nonce(&self) -> Option<Nonce> {
        let demanded = self.config().dpop()?.demands_nonces();
        let keys = demanded.then(|| self.manager().nonce_keys())?;
        keys.current(self.manager().now())
    }
}

/// What proofs are compared with, apart from their requests.
pub(super) struct Here<'a> {
    pub(super) origin: &'a Origin,
    /// What stands before each path in the address that clients know.
    pub(super) base: &'a str,
    pub(super) nonces: Option<&'a NonceKeys>,
    /// What remembers keys; `None` if proofs are switched off.
    pub(super) used: Option<&'a UsedByAll>,
}

impl Here<'_> {
    /// The proof that came with a request, and with this access token if one came along.
    pub(super) fn verify(
        &self,
        shown: &Shown<'_>,
        token: Option<&[u8]>,
        now: UnixTime,
    ) -> Result<VerifiedProof, Refusal> {
        let invalid = Refusal::InvalidDpopProof;
        // > There is not more than one DPoP HTTP request header field.
        // RFC 9449 section 4.3
        let proof = match shown.proof() {
            Ok(Some(proof)) => proof,
            Ok(None) => return Err(invalid.because("there is no proof")),
            Err(_) => return Err(invalid.because("there is more than one proof")),
        };
        let nonces = self.nonces;
        let path = shown.path_below(self.base);
        let expected = Expected {
            method: shown.method(),
            target: Target {
                origin: self.origin.as_str(),
                path: &path,
            },
            token,
            nonces,
        };
        let verified = UntrustedProof::parse(proof).and_then(|proof| match self.used {
            Some(used) => proof.verify_knowing(used.keys(), &expected, now),
            None => proof.verify(&expected, now),
        });
        verified.map_err(
            |error| match (error, nonces.and_then(|keys| keys.current(now))) {
                (ProofError::Nonce, Some(nonce)) => Refusal::UseDpopNonce(nonce).because(error),
                _ => invalid.because(error),
            },
        )
    }
}

/// Notes that a proof is used, or refuses one that was used before.
pub(super) fn use_once(
    used: &UsedByAll,
    proof: &VerifiedProof,
    owner: ProofOwner,
    now: UnixTime,
) -> Result<(), Refusal> {
    match used.remember(proof, owner, now) {
        Ok(()) => Ok(()),
        Err(error @ (NotRemembered::Expired | NotRemembered::Used)) => {
            Err(Refusal::InvalidDpopProof.because(error))
        }
        Err(error @ NotRemembered::Full) => {
            warn!(target: PRODUCT, %error, "a request is refused that may be good");
            Err(Refusal::TemporarilyUnavailable)
        }
    }
}
