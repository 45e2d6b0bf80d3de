//! The rotation rule: open a session, decide what a presented credential means, close it.
//!
//! A refresh token carries its generation under a signature, so one row knows which tokens
//! are spent. The successor's secret is derived from the presented one and a stored nonce:
//! whoever presents the previous token again lets the server compute the same successor
//! again, bit for bit, and nobody else can. So a lost answer, a second tab and a retry all
//! end with the same token, and a session never forks. `docs/rotation.md` has the table and
//! the reasons.
//!
//! The usual way of a refresh: [`attempt`] makes the write that should succeed from the
//! token alone; where the store says that it did not match, [`decide`] looks at the row that
//! came back.

use std::time::Duration;

use crate::access::custom::CustomClaims;
use crate::session::change::{Committed, CredentialMismatch, Ending, Granted, Rotation};
use crate::session::decision::{Decision, PendingLogin, PendingReuse, PendingRotation};
use crate::session::denial::{Denial, Reused};
use crate::session::policy::{LostWrites, Policy, Slide};
use crate::session::record::{
    Authentication, Device, Epoch, Generation, Nonce, Revocation, RevokeReason, RotatedBy, Session,
    Transport,
};
use crate::session::refresh_token::{KeyMissing, RefreshClaims, RefreshKey, RefreshKeyRing};
use crate::types::id::{Bucket, SessionId};
use crate::types::name::{ClientId, Subject};
use crate::types::scope::Scope;
use crate::types::secret::{Entropy, TokenHash, TokenSecret};
use crate::types::time::UnixTime;

/// Times of use are kept this coarse: exact ones would tell a thief when to act.
pub const LAST_SEEN_STEP: Duration = Duration::from_secs(5 * 60);

/// A successful authentication: what a new session is made of.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "a login has to say all of it")]
pub struct Login {
    /// Who it is.
    pub subject: Subject,
    /// The subject's epoch, read from the store *before* the password was checked: where all
    /// sessions of the subject are ended meanwhile, this login opens nothing.
    pub epoch: Epoch,
    /// The application that asks.
    pub client_id: ClientId,
    /// How the credentials shall travel.
    pub transport: Transport,
    /// What the session may do.
    pub scope: Scope,
    /// When and how the user proved who they are.
    pub authentication: Authentication,
    /// Whether to live by the remembered idle lifetime.
    pub remember: bool,
    /// The application's own claims for each access token.
    pub claims: CustomClaims,
    /// Where the login came from.
    pub device: Device,
}

/// What a presented credential is for.
#[derive(Clone, Debug)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a credential is either renewed or stepped up"
)]
pub enum Purpose {
    /// The next pair of tokens.
    Refresh,
    /// A step-up or a change of password, with this authentication: always a new credential,
    /// and the older ones end at once.
    StepUp(Authentication),
}

/// Opens a session: the row to insert and the first credential.
///
/// `now` is the time of the login by this node's clock; `bucket` the subject's, from the
/// store.
pub fn open(
    login: Login,
    bucket: Bucket,
    policy: &Policy,
    keys: &RefreshKeyRing,
    now: UnixTime,
    entropy: Entropy,
) -> PendingLogin {
    let (id, secret) = entropy.split::<17, 32>();
    drop(entropy);
    let secret = TokenSecret::from_bytes(secret);
    let absolute_expires_at = now + policy.absolute_lifetime();
    let slide = policy.slide(login.remember, absolute_expires_at, now);
    let session = Session {
        id: SessionId::new(bucket, id),
        subject: login.subject,
        subject_epoch: login.epoch,
        client_id: login.client_id,
        transport: login.transport,
        scope: login.scope,
        created_at: now,
        authentication: login.authentication,
        generation: Generation::FIRST,
        token_hash: secret.hash(),
        previous_hash: None,
        nonce: Nonce::from_bytes([0; 16]), // the first secret is random, not derived
        rotated_at: now,
        rotated_by: RotatedBy::Refresh,
        rotation_kid: keys.current().kid().clone(),
        idle_expires_at: slide.idle_expires_at,
        absolute_expires_at,
        remember: login.remember,
        revocation: None,
        last_seen_at: now.round_down(LAST_SEEN_STEP),
        claims: login.claims,
        device: login.device,
        purge_at: slide.purge_at,
    };
    PendingLogin { session, secret }
}

