//! Renews credentials: one round trip to the store where nothing is in the way.

use token_core::session::{
    self, Change, Committed, Decision, Denial, Granted, PendingReuse, PendingRotation, Purpose,
    RefreshClaims, RefreshTokenError,
};
use token_core::{RevokeReason, Scope, Session, UnixTime};
use tracing::debug;

use super::{Issued, SessionManager};
use crate::error::RefreshError;
use crate::event::EventKind;
use crate::hook::HookAnswer;
use crate::metric::{self, Stopwatch};
use crate::store::{Commit, Revoke};

/// A lost race shows the winner's record, on which one more decision is enough, except for
/// step-ups that race each other; more than this many in a row is a fault.
pub(super) const ATTEMPTS: u32 = 8;

impl SessionManager {
    /// Renews the credentials of a session: verifies the token, writes its successor, issues
    /// the next pair. Within the grace the same refresh token comes again.
    ///
    /// `scope` narrows the access token (RFC 6749 section 6); `None` gives all of the
    /// session's.
    ///
    /// # Errors
    /// [`RefreshError::Denied`] with the reason, [`RefreshError::Scope`] for a wider scope,
    /// [`RefreshError::Refused`] by the application's hook; everything else is a fault of the
    /// server, after which the client may try again with the same token.
    pub async fn refresh(
        &self,
        token: &str,
        scope: Option<&Scope>,
    ) -> Result<Issued, RefreshError> {
        let watch = Stopwatch::start();
        let renewed = self.refresh_at(token, scope).await;
        let outcome = match &renewed {
            Ok((kind, _)) => kind.as_str(),
            Err(RefreshError::Denied(_) | RefreshError::Refused | RefreshError::Scope) => "denied",
            Err(_) => "failed",
        };
        metric::refresh(outcome, watch);
        renewed.map(|(_, issued)| issued)
    }

    async fn refresh_at(
        &self,
        token: &str,
        scope: Option<&Scope>,
    ) -> Result<(EventKind, Issued), RefreshError> {
        // Taken before the store is asked: waiting for it must not age the token.
        let now = self.now();
        let claims = self.genuine(token)?;
        if scope.is_some_and(|scope| !claims.scope.covers(scope)) {
            return Err(RefreshError::Scope);
        }
        let result = self.renew(&claims, now).await;
        if let Err(RefreshError::Denied(denial)) = &result {
            self.emit_denial(denial, claims.session_id, &claims.subject, now);
        }
        let (kind, granted) = result?;
        let issued = self.issue(granted, scope, now).await?;
        self.emit(kind.clone(), issued.session(), now);
        Ok((kind, issued))
    }

    /// Reads a refresh token that is genuinely ours.
    pub(super) fn genuine(&self, token: &str) -> Result<RefreshClaims, Denial> {
        let live = self.inner.live.load();
        let issuer = &live.issuer;
        let verified = issuer
            .refresh_keys
            .verify(token, &issuer.issuer, &issuer.audience);
        verified.map_err(|error: RefreshTokenError| {
            debug!(
                error = &error as &dyn std::error::Error,
                "refresh token refused"
            );
            Denial::Malformed
        })
    }

    async fn renew(
        &self,
        claims: &RefreshClaims,
        now: UnixTime,
    ) -> Result<(EventKind, Granted), RefreshError> {
        let optimistic = {
            // Not a clone of the pointer: all threads would count in one place.
            let live = self.inner.live.load();
            let (policy, keys) = (&live.issuer.policy, &live.issuer.refresh_keys);
            session::attempt(claims, policy, keys, now, self.draw())?
        };
        let mut row = if self.inner.hook.is_some() {
            self.load(claims.session_id).await?
        } else {
            match self.write(optimistic).await? {
                Ok(granted) => return Ok((EventKind::Refreshed, granted)),
                Err(row) => row,
            }
        };
        let issuer = self.issuer();
        let (policy, keys) = (&issuer.policy, &issuer.refresh_keys);
        for _ in 0..ATTEMPTS {
            let session = row.ok_or(Denial::Unknown)?;
            let entropy = self.draw();
            let decision = session::decide(
                claims,
                &session,
                &Purpose::Refresh,
                policy,
                keys,
                now,
                entropy,
            )?;
            row = match decision {
                Decision::Deny(denial) => return Err(denial.into()),
                Decision::Replay(granted) => {
                    let granted = match self.ask_hook(&session, now).await? {
                        Some(claims) => granted.with_claims(claims),
                        None => granted,
                    };
                    return Ok((EventKind::Replayed, granted));
                }
                Decision::Revoke(reuse) => match self.end_reused(reuse).await? {
                    Ok(denial) => return Err(denial.into()),
                    Err(row) => row,
                },
                Decision::Rotate(pending) => {
                    let pending = match self.ask_hook(&session, now).await? {
                        Some(claims) => pending.with_claims(claims),
                        None => pending,
                    };
                    match self.write(pending).await? {
                        Ok(granted) => {
                            self.alarm_adopted(claims, &session, now);
                            return Ok((EventKind::Refreshed, granted));
                        }
                        Err(row) => row,
                    }
                }
            };
        }
        Err(RefreshError::Contended { attempts: ATTEMPTS })
    }

    /// Reports that a token of a later generation than the store had was believed, as the policy
    /// says: whoever forges one with a stolen key is believed as well.
    pub(super) fn alarm_adopted(&self, claims: &RefreshClaims, before: &Session, now: UnixTime) {
        if claims.generation > before.generation {
            self.emit(EventKind::LostWrite, before, now);
        }
    }

    /// Commits a rotation, or gives the row that was in the way.
    pub(super) async fn write(
        &self,
        pending: PendingRotation,
    ) -> Result<Result<Granted, Option<Committed<Session>>>, RefreshError> {
        let change = Change::Rotate(pending.rotation().clone());
        Ok(match self.commit(&change).await? {
            Commit::Applied(session) => Ok(pending.committed(session)?),
            Commit::Missed(row) => Err(row),
        })
    }

    /// Ends a session whose superseded credential came back, and reports it. Where another call ended it
    /// first, that one has answered `reused`; the row says what to answer now.
    pub(super) async fn end_reused(
        &self,
        reuse: PendingReuse,
    ) -> Result<Result<Denial, Option<Committed<Session>>>, RefreshError> {
        Ok(
            match self
                .write_ending(*reuse.ending(), EventKind::Reused)
                .await?
            {
                Revoke::Absent => Err(None),
                Revoke::Already(row) => Err(Some(row)),
                Revoke::Applied(row) => reuse.committed(&row).map_err(|_| Some(row)),
            },
        )
    }

    async fn ask_hook(
        &self,
        session: &Committed<Session>,
        now: UnixTime,
    ) -> Result<Option<token_core::CustomClaims>, RefreshError> {
        let Some(hook) = &self.inner.hook else {
            return Ok(None);
        };
        match hook.on_refresh(session).await {
            HookAnswer::Change(claims) => Ok(Some(claims)),
            HookAnswer::Keep => Ok(None),
            HookAnswer::Refuse => Err(RefreshError::Refused),
            HookAnswer::End => {
                self.end_one(session.id, RevokeReason::Refused, now).await?;
                let revocation = session::Revocation {
                    at: now,
                    reason: RevokeReason::Refused,
                };
                Err(Denial::Revoked(revocation).into())
            }
        }
    }
}
