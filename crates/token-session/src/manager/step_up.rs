//! Renews a credential with a fresh authentication: step-up and change of password.

use std::convert::Infallible;
use std::sync::Arc;

use token_core::session::rule::{self, Decision, SessionToken};
use token_core::session::{Committed, IssueError, RefreshClaims, StepUp};
use token_core::{Authentication, RevokeReason, Session, SessionId, UnixTime};

use super::settle::{Changes, Settled, Verdict};
use super::{Issued, SessionManager};
use crate::error::RefreshError;
use crate::event::EventKind;
use crate::to_end::to_end;

/// The long-lived credential of a session, as it was read and verified: what a step-up renews. An
/// access token is not enough.
#[derive(Debug)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a refresh token or a session cookie"
)]
pub enum SessionCredential {
    /// A refresh token, by [`SessionManager::verify_refresh_token`].
    Refresh(RefreshClaims),
    /// A session cookie, by [`SessionManager::read_session_cookie`].
    Session(SessionToken),
}

impl SessionCredential {
    /// The session that it names, proven or not.
    fn session_id(&self) -> SessionId {
        match self {
            Self::Refresh(claims) => claims.session_id,
            Self::Session(token) => token.untrusted_id,
        }
    }
}

impl SessionManager {
    /// The session that is to be stepped up, so that the application can check the user's
    /// password. Changes nothing, except that a stolen credential ends its session.
    ///
    /// # Errors
    /// As [`refresh`](Self::refresh).
    pub async fn begin_step_up(
        &self,
        credential: &SessionCredential,
    ) -> Result<Committed<Session>, RefreshError> {
        let now = self.now();
        // Nothing is written with it: it makes the decision that the step-up will make.
        let step_up = Authentication::password(now).into();
        let decide = |session: &Committed<Session>| {
            let decision = self.decide_step_up(credential, session, &step_up, now)?;
            Ok(match decision {
                Decision::Replay(_) | Decision::Rotate(..) | Decision::Touch(..) => {
                    Verdict::Accept(())
                }
                refused => refused.into(),
            })
        };
        let id = credential.session_id();
        let current = self.load(id).await?;
        let settled = self.settle(id, current, now, Changes::Nothing, None, decide);
        let settled = settled.await?;
        Ok(settled.into_session())
    }

    /// Renews the credential of a session whose user has just authenticated again: a new
    /// `auth_time`, always a new credential, and the older ones end at once. The session
    /// keeps its id. Repeated within the grace because the answer was lost, it gives the same
    /// credential again.
    ///
    /// # Errors
    /// As [`refresh`](Self::refresh).
    pub async fn step_up(
        &self,
        credential: &SessionCredential,
        step_up: impl Into<StepUp>,
    ) -> Result<Issued, RefreshError> {
        self.renew_stepped_up(credential, &step_up.into(), self.now())
            .await
    }

    /// After a change of password: ends every other session of the subject, logins in flight
    /// included, and renews the credential of this one. Store the new password first.
    ///
    /// # Errors
    /// As [`refresh`](Self::refresh). The other sessions may be ended already; called again
    /// with the same credential it goes on.
    pub async fn password_changed(
        &self,
        credential: Arc<SessionCredential>,
        step_up: impl Into<StepUp>,
    ) -> Result<Issued, RefreshError> {
        let (manager, step_up) = (self.clone(), step_up.into());
        // Both or neither: if the other sessions are ended and this one keeps its credential, so does who
        // has stolen it.
        to_end(async move {
            // A credential that holds no more must not end the sessions of those who have a newer one.
            let session = manager.begin_step_up(&credential).await?;
            let reason = RevokeReason::PasswordChanged;
            let (subject, id) = (&session.subject, session.id);
            manager.revoke_others(subject, id, reason).await?;
            let renewed = manager.step_up(&credential, step_up).await;
            renewed.map_err(RefreshError::after_a_write)
        })
        .await
    }

    async fn renew_stepped_up(
        &self,
        credential: &SessionCredential,
        step_up: &StepUp,
        now: UnixTime,
    ) -> Result<Issued, RefreshError> {
        let decide = |session: &Committed<Session>| {
            self.decide_step_up(credential, session, step_up, now)
                .map(Verdict::<Infallible>::from)
        };
        let id = credential.session_id();
        // Always read again, and not taken from the beginning of the step-up: a replay writes
        // nothing, and must not answer for a session that was ended meanwhile.
        let current = self.load(id).await?;
        let changes = Changes::To(&step_up.rights);
        let settled = self.settle(id, current, now, changes, None, decide);
        match settled.await? {
            Settled::Replayed(granted, scope) => {
                let issued = self.issue_within(granted, scope, now, self.draw()).await?;
                self.report(EventKind::SteppedUp, issued.session(), now);
                Ok(issued)
            }
            Settled::Rotated(issued) => Ok(*issued),
        }
    }

    fn decide_step_up(
        &self,
        credential: &SessionCredential,
        session: &Committed<Session>,
        step_up: &StepUp,
        now: UnixTime,
    ) -> Result<Decision, IssueError> {
        let issuer = self.issuer();
        let (policy, keys, entropy) = (&issuer.policy, &issuer.refresh_keys, self.draw());
        match credential {
            SessionCredential::Refresh(token) => {
                rule::decide(token, session, Some(step_up), policy, keys, now, entropy)
            }
            SessionCredential::Session(token) => {
                token.decide_step_up(session, step_up, policy, keys, now, entropy)
            }
        }
    }
}
