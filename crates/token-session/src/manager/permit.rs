//! Changes what sessions may do while they live.

use thiserror::Error;
use token_core::session::{Change, Committed, IssueError, Permit, Rights};
use token_core::{Session, SessionId, Subject};

use super::SessionManager;
use crate::erased::StoreError;
use crate::store::Commit;
use crate::to_end::to_end;

/// Why [`SessionManager::permit`] has not changed a session.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PermitError {
    /// The access tokens would be too long, because of the claims.
    #[error(transparent)]
    Issue(#[from] IssueError),
    /// The store cannot be asked: the session may have changed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl SessionManager {
    /// Changes the scope of a session or the application's own claims in it, at once. Returns the session
    /// as it is now, or `None` if there is none that is live. Its credential stays as it is.
    ///
    /// A server session has the new rights in its next request, on every node: one that remembers sessions
    /// is told by the feed. For the transports `header` and `cookie` the next refresh gives them. An
    /// access token that is out keeps its own until it expires: if that is too late for a route, let its
    /// rule ask the store (`Rule::CURRENT`), or [`revoke`](Self::revoke) the session.
    ///
    /// Before: store the new roles, so that a [`RefreshHook`](crate::hook::RefreshHook) says the same. One
    /// that was asked just before that may still write the older ones; the next refresh asks it again.
    ///
    /// # Errors
    /// [`PermitError::Issue`] if the claims are too long for an access token, [`PermitError::Store`].
    pub async fn permit(
        &self,
        id: SessionId,
        rights: impl Into<Rights>,
    ) -> Result<Option<Committed<Session>>, PermitError> {
        let at = self.now();
        let rights = rights.into();
        let permit = Change::Permit(Permit { id, rights, at });
        let Some(becomes) = self.load(id).await?.and_then(|row| permit.apply(&row)) else {
            return Ok(None);
        };
        // After the write nothing may fail: a refresh signs without asking whether the claims fit.
        self.issuer().measure(&becomes, at)?;
        match self.commit(&permit).await? {
            Commit::Applied(session) => {
                // This node need not wait for its own notice.
                self.inner.feed.sessions().forget(id);
                Ok(Some(session))
            }
            Commit::Missed(_) => Ok(None),
        }
    }

    /// The same for every live session of a subject. Returns those that were changed. A session whose login
    /// is in flight is not among them: it has what its login gives.
    ///
    /// # Errors
    /// As [`permit`](Self::permit), the first of them. All the other sessions have changed.
    pub async fn permit_all(
        &self,
        subject: &Subject,
        rights: impl Into<Rights>,
    ) -> Result<Vec<SessionId>, PermitError> {
        let (manager, subject, rights) = (self.clone(), subject.clone(), rights.into());
        // An administrator whose browser goes away must not leave some of the sessions as they were.
        to_end(async move {
            let (mut changed, mut failed) = (Vec::new(), None);
            for session in manager.sessions(&subject).await? {
                match manager.permit(session.id, rights.clone()).await {
                    Ok(Some(session)) => changed.push(session.id),
                    Ok(None) => {}
                    Err(error) => failed = failed.or(Some(error)),
                }
            }
            failed.map_or(Ok(changed), Err)
        })
        .await
    }
}
