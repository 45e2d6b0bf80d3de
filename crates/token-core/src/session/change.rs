//! What a store is asked to write, and the proof that it did.
//!
//! The core decides, and a store commits. [`Rotation`] and [`Touch`] say what a session must be for the
//! write to happen, and what it becomes. [`Change::apply`] is what they mean, once for every store: the
//! memory store runs it, the others express the same condition in their own language, and the contract
//! suite in `token-session` compares them.

use std::ops::Deref;

use crate::binding::proof::Proof;
use crate::session::bind::Bind;
use crate::session::permit::{Permit, Rights};
use crate::session::policy::Slide;
use crate::session::record::{Authentication, Nonce, Revocation, RotatedBy, Session};
use crate::session::superseded::EarlierRotations;
use crate::types::count::Generation;
use crate::types::id::SessionId;
use crate::types::name::KeyId;
use crate::types::secret::TokenHash;
use crate::types::time::UnixTime;

/// One conditional write to a session.
///
/// A store evaluates the condition and writes in one atomic step. It never brings an ended session back,
/// because every change requires that the session is live.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_enums, reason = "a store must handle every change")]
#[expect(
    clippy::large_enum_variant,
    reason = "a change lives for one store call"
)]
pub enum Change {
    /// Binds the session to a key, or confirms that.
    Bind(Bind),
    /// Changes what the session may do.
    Permit(Permit),
    /// Replaces the credential.
    Rotate(Rotation),
    /// Moves the idle deadline of a session cookie.
    Touch(Touch),
}

impl Change {
    /// The session it is about.
    pub const fn id(&self) -> SessionId {
        match self {
            Self::Bind(bind) => bind.id,
            Self::Permit(permit) => permit.id,
            Self::Rotate(rotation) => rotation.id,
            Self::Touch(touch) => touch.id,
        }
    }

    /// The session as it becomes, or `None` if the condition does not hold.
    pub fn apply(&self, session: &Session) -> Option<Session> {
        let mut next = session.clone();
        self.apply_to(&mut next).then_some(next)
    }

    /// Changes the session in place, and returns whether the condition held. If it did not, the session
    /// stays as it is.
    pub fn apply_to(&self, session: &mut Session) -> bool {
        match self {
            Self::Bind(bind) => bind.apply_to(session),
            Self::Permit(permit) => permit.apply_to(session),
            Self::Rotate(rotation) => rotation.apply_to(session),
            Self::Touch(touch) => touch.apply_to(session),
        }
    }
}

/// The part of each condition that every change has.
impl Session {
    /// The earlier of the idle and the absolute deadline. Exclusive: at that second it has ended.
    pub fn expires_at(&self) -> UnixTime {
        self.idle_expires_at.min(self.absolute_expires_at)
    }

    /// Whether it is neither ended nor past a deadline.
    pub fn is_live(&self, now: UnixTime) -> bool {
        self.revocation.is_none() && now < self.expires_at()
    }
}

/// Replaces the credential of a session by its successor.
///
/// It happens only if the session has this `id`, is live at `at`, has exactly the generation `from` and the
/// hash `from_hash`, was rotated at `rotated_before` or earlier if that is set, and has a binding for which
/// `proof` is enough.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Rotation {
    /// The session.
    pub id: SessionId,
    /// The generation that the session must have.
    pub from: Generation,
    /// The hash that the session must have.
    pub from_hash: TokenHash,
    /// If set, the session must have been rotated at this instant or earlier.
    pub rotated_before: Option<UnixTime>,
    /// What the request has proven, which must be enough for the session's binding.
    pub proof: Proof,
    /// Becomes the generation.
    pub to: Generation,
    /// Becomes the hash.
    pub to_hash: TokenHash,
    /// Becomes the hash of the credential before it.
    pub previous_hash: TokenHash,
    /// Becomes the nonce.
    pub nonce: Nonce,
    /// Becomes `rotation_kid`.
    pub kid: KeyId,
    /// The instant of the rotation, by the clock of the node that asks.
    pub at: UnixTime,
    /// Becomes `rotated_by`.
    pub by: RotatedBy,
    /// Becomes `earlier_rotations`.
    pub earlier_rotations: EarlierRotations,
    /// The new deadlines if the session is not remembered.
    pub slide: Slide,
    /// The new deadlines if it is.
    pub remember_slide: Slide,
    /// Becomes `last_seen_at`.
    pub last_seen_at: UnixTime,
    /// Becomes the authentication, if set.
    pub authentication: Option<Authentication>,
    /// What the session may do from then on.
    pub rights: Rights,
}

