//! The rotation rule: open a session, decide what a presented credential means, close it.
//!
//! A refresh token carries its generation under a signature, so the session alone knows which tokens are
//! spent. The successor's secret is derived from the presented one and a stored nonce: if the previous
//! token is presented again, the server computes the same successor again, bit for bit, and nobody else
//! can. So a lost answer, a second tab and a retry all end with the same token, and a session never forks.
//! `docs/rotation.md` has the table and the reasons.
//!
//! A refresh usually goes like this: [`attempt`] makes the write that should succeed from the token alone.
//! If the store says that it did not match, [`decide`] looks at the session that came back.

use std::time::Duration;

use crate::access::custom::CustomClaims;
use crate::binding::proof::Proof;
use crate::keys::error::IssueError;
use crate::session::change::{Committed, Ending, Rotation, Touch};
use crate::session::denial::Denial;
use crate::session::permit::Rights;
use crate::session::policy::Policy;
use crate::session::record::{
    Authentication, Device, Nonce, Revocation, RevokeReason, RotatedBy, Session, Transport,
};
use crate::session::refresh_token::{Presented, RefreshClaims, RefreshKeyRing};
use crate::session::rule::decision::{Decision, PendingReuse};
use crate::session::rule::granted::{Granted, Pending};
use crate::session::step_up::StepUp;
use crate::session::superseded::{EarlierRotations, Supersession};
use crate::types::count::{Epoch, Generation};
use crate::types::id::{Bucket, SessionId};
use crate::types::name::{ClientId, Subject};
use crate::types::scope::Scope;
use crate::types::secret::{Entropy, TokenSecret};
use crate::types::time::UnixTime;

/// Times of use are kept this coarse, as exact ones would tell a thief when to act.
const LAST_SEEN_STEP: Duration = Duration::from_secs(300);

/// A successful authentication: what a new session is made of.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "a login has to say all of it")]
pub struct Login {
    /// The user.
    pub subject: Subject,
    /// The subject's epoch, read from the store *before* the password was checked. If all sessions of the
    /// subject are ended meanwhile, this login opens nothing.
    pub epoch: Epoch,
    /// The application that asks.
    pub client_id: ClientId,
    /// How the credentials shall travel.
    pub transport: Transport,
    /// What the session may do.
    pub scope: Scope,
    /// When and how the user proved who they are.
    pub authentication: Authentication,
    /// Whether the session lives by the remembered idle lifetime.
    pub remember: bool,
    /// The application's own claims for each access token.
    pub claims: CustomClaims,
    /// Where the login came from.
    pub device: Device,
}

/// Opens a session: the session to insert and the secret of its first credential.
///
/// `now` is the time of the login by this node's clock. `bucket` is the subject's, from the store.
pub fn open(
    login: Login,
    bucket: Bucket,
    policy: &Policy,
    keys: &RefreshKeyRing,
    now: UnixTime,
    entropy: Entropy,
) -> (Session, Pending) {
    let (id, secret) = entropy.split::<17, 32>();
    drop(entropy);
    let secret = TokenSecret::from_bytes(secret);
    let absolute_expires_at = now + policy.absolute_lifetime();
    let slide = policy.slide(login.remember, absolute_expires_at, now);
    // The first secret is random, not derived, so the nonce stays zero.
    let session = Session {
        subject_epoch: login.epoch,
        scope: login.scope,
        authentication: login.authentication,
        idle_expires_at: slide.idle_expires_at,
        absolute_expires_at,
        remember: login.remember,
        last_seen_at: now.round_down(LAST_SEEN_STEP),
        claims: login.claims,
        device: login.device,
        purge_at: slide.purge_at,
        ..Session::new(
            SessionId::new(bucket, id),
            login.subject,
            login.client_id,
            login.transport,
            secret.hash(),
            keys.current().kid().clone(),
            now,
        )
    };
    let hash = session.token_hash;
    (session, Pending { secret, hash })
}

