//! Opens, accepts and ends sessions of nobody.

use std::time::Duration;
use token_core::session::Epoch;
use token_core::session::rule;

use token_core::session::rule::{Login, SessionToken};
use token_core::session::{Credentials, Device, Ending, Revocation};
use token_core::types::Bucket;
use token_core::{
    Authentication, CustomClaims, RevokeReason, Scope, SessionId, Transport, UnixTime,
};

use super::SessionManager;
use crate::erased::StoreError;
use crate::error::LoginError;
use crate::store::{Created, DataWrite, DataWritten};
use crate::visitor::{VisitorError, VisitorKind, VisitorPolicy, VisitorSession};

/// How much longer than it lives a session of nobody stays stored. No access token of it can be live, so
/// that nobody needs to be told how it ended.
const TOMBSTONE: Duration = Duration::from_secs(60);

impl SessionManager {
    /// How long a login may take from its first proof to its last.
    pub fn pending_login_lifetime(&self) -> Duration {
        self.inner.visitors.lifetime_of(VisitorKind::PendingLogin)
    }

    /// Opens a session of nobody that holds this JSON text. Its id and its credential are new, whatever
    /// the browser presented.
    ///
    /// # Errors
    /// [`VisitorError::Full`] if there is no room; [`VisitorError::TooLong`]; [`VisitorError::Store`] if
    /// the store cannot be asked.
    pub async fn open_visitor(
        &self,
        kind: VisitorKind,
        device: Device,
        json: &str,
    ) -> Result<VisitorSession, VisitorError> {
        refuse_long(json)?;
        let now = self.now();
        let policy = &self.inner.visitors;
        let place = self.inner.visitor_rooms.take(kind, now);
        let place = place.ok_or(VisitorError::Full {
            capacity: policy.capacity_of(kind),
        })?;
        let opened = self.open_with_place(kind, device, json, now).await;
        let unknown = matches!(opened, Err(VisitorError::Store(StoreError::Unknown(_))));
        if opened.is_err() && !unknown {
            self.inner.visitor_rooms.give_back(&place);
        }
        opened
    }

    /// The same, once it has a place.
    async fn open_with_place(
        &self,
        kind: VisitorKind,
        device: Device,
        json: &str,
        now: UnixTime,
    ) -> Result<VisitorSession, VisitorError> {
        let policy = &self.inner.visitors;
        let issuer = self.issuer();
        let login = Login {
            // Until the session has drawn its random bytes.
            subject: kind.subject(SessionId::from_bytes([0; SessionId::LENGTH])),
            epoch: Epoch::default(),
            client_id: self.inner.default_client.clone(),
            transport: Transport::Session,
            scope: Scope::default(),
            authentication: Authentication {
                time: now,
                acr: None,
                amr: Vec::new(),
            },
            remember: false,
            claims: CustomClaims::default(),
            device,
        };
        let (keys, entropy) = (&issuer.refresh_keys, self.draw());
        let bucket = Bucket(0);
        let (mut session, pending) = rule::open(login, bucket, &issuer.policy, keys, now, entropy);
        session.subject = kind.subject(session.id);
        let mut id = *session.id.as_bytes();
        let [bucket, ..] = &mut id;
        *bucket = self.inner.store.bucket(&session.subject).0;
        session.id = SessionId::from_bytes(id);
        let expires_at = now + policy.lifetime_of(kind);
        session.idle_expires_at = expires_at;
        session.absolute_expires_at = expires_at;
        session.purge_at = purge_at(expires_at);
        let ahead = self
            .issue_ahead(&pending, &session, None, now)
            .await
            .map_err(LoginError::from)?;
        let stored = match self.create(&session, Some(json)).await? {
            Created::Applied(stored) => stored,
            // The store has an epoch of a subject that nobody has ended: it gave another subject's.
            Created::EpochPassed => return Err(LoginError::EpochPassed.into()),
            Created::IdTaken => return Err(LoginError::IdTaken.into()),
        };
        let granted = pending.committed(stored).map_err(LoginError::from)?;
        let credentials = ahead.give_out(&granted).map_err(LoginError::from)?;
        let Credentials::Session(token) = credentials else {
            unreachable!("the transport is `session`")
        };
        Ok(VisitorSession::new(granted.into_session(), token))
    }

    /// The session of nobody of which this is the cookie, or `None` if there is none that is live, or it
    /// is of another kind.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be asked.
    pub async fn accept_visitor(
        &self,
        kind: VisitorKind,
        cookie: &str,
    ) -> Result<Option<VisitorSession>, StoreError> {
        let Ok(token) = cookie.parse::<SessionToken>() else {
            return Ok(None);
        };
        let now = self.now();
        let session = self.load_any(token.untrusted_id).await?;
        let session = session.filter(|session| {
            kind.owns(&session.subject) && token.belongs_to(session) && session.is_live(now)
        });
        Ok(session.map(|session| VisitorSession::new(session, token)))
    }

    /// Replaces the data of a session of nobody, if it is live and nobody wrote since the `version` that
    /// was read. It is read with [`session_data`](Self::session_data).
    ///
    /// # Errors
    /// [`VisitorError::TooLong`]; [`VisitorError::Store`] if the store cannot be asked.
    pub async fn write_visitor_data(
        &self,
        visitor: &VisitorSession,
        version: u64,
        json: Option<Box<str>>,
    ) -> Result<DataWritten, VisitorError> {
        json.as_deref().map_or(Ok(()), refuse_long)?;
        let write = DataWrite::new(visitor.id(), version, json, self.now());
        Ok(self.write_data(&write).await?)
    }

    /// Ends a session of nobody; it is deleted with the next purge. Returns `false` if it had ended.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be asked: it lives until it expires.
    pub async fn end_visitor(&self, visitor: &VisitorSession) -> Result<bool, StoreError> {
        let now = self.now();
        let ending = Ending {
            id: visitor.id(),
            revocation: Revocation {
                at: now,
                reason: RevokeReason::Replaced,
            },
            purge_at: purge_at(now),
        };
        let ended = self.commit_ending(&ending).await?;
        Ok(matches!(ended, crate::store::Revoke::Applied(_)))
    }
}

/// Rounded up to whole minutes: a store may keep an index of it.
fn purge_at(ended: UnixTime) -> UnixTime {
    let until = (ended + TOMBSTONE).as_secs();
    let rounded = UnixTime::from_secs(until.next_multiple_of(TOMBSTONE.as_secs()));
    rounded.unwrap_or(UnixTime::MAX)
}

fn refuse_long(json: &str) -> Result<(), VisitorError> {
    let length = json.len();
    if length > VisitorPolicy::MAX_DATA {
        return Err(VisitorError::TooLong { length });
    }
    Ok(())
}
