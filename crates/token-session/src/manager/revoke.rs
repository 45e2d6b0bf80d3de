//! Ends sessions, and shows those that are live.

use std::fmt;

use token_core::session::rule::SessionToken;
use token_core::session::{Committed, Ending, Revocation};
use token_core::{RevokeReason, Session, SessionId, Subject, UnixTime, UntrustedToken};

use super::SessionManager;
use crate::erased::StoreError;
use crate::event::EventKind;
use crate::revocation_check::RevocationCheck;
use crate::store::{Ended, Revoke, SubjectEnding};
use crate::to_end::to_end;

/// A credential as it was presented at a logout.
#[derive(Clone, Copy)]
#[expect(
    clippy::exhaustive_enums,
    reason = "the three credentials that there are"
)]
pub enum Presented<'a> {
    /// An access token, which may have expired.
    Access(&'a str),
    /// A refresh token of any generation.
    Refresh(&'a str),
    /// The value of a session cookie.
    Session(&'a str),
}

impl fmt::Debug for Presented<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Access(_) => "Access([redacted])",
            Self::Refresh(_) => "Refresh([redacted])",
            Self::Session(_) => "Session([redacted])",
        })
    }
}

impl SessionManager {
    /// Ends the session of a credential that is genuinely ours, whatever its age. Returns
    /// whether there was one to end; what is not ours changes nothing.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be asked: the session may live.
    pub async fn logout(&self, presented: Presented<'_>) -> Result<bool, StoreError> {
        self.revoke_presented(presented, RevokeReason::Logout).await
    }

    /// Like [`logout`](Self::logout), for any reason: a login, for example, ends the session
    /// whose cookie came with it as [`RevokeReason::Replaced`].
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be asked: the session may live.
    pub async fn revoke_presented(
        &self,
        presented: Presented<'_>,
        reason: RevokeReason,
    ) -> Result<bool, StoreError> {
        let now = self.now();
        match self.named_session(presented).await? {
            Some(id) => self.revoke_at(id, reason, now).await,
            None => Ok(false),
        }
    }

    /// Ends a session of any subject: an administrator's button is
    /// `manager.revoke(id, RevokeReason::Admin).await?`. For a user's own list of sessions there is
    /// [`revoke_own`](Self::revoke_own).
    ///
    /// Returns `false` if there is no such session, or it was ended before.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be asked: the session may live.
    pub async fn revoke(&self, id: SessionId, reason: RevokeReason) -> Result<bool, StoreError> {
        self.revoke_at(id, reason, self.now()).await
    }

    /// Ends a session if it is one of this subject's. Returns `false` if there is none that is
    /// live, or it is another's: a caller cannot tell which.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be asked: the session may live.
    pub async fn revoke_own(
        &self,
        subject: &Subject,
        id: SessionId,
        reason: RevokeReason,
    ) -> Result<bool, StoreError> {
        let now = self.now();
        // A session never changes hands, so this cannot be outdated by the write.
        match self.load(id).await? {
            // The same answer for another's session as for none: ids of others must not be found out.
            Some(session) if session.subject == *subject && session.is_live(now) => {
                self.revoke_at(id, reason, now).await
            }
            _ => Ok(false),
        }
    }

    /// Ends all sessions of a subject but `current`, those whose login is in flight included.
    /// Returns those that this call ended.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be asked: sessions may live.
    pub async fn revoke_others(
        &self,
        subject: &Subject,
        current: SessionId,
        reason: RevokeReason,
    ) -> Result<Vec<SessionId>, StoreError> {
        self.revoke_but(Some(current), subject, reason).await
    }

    /// Ends all sessions of a subject, those whose login is in flight included. Returns those that
    /// this call ended.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be asked: sessions may live.
    pub async fn revoke_all(
        &self,
        subject: &Subject,
        reason: RevokeReason,
    ) -> Result<Vec<SessionId>, StoreError> {
        self.revoke_but(None, subject, reason).await
    }