/// The write that a refresh token asks for, from the token alone. It matches if the token is the current
/// one and the last rotation is at least grace + tolerance + store margin ago, which is the normal case, and
/// then a refresh costs one round trip.
///
/// # Errors
/// [`Denial::Expired`] if the token's own deadline has passed: the store need not be asked.
pub fn attempt<const N: usize>(
    token: &RefreshClaims,
    policy: &Policy,
    keys: &RefreshKeyRing,
    now: UnixTime,
    entropy: Entropy<N>,
) -> Result<(Rotation, Pending), Denial> {
    if now >= token.expires_at {
        return Err(Denial::Expired {
            now,
            expires: token.expires_at,
        });
    }
    let (id, presented, nonce) = (token.session_id, token.presented(), Nonce::new(entropy));
    let deadline = token.expires_at;
    let (mut rotation, pending) = rotate(id, presented, deadline, policy, keys, now, nonce);
    if token.generation != Generation::default() {
        let interval = policy.rotation_interval(token.by, token.transport);
        rotation.rotated_before = interval.map(|interval| now - interval);
    }
    Ok((rotation, pending))
}

/// Decides what a genuine refresh token means for its session. It looks at nothing but its arguments: the
/// same ones give the same decision on every node.
///
/// With `step_up`, the token is presented for a step-up or a change of password. That always makes a new
/// credential, and the older ones end at once. Without, it is presented for the next pair of tokens.
///
/// `now` is this node's clock, taken before the store was asked for `session`.
///
/// # Errors
/// [`IssueError::KeyMissing`] if the session was rotated with a key that this node does not have, which is
/// a fault of the configuration and never the client's.
pub fn decide<const N: usize>(
    token: &RefreshClaims,
    session: &Committed<Session>,
    step_up: Option<&StepUp>,
    policy: &Policy,
    keys: &RefreshKeyRing,
    now: UnixTime,
    entropy: Entropy<N>,
) -> Result<Decision, IssueError> {
    if let Some(denial) = ended(session, token.expires_at, now) {
        return Ok(Decision::Deny(denial));
    }
    let nonce = Nonce::new(entropy);
    let evaluation = Evaluation {
        presented: token.presented(),
        session,
        step_up,
        policy,
        keys,
        now,
    };
    let (stored, presented) = (session.generation.0, token.generation.0);
    match stored.checked_sub(presented) {
        None => Ok(evaluation.later(nonce)),
        Some(0) => Ok(evaluation.current(nonce)),
        Some(1) => evaluation.previous(nonce),
        Some(_) => Ok(evaluation.older().into()),
    }
}

/// Ends a session.
pub(crate) fn close(id: SessionId, reason: RevokeReason, policy: &Policy, now: UnixTime) -> Ending {
    Ending {
        id,
        revocation: Revocation { at: now, reason },
        purge_at: policy.tombstone_until(now),
    }
}

/// The write that a use without a rotation is worth, if the last is longer ago than the touch interval.
pub(crate) fn touch(
    session: &Session,
    proof: Proof,
    policy: &Policy,
    now: UnixTime,
) -> Option<Touch> {
    let slide = policy.slide(session.remember, session.absolute_expires_at, now);
    let last_seen_at = now.round_down(LAST_SEEN_STEP);
    // How far the deadline would move is how long ago it was moved last.
    let moved = slide.idle_expires_at.since(session.idle_expires_at);
    let due = !moved.is_zero() && moved >= policy.touch_interval();
    // Once the idle deadline has met the absolute one it stays, but the list should go on.
    let stuck = session.idle_expires_at == session.absolute_expires_at;
    let seen = stuck && last_seen_at.since(session.last_seen_at) >= LAST_SEEN_STEP;
    (due || seen).then(|| Touch {
        proof,
        slide,
        last_seen_at,
        ..Touch::new(session, now)
    })
}

/// Whether the session has ended, whatever is presented.
pub(crate) fn ended(session: &Session, deadline: UnixTime, now: UnixTime) -> Option<Denial> {
    if let Some(revocation) = session.revocation {
        return Some(Denial::Revoked(revocation));
    }
    let expires = session.expires_at().min(deadline);
    (now >= expires).then_some(Denial::Expired { now, expires })
}

/// The evaluation of one presented credential for a session that has not ended. Its methods are the rows
/// of the table in `docs/rotation.md`.
#[derive(Clone, Copy)]
pub(crate) struct Evaluation<'a> {
    pub(crate) presented: Presented<'a>,
    pub(crate) session: &'a Committed<Session>,
    /// What it is presented for, if not for a refresh.
    pub(crate) step_up: Option<&'a StepUp>,
    pub(crate) policy: &'a Policy,
    pub(crate) keys: &'a RefreshKeyRing,
    pub(crate) now: UnixTime,
}

