//! Makes the credentials of a session: before the write that they belong to, if there is one, so that
//! nothing can fail after it.

use token_core::session::rule::{Granted, Pending, Prepared};
use token_core::session::{Committed, Credentials, IssueError, TokenPair};
use token_core::{Entropy, Scope, Session, SigningKey, UnixTime};

use super::SessionManager;
use crate::error::CredentialsError;
use crate::signer::SignerError;

/// A session with the credentials that were just made for it.
#[derive(Debug)]
#[must_use]
pub struct Issued {
    granted: Granted,
    /// Less than the session's, if that was asked.
    narrowed: Option<Scope>,
    credentials: Credentials,
    at: UnixTime,
}

impl Issued {
    /// The session.
    pub fn session(&self) -> &Session {
        self.granted.session()
    }

    /// The scope of the access token; narrower than the session's if that was asked.
    pub fn scope(&self) -> &Scope {
        self.narrowed.as_ref().unwrap_or(&self.session().scope)
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

    pub(super) fn into_session(self) -> Committed<Session> {
        self.granted.into_session()
    }

    /// When they were made, by this node's clock.
    pub const fn issued_at(&self) -> UnixTime {
        self.at
    }
}

impl SessionManager {
    /// Makes the credentials of a session as a write will make it, before the write. `session` is that
    /// session; `scope` narrows the access token.
    pub(super) async fn issue_ahead(
        &self,
        pending: &Pending,
        session: &Session,
        scope: Option<&Scope>,
        now: UnixTime,
    ) -> Result<Prepared, CredentialsError> {
        let within = scope.unwrap_or(&session.scope);
        let (issuer, entropy) = (self.issuer(), self.draw());
        let ahead = issuer.issue_ahead(pending, session, within, now, entropy)?;
        // Waiting for the signer must not keep keys that were replaced.
        drop(issuer);
        self.have_signed(ahead).await
    }

    /// What is answered, now that the session is committed for which the credentials were made.
    pub(super) fn give_out(
        granted: Granted,
        ahead: Prepared,
        scope: Option<&Scope>,
        now: UnixTime,
    ) -> Result<Issued, CredentialsError> {
        Ok(Issued {
            credentials: ahead.give_out(&granted)?,
            granted,
            narrowed: scope.cloned(),
            at: now,
        })
    }

    /// Whether access tokens are signed in another process, which may be away.
    pub(super) fn signs_elsewhere(&self) -> bool {
        let keys = self.inner.keys.load();
        let mut signing = keys.issuer.access_keys.signing_keys();
        signing.any(SigningKey::is_elsewhere)
    }

    /// Makes the credentials of a session that is committed: for a replay, which writes nothing, and for
    /// a rotation that was written without reading. `scope` narrows the access token.
    pub(super) async fn issue<const N: usize>(
        &self,
        granted: Granted,
        scope: Option<&Scope>,
        now: UnixTime,
        entropy: Entropy<N>,
    ) -> Result<Issued, CredentialsError> {
        // The session may have been given another scope since the request asked for some of the older one.
        let narrowed = scope.map(|scope| scope.within(&granted.session().scope));
        self.issue_within(granted, narrowed, now, entropy).await
    }

    /// The same with this scope, whatever the session's is.
    pub(super) async fn issue_within<const N: usize>(
        &self,
        granted: Granted,
        narrowed: Option<Scope>,
        now: UnixTime,
        entropy: Entropy<N>,
    ) -> Result<Issued, CredentialsError> {
        let within = narrowed.as_ref().unwrap_or(&granted.session().scope);
        // Not a clone of the pointer: all threads would count in one place.
        let keys = self.inner.keys.load();
        let prepared = keys.issuer.issue(&granted, within, now, entropy)?;
        // Waiting for the signer must not keep keys that were replaced.
        drop(keys);
        let prepared = match prepared.to_sign() {
            Some(_) => self.have_signed(prepared).await?,
            None => prepared,
        };
        let credentials = prepared.give_out(&granted)?;
        Ok(Issued {
            granted,
            narrowed,
            credentials,
            at: now,
        })
    }

    /// Waits for the signer, if there is anything to sign: as long as for the store at most.
    async fn have_signed(&self, prepared: Prepared) -> Result<Prepared, CredentialsError> {
        let Some((key, input)) = prepared.to_sign() else {
            return Ok(prepared);
        };
        let signer = self.inner.signer.as_ref().ok_or(IssueError::Elsewhere)?;
        let signature = tokio::time::timeout(self.inner.store_timeout, signer.sign(key, input));
        let signature = signature
            .await
            .unwrap_or_else(|elapsed| Err(SignerError::new(elapsed)))?;
        Ok(prepared.signed(&signature)?)
    }
}
