//! Opens the session that takes the place of a session or token of another system.

use token_core::adoption::{self, OldCredential};
use token_core::binding::Binding;
use token_core::session::rule::Pending;
use token_core::session::{Committed, Epoch, Revocation, Rights};
use token_core::{Authentication, RevokeReason, Session, SessionId, Transport, UnixTime};
use zeroize::Zeroizing;

use super::settle::Changes;
use super::{Issued, SessionManager};
use crate::adopt::{AdoptError, OldSession};
use crate::event::EventKind;
use crate::store::Created;
use crate::to_end::to_end;
use crate::visitor::is_reserved;

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
        self.as_adopted(reader, old.clone(), self.now()).0.id
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
        let (mut ended, _) = self.as_adopted(reader, old, now);
        let id = ended.id;
        ended.revocation = Some(Revocation { at: now, reason });
        ended.purge_at = self.policy().tombstone_until(now);
        let manager = self.clone();
        to_end(async move {
            // One that was never seen is stored as ended at once: nobody gets a credential of it, so none is
            // made, and whatever fails leaves no live session behind.
            match manager.create(&ended, None).await? {
                Created::Applied(session) => {
                    manager.report(EventKind::Revoked(reason), &session, now);
                    Ok(true)
                }
                // It was seen, or all sessions of the subject were ended but for one, which may be this.
                Created::IdTaken | Created::EpochPassed => {
                    Ok(manager.revoke_at(id, reason, now).await?)
                }
            }
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
        let (kept, bytes) = (old.session.kept.clone(), identity(&old));
        let (said, pending) = self.as_adopted(reader, old, now);
        let old = OldCredential {
            system: reader,
            bytes: &bytes,
        };
        if let Some(session) = self.load(said.id).await? {
            return self.found_adopted(session, &said, old, now).await;
        }
        // Signed and measured before the session exists, so that nothing can fail after it.
        let ahead = self.issue_ahead(&pending, &said, None, now).await?;
        match self.create(&said, kept.as_json()).await? {
            Created::Applied(session) => {
                self.report(EventKind::Adopted { reader }, &session, now);
                let granted = pending.committed(session)?;
                Ok(Self::give_out(granted, ahead, None, now)?)
            }
            Created::EpochPassed => Err(AdoptError::AllEnded),
            // Another request with the same old credential was faster.
            Created::IdTaken => match self.load(said.id).await? {
                Some(session) => self.found_adopted(session, &said, old, now).await,
                None => Err(AdoptError::Ended { session: said.id }),
            },
        }
    }

    /// The session that is to be inserted unless it is stored.
    fn as_adopted(
        &self,
        reader: &'static str,
        old: OldSession,
        now: UnixTime,
    ) -> (Session, Pending) {
        let issuer = self.issuer();
        let bucket = self.inner.store.bucket(&old.subject);
        let ends_at = old.expires_at.unwrap_or(UnixTime::MAX);
        let (key, bytes) = (old.session.key, identity(&old));
        // The epoch that every subject begins with: if all sessions of the subject were ended since, the old
        // one was among them, and the insert is refused.
        let mut session = old.session;
        session.authentication.get_or_insert_with(unknown);
        let login = self.as_login(old.subject, Epoch::default(), session, now);
        let credential = OldCredential {
            system: reader,
            bytes: &bytes,
        };
        let entropy = self.draw();
        let (mut session, pending) =
            adoption::adopt(login, bucket, &issuer, ends_at, credential, now, entropy);
        if let Some(key) = key {
            session.binding = Binding::Key(key);
        }
        (session, pending)
    }

    /// The credentials of a session that is stored, with what it may do by now: `said` is the session as the
    /// reader would open it today.
    async fn found_adopted(
        &self,
        session: Committed<Session>,
        said: &Session,
        old: OldCredential<'_>,
        now: UnixTime,
    ) -> Result<Issued, AdoptError> {
        let id = session.id;
        if !session.is_live(now) {
            return Err(AdoptError::Ended { session: id });
        }
        let credential = |session| {
            let granted = adoption::adopted(session, &self.issuer().refresh_keys, old);
            granted.ok_or(AdoptError::Replaced { session: id })
        };
        let mut granted = credential(session)?;
        if let Some(rights) = changed_rights(granted.session(), said) {
            // Stored, so that it holds also for a rule that asks the store, and after the old credential was
            // exchanged.
            let session = self.permit(id, rights).await?;
            let session = session.ok_or(AdoptError::Ended { session: id })?;
            granted = credential(session)?;
        }
        // As at a replay: a client that is not updated never refreshes, and gets a token by each of its requests.
        let mut scope = None;
        if granted.session().transport != Transport::Session
            && let Some(hook) = self.inner.hook.as_deref()
        {
            let asked = self.ask(Changes::AsTheHookSays(hook), granted.session(), now);
            let rights = asked
                .await
                .map_err(|error| AdoptError::of_hook(error, id))?;
            scope = rights.scope;
            granted.claims = rights.claims;
        }
        Ok(self.issue_within(granted, scope, now, self.draw()).await?)
    }
}

/// What proves an old session, and whose it is. Some systems keep the key of a session when another user logs in
/// over it: then that is another session here, and the credential of neither is good for the other.
fn identity(old: &OldSession) -> Zeroizing<Vec<u8>> {
    let subject = old.subject.as_str().as_bytes();
    // Its length first, so that it ends where it ends.
    let length = (subject.len() as u64).to_be_bytes();
    let parts: [&[u8]; 3] = [&length, subject, &old.credential];
    Zeroizing::new(parts.concat())
}

/// What a session may do by now, if that has changed. Nothing comes to its scope: what the application has taken
/// from the session since stays taken, also if the old credential still names it.
fn changed_rights(session: &Session, said: &Session) -> Option<Rights> {
    let scope = (!said.scope.covers(&session.scope)).then(|| session.scope.within(&said.scope));
    let claims = (said.claims != session.claims).then(|| said.claims.clone());
    (scope.is_some() || claims.is_some()).then_some(Rights { scope, claims })
}

/// An authentication of which nothing is known: so long ago that every route with a maximum age asks again.
fn unknown() -> Authentication {
    Authentication {
        time: UnixTime::EPOCH,
        acr: None,
        amr: Vec::new(),
    }
}
