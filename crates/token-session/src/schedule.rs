//! When each key is published, signs, and is retired.
//!
//! A [`Schedule`] has the keys of one kind with two times each, and a [`RotationPolicy`] the
//! durations between its steps. [`Schedule::ring`] is a function of these and the clock alone:
//! nodes that share a schedule change keys at the same moment without a word to each other.
//! The one step that needs a hand is to add a new key when [`Schedule::step`] asks for it.
//!
//! What it guarantees, as long as clocks differ by no more than the tolerance and every node has
//! a changed schedule within `propagation`: a verifier that keeps a JWK set for its whole
//! `max-age` meets no unknown `kid`, and no key goes before the last token that it signed.

mod error;
mod policy;

pub use error::ScheduleError;
pub use policy::RotationPolicy;

use token_core::keys::KeyRingError;
use token_core::{KeyId, KeyRing, RefreshKey, RefreshKeyRing, SigningKey, UnixTime};

/// A key that a schedule can have: [`SigningKey`] or [`RefreshKey`].
pub trait ScheduledKey: Clone {
    /// What holds the keys of this kind: [`KeyRing`] or [`RefreshKeyRing`].
    type Ring;

    /// Its identifier, the `kid` of what it signs.
    fn key_id(&self) -> &KeyId;

    /// A ring in which `current` signs. Those that are `retired` signed even before the `previous` ones.
    ///
    /// # Errors
    /// [`KeyRingError`] if the keys do not go together.
    fn ring(
        current: &Self,
        next: &[&Self],
        previous: &[&Self],
        retired: &[&Self],
    ) -> Result<Self::Ring, KeyRingError>;
}

impl ScheduledKey for SigningKey {
    type Ring = KeyRing;

    fn key_id(&self) -> &KeyId {
        self.id()
    }

    fn ring(
        current: &Self,
        next: &[&Self],
        previous: &[&Self],
        retired: &[&Self],
    ) -> Result<KeyRing, KeyRingError> {
        let mut ring = KeyRing::new(current.clone());
        for &key in next {
            ring = ring.with_next(key.clone())?;
        }
        for &key in previous.iter().chain(retired) {
            ring = ring.with_previous(key.verifying_key().clone())?;
        }
        Ok(ring)
    }
}

impl ScheduledKey for RefreshKey {
    type Ring = RefreshKeyRing;

    fn key_id(&self) -> &KeyId {
        self.kid()
    }

    fn ring(
        current: &Self,
        next: &[&Self],
        previous: &[&Self],
        retired: &[&Self],
    ) -> Result<RefreshKeyRing, KeyRingError> {
        let mut ring = RefreshKeyRing::new(current.clone());
        for &key in next.iter().chain(previous) {
            ring = ring.with_other(key.clone())?;
        }
        for &key in retired {
            ring = ring.with_retired(key.clone())?;
        }
        Ok(ring)
    }
}

/// A key with its times.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "what a key file has to keep")]
pub struct Planned<K> {
    /// The key.
    pub key: K,
    /// Since when it is in the schedule, by the clock of the node that added it.
    pub published_at: UnixTime,
    /// From when on it signs, until the next one does.
    pub signs_from: UnixTime,
}

/// What a schedule asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "something is to be done or not")]
#[must_use]
pub enum Step {
    /// A new key is to be published: [`Schedule::publish`].
    Publish,
    /// Nothing; from then on the ring is another one, or a key is to be published.
    Wait {
        /// When to look again.
        until: UnixTime,
    },
}

/// The keys of one kind, and when each of them signs.
///
/// ```
/// use std::time::Duration;
/// use token_session::schedule::{RotationPolicy, Schedule, Step};
/// use token_core::Entropy;
/// use token_core::{Algorithm, Policy, SigningKey, UnixTime};
///
/// let key = |byte| SigningKey::generate(Algorithm::EdDSA, Entropy::new([byte; 64]));
/// let days = |days: u64| Duration::from_secs(days * 86_400);
/// let rotation = RotationPolicy::access(
///     &Policy::default(),
///     days(30),
///     Duration::from_secs(300), // the `max-age` of the JWK set
///     Duration::from_secs(60),  // until every node has a changed schedule
/// )?;
/// let now = UnixTime::from_secs(1_700_000_000)?;
///
/// let mut schedule = Schedule::new(key(1)?, now);
/// let first = schedule.ring(&rotation, now)?.current().id().clone();
/// while schedule.step(&rotation, now) == Step::Publish {
///     let new = key(2 + schedule.keys().len() as u8)?;
///     schedule = schedule.publish(new, &rotation, now)?;
/// }
/// let later = schedule.ring(&rotation, now + days(30))?;
/// assert_ne!(later.current().id(), &first);
/// assert!(later.verifying_keys().any(|key| key.id() == &first));
/// let much_later = schedule.ring(&rotation, now + days(31))?;
/// assert!(much_later.verifying_keys().all(|key| key.id() != &first));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Schedule<K> {
    /// By `signs_from`, and never empty.
    keys: Vec<Planned<K>>,
}

