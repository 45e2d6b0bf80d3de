//! A session as the memory store keeps it: nothing is lost, and little is wasted.
//!
//! Of the 440 bytes that a [`Session`] is, without its texts, most are room for what is seldom
//! there, or the same in thousands of rows. Here times take five bytes, what many sessions have in
//! common is kept once ([`Common`]), and what a plain session has not is behind one pointer.

use std::sync::Arc;

use token_core::binding::Binding;
use token_core::session::{Device, EarlierRotations, Generation, Nonce, Revocation, RotatedBy};
use token_core::types::TokenHash;
use token_core::{
    Authentication, CustomClaims, RevokeReason, Session, SessionId, Subject, UnixTime,
};

use super::common::{Common, Commons};
use super::slab::Place;
use crate::session_data::SessionData;

/// One session, with its neighbours in the list of its subject's.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) id: SessionId,
    pub(super) subject: Subject,
    /// The session of the subject that was inserted after this one.
    pub(super) newer: Option<Place>,
    /// The one that was inserted before it.
    pub(super) older: Option<Place>,
    pub(super) common: Arc<Common>,
    generation: Generation,
    token_hash: TokenHash,
    previous_hash: Option<TokenHash>,
    nonce: Nonce,
    created_at: Seconds,
    authenticated_at: Seconds,
    rotated_at: Seconds,
    rotated_by: RotatedBy,
    idle_expires_at: Seconds,
    absolute_expires_at: Seconds,
    revocation: Option<(RevokeReason, Seconds)>,
    last_seen_at: Seconds,
    purge_at: Seconds,
    binding: Option<Box<Binding>>,
    rest: Option<Box<Rest>>,
}

/// What a plain session does not have.
#[derive(Debug, Default)]
struct Rest {
    claims: CustomClaims,
    device: Device,
    data: SessionData,
    earlier_rotations: EarlierRotations,
}

impl Row {
    /// A new row, in no list yet and without private data.
    pub(super) fn new(session: &Session, commons: &mut Commons) -> Self {
        Self {
            id: session.id,
            subject: session.subject.clone(),
            newer: None,
            older: None,
            common: commons.of(session),
            generation: session.generation,
            token_hash: session.token_hash,
            previous_hash: session.previous_hash,
            nonce: session.nonce,
            created_at: session.created_at.into(),
            authenticated_at: session.authentication.time.into(),
            rotated_at: session.rotated_at.into(),
            rotated_by: session.rotated_by,
            idle_expires_at: session.idle_expires_at.into(),
            absolute_expires_at: session.absolute_expires_at.into(),
            revocation: packed(session.revocation),
            last_seen_at: session.last_seen_at.into(),
            purge_at: session.purge_at.into(),
            binding: boxed(session.binding),
            rest: Rest::of(session, SessionData::default()),
        }
    }

    /// The session that is in it.
    pub(super) fn session(&self) -> Session {
        let common = &*self.common;
        let rest = self.rest.as_deref();
        let revocation = self.revocation;
        Session {
            id: self.id,
            subject: self.subject.clone(),
            subject_epoch: common.subject_epoch,
            client_id: common.client_id.clone(),
            transport: common.transport,
            scope: common.scope.clone(),
            created_at: self.created_at.time(),
            authentication: Authentication {
                time: self.authenticated_at.time(),
                acr: common.acr.clone(),
                amr: common.amr.clone(),
            },
            generation: self.generation,
            token_hash: self.token_hash,
            previous_hash: self.previous_hash,
            nonce: self.nonce,
            rotated_at: self.rotated_at.time(),
            rotated_by: self.rotated_by,
            earlier_rotations: rest.map(|rest| rest.earlier_rotations).unwrap_or_default(),
            rotation_kid: common.rotation_kid.clone(),
            idle_expires_at: self.idle_expires_at.time(),
            absolute_expires_at: self.absolute_expires_at.time(),
            remember: common.remember,
            revocation: revocation.map(|(reason, at)| Revocation {
                at: at.time(),
                reason,
            }),
            last_seen_at: self.last_seen_at.time(),
            claims: rest.map(|rest| rest.claims.clone()).unwrap_or_default(),
            device: rest.map(|rest| rest.device.clone()).unwrap_or_default(),
            purge_at: self.purge_at.time(),
            binding: self.binding.as_deref().copied().unwrap_or_default(),
        }
    }

