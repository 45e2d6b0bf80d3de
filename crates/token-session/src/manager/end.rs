//! Shows and ends sessions.

use std::fmt;

use token_core::session::{self, Committed, Ending, Revocation, SessionToken};
use token_core::{RevokeReason, Session, SessionId, Subject, UnixTime, UntrustedToken};

use super::SessionManager;
use crate::erased::StoreError;
use crate::event::{Event, EventKind};
use crate::feed::RevocationCheck;
use crate::store::{Ended, Revoke, SubjectEnding};

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

/// Whose sessions may be ended.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_enums, reason = "one's own, or anybody's")]
pub enum Whose<'a> {
    /// Anybody's: for administrators.
    Anyones,
    /// Only this subject's: another's session is not found.
    Of(&'a Subject),
}

impl SessionManager {
    /// Ends the session of a credential that is genuinely ours, whatever its age. Returns
    /// whether there was one to end; what is not ours changes nothing.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot be asked: the session may live.
    pub async fn logout(&self, presented: Presented<'_>) -> Result<bool, StoreError> {
        self.end_presented(presented, RevokeReason::Logout).await
    }

    /// Like [`logout`](Self::logout), for any reason: a login, for example, ends the session
    /// whose cookie came with it as [`RevokeReason::Replaced`].
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot be asked: the session may live.
    pub async fn end_presented(
        &self,
        presented: Presented<'_>,
        reason: RevokeReason,
    ) -> Result<bool, StoreError> {
        let now = self.now();
        match self.named_session(presented).await? {
            Some(id) => Ok(self.end_one(id, reason, now).await?.is_some()),
            None => Ok(false),
        }
    }

    /// Ends one session, for the reason given; `false` where there is none that is live, or
    /// it is another's.
    ///
    /// An administrator's button is one line:
    /// `manager.end(id, Whose::Anyones, RevokeReason::Admin).await?`.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot be asked: the session may live.
    pub async fn end(
        &self,
        id: SessionId,
        whose: Whose<'_>,
        reason: RevokeReason,
    ) -> Result<bool, StoreError> {
        let now = self.now();
        if let Whose::Of(subject) = whose {
            // A session never changes hands, so this cannot be outdated by the write.
            match self.load(id).await? {
                Some(session) if session.subject == *subject && session.is_live(now) => {}
                _ => return Ok(false),
            }
        }
        Ok(self.end_one(id, reason, now).await?.is_some())
    }

    /// Ends all sessions of a subject, those whose login is in flight included.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot be asked: sessions may live.
    pub async fn logout_all(&self, subject: &Subject) -> Result<Vec<SessionId>, StoreError> {
        self.end_subject(subject, None, RevokeReason::LogoutAll)
            .await
    }

    /// Ends all sessions of a subject but `current`.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot be asked: sessions may live.
    pub async fn logout_others(
        &self,
        subject: &Subject,
        current: SessionId,
    ) -> Result<Vec<SessionId>, StoreError> {
        self.end_subject(subject, Some(current), RevokeReason::LogoutOthers)
            .await
    }

    /// The live sessions of a subject, newest first.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot be asked.
    pub async fn sessions(&self, subject: &Subject) -> Result<Vec<Committed<Session>>, StoreError> {
        let now = self.now();
        let mut rows = self.list(subject).await?;
        rows.retain(|session| session.is_live(now));
        Ok(rows)
    }

    /// A session, if it is live.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot be asked.
    pub async fn session(&self, id: SessionId) -> Result<Option<Committed<Session>>, StoreError> {
        let now = self.now();
        Ok(self.load(id).await?.filter(|session| session.is_live(now)))
    }

    /// Ends all sessions of a subject but one, for any reason.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot be asked: sessions may live.
    pub async fn end_subject(
        &self,
        subject: &Subject,
        except: Option<SessionId>,
        reason: RevokeReason,
    ) -> Result<Vec<SessionId>, StoreError> {
        let now = self.now();
        let ending = SubjectEnding {
            subject: subject.clone(),
            except,
            revocation: Revocation { at: now, reason },
            purge_at: self.policy().tombstone_until(now),
        };
        let manager = self.clone();
        Self::to_end(async move {
            let ended = manager.revoke_subject(&ending).await?;
            for session in &ended {
                manager.note_ended(*session, now);
                let kind = EventKind::Revoked(reason);
                let subject = ending.subject.clone();
                manager.report(Event::of(kind, *session, subject, now));
            }
            Ok(ended)
        })
        .await
    }

    /// Ends one session and reports it, if this call was the one that did.
    pub(super) async fn end_one(
        &self,
        id: SessionId,
        reason: RevokeReason,
        now: UnixTime,
    ) -> Result<Option<Committed<Session>>, StoreError> {
        let ending = session::close(id, reason, self.policy(), now);
        let ended = self
            .write_ending(ending, EventKind::Revoked(reason))
            .await?;
        Ok(match ended {
            Revoke::Applied(session) => Some(session),
            Revoke::Already(_) | Revoke::Absent => None,
        })
    }

    /// Writes an ending, and where this call was the one that did, reports it as `kind`.
    pub(super) async fn write_ending(
        &self,
        ending: Ending,
        kind: EventKind,
    ) -> Result<Revoke, StoreError> {
        let manager = self.clone();
        Self::to_end(async move {
            let ended = manager.revoke(&ending).await?;
            let now = ending.revocation.at;
            match &ended {
                Revoke::Applied(session) => {
                    manager.note_ended(session.id, now);
                    manager.emit(kind, session, now);
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

    /// Puts an ending into this node's view before it is answered, and wakes who waits for it.
    pub(super) fn note_ended(&self, id: SessionId, at: UnixTime) {
        let feed = self.feed();
        match self.inner.check {
            RevocationCheck::Feed(_) => feed.insert(Ended { id, at }),
            RevocationCheck::None | RevocationCheck::Store => feed.waiting.wake(id),
        }
    }

    /// The session that a genuine credential names.
    async fn named_session(
        &self,
        presented: Presented<'_>,
    ) -> Result<Option<SessionId>, StoreError> {
        match presented {
            Presented::Access(text) => {
                let Ok(token) = UntrustedToken::parse(text) else {
                    return Ok(None);
                };
                let live = self.inner.live.load();
                let verifier = live.verifier.verifier();
                let genuine = verifier.verify_ignoring_expiry(token, self.now());
                Ok(genuine.ok().map(|token| token.claims().session_id))
            }
            Presented::Refresh(text) => Ok(self.genuine(text).ok().map(|claims| claims.session_id)),
            Presented::Session(text) => {
                let Ok(cookie) = SessionToken::parse(text) else {
                    return Ok(None);
                };
                let session = self.load(cookie.untrusted_id()).await?;
                Ok(session
                    .filter(|session| cookie.belongs_to(session))
                    .map(|session| session.id))
            }
        }
    }
}