/// How many keys are published ahead: the next one, and another that is known everywhere
/// already on the day on which the next one has only begun to sign and leaks.
pub const AHEAD: usize = 2;

impl<K: ScheduledKey> Schedule<K> {
    /// A schedule of one key, which signs at once.
    pub fn new(key: K, now: UnixTime) -> Self {
        Self {
            keys: vec![Planned {
                key,
                published_at: now,
                signs_from: now,
            }],
        }
    }

    /// A schedule of one key, which signs as soon as everybody knows it.
    pub fn ahead(key: K, policy: &RotationPolicy, now: UnixTime) -> Self {
        Self {
            keys: vec![Planned {
                key,
                published_at: now,
                signs_from: policy.known_from(now),
            }],
        }
    }

    /// A schedule as it was kept.
    ///
    /// # Errors
    /// [`ScheduleError::Empty`] and [`KeyRingError::DuplicateId`].
    pub fn from_keys(mut keys: Vec<Planned<K>>) -> Result<Self, ScheduleError> {
        if keys.is_empty() {
            return Err(ScheduleError::Empty);
        }
        keys.sort_by_key(|planned| planned.signs_from);
        for (index, planned) in keys.iter().enumerate() {
            let id = planned.key.key_id();
            if keys.iter().skip(index + 1).any(|k| k.key.key_id() == id) {
                return Err(KeyRingError::DuplicateId { id: id.clone() }.into());
            }
        }
        Ok(Self { keys })
    }

    /// All keys, in the order in which they sign.
    pub fn keys(&self) -> &[Planned<K>] {
        &self.keys
    }

    /// The position in [`Self::keys`] of the key that signs at `now`.
    pub fn current(&self, now: UnixTime) -> usize {
        let started = self.keys.iter().rposition(|key| key.signs_from <= now);
        // Another node's clock is ahead, and has made the first key just now.
        started.unwrap_or(0)
    }

    /// What is to be done at `now`.
    pub fn step(&self, policy: &RotationPolicy, now: UnixTime) -> Step {
        let current = self.current(now);
        let ahead = self.keys.get(current + 1..).unwrap_or_default();
        if ahead.len() < AHEAD {
            return Step::Publish;
        }
        let begins = ahead.iter().map(|next| next.signs_from);
        let ends = (0..current).filter_map(|index| self.ends(index, policy));
        let retires = (0..current).filter_map(|index| self.retires(index, policy));
        let until = begins
            .chain(ends)
            .chain(retires)
            .filter(|time| *time > now)
            .min();
        Step::Wait {
            until: until.unwrap_or(UnixTime::MAX),
        }
    }

    /// Adds a key that signs after all others, and forgets those whose last token has expired.
    ///
    /// Before: the schedule is the latest one, and nobody else changes it meanwhile.
    ///
    /// # Errors
    /// [`KeyRingError::DuplicateId`].
    pub fn publish(
        mut self,
        key: K,
        policy: &RotationPolicy,
        now: UnixTime,
    ) -> Result<Self, ScheduleError> {
        if self.position(key.key_id()).is_ok() {
            let id = key.key_id().clone();
            return Err(KeyRingError::DuplicateId { id }.into());
        }
        let expired = (0..self.current(now))
            .filter(|index| self.ends(*index, policy).is_some_and(|end| end <= now));
        // The earliest keys expire first.
        self.keys.drain(..expired.count());
        self.keys.push(Planned {
            key,
            published_at: now,
            signs_from: UnixTime::MAX,
        });
        self.plan(policy, now);
        Ok(self)
    }

    /// Plans these keys in place of those that were to sign next, for a change of algorithm. The first of
    /// them signs as soon as everybody knows it. Until then nothing changes, and what the keys of before
    /// have signed is accepted until it expires.
    ///
    /// Before: the schedule is the latest one, and nobody else changes it meanwhile.
    ///
    /// # Errors
    /// [`KeyRingError::DuplicateId`].
    pub fn replace_next(
        mut self,
        keys: [K; AHEAD],
        policy: &RotationPolicy,
        now: UnixTime,
    ) -> Result<Self, ScheduleError> {
        let known = policy.known_from(now);
        // A key whose time comes before that may sign already, at a node whose clock is ahead.
        let current = self.current(now);
        let mut index = 0;
        self.keys.retain(|planned| {
            index += 1;
            index <= current + 1 || planned.signs_from < known
        });
        let mut signs_from = known;
        for key in keys {
            if self.position(key.key_id()).is_ok() {
                let id = key.key_id().clone();
                return Err(KeyRingError::DuplicateId { id }.into());
            }
            self.keys.push(Planned {
                key,
                published_at: now,
                signs_from,
            });
            signs_from = signs_from + policy.period();
        }
        Ok(self)
    }