/// The write that a refresh token asks for, from the token alone: it matches where the token
/// is the current one and the last rotation is at least grace + tolerance + store margin ago,
/// which is the normal case, and then a refresh costs one round trip.
///
/// # Errors
/// [`Denial::Expired`] where the token's own deadline has passed: the store need not be asked.
pub fn attempt(
    token: &RefreshClaims,
    policy: &Policy,
    keys: &RefreshKeyRing,
    now: UnixTime,
    entropy: Entropy,
) -> Result<PendingRotation, Denial> {
    if now >= token.expires_at {
        return Err(Denial::Expired {
            now,
            expires: token.expires_at,
        });
    }
    let from = Position {
        generation: token.generation,
        hash: token.secret.hash(),
    };
    let slides = Slides::new(policy, token.expires_at, now);
    let mut pending = rotate(
        token.session_id,
        from,
        Presented {
            generation: token.generation,
            secret: &token.secret,
        },
        RotatedBy::Refresh,
        slides,
        keys.current(),
        now,
        entropy,
    );
    if token.generation != Generation::FIRST {
        pending.rotation.rotated_before = policy.rotation_interval().map(|interval| now - interval);
    }
    Ok(pending)
}

/// Decides what a genuine refresh token means for its session. Looks at nothing but its
/// arguments: the same ones give the same decision on every node.
///
/// `now` is this node's clock, taken before the store was asked for `session`.
///
/// # Errors
/// [`KeyMissing`] where the row was rotated with a key that this node does not have: a fault
/// of the configuration and never the client's.
pub fn decide(
    token: &RefreshClaims,
    session: &Committed<Session>,
    purpose: &Purpose,
    policy: &Policy,
    keys: &RefreshKeyRing,
    now: UnixTime,
    entropy: Entropy,
) -> Result<Decision, KeyMissing> {
    let presented = Presented {
        generation: token.generation,
        secret: &token.secret,
    };
    if let Some(denial) = over(session, token.expires_at, now) {
        return Ok(Decision::Deny(denial));
    }
    let case = Case {
        presented,
        session,
        purpose,
        policy,
        keys,
        now,
    };
    if token.generation > session.generation {
        return Ok(case.later(entropy));
    }
    if token.generation == session.generation {
        return Ok(case.current(entropy));
    }
    if token.generation.next() == session.generation {
        return case.previous(entropy);
    }
    Ok(case.older().into())
}

/// Ends a session.
pub fn close(id: SessionId, reason: RevokeReason, policy: &Policy, now: UnixTime) -> Ending {
    Ending {
        id,
        revocation: Revocation { at: now, reason },
        purge_at: policy.tombstone_until(now),
    }
}

/// Whether the session is over, whatever is presented.
pub(crate) fn over(session: &Session, deadline: UnixTime, now: UnixTime) -> Option<Denial> {
    if let Some(revocation) = session.revocation {
        return Some(Denial::Revoked(revocation));
    }
    let expires = session.expires_at().min(deadline);
    (now >= expires).then_some(Denial::Expired { now, expires })
}

/// A credential as it was presented.
#[derive(Clone, Copy)]
pub(crate) struct Presented<'a> {
    pub(crate) generation: Generation,
    pub(crate) secret: &'a TokenSecret,
}

/// Where a row must stand for a rotation to hold.
#[derive(Clone, Copy)]
struct Position {
    generation: Generation,
    hash: TokenHash,
}

impl Position {
    fn of(session: &Session) -> Self {
        Self {
            generation: session.generation,
            hash: session.token_hash,
        }
    }
}

/// The deadlines for both kinds of session, since a token does not say which it is.
#[derive(Clone, Copy)]
struct Slides {
    plain: Slide,
    remember: Slide,
    last_seen_at: UnixTime,
}

impl Slides {
    fn new(policy: &Policy, absolute: UnixTime, now: UnixTime) -> Self {
        Self {
            plain: policy.slide(false, absolute, now),
            remember: policy.slide(true, absolute, now),
            last_seen_at: now.round_down(LAST_SEEN_STEP),
        }
    }
}

/// One presented credential of a live session: the rows of the table.
#[derive(Clone, Copy)]
pub(crate) struct Case<'a> {
    pub(crate) presented: Presented<'a>,
    pub(crate) session: &'a Committed<Session>,
    pub(crate) purpose: &'a Purpose,
    pub(crate) policy: &'a Policy,
    pub(crate) keys: &'a RefreshKeyRing,
    pub(crate) now: UnixTime,
}