impl Evaluation<'_> {
    /// The credential in force.
    pub(crate) fn current(self, nonce: Nonce) -> Decision {
        if self.presented.hash != self.session.token_hash {
            return self.mismatch();
        }
        if let Err(denial) = self.proven() {
            return Decision::Deny(denial);
        }
        let session = self.session;
        let interval = self
            .policy
            .rotation_interval(session.rotated_by, session.transport);
        let settled = session.generation == Generation::default()
            || interval.is_none_or(|interval| self.age() >= interval);
        if self.step_up.is_none() && !settled {
            // At most one rotation an interval: whatever tabs and retries do within it, they end with the
            // same token, also if they had to wait for the store.
            self.replay(self.presented.secret.clone())
        } else {
            self.rotate(self.presented, nonce)
        }
    }

    /// The credential before it.
    pub(crate) fn previous(self, nonce: Nonce) -> Result<Decision, IssueError> {
        if self.session.previous_hash != Some(self.presented.hash) {
            return Ok(self.mismatch());
        }
        if let Err(denial) = self.proven() {
            return Ok(Decision::Deny(denial));
        }
        let replays = self.policy.replay_window().is_some();
        if !(replays && self.is_honest(self.last_rotation())) {
            return Ok(self.older().into());
        }
        match (self.session.rotated_by, self.step_up) {
            // A lost answer, or a second tab.
            (RotatedBy::Refresh, None) => Ok(self.replay(self.successor()?)),
            // The same step-up, of which the answer was lost. Also with an older cookie that a late answer gave
            // back to a browser, because the proof comes along.
            (RotatedBy::StepUp, Some(to)) if to.is_done(self.session) => {
                Ok(self.replay(self.successor()?))
            }
            // The answer to a refresh or to another step-up was lost, and now a proof comes along.
            (_, Some(_)) => {
                let secret = self.successor()?;
                let presented = Presented {
                    generation: self.session.generation,
                    secret: &secret,
                    hash: secret.hash(),
                    proof: self.presented.proof,
                };
                Ok(self.rotate(presented, nonce))
            }
            (RotatedBy::StepUp, None) => Ok(self.older().into()),
        }
    }

    /// Any credential before the current one that gets no successor. It is judged by what superseded it,
    /// and when: one that an honest client may still have is refused, and any other ends the session.
    pub(crate) fn older(self) -> Result<PendingReuse, Denial> {
        self.proven()?;
        if let Some(superseded) = self.superseded()
            && self.is_honest(superseded)
        {
            let age = superseded.ago;
            return Err(Denial::Superseded { age });
        }
        Ok(PendingReuse {
            ending: close(self.session.id, RevokeReason::Reused, self.policy, self.now),
            presented: self.presented.generation,
            stored: self.session.generation,
        })
    }

    /// A credential that the store does not know yet, or lost.
    fn later(self, nonce: Nonce) -> Decision {
        if let Err(denial) = self.proven() {
            return Decision::Deny(denial);
        }
        if self.policy.adopts_lost_writes {
            self.rotate(self.presented, nonce)
        } else {
            Decision::Deny(Denial::LostWrite {
                presented: self.presented.generation,
                stored: self.session.generation,
            })
        }
    }

    /// Whether the credential came with the proof that the session's binding demands. Asked once it is known
    /// to be genuine, and before anything follows from it: a copy without the key must neither keep the
    /// session alive nor end it.
    fn proven(self) -> Result<(), Denial> {
        let binding = &self.session.binding;
        binding.check(self.presented.proof).map_err(Denial::Unbound)
    }

    fn mismatch(self) -> Decision {
        Decision::Deny(Denial::Mismatch {
            generation: self.presented.generation,
        })
    }

    /// Gives the credential in force once more. It is a use, so the idle deadline moves if that is due.
    fn replay(self, secret: TokenSecret) -> Decision {
        let hash = secret.hash();
        // The time of the last use alone is written by the next rotation.
        let moves = |touch: &Touch| touch.slide.idle_expires_at > self.session.idle_expires_at;
        let touch = touch(self.session, self.presented.proof, self.policy, self.now);
        if hash == self.session.token_hash
            && let Some(write) = touch.filter(moves)
        {
            return Decision::Touch(write, Pending { secret, hash });
        }
        // If the session was derived by other keys than ours, there is nothing to hand out.
        Granted::new(self.session.clone(), secret, hash)
            .map_or_else(|_| self.mismatch(), Decision::Replay)
    }

    /// The current secret, computed once more from the one before it.
    fn successor(self) -> Result<TokenSecret, IssueError> {
        let session = &**self.session;
        let key = self.keys.find(&session.rotation_kid)?;
        let secret = self.presented.secret;
        Ok(key.successor(secret, session.id, session.generation, session.nonce))
    }

    /// The write that makes the successor of `presented`, if the session is still this one.
    fn rotate(self, presented: Presented<'_>, nonce: Nonce) -> Decision {
        let (session, policy, keys) = (self.session, self.policy, self.keys);
        let deadline = session.absolute_expires_at;
        let (mut write, pending) = rotate(
            session.id, presented, deadline, policy, keys, self.now, nonce,
        );
        write.from = session.generation;
        write.from_hash = session.token_hash;
        if let Some(to) = self.step_up {
            write.by = RotatedBy::StepUp;
            write.authentication = Some(to.authentication.clone());
            write.rights = to.rights.clone();
            // The credential of the login superseded nothing. If the store has lost rotations, when
            // those were is lost as well.
            let first = session.generation == Generation::default();
            if !first && presented.generation == session.generation {
                let earlier = session.earlier_rotations;
                write.earlier_rotations = earlier.with(self.last_rotation());
            }
        }
        Decision::Rotate(write, pending)
    }

    /// The rotation that made the current credential.
    fn last_rotation(self) -> Supersession {
        Supersession {
            ago: self.age(),
            by_step_up: self.session.rotated_by == RotatedBy::StepUp,
        }
    }

    /// The rotation that superseded the presented credential; `None` if that was long ago.
    fn superseded(self) -> Option<Supersession> {
        let (stored, presented) = (self.session.generation, self.presented.generation);
        let steps = stored.0.saturating_sub(presented.0);
        if steps <= 1 {
            return Some(self.last_rotation());
        }
        let earlier = self.session.earlier_rotations.get(steps - 1)?;
        let at = self.session.rotated_at - earlier.ago;
        Some(Supersession {
            ago: self.now.since(at),
            ..earlier
        })
    }

    /// Whether an honest client may still present a credential that was superseded like this.
    fn is_honest(self, superseded: Supersession) -> bool {
        let window = if superseded.by_step_up {
            Some(self.policy.straggler_window(self.session.transport))
        } else {
            self.policy.replay_window()
        };
        window.is_some_and(|window| superseded.ago <= window)
    }

    /// How long ago the current credential was made; zero if another node's clock says that this is still
    /// to come.
    fn age(self) -> Duration {
        self.now.since(self.session.rotated_at)
    }
}

/// The write that makes the successor of `presented`, if that is the credential in force.
fn rotate(
    id: SessionId,
    presented: Presented<'_>,
    absolute_expires_at: UnixTime,
    policy: &Policy,
    keys: &RefreshKeyRing,
    now: UnixTime,
    nonce: Nonce,
) -> (Rotation, Pending) {
    let to = presented.generation.next();
    let key = keys.current();
    let secret = key.successor(presented.secret, id, to, nonce);
    // A token does not say whether its session is remembered, so the write has the deadlines of both.
    let slide = |remember| policy.slide(remember, absolute_expires_at, now);
    let write = Rotation {
        id,
        from: presented.generation,
        from_hash: presented.hash,
        rotated_before: None,
        proof: presented.proof,
        to,
        to_hash: secret.hash(),
        previous_hash: presented.hash,
        nonce,
        kid: key.kid().clone(),
        at: now,
        by: RotatedBy::Refresh,
        earlier_rotations: EarlierRotations::default(),
        slide: slide(false),
        remember_slide: slide(true),
        last_seen_at: now.round_down(LAST_SEEN_STEP),
        authentication: None,
        rights: Rights::default(),
    };
    let hash = write.to_hash;
    (write, Pending { secret, hash })
}
