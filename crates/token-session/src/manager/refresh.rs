//! Renews a refresh token: one round trip to the store unless something is in the way.

use std::convert::Infallible;

use token_core::session::rule;
use token_core::session::{Committed, Denial, RefreshClaims};
use token_core::{PRODUCT, Scope, Session};

use super::settle::{Changes, Settled, Verdict};
use super::{Issued, SessionManager};
use crate::error::RefreshError;
use crate::event::EventKind;
use crate::metric::{self, Stopwatch};

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
        let claims = self.verify_refresh_token(token)?;
        self.refresh_verified(&claims, scope).await
    }

    /// Reads a refresh token, and checks that it is genuinely ours: signed with one of the keys in
    /// force, for this issuer and audience. No I/O. Whether it still works is decided by what is
    /// done with the claims, [`refresh_verified`](Self::refresh_verified) for example.
    ///
    /// # Errors
    /// [`Denial::Malformed`]; what is wrong is logged, and not for the client.
    pub fn verify_refresh_token(&self, token: &str) -> Result<RefreshClaims, Denial> {
        let keys = self.inner.keys.load();
        let issuer = &keys.issuer;
        let verified = issuer
            .refresh_keys
            .verify(token, &issuer.issuer, &issuer.audience);
        verified.map_err(|error| {
            let error = &error as &dyn std::error::Error;
            tracing::debug!(target: PRODUCT, error, "refresh token refused");
            Denial::Malformed
        })
    }

    /// Like [`refresh`](Self::refresh), for a token that was verified already: what came with it
    /// can be checked in between, at the cost of one verification.
    ///
    /// # Errors
    /// As [`refresh`](Self::refresh).
    pub async fn refresh_verified(
        &self,
        token: &RefreshClaims,
        scope: Option<&Scope>,
    ) -> Result<Issued, RefreshError> {
        let watch = Stopwatch::start();
        let renewed = self.renew_and_issue(token, scope).await;
        let outcome = match &renewed {
            Ok((kind, _)) => kind.as_str(),
            Err(RefreshError::Denied(_) | RefreshError::Refused | RefreshError::Scope) => "denied",
            Err(_) => "failed",
        };
        metric::refresh(outcome, watch);
        renewed.map(|(_, issued)| issued)
    }

    async fn renew_and_issue(
        &self,
        token: &RefreshClaims,
        scope: Option<&Scope>,
    ) -> Result<(EventKind, Issued), RefreshError> {
        // Asked before anything is written, so that the client can repeat the token with less.
        if scope.is_some_and(|scope| !token.scope.covers(scope)) {
            return Err(RefreshError::Scope);
        }
        // Taken before the store is asked: waiting for it must not age the token.
        let now = self.now();
        let (for_rotation, for_token) = self.draw().halves();
        let optimistic = {
            // Not a clone of the pointer: all threads would count in one place.
            let keys = self.inner.keys.load();
            let (policy, ring) = (&keys.issuer.policy, &keys.issuer.refresh_keys);
            rule::attempt(token, policy, ring, now, for_rotation)
        };
        let (rotation, pending) = match optimistic {
            Ok(optimistic) => optimistic,
            Err(denial) => {
                self.report_denial(&denial, token.session_id, &token.subject, now);
                return Err(denial.into());
            }
        };
        let current = if self.inner.hook.is_some() || self.signs_elsewhere() {
            // The hook is asked about the session as it is, and a signer that may be away signs before the
            // write: so the session has to be read first.
            self.load(token.session_id).await?
        } else {
            // The token says which generation and hash the session must have, so the write can be tried
            // without reading: one round trip, unless another tab or node was first. The key is in this
            // process, and the claims were measured when they came into the session, so after the write
            // nothing fails but for lack of memory.
            match self.commit_rotation(rotation, pending).await? {
                Ok(granted) => {
                    // A signer elsewhere may have taken the place of the keys since they were looked at.
                    let issued = self.issue(granted, scope, now, for_token).await;
                    let issued = issued.map_err(RefreshError::from);
                    let issued = issued.map_err(RefreshError::after_a_write)?;
                    return Ok((EventKind::Refreshed, issued));
                }
                Err(current) => current,
            }
        };
        let issuer = self.issuer();
        let (policy, ring) = (&issuer.policy, &issuer.refresh_keys);
        let decide = |session: &Committed<Session>| {
            let entropy = self.draw();
            rule::decide(token, session, None, policy, ring, now, entropy)
                .map(Verdict::<Infallible>::from)
        };
        let hook = self.inner.hook.as_deref();
        let changes = hook.map_or(Changes::Nothing, Changes::AsTheHookSays);
        let settled = self.settle(token.session_id, current, now, changes, scope, decide);
        // Behind a pointer: the usual refresh need not have the room for it.
        match Box::pin(settled).await? {
            Settled::Replayed(granted, scope) => {
                let issued = self.issue_within(granted, scope, now, self.draw()).await?;
                self.report(EventKind::Replayed, issued.session(), now);
                Ok((EventKind::Replayed, issued))
            }
            Settled::Rotated(issued) => Ok((EventKind::Refreshed, *issued)),
        }
    }
}