    /// Becomes another state of the same session; its place in the list and its private data stay.
    pub(super) fn set(&mut self, session: &Session, commons: &mut Commons) {
        if !self.common.is_of(session) {
            commons.give_back(&self.common);
            self.common = commons.of(session);
        }
        self.generation = session.generation;
        self.token_hash = session.token_hash;
        self.previous_hash = session.previous_hash;
        self.nonce = session.nonce;
        self.authenticated_at = session.authentication.time.into();
        self.rotated_at = session.rotated_at.into();
        self.rotated_by = session.rotated_by;
        self.idle_expires_at = session.idle_expires_at.into();
        self.absolute_expires_at = session.absolute_expires_at.into();
        self.revocation = packed(session.revocation);
        self.last_seen_at = session.last_seen_at.into();
        self.purge_at = session.purge_at.into();
        if self.binding.as_deref().copied().unwrap_or_default() != session.binding {
            self.binding = boxed(session.binding);
        }
        let same = match self.rest.as_deref() {
            Some(rest) => {
                rest.claims == session.claims
                    && rest.device == session.device
                    && rest.earlier_rotations == session.earlier_rotations
            }
            None => is_plain(session),
        };
        if !same {
            self.rest = Rest::of(session, self.data());
        }
    }

    /// The private data.
    pub(super) fn data(&self) -> SessionData {
        let rest = self.rest.as_deref();
        rest.map(|rest| rest.data.clone()).unwrap_or_default()
    }

    pub(super) fn set_data(&mut self, data: SessionData) {
        self.rest.get_or_insert_default().data = data;
    }

    /// [`Session::expires_at`].
    pub(super) fn expires_at(&self) -> UnixTime {
        let (idle, absolute) = (self.idle_expires_at, self.absolute_expires_at);
        idle.time().min(absolute.time())
    }

    /// [`Session::is_live`].
    pub(super) fn is_live(&self, now: UnixTime) -> bool {
        self.revocation.is_none() && now < self.expires_at()
    }

    /// From when on it may be forgotten, to make room.
    pub(super) fn due(&self) -> UnixTime {
        self.expires_at().min(self.purge_at())
    }

    pub(super) fn is_ended(&self) -> bool {
        self.session().revocation.is_some()
    }

    pub(super) fn purge_at(&self) -> UnixTime {
        self.purge_at.time()
    }
}

impl Rest {
    /// `None` if all of it is empty.
    fn of(session: &Session, data: SessionData) -> Option<Box<Self>> {
        let empty = is_plain(session) && data == SessionData::default();
        (!empty).then(|| {
            Box::new(Self {
                claims: session.claims.clone(),
                device: session.device.clone(),
                data,
                earlier_rotations: session.earlier_rotations,
            })
        })
    }
}

/// Whether the session has neither claims nor a device, nor anything to remember of step-ups.
fn is_plain(session: &Session) -> bool {
    session.claims == CustomClaims::default()
        && session.device == Device::default()
        && session.earlier_rotations == EarlierRotations::default()
}

/// A [`UnixTime`] in five bytes: the last second of the year 9999 is below 2^38.
#[derive(Clone, Copy, Debug)]
struct Seconds([u8; 5]);

impl From<UnixTime> for Seconds {
    fn from(time: UnixTime) -> Self {
        let [bytes @ .., _, _, _] = time.as_secs().to_le_bytes();
        Self(bytes)
    }
}

impl Seconds {
    fn time(self) -> UnixTime {
        let mut bytes = [0; 8];
        let low = bytes.iter_mut().zip(self.0);
        low.for_each(|(to, from)| *to = from);
        UnixTime::from_secs(u64::from_le_bytes(bytes)).expect("it was made of a time")
    }
}

/// In 35 bytes of its own, as most sessions have none.
fn boxed(binding: Binding) -> Option<Box<Binding>> {
    (!binding.is_unbound()).then(|| Box::new(binding))
}

fn packed(revocation: Option<Revocation>) -> Option<(RevokeReason, Seconds)> {
    revocation.map(|revocation| (revocation.reason, revocation.at.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_has_no_room_to_spare() {
        assert!(size_of::<Row>() <= 208, "{}", size_of::<Row>());
    }

    #[test]
    fn every_time_comes_back() {
        for time in [UnixTime::EPOCH, UnixTime::MAX] {
            assert_eq!(Seconds::from(time).time(), time);
        }
    }
}
