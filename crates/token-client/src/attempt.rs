//! The attempts at one request that carries a token.

use reqwest::header::{AUTHORIZATION, HeaderMap};
use reqwest::{Method, StatusCode, Url};

use crate::attach::refuses_token;
use crate::client::Client;
use crate::dpop::{FIELD, Proof};
use crate::endpoint::authorization;
use crate::error::TokenError;
use crate::machine::AccessToken;

/// What one attempt has shown, and how many may follow.
#[derive(Debug)]
pub(crate) struct Attempt<'a> {
    client: &'a Client,
    token: AccessToken,
    proof: Option<Proof>,
    /// Repetitions with a better proof: one for a nonce, and one for a clock.
    proofs_left: u8,
    /// Whether another token was asked for.
    renewed: bool,
}

impl<'a> Attempt<'a> {
    /// The first one.
    pub(crate) async fn new(client: &'a Client) -> Result<Self, TokenError> {
        Ok(Self {
            client,
            token: client.access_token().await?,
            proof: None,
            proofs_left: 2,
            renewed: false,
        })
    }

    /// Adds the token to a request, and its proof if it is bound to a key.
    pub(crate) fn authorize(&mut self, method: &Method, url: &Url, headers: &mut HeaderMap) {
        headers.insert(AUTHORIZATION, authorization(&self.token));
        self.proof = self.client.proof(&self.token, method, url);
        if let Some(proof) = &self.proof {
            headers.insert(FIELD, proof.header_value());
        }
    }

    /// Takes over what an answer says. Whether the request is to be sent again: with another proof, or once with
    /// another token. `repeatable` says whether it can be; a refused token is renewed in any case, for later requests.
    pub(crate) async fn goes_on(
        &mut self,
        status: StatusCode,
        headers: &HeaderMap,
        repeatable: bool,
    ) -> bool {
        let client = self.client;
        let proof = self.proof.take();
        let better = proof.is_some_and(|proof| client.learn(&proof, status, headers));
        if better {
            let may = repeatable && self.proofs_left > 0;
            self.proofs_left = self.proofs_left.saturating_sub(1);
            return may;
        }
        if self.renewed || !refuses_token(status, headers) {
            return false;
        }
        self.renewed = true;
        match client.access_token_instead_of(&self.token).await {
            Ok(fresh) if !fresh.is(&self.token) => {
                self.token = fresh;
                repeatable
            }
            _ => false,
        }
    }
}
