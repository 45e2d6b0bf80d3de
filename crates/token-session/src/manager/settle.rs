//! The one loop of everything that a long-lived credential can do: decide on the session as it is
//! stored, write what was decided, and decide again if another write came first.
//!
//! Refresh, step-up, change of password and session cookies differ in how they decide, which is the
//! core's, and not in what follows.

use std::convert::Infallible;

use token_core::session::rule::{CookieDecision, Decision, Granted, Pending, PendingReuse};
use token_core::session::{
    Change, Committed, Denial, IssueError, Revocation, Rights, Rotation, Touch,
};
use token_core::{PRODUCT, RevokeReason, Scope, Session, SessionId, UnixTime};
use tokio::time::Instant;

use super::{Issued, SessionManager};
use crate::erased::StoreError;
use crate::error::RefreshError;
use crate::event::EventKind;
use crate::hook::{HookAnswer, RefreshHook};
use crate::store::{Commit, Revoke};

/// A lost race shows the winner's session, on which one more decision is enough, except for
/// step-ups that race each other; more than this many in a row is a fault.
const ATTEMPTS: u32 = 8;

/// What a credential means for a session as it is stored.
///
/// `A` says whether it may be accepted as it is: `()` if it may, and nothing that exists for a
/// refresh or a step-up, which always renew it.
#[expect(clippy::large_enum_variant, reason = "a verdict lives for one call")]
pub(super) enum Verdict<A = Infallible> {
    /// It holds, and nothing has to be written.
    Accept(A),
    /// It is refused, and nothing has to be written.
    Deny(Denial),
    /// It gets the same successor again; nothing has to be written.
    Replay(Granted),
    /// A superseded credential came back: the session has to be ended.
    Revoke(PendingReuse),
    /// Its successor has to be written.
    Rotate(Rotation, Pending),
    /// It gets the same successor again, and the idle deadline moves.
    ReplayAndTouch(Touch, Pending),
    /// It holds, and the idle deadline moves.
    Touch(A, Touch),
}

impl<A> From<Decision> for Verdict<A> {
    fn from(decision: Decision) -> Self {
        match decision {
            Decision::Deny(denial) => Self::Deny(denial),
            Decision::Replay(granted) => Self::Replay(granted),
            Decision::Revoke(reuse) => Self::Revoke(reuse),
            Decision::Rotate(rotation, pending) => Self::Rotate(rotation, pending),
            Decision::Touch(touch, pending) => Self::ReplayAndTouch(touch, pending),
        }
    }
}

impl From<CookieDecision> for Verdict<()> {
    fn from(decision: CookieDecision) -> Self {
        match decision {
            CookieDecision::Accept(None) => Self::Accept(()),
            CookieDecision::Accept(Some(touch)) => Self::Touch((), touch),
            CookieDecision::Deny(denial) => Self::Deny(denial),
            CookieDecision::Revoke(reuse) => Self::Revoke(reuse),
        }
    }
}

/// What has been committed, or was found committed.
pub(super) enum Settled<A = Infallible> {
    /// The session as it was read.
    Accepted(A, Committed<Session>),
    /// The credential in force, once more, and the scope of the access token if that is not the session's.
    Replayed(Granted, Option<Scope>),
    /// A new credential, with everything that is answered.
    Rotated(Box<Issued>),
    /// The session with its new deadline.
    Slid(A, Committed<Session>),
}

impl<A> Settled<A> {
    /// The session as it is now.
    pub(super) fn into_session(self) -> Committed<Session> {
        match self {
            Self::Accepted(_, session) | Self::Slid(_, session) => session,
            Self::Replayed(granted, _) => granted.into_session(),
            Self::Rotated(issued) => issued.into_session(),
        }
    }
}

/// What a session may do once its credential is renewed.
#[derive(Clone, Copy)]
pub(super) enum Changes<'a> {
    /// What the application says when it is asked.
    AsTheHookSays(&'a dyn RefreshHook),
    /// The same as before.
    Nothing,
    /// What a step-up says.
    To(&'a Rights),
}

/// The scope that the request asks for, which the session has to cover.
fn narrowed<'a>(
    scope: Option<&'a Scope>,
    allowed: &Scope,
) -> Result<Option<&'a Scope>, RefreshError> {
    match scope {
        Some(scope) if !allowed.covers(scope) => Err(RefreshError::Scope),
        scope => Ok(scope),
    }
}