    /// Lets the next key sign now, before its time.
    ///
    /// # Errors
    /// [`ScheduleError::NoNext`], and [`ScheduleError::Early`] if a verifier could still keep
    /// a JWK set without it.
    pub fn promote(
        mut self,
        policy: &RotationPolicy,
        now: UnixTime,
    ) -> Result<Self, ScheduleError> {
        let current = self.current(now);
        let next = self.keys.get_mut(current + 1);
        let next = next.ok_or(ScheduleError::NoNext)?;
        let known = policy.known_from(next.published_at);
        if known > now {
            return Err(ScheduleError::Early { until: known });
        }
        next.signs_from = now;
        self.plan(policy, now);
        Ok(self)
    }

    /// Removes a key at once, because it leaked: what it signed is refused from then on, by every node that
    /// has the changed schedule and by every verifier whose JWK set is from after that. If it was the
    /// current one, the next one signs.
    ///
    /// It also returns until when a verifier may keep a JWK set without the key that signs instead, and
    /// refuse its tokens, if that key was published only lately. It takes two emergencies right after each
    /// other to come to this.
    ///
    /// # Errors
    /// [`ScheduleError::UnknownKey`], and [`ScheduleError::NoNext`] for the only key.
    pub fn remove(
        mut self,
        id: &KeyId,
        policy: &RotationPolicy,
        now: UnixTime,
    ) -> Result<(Self, Option<UnixTime>), ScheduleError> {
        let index = self.position(id)?;
        let current = self.current(now);
        let mut unknown_until = None;
        if index == current {
            let since = self.keys.get(index).map(|removed| removed.signs_from);
            let next = self.keys.get_mut(index + 1);
            let next = next.ok_or(ScheduleError::NoNext)?;
            let known = policy.known_from(next.published_at);
            unknown_until = (known > now).then_some(known);
            // It takes the other's place from its beginning: if it signed from `now` on, a
            // node whose clock is behind would go back to the key before the one that leaked.
            next.signs_from = since.unwrap_or(now);
        }
        self.keys.remove(index);
        self.plan(policy, now);
        Ok((self, unknown_until))
    }

    /// When a key that signs no more has no token left.
    fn ends(&self, index: usize, policy: &RotationPolicy) -> Option<UnixTime> {
        let next = self.keys.get(index + 1)?;
        Some(policy.forgotten_from(next.signs_from))
    }

    /// When a key that signs no more is not recognised any more in what lives for minutes.
    fn retires(&self, index: usize, policy: &RotationPolicy) -> Option<UnixTime> {
        let next = self.keys.get(index + 1)?;
        Some(policy.retired_from(next.signs_from))
    }

    /// Gives each key that does not sign yet its time: one period after the one before it, and
    /// never before everybody knows it.
    fn plan(&mut self, policy: &RotationPolicy, now: UnixTime) {
        let current = self.current(now);
        let mut keys = self.keys.iter_mut().skip(current);
        let Some(mut before) = keys.next().map(|key| key.signs_from) else {
            return;
        };
        for key in keys {
            let known = policy.known_from(key.published_at);
            key.signs_from = known.max(before + policy.period());
            before = key.signs_from;
        }
    }

    fn position(&self, id: &KeyId) -> Result<usize, ScheduleError> {
        let mut keys = self.keys.iter();
        let position = keys.position(|planned| planned.key.key_id() == id);
        position.ok_or_else(|| ScheduleError::UnknownKey { id: id.clone() })
    }

    /// The ring at `now`: current, next, and previous with the latest first. A refresh key whose successor has
    /// signed for a day ([`BindingKeys::RECOGNISED`](token_core::binding::BindingKeys::RECOGNISED)) is
    /// [retired](RefreshKeyRing::with_retired).
    ///
    /// # Errors
    /// [`ScheduleError::Keys`] if the keys do not go together.
    pub fn ring(&self, policy: &RotationPolicy, now: UnixTime) -> Result<K::Ring, ScheduleError> {
        let current = self.current(now);
        let alive = |index: &usize| self.ends(*index, policy).is_none_or(|end| end > now);
        let key = |index: usize| self.keys.get(index).map(|planned| &planned.key);
        let next: Vec<&K> = (current + 1..self.keys.len()).filter_map(key).collect();
        let before = (0..current).rev().filter(alive);
        let (retired, previous): (Vec<usize>, Vec<usize>) =
            before.partition(|index| self.retires(*index, policy).is_some_and(|time| time <= now));
        let keys = |indices: Vec<usize>| indices.into_iter().filter_map(key).collect::<Vec<&K>>();
        let (previous, retired) = (keys(previous), keys(retired));
        let current = key(current).expect("a schedule has a key");
        Ok(K::ring(current, &next, &previous, &retired)?)
    }
}

#[cfg(test)]
mod tests;
