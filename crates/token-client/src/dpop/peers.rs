//! All servers that proofs are made for.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use aws_lc_rs::rand;
use reqwest::{Method, Url};

use super::key::ClientKey;
use super::peer::{Peer, Said};
use super::proof::{Proof, Subject, origin};
use crate::clock::wall;

/// What all clones of a client know of servers, by their origins.
#[derive(Debug, Default)]
pub(crate) struct Peers(Mutex<HashMap<String, Peer>>);

impl Peers {
    /// A proof for a request, and for the access token that goes along with it.
    pub(crate) fn prove(
        &self,
        key: &ClientKey,
        method: &Method,
        url: &Url,
        token: Option<&str>,
    ) -> Proof {
        let mut id = [0; 16];
        rand::fill(&mut id).expect("aws-lc ends the process itself if the system has no entropy");
        let (nonce, ahead) = match self.peers().get(&origin(url)) {
            Some(peer) => (peer.nonce.clone(), peer.ahead),
            None => (None, 0),
        };
        let subject = Subject {
            method,
            url,
            token,
            id,
            wall: wall(),
        };
        subject.sign(key, nonce.as_deref(), ahead)
    }

    /// Takes over what the answer to a request with this proof says, and whether to repeat it with a new one.
    pub(crate) fn learn(&self, proof: &Proof, said: &Said<'_>) -> bool {
        if said.nonce.is_none() && said.fault.is_none() {
            return false;
        }
        let mut peers = self.peers();
        let peer = peers.entry(proof.origin.clone()).or_default();
        peer.learn(said, proof, wall())
    }

    fn peers(&self) -> MutexGuard<'_, HashMap<String, Peer>> {
        // Held for a few instructions, none of which can panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
