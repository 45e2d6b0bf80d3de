//! Access keys of another algorithm, for those whose services do not read that of the rest.

use token_core::keys::{KeyError, KeyRingError, Recipients};
use token_core::{Algorithm, KeyRing, SigningKey, UnixTime};
use token_session::schedule::{Schedule, ScheduleError};

use crate::error::KeysError;
use crate::rotations::Rotations;

/// Keys of one algorithm, and for whom they sign.
#[derive(Clone, Debug)]
pub(crate) struct OtherKeys {
    pub(crate) recipients: Recipients,
    pub(crate) access: Schedule<SigningKey>,
}

impl OtherKeys {
    /// Puts them beside the others, for nobody until every verifier knows the first of them.
    pub(crate) fn join(
        &self,
        ring: KeyRing,
        rotations: &Rotations,
        now: UnixTime,
    ) -> Result<KeyRing, KeysError> {
        let keys = self.access.ring(&rotations.access, now)?;
        let mut begins = self.access.keys().iter().map(|planned| planned.signs_from);
        let recipients = if begins.any(|signs_from| signs_from <= now) {
            self.recipients.clone()
        } else {
            Recipients::default()
        };
        let ring = ring.with_recipients(recipients, keys);
        Ok(ring.map_err(ScheduleError::from)?)
    }
}

/// The algorithm of the key that was added last, which new keys get as well.
pub(crate) fn algorithm_of(access: &Schedule<SigningKey>) -> Option<Algorithm> {
    access.keys().last().map(|planned| planned.key.algorithm())
}

/// Lets keys of this algorithm sign for these: changes for whom those sign that are there, or adds some with `make`.
pub(crate) fn change(
    others: &mut Vec<OtherKeys>,
    algorithm: Algorithm,
    recipients: Recipients,
    rotations: &Rotations,
    now: UnixTime,
    make: impl FnOnce(Algorithm) -> Result<SigningKey, KeyError>,
) -> Result<(), KeysError> {
    let mut there = others.iter_mut();
    let there = there.find(|other| algorithm_of(&other.access) == Some(algorithm));
    if let Some(there) = there {
        there.recipients = recipients;
    } else {
        let key = make(algorithm).map_err(KeysError::New)?;
        others.push(OtherKeys {
            recipients,
            access: Schedule::ahead(key, &rotations.access, now),
        });
    }
    check(others)
}

/// Whether nobody is named twice, also among those whose keys do not sign yet.
pub(crate) fn check(others: &[OtherKeys]) -> Result<(), KeysError> {
    for (index, other) in others.iter().enumerate() {
        let mut before = others.iter().take(index);
        let shared = before.find_map(|before| other.recipients.shared(&before.recipients));
        if let Some(recipient) = shared {
            return Err(ScheduleError::from(KeyRingError::DuplicateRecipient { recipient }).into());
        }
    }
    Ok(())
}