    /// The live sessions of a subject, newest first.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be asked.
    pub async fn sessions(&self, subject: &Subject) -> Result<Vec<Committed<Session>>, StoreError> {
        let now = self.now();
        let mut rows = self.list(subject).await?;
        rows.retain(|session| session.is_live(now));
        Ok(rows)
    }

    /// A session, if it is live.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be asked.
    pub async fn session(&self, id: SessionId) -> Result<Option<Committed<Session>>, StoreError> {
        let now = self.now();
        Ok(self.load(id).await?.filter(|session| session.is_live(now)))
    }

    async fn revoke_but(
        &self,
        except: Option<SessionId>,
        subject: &Subject,
        reason: RevokeReason,
    ) -> Result<Vec<SessionId>, StoreError> {
        let now = self.now();
        let ending = SubjectEnding::new(
            subject.clone(),
            except,
            Revocation { at: now, reason },
            self.policy().tombstone_until(now),
        );
        let manager = self.clone();
        to_end(async move {
            let ended = manager.revoke_subject(&ending).await?;
            for session in &ended {
                manager.note_ended(*session, now);
                let kind = EventKind::Revoked(reason);
                manager.report_of(kind, *session, &ending.subject, now);
            }
            Ok(ended)
        })
        .await
    }

    /// Ends one session and reports it; whether this call was the one that did.
    pub(super) async fn revoke_at(
        &self,
        id: SessionId,
        reason: RevokeReason,
        now: UnixTime,
    ) -> Result<bool, StoreError> {
        let ending = Ending {
            id,
            revocation: Revocation { at: now, reason },
            purge_at: self.policy().tombstone_until(now),
        };
        let ended = self
            .write_ending(ending, EventKind::Revoked(reason))
            .await?;
        Ok(matches!(ended, Revoke::Applied(_)))
    }

    /// Writes an ending, and reports it as `kind` if this call was the one that ended the session.
    pub(super) async fn write_ending(
        &self,
        ending: Ending,
        kind: EventKind,
    ) -> Result<Revoke, StoreError> {
        let manager = self.clone();
        to_end(async move {
            let ended = manager.commit_ending(&ending).await?;
            let now = ending.revocation.at;
            match &ended {
                Revoke::Applied(session) => {
                    manager.note_ended(session.id, now);
                    manager.report(kind, session, now);
                }
                // Ended elsewhere: this node may not have heard of it yet.
                Revoke::Already(session) => {
                    let at = session.revocation.map_or(now, |revocation| revocation.at);
                    manager.note_ended(session.id, at);
                }
                Revoke::Absent => {}
            }
            Ok(ended)
        })
        .await
    }

    /// Puts an ending into this node's view before it is answered, and wakes those who wait for it.
    pub(super) fn note_ended(&self, id: SessionId, at: UnixTime) {
        let feed = &self.inner.feed;
        match self.inner.check {
            RevocationCheck::Feed(_) => feed.insert(Ended::new(id, at)),
            RevocationCheck::None | RevocationCheck::Store => feed.waiters.wake(id),
        }
    }

    /// The session that a genuine credential names.
    async fn named_session(
        &self,
        presented: Presented<'_>,
    ) -> Result<Option<SessionId>, StoreError> {
        match presented {
            Presented::Access(text) => {
                // An access token that has expired still names a session that its holder may end.
                let Ok(token) = UntrustedToken::parse(text) else {
                    return Ok(None);
                };
                let keys = self.inner.keys.load();
                let verifier = keys.verifier.verifier();
                let genuine = verifier.verify_ignoring_expiry(token, self.now());
                Ok(genuine.ok())
            }
            Presented::Refresh(text) => Ok(self
                .verify_refresh_token(text)
                .ok()
                .map(|claims| claims.session_id)),
            Presented::Session(text) => {
                let Ok(cookie) = text.parse::<SessionToken>() else {
                    return Ok(None);
                };
                let session = self.load(cookie.untrusted_id).await?;
                Ok(session
                    .filter(|session| cookie.belongs_to(session))
                    .map(|session| session.id))
            }
        }
    }
}