impl Rotation {
    /// The rotation of `session` at `at` to a successor with this hash: with the key and the deadlines of
    /// before, at any time since the last one.
    ///
    /// It is for tests of a store, which set the fields that should differ. In an application,
    /// [`attempt`](crate::session::rule::attempt) and [`decide`](crate::session::rule::decide) make rotations.
    pub fn new(session: &Session, to_hash: TokenHash, nonce: Nonce, at: UnixTime) -> Self {
        let slide = Slide::of(session);
        Self {
            id: session.id,
            from: session.generation,
            from_hash: session.token_hash,
            rotated_before: None,
            proof: Proof::default(),
            to: session.generation.next(),
            to_hash,
            previous_hash: session.token_hash,
            nonce,
            kid: session.rotation_kid.clone(),
            at,
            by: RotatedBy::Refresh,
            earlier_rotations: EarlierRotations::default(),
            slide,
            remember_slide: slide,
            last_seen_at: at,
            authentication: None,
            rights: Rights::default(),
        }
    }

    fn apply_to(&self, session: &mut Session) -> bool {
        let due = self
            .rotated_before
            .is_none_or(|limit| session.rotated_at <= limit);
        let expected = session.id == self.id
            && session.generation == self.from
            && session.token_hash == self.from_hash
            && session.is_live(self.at)
            && session.binding.check(self.proof).is_ok();
        if !(expected && due) {
            return false;
        }
        let slide = if session.remember {
            self.remember_slide
        } else {
            self.slide
        };
        session.generation = self.to;
        session.previous_hash = Some(self.previous_hash);
        session.token_hash = self.to_hash;
        session.nonce = self.nonce;
        if session.rotation_kid != self.kid {
            session.rotation_kid.clone_from(&self.kid);
        }
        session.rotated_at = self.at;
        session.rotated_by = self.by;
        session.earlier_rotations = self.earlier_rotations;
        session.idle_expires_at = slide.idle_expires_at;
        session.purge_at = slide.purge_at;
        session.last_seen_at = self.last_seen_at;
        if let Some(authentication) = &self.authentication {
            session.authentication.clone_from(authentication);
        }
        self.rights.apply_to(session);
        true
    }
}

/// Moves the idle deadline of a session that was used.
///
/// It happens only if the session has this `id` and `generation`, is live at `at`, does not have a later idle
/// deadline already, and has a binding for which `proof` is enough. The credential stays.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Touch {
    /// The session.
    pub id: SessionId,
    /// The generation that the session must have.
    pub generation: Generation,
    /// What the request has proven, which must be enough for the session's binding.
    pub proof: Proof,
    /// The instant of the use, by the clock of the node that asks.
    pub at: UnixTime,
    /// The new deadlines.
    pub slide: Slide,
    /// Becomes `last_seen_at`.
    pub last_seen_at: UnixTime,
}

impl Touch {
    /// The use of `session` at `at`, with the deadlines of before. It is for tests of a store, which set
    /// the fields that should differ.
    pub fn new(session: &Session, at: UnixTime) -> Self {
        Self {
            id: session.id,
            generation: session.generation,
            proof: Proof::default(),
            at,
            slide: Slide::of(session),
            last_seen_at: at,
        }
    }

    fn apply_to(&self, session: &mut Session) -> bool {
        let expected = session.id == self.id
            && session.generation == self.generation
            && session.idle_expires_at <= self.slide.idle_expires_at
            && session.is_live(self.at)
            && session.binding.check(self.proof).is_ok();
        if expected {
            session.idle_expires_at = self.slide.idle_expires_at;
            session.purge_at = self.slide.purge_at;
            session.last_seen_at = self.last_seen_at;
        }
        expected
    }
}

/// Ends a session. Unlike a [`Change`] it has no condition but that the session was not
/// ended before: a revoke never loses a race.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Ending {
    /// The session.
    pub id: SessionId,
    /// Becomes `revocation`.
    pub revocation: Revocation,
    /// Becomes `purge_at`: until then the tombstone stays.
    pub purge_at: UnixTime,
}

impl Ending {
    /// The session as it becomes, or `None` if it is another one or was ended before.
    pub fn apply(&self, session: &Session) -> Option<Session> {
        (session.id == self.id && session.revocation.is_none()).then(|| Session {
            revocation: Some(self.revocation),
            purge_at: self.purge_at,
            ..session.clone()
        })
    }
}

/// A value that a store has: the proof that a write happened, or that it was read.
///
/// Everything that leaves the server is made from one. Only a store makes them:
///
/// ```compile_fail,E0451
/// # fn f(value: token_core::Session) {
/// let committed = token_core::session::Committed { value };
/// # }
/// ```
///
/// and a plain session is not enough for tokens:
///
/// ```compile_fail,E0308
/// # use token_core::Session;
/// # use token_core::session::rule::Pending;
/// # fn f(session: Session, pending: Pending) {
/// let granted = pending.committed(session);
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Committed<T> {
    value: T,
}

impl<T> Committed<T> {
    /// Asserts that the store has this value.
    ///
    /// Call it in a [`SessionStore`] implementation and nowhere else, and only after the
    /// write was acknowledged, or in a read. What a statement returns before its transaction has ended is
    /// not committed yet; asserting it hands out tokens that the store may forget.
    ///
    /// [`SessionStore`]: https://docs.rs/token-session
    pub const fn assertion(value: T) -> Self {
        Self { value }
    }
}

impl<T> Deref for Committed<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}
