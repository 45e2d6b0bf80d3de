//! Opens the session that takes the place of a session or token of another system.

use token_core::binding::Binding;
use token_core::session::{self, Committed, Epoch, OldCredential, Pending};
use token_core::{Authentication, RevokeReason, Session, SessionId, UnixTime};

use super::{Issued, SessionManager};
use crate::adopt::{AdoptError, OldSession};
use crate::event::EventKind;
use crate::store::Created;
use crate::to_end::to_end;
use crate::visitor::{KeptData, is_reserved};

impl SessionManager {
    /// Whether old sessions are adopted now.
    pub fn adopts(&self) -> bool {
        let until = self.policy().adopts_until();
        until.is_some_and(|until| self.now() < until)
    }

    /// Opens the session that takes the place of an old one, or finds it, and issues its first credentials.
    /// They are the same for everybody who presents the same old credential.
    ///
    /// `reader` names the system that the session is of. It is part of the session's id: under another name,
    /// the same old session would be adopted again.
    ///
    /// # Errors
    /// [`AdoptError`]; by [`is_refusal`](AdoptError::is_refusal) an old session that is not live any more
    /// is told from a fault of the server.
    pub async fn adopt(&self, reader: &'static str, old: OldSession) -> Result<Issued, AdoptError> {
        let now = self.now();
        self.refuse_old(&old, now)?;
        let manager = self.clone();
        // With its event, also if the request is dropped.
        to_end(async move { manager.take_over(reader, old, now).await }).await
    }

    /// The id of the session that takes the place of this old one, whether or not it was adopted yet.
    pub fn adopted_id(&self, reader: &'static str, old: &OldSession) -> SessionId {
        self.as_adopted(reader, old.clone(), self.now()).write.id
    }

    /// Ends an old session: for a logout, and for a login that replaces it. It is not adopted afterwards.
    /// Returns `false` if it had ended before.
    ///
    /// # Errors
    /// [`AdoptError`] if it cannot be known: it may still be adopted.
    pub async fn end_old(
        &self,
        reader: &'static str,
        old: OldSession,
        reason: RevokeReason,
    ) -> Result<bool, AdoptError> {
        let now = self.now();
        if self.refuse_old(&old, now).is_err() {
            return Ok(false);
        }
        let manager = self.clone();
        to_end(async move {
            let id = match manager.take_over(reader, old, now).await {
                Ok(issued) => issued.session().id,
                // Another holder of it has gone on with a newer credential: a logout ends that one too.
                Err(AdoptError::Replaced { session }) => session,
                Err(error) if error.is_refusal() => return Ok(false),
                Err(error) => return Err(error),
            };
            Ok(manager.revoke_at(id, reason, now).await?)
        })
        .await
    }

    fn refuse_old(&self, old: &OldSession, now: UnixTime) -> Result<(), AdoptError> {
        if !self.adopts() {
            return Err(AdoptError::NotAdopting);
        }
        if is_reserved(&old.subject) {
            return Err(AdoptError::ReservedSubject);
        }
        match old.expires_at {
            Some(expires_at) if expires_at <= now => Err(AdoptError::Expired { expires_at, now }),
            _ => Ok(()),
        }
    }

    async fn take_over(
        &self,
        reader: &'static str,
        old: OldSession,
        now: UnixTime,
    ) -> Result<Issued, AdoptError> {
        let (kept, bytes) = (old.session.kept.clone(), old.credential.clone());
        let pending = self.as_adopted(reader, old, now);
        let old = OldCredential {
            system: reader,
            bytes: &bytes,
        };
        match self.load(pending.write.id).await? {
            Some(session) => self.found_adopted(session, old, now).await,
            None => self.insert_adopted(reader, pending, old, &kept, now).await,
        }
    }

    /// The session that is to be inserted unless it is stored.
    fn as_adopted(&self, reader: &'static str, old: OldSession, now: UnixTime) -> Pending<Session> {
        let issuer = self.issuer();
        let bucket = self.inner.store.bucket(&old.subject);
        let ends_at = old.expires_at.unwrap_or(UnixTime::MAX);
        let key = old.session.key;
        // The epoch that every subject begins with: if all sessions of the subject were ended since, the old
        // one was among them, and the insert is refused.
        let mut session = old.session;
        session.authentication.get_or_insert_with(unknown);
        let login = self.as_login(old.subject, Epoch::default(), session, now);
        let credential = OldCredential {
            system: reader,
            bytes: &old.credential,
        };
        let (policy, keys) = (&issuer.policy, &issuer.refresh_keys);
        let mut pending = session::adopt(login, bucket, policy, keys, ends_at, credential, now);
        if let Some(key) = key {
            pending.write.binding = Binding::Key(key);
        }
        pending
    }

    async fn insert_adopted(
        &self,
        reader: &'static str,
        pending: Pending<Session>,
        old: OldCredential<'_>,
        kept: &KeptData,
        now: UnixTime,
    ) -> Result<Issued, AdoptError> {
        let id = pending.write.id;
        // Signed and measured before the session exists, so that nothing can fail after it.
        let ahead = self
            .issue_ahead(&pending, &pending.write, None, now)
            .await?;
        match self.create(&pending.write, kept.as_json()).await? {
            Created::Applied(session) => {
                self.report(EventKind::Adopted { reader }, &session, now);
                let granted = pending.committed(session)?;
                Ok(Self::give_out(granted, ahead, None, now)?)
            }
            Created::EpochPassed => Err(AdoptError::AllEnded),
            // Another request with the same old credential was faster.
            Created::IdTaken => match self.load(id).await? {
                Some(session) => self.found_adopted(session, old, now).await,
                None => Err(AdoptError::Ended { session: id }),
            },
        }
    }

    async fn found_adopted(
        &self,
        session: Committed<Session>,
        old: OldCredential<'_>,
        now: UnixTime,
    ) -> Result<Issued, AdoptError> {
        let id = session.id;
        if !session.is_live(now) {
            return Err(AdoptError::Ended { session: id });
        }
        let granted = session::adopted(session, &self.issuer().refresh_keys, old);
        let granted = granted.ok_or(AdoptError::Replaced { session: id })?;
        Ok(self.issue(granted, None, now, self.draw()).await?)
    }
}

/// An authentication of which nothing is known: so long ago that every route with a maximum age asks again.
fn unknown() -> Authentication {
    Authentication {
        time: UnixTime::EPOCH,
        acr: None,
        amr: Vec::new(),
    }
}