impl SessionManager {
    /// Decides on a session as it was read, and on what each write that came first has left, until
    /// the credential holds or is refused. What was decided is written before it is answered.
    ///
    /// `now` stays that of the request: waiting for the store must not age the credential. `changes` says
    /// what the session may do once its credential is renewed. `scope` narrows the access token.
    pub(super) async fn settle<A>(
        &self,
        id: SessionId,
        mut current: Option<Committed<Session>>,
        now: UnixTime,
        changes: Changes<'_>,
        scope: Option<&Scope>,
        decide: impl Fn(&Committed<Session>) -> Result<Verdict<A>, IssueError>,
    ) -> Result<Settled<A>, RefreshError> {
        let start = Instant::now();
        for _ in 0..ATTEMPTS {
            let Some(session) = current else {
                tracing::debug!(target: PRODUCT, session = %id, "credential refused: no such session");
                return Err(Denial::Unknown.into());
            };
            // Nothing is handed out in these arms but what the store has, or has just committed.
            current = match decide(&session)? {
                Verdict::Accept(accepted) => return Ok(Settled::Accepted(accepted, session)),
                Verdict::Deny(denial) => return Err(self.deny(denial, &session, now)),
                Verdict::Replay(granted) => {
                    return self.replayed(granted, changes, scope, now).await;
                }
                Verdict::ReplayAndTouch(touch, pending) => {
                    match self.commit(&Change::Touch(touch)).await? {
                        Commit::Applied(slid) => {
                            let granted = pending.committed(slid)?;
                            return self.replayed(granted, changes, scope, now).await;
                        }
                        Commit::Missed(current) => current,
                    }
                }
                Verdict::Revoke(_) if self.is_too_late(start) => {
                    return Err(StoreError::Timeout(self.inner.store_timeout).into());
                }
                Verdict::Revoke(reuse) => match self.end_reused(reuse).await? {
                    Ok(denial) => return Err(self.deny(denial, &session, now)),
                    Err(current) => current,
                },
                Verdict::Rotate(mut rotation, pending) => {
                    rotation.rights = self.ask(changes, &session, now).await?;
                    let change = Change::Rotate(rotation.clone());
                    let Some(becomes) = change.apply(&session) else {
                        current = Some(session);
                        continue;
                    };
                    narrowed(scope, &becomes.scope)?;
                    // Signed and measured before the write. If the signer is away, the token that was
                    // presented stays good for as long as that takes, and is not found superseded.
                    let ahead = self.issue_ahead(&pending, &becomes, scope, now).await?;
                    match self.commit_rotation(rotation, pending).await? {
                        Ok(granted) => {
                            let session = granted.session();
                            let as_signed =
                                session.scope == becomes.scope && session.claims == becomes.claims;
                            let issued = if as_signed {
                                Self::give_out(granted, ahead, scope, now)?
                            } else {
                                // It was permitted something else since it was read.
                                let issued = self.issue(granted, scope, now, self.draw()).await;
                                let issued = issued.map_err(RefreshError::from);
                                issued.map_err(RefreshError::after_a_write)?
                            };
                            return Ok(Settled::Rotated(Box::new(issued)));
                        }
                        Err(current) => current,
                    }
                }
                Verdict::Touch(accepted, touch) => match self.commit(&Change::Touch(touch)).await {
                    Ok(Commit::Applied(slid)) => return Ok(Settled::Slid(accepted, slid)),
                    Ok(Commit::Missed(current)) => current,
                    // The session is live; that its deadline could not be moved is no reason to
                    // refuse it.
                    Err(error) => {
                        let error = &error as &dyn std::error::Error;
                        tracing::warn!(
                            target: PRODUCT,
                            error,
                            session = %session.id,
                            "the idle deadline of a session could not be moved"
                        );
                        return Ok(Settled::Accepted(accepted, session));
                    }
                },
            };
        }
        Err(RefreshError::Contended { attempts: ATTEMPTS })
    }

    /// The credential in force once more, with what the application says of the access token.
    async fn replayed<A>(
        &self,
        mut granted: Granted,
        changes: Changes<'_>,
        scope: Option<&Scope>,
        now: UnixTime,
    ) -> Result<Settled<A>, RefreshError> {
        let session = granted.session();
        let rights = self.ask(changes, session, now).await?;
        let allowed = rights.scope.as_ref().unwrap_or(&session.scope);
        let scope = narrowed(scope, allowed)?.cloned().or(rights.scope);
        granted.claims = rights.claims;
        Ok(Settled::Replayed(granted, scope))
    }

    /// Whether the credential of a request that waited since `start`, and before that for one call to
    /// the store, proves no theft any more: the policy's margin has passed, so an honest client may have
    /// been overtaken by a second rotation. It is not answered, and asks again.
    fn is_too_late(&self, start: Instant) -> bool {
        let policy = &self.inner.policy;
        let rest = policy
            .store_margin()
            .saturating_sub(self.inner.store_timeout);
        !policy.grace().is_zero() && start.elapsed() > rest
    }

    /// Ends a session whose superseded credential came back, and reports it. If another call ended
    /// it first, that one has answered `reused`; the session says what to answer now.
    async fn end_reused(
        &self,
        reuse: PendingReuse,
    ) -> Result<Result<Denial, Option<Committed<Session>>>, RefreshError> {
        let ended = self.write_ending(reuse.ending, EventKind::Reused).await?;
        Ok(match ended {
            // It was deleted meanwhile, and the answer is that there is no such session.
            Revoke::Absent => Err(None),
            Revoke::Already(session) => Err(Some(session)),
            Revoke::Applied(session) => reuse.committed(&session).map_err(|_| Some(session)),
        })
    }

    /// What the session may do from now on, as far as it changes.
    pub(super) async fn ask(
        &self,
        changes: Changes<'_>,
        session: &Committed<Session>,
        now: UnixTime,
    ) -> Result<Rights, RefreshError> {
        let hook = match changes {
            Changes::AsTheHookSays(hook) => hook,
            Changes::Nothing => return Ok(Rights::default()),
            Changes::To(rights) => return Ok(rights.clone()),
        };
        match hook.on_refresh(session).await {
            HookAnswer::Change(rights) => Ok(rights),
            HookAnswer::Keep => Ok(Rights::default()),
            HookAnswer::Refuse => Err(RefreshError::Refused),
            // Ended before it is answered: the client must not be told so and go on with the token.
            HookAnswer::End => {
                let reason = RevokeReason::Refused;
                self.revoke_at(session.id, reason, now).await?;
                let denial = Denial::Revoked(Revocation { at: now, reason });
                Err(self.deny(denial, session, now))
            }
        }
    }

    /// The error of a refused credential, which is reported if it is worth an event.
    fn deny(&self, denial: Denial, session: &Session, now: UnixTime) -> RefreshError {
        self.report_denial(&denial, session.id, &session.subject, now);
        denial.into()
    }
}