impl Case<'_> {
    /// The credential in force.
    pub(crate) fn current(self, entropy: Entropy) -> Decision {
        if self.presented.secret.hash() != self.session.token_hash {
            return self.mismatch();
        }
        let settled = self.session.generation == Generation::FIRST
            || self
                .policy
                .rotation_interval()
                .is_none_or(|interval| self.age() >= interval);
        match self.purpose {
            // At most one rotation an interval: whatever tabs and retries do within it, they
            // end with the same token, also if they had to wait for the store.
            Purpose::Refresh if !settled => self.replay(self.presented.secret.clone()),
            Purpose::Refresh | Purpose::StepUp(_) => {
                Decision::Rotate(self.rotate(self.presented, entropy))
            }
        }
    }

    /// The credential before it.
    pub(crate) fn previous(self, entropy: Entropy) -> Result<Decision, KeyMissing> {
        if self.session.previous_hash != Some(self.presented.secret.hash()) {
            return Ok(self.mismatch());
        }
        let recognised = self
            .policy
            .replay_window()
            .is_some_and(|window| self.age() <= window);
        match (self.session.rotated_by, self.purpose) {
            // A lost answer, or a second tab.
            (RotatedBy::Refresh, Purpose::Refresh) | (RotatedBy::StepUp, Purpose::StepUp(_))
                if recognised =>
            {
                Ok(self.replay(self.successor()?))
            }
            // The answer to a refresh was lost; the password comes along now.
            (RotatedBy::Refresh, Purpose::StepUp(_)) if recognised => {
                let secret = self.successor()?;
                let generation = self.session.generation;
                Ok(Decision::Rotate(self.rotate(
                    Presented {
                        generation,
                        secret: &secret,
                    },
                    entropy,
                )))
            }
            _ => Ok(self.older().into()),
        }
    }

    /// Any credential before the current one that is not recognised: a straggler is refused,
    /// anything else ends the session.
    pub(crate) fn older(self) -> Result<PendingReuse, Denial> {
        if self.session.rotated_by == RotatedBy::StepUp
            && self.age() <= self.policy.straggler_window()
        {
            // An honest straggler: the renewal was meant to end older tokens at once.
            return Err(Denial::Superseded { age: self.age() });
        }
        Ok(PendingReuse {
            ending: close(self.session.id, RevokeReason::Reused, self.policy, self.now),
            evidence: Reused::new(self.presented.generation, self.session.generation),
        })
    }

    /// A credential that the store does not know yet, or lost.
    fn later(self, entropy: Entropy) -> Decision {
        match self.policy.lost_writes() {
            LostWrites::Adopt => Decision::Rotate(self.rotate(self.presented, entropy)),
            LostWrites::Refuse => Decision::Deny(Denial::LostWrite {
                presented: self.presented.generation,
                stored: self.session.generation,
            }),
        }
    }

    fn mismatch(self) -> Decision {
        Decision::Deny(Denial::Mismatch {
            generation: self.presented.generation,
        })
    }

    /// Gives the credential in force once more.
    fn replay(self, secret: TokenSecret) -> Decision {
        match Granted::new(self.session.clone(), secret) {
            Ok(granted) => Decision::Replay(granted),
            // The row was derived by other keys than ours: nothing to hand out.
            Err(CredentialMismatch { .. }) => self.mismatch(),
        }
    }

    /// The current secret, computed once more from the one before it.
    fn successor(self) -> Result<TokenSecret, KeyMissing> {
        let key = self.keys.find(&self.session.rotation_kid)?;
        let Session {
            id,
            generation,
            nonce,
            ..
        } = **self.session;
        Ok(key.successor(self.presented.secret, id, generation, nonce))
    }

    /// The write that makes the successor of `presented`, if the row is still this one.
    fn rotate(self, presented: Presented<'_>, entropy: Entropy) -> PendingRotation {
        let authentication = match self.purpose {
            Purpose::Refresh => None,
            Purpose::StepUp(authentication) => Some(authentication.clone()),
        };
        let by = match self.purpose {
            Purpose::Refresh => RotatedBy::Refresh,
            Purpose::StepUp(_) => RotatedBy::StepUp,
        };
        let mut pending = rotate(
            self.session.id,
            Position::of(self.session),
            presented,
            by,
            Slides::new(self.policy, self.session.absolute_expires_at, self.now),
            self.keys.current(),
            self.now,
            entropy,
        );
        pending.rotation.authentication = authentication;
        pending
    }

    /// How long ago the current credential was made; zero where another node's clock says
    /// that it is yet to be.
    fn age(self) -> Duration {
        self.now.since(self.session.rotated_at)
    }
}

#[expect(
    clippy::too_many_arguments,
    reason = "private, and each is one field of the write"
)]
fn rotate(
    id: SessionId,
    from: Position,
    presented: Presented<'_>,
    by: RotatedBy,
    slides: Slides,
    key: &RefreshKey,
    now: UnixTime,
    entropy: Entropy,
) -> PendingRotation {
    let (nonce, []) = entropy.split::<16, 0>();
    drop(entropy);
    let nonce = Nonce::from_bytes(nonce);
    let to = presented.generation.next();
    let secret = key.successor(presented.secret, id, to, nonce);
    let rotation = Rotation {
        id,
        from: from.generation,
        from_hash: from.hash,
        rotated_before: None,
        to,
        to_hash: secret.hash(),
        previous_hash: presented.secret.hash(),
        nonce,
        kid: key.kid().clone(),
        at: now,
        by,
        slide: slides.plain,
        remember_slide: slides.remember,
        last_seen_at: slides.last_seen_at,
        authentication: None,
        claims: None,
    };
    PendingRotation { rotation, secret }
}
