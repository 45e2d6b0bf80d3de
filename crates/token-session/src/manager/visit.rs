//! Uses of a session cookie: is it live, does it slide, what has the application stored.

use token_core::session::{Change, Committed, CookieDecision, SessionData, SessionToken};
use token_core::{Session, SessionId, UnixTime};
use tracing::warn;

use super::{SessionManager, refresh::ATTEMPTS};
use crate::erased::StoreError;
use crate::error::{RefreshError, WriteDataError};
use crate::store::{Commit, DataWrite, DataWritten};

/// A session that its cookie has proven.
#[derive(Debug)]
#[must_use]
pub struct Visit {
    session: Committed<Session>,
    token: SessionToken,
    slid: bool,
    at: UnixTime,
}

impl Visit {
    /// The session.
    pub const fn session(&self) -> &Committed<Session> {
        &self.session
    }

    /// The cookie's value.
    pub const fn token(&self) -> &SessionToken {
        &self.token
    }

    /// Whether the deadline moved, so that the cookie has to be sent again.
    pub const fn slid(&self) -> bool {
        self.slid
    }

    /// When it was, by this node's clock.
    pub const fn at(&self) -> UnixTime {
        self.at
    }
}

impl SessionManager {
    /// Accepts a session cookie, and moves the session's idle deadline where the last move is
    /// longer ago than the touch interval.
    ///
    /// # Errors
    /// [`RefreshError::Denied`] with the reason; everything else is a fault of the server.
    pub async fn touch(&self, cookie: &str) -> Result<Visit, RefreshError> {
        let now = self.now();
        let token = Self::session_token(cookie)?;
        let mut row = self.load(token.untrusted_id()).await?;
        let issuer = self.issuer();
        for _ in 0..ATTEMPTS {
            let session = row.ok_or_else(|| Self::absent(token.untrusted_id()))?;
            match token.decide(&session, &issuer.policy, &issuer.refresh_keys, now) {
                CookieDecision::Accept(None) => {
                    return Ok(Visit {
                        session,
                        token,
                        slid: false,
                        at: now,
                    });
                }
                CookieDecision::Accept(Some(touch)) => {
                    match self.commit(&Change::Touch(touch)).await {
                        Ok(Commit::Applied(session)) => {
                            return Ok(Visit {
                                session,
                                token,
                                slid: true,
                                at: now,
                            });
                        }
                        Ok(Commit::Missed(current)) => row = current,
                        // The session is live; that it could not slide is no reason to refuse.
                        Err(error) => {
                            let error = &error as &dyn std::error::Error;
                            warn!(error, session = %session.id, "a session did not slide");
                            return Ok(Visit {
                                session,
                                token,
                                slid: false,
                                at: now,
                            });
                        }
                    }
                }
                CookieDecision::Deny(denial) => {
                    self.emit_denial(&denial, session.id, &session.subject, now);
                    return Err(denial.into());
                }
                CookieDecision::Revoke(reuse) => match self.end_reused(reuse).await? {
                    Ok(denial) => {
                        self.emit_denial(&denial, session.id, &session.subject, now);
                        return Err(denial.into());
                    }
                    Err(current) => row = current,
                },
            }
        }
        Err(RefreshError::Contended { attempts: ATTEMPTS })
    }

    /// The private data of a session, or `None` where there is no such session.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot be asked.
    pub async fn session_data(&self, id: SessionId) -> Result<Option<SessionData>, StoreError> {
        self.call("load_data", || self.inner.store.load_data(id))
            .await
    }

    /// Replaces the private data of a session, if it is live and nobody wrote since the
    /// `version` that was read. A write never brings an ended session back.
    ///
    /// # Errors
    /// [`WriteDataError::TooLong`] for a text of more than [`SessionData::MAX_LENGTH`] bytes, which is
    /// not written; [`WriteDataError::Store`] where the store cannot be asked: whether it wrote is
    /// unknown.
    pub async fn write_session_data(
        &self,
        id: SessionId,
        version: u64,
        json: Option<Box<str>>,
    ) -> Result<DataWritten, WriteDataError> {
        let length = json.as_ref().map_or(0, |json| json.len());
        if length > SessionData::MAX_LENGTH {
            return Err(WriteDataError::TooLong { length });
        }
        let write = DataWrite {
            id,
            version,
            json,
            at: self.now(),
        };
        Ok(self.write_data(&write).await?)
    }
}
