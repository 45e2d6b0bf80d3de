//! Renews a credential with a fresh authentication: step-up and change of password.

use std::fmt;

use token_core::session::{
    self, Committed, Decision, Denial, Granted, Purpose, RefreshClaims, SessionToken,
};
use token_core::{Authentication, RevokeReason, Session, SessionId, UnixTime};

use super::{Issued, SessionManager, refresh::ATTEMPTS};
use crate::error::RefreshError;
use crate::event::EventKind;

/// The long-lived credential that a step-up renews. An access token is not enough.
#[derive(Clone, Copy)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a refresh token or a session cookie"
)]
pub enum Renewal<'a> {
    /// A refresh token.
    Refresh(&'a str),
    /// The value of a session cookie.
    Session(&'a str),
}

impl fmt::Debug for Renewal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Refresh(_) => "Refresh([redacted])",
            Self::Session(_) => "Session([redacted])",
        })
    }
}

/// A credential that was read.
enum Credential {
    Refresh(RefreshClaims),
    Session(SessionToken),
}

impl Credential {
    fn session_id(&self) -> SessionId {
        match self {
            Self::Refresh(claims) => claims.session_id,
            Self::Session(token) => token.untrusted_id(),
        }
    }
}

impl SessionManager {
    /// The session that would be stepped up, so that the application can check the user's
    /// password. Changes nothing, except that a stolen credential ends its session.
    ///
    /// # Errors
    /// As [`refresh`](Self::refresh).
    pub async fn stepping_up(
        &self,
        presented: Renewal<'_>,
    ) -> Result<Committed<Session>, RefreshError> {
        let now = self.now();
        let credential = self.read(presented)?;
        let authentication = Authentication::password(now);
        let mut row = self.load(credential.session_id()).await?;
        for _ in 0..ATTEMPTS {
            let session = row.ok_or_else(|| Self::absent(credential.session_id()))?;
            match self.judge(&credential, &session, authentication.clone(), now)? {
                Decision::Replay(_) | Decision::Rotate(_) => return Ok(session),
                Decision::Deny(denial) => return Err(self.deny(denial, &session, now)),
                Decision::Revoke(reuse) => match self.end_reused(reuse).await? {
                    Ok(denial) => return Err(self.deny(denial, &session, now)),
                    Err(current) => row = current,
                },
            }
        }
        Err(RefreshError::Contended { attempts: ATTEMPTS })
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
        presented: Renewal<'_>,
        authentication: Authentication,
    ) -> Result<Issued, RefreshError> {
        let now = self.now();
        let credential = self.read(presented)?;
        let granted = self
            .renew_stepped_up(&credential, &authentication, now)
            .await?;
        let issued = self.issue(granted, None, now).await?;
        self.emit(EventKind::SteppedUp, issued.session(), now);
        Ok(issued)
    }

    /// After a change of password: ends every other session of the subject, logins in flight
    /// included, and renews the credential of this one. Store the new password first.
    ///
    /// # Errors
    /// As [`refresh`](Self::refresh). The other sessions may be ended already; called again
    /// with the same credential it goes on.
    pub async fn password_changed(
        &self,
        presented: Renewal<'_>,
        authentication: Authentication,
    ) -> Result<Issued, RefreshError> {
        let session = self.stepping_up(presented).await?;
        let reason = RevokeReason::PasswordChanged;
        self.end_subject(&session.subject, Some(session.id), reason)
            .await?;
        self.step_up(presented, authentication).await
    }

    async fn renew_stepped_up(
        &self,
        credential: &Credential,
        authentication: &Authentication,
        now: UnixTime,
    ) -> Result<Granted, RefreshError> {
        let mut row = self.load(credential.session_id()).await?;
        for _ in 0..ATTEMPTS {
            let session = row.ok_or_else(|| Self::absent(credential.session_id()))?;
            row = match self.judge(credential, &session, authentication.clone(), now)? {
                Decision::Deny(denial) => return Err(self.deny(denial, &session, now)),
                Decision::Replay(granted) => return Ok(granted),
                Decision::Revoke(reuse) => match self.end_reused(reuse).await? {
                    Ok(denial) => return Err(self.deny(denial, &session, now)),
                    Err(current) => current,
                },
                Decision::Rotate(pending) => match self.write(pending).await? {
                    Ok(granted) => {
                        if let Credential::Refresh(claims) = credential {
                            self.alarm_adopted(claims, &session, now);
                        }
                        return Ok(granted);
                    }
                    Err(current) => current,
                },
            };
        }
        Err(RefreshError::Contended { attempts: ATTEMPTS })
    }

    fn read(&self, presented: Renewal<'_>) -> Result<Credential, Denial> {
        match presented {
            Renewal::Refresh(text) => self.genuine(text).map(Credential::Refresh),
            Renewal::Session(text) => Self::session_token(text).map(Credential::Session),
        }
    }

    fn judge(
        &self,
        credential: &Credential,
        session: &Committed<Session>,
        authentication: Authentication,
        now: UnixTime,
    ) -> Result<Decision, RefreshError> {
        let issuer = self.issuer();
        let (policy, keys, entropy) = (&issuer.policy, &issuer.refresh_keys, self.draw());
        Ok(match credential {
            Credential::Refresh(claims) => {
                let purpose = Purpose::StepUp(authentication);
                session::decide(claims, session, &purpose, policy, keys, now, entropy)?
            }
            Credential::Session(token) => {
                token.decide_step_up(session, authentication, policy, keys, now, entropy)?
            }
        })
    }

    fn deny(&self, denial: Denial, session: &Session, now: UnixTime) -> RefreshError {
        self.emit_denial(&denial, session.id, &session.subject, now);
        denial.into()
    }
}
