//! Makes the credentials of a session, once it is committed.

use token_core::session::{Committed, Credentials, Granted, TokenPair, UnsignedPair};
use token_core::{Entropy, Scope, Session, UnixTime};

use super::SessionManager;
use crate::error::CredentialsError;
use crate::signer::{Signer, SignerError};

/// A session with the credentials that were just made for it.
#[derive(Debug)]
#[must_use]
pub struct Issued {
    session: Committed<Session>,
    /// Less than the session's, if that was asked.
    narrowed: Option<Scope>,
    credentials: Credentials,
    at: UnixTime,
}

impl Issued {
    /// The session.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// The scope of the access token; narrower than the session's if that was asked.
    pub fn scope(&self) -> &Scope {
        self.narrowed.as_ref().unwrap_or(&self.session.scope)
    }

    /// Tokens or a session cookie, by the session's transport.
    pub const fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// The two tokens, unless the transport is `session`.
    pub const fn tokens(&self) -> Option<&TokenPair> {
        match &self.credentials {
            Credentials::Tokens(pair) => Some(pair),
            Credentials::Session(_) => None,
        }
    }

    /// When they were made, by this node's clock.
    pub const fn issued_at(&self) -> UnixTime {
        self.at
    }
}

impl SessionManager {
    /// Makes the credentials of a session that was just committed. `scope` narrows the access token.
    pub(super) async fn issue<const N: usize>(
        &self,
        granted: Granted,
        scope: Option<&Scope>,
        now: UnixTime,
        entropy: Entropy<N>,
    ) -> Result<Issued, CredentialsError> {
        let within = scope.unwrap_or(&granted.session().scope);
        // Not a clone of the pointer: all threads would count in one place.
        let keys = self.inner.keys.load();
        let issuer = &keys.issuer;
        let credentials = match &self.inner.signer {
            Some(signer) if issuer.access_keys.current().is_elsewhere() => {
                let prepared = issuer.prepare(&granted, within, now, entropy)?;
                // Waiting for the signer must not keep keys that were replaced.
                drop(keys);
                self.have_signed(&**signer, prepared).await?
            }
            _ => issuer.issue(&granted, within, now, entropy)?,
        };
        Ok(Issued {
            session: granted.into_session(),
            narrowed: scope.cloned(),
            credentials,
            at: now,
        })
    }

    /// Waits for the signer, as long as for the store at most.
    async fn have_signed(
        &self,
        signer: &dyn Signer,
        prepared: Credentials<UnsignedPair>,
    ) -> Result<Credentials, CredentialsError> {
        let pair = match prepared {
            Credentials::Session(cookie) => return Ok(Credentials::Session(cookie)),
            Credentials::Tokens(pair) => pair,
        };
        let signature = signer.sign(pair.key(), pair.signing_input());
        let signature = tokio::time::timeout(self.inner.store_timeout, signature)
            .await
            .unwrap_or_else(|elapsed| Err(SignerError::new(elapsed)))?;
        Ok(pair.signed(&signature)?)
    }
}
