//! Authenticates requests by their access token.

use std::sync::Arc;

use serde::de::DeserializeOwned;
use thiserror::Error;
use token_core::binding::dpop::VerifiedProof;
use token_core::{AccessClaims, SessionId, UnixTime, VerifiedToken, VerifyError};

use super::SessionManager;
use crate::cache::CacheCounts;
use crate::erased::StoreError;
use crate::revocation_check::{RevocationCheck, WhenBehind};

/// Why an access token was not accepted.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AccessError {
    /// Whether the session was ended must be known and is not: the view is behind.
    #[error("the revocation view is behind, and the policy is to refuse")]
    Behind,
    /// The token does not hold, with the evidence.
    #[error(transparent)]
    Invalid(#[from] VerifyError),
    /// Its session was ended.
    #[error("session {session} was ended")]
    Revoked {
        /// The session.
        session: SessionId,
    },
    /// Whether the session was ended must be known, and the store cannot be asked.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl SessionManager {
    /// Verifies an access token, its text or the bytes that came with a request, and that its
    /// session was not ended.
    ///
    /// Asks the store only if the [`RevocationCheck`] says so.
    ///
    /// # Errors
    /// [`AccessError::Invalid`] and [`AccessError::Revoked`] refuse the token; the others are
    /// faults of the server, of which the token says nothing.
    pub async fn authenticate<C: DeserializeOwned + Send + Sync + 'static>(
        &self,
        token: impl AsRef<[u8]>,
    ) -> Result<Arc<VerifiedToken<C>>, AccessError> {
        let now = self.now();
        let token = self.inner.keys.load().verifier.verify(token, now)?;
        self.check_session(token.claims().session_id, now).await?;
        Ok(token)
    }

    /// The same for a token that came with a proof of its client's key, or without one. A token that is
    /// bound to a key needs its proof each time, also if it was seen before.
    ///
    /// # Errors
    /// As [`Self::authenticate`].
    pub async fn authenticate_with<C: DeserializeOwned + Send + Sync + 'static>(
        &self,
        token: impl AsRef<[u8]>,
        proof: Option<&VerifiedProof>,
    ) -> Result<Arc<VerifiedToken<C>>, AccessError> {
        let now = self.now();
        let keys = &self.inner.keys;
        let token = keys.load().verifier.verify_with(token, proof, now)?;
        self.check_session(token.claims().session_id, now).await?;
        Ok(token)
    }

    /// The same whether or not the token is bound to a key: to answer a question about a token that
    /// somebody else was shown (introspection).
    ///
    /// # Errors
    /// As [`Self::authenticate`].
    pub async fn authenticate_unproven<C: DeserializeOwned + Send + Sync + 'static>(
        &self,
        token: impl AsRef<[u8]>,
    ) -> Result<Arc<VerifiedToken<C>>, AccessError> {
        let now = self.now();
        let keys = &self.inner.keys;
        let token = keys.load().verifier.verify_unproven(token, now)?;
        self.check_session(token.claims().session_id, now).await?;
        Ok(token)
    }

    /// How well the cache of verified tokens does; see
    /// [`token_cache`](super::SessionManagerBuilder::token_cache).
    pub fn token_cache_counts(&self) -> CacheCounts {
        self.inner.keys.load().verifier.counts()
    }

    /// Checks that the session of a token was not ended, as the [`RevocationCheck`] says: for a
    /// service that verifies another issuer's access tokens itself (`token-remote`) and follows the
    /// feed of its store.
    ///
    /// The view remembers an ending for the access lifetime of this manager's policy, which should be
    /// the issuer's. The store is asked about a token that is older than that: the view may have
    /// forgotten its session.
    ///
    /// # Errors
    /// [`AccessError::Revoked`] refuses the token; [`AccessError::Behind`] and
    /// [`AccessError::Store`] say nothing of it.
    pub async fn refuse_ended<C>(&self, token: &AccessClaims<C>) -> Result<(), AccessError> {
        let now = self.now();
        self.check_session(token.session_id, now).await?;
        let outlived = now > token.issued_at + self.policy().access_lifetime();
        match self.inner.check {
            RevocationCheck::Feed(_) if outlived => self.ask_store(token.session_id, now).await,
            _ => Ok(()),
        }
    }

    async fn check_session(&self, session: SessionId, now: UnixTime) -> Result<(), AccessError> {
        let feed = &self.inner.feed;
        // First: what the view does not have afterwards was not ended before it was complete. The
        // other way round, a view that is completed in between would count for what it lacked.
        let live = feed.is_complete(now);
        match self.inner.check {
            RevocationCheck::Feed(_) if feed.contains(session) => {
                Err(AccessError::Revoked { session })
            }
            RevocationCheck::Feed(_) if live => Ok(()),
            RevocationCheck::Feed(WhenBehind::Accept) | RevocationCheck::None => Ok(()),
            RevocationCheck::Feed(WhenBehind::AskStore) | RevocationCheck::Store => {
                // Behind a pointer: others need not have the room for a call to the store.
                Box::pin(self.ask_store(session, now)).await
            }
            RevocationCheck::Feed(WhenBehind::Refuse) => Err(AccessError::Behind),
        }
    }

    /// A session that is not stored has ended too: rows outlive their access tokens.
    async fn ask_store(&self, session: SessionId, now: UnixTime) -> Result<(), AccessError> {
        match self.load_shared(session).await? {
            Some(row) if row.is_live(now) => Ok(()),
            _ => Err(AccessError::Revoked { session }),
        }
    }
}
