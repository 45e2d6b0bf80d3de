//! When the credentials before the previous one were superseded. Only step-ups write it: a refresh leaves none.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::types::stored::number;

/// How many credentials are remembered, in two bytes each.
const ENTRIES: u64 = 4;
/// The bit of an entry that says that a step-up superseded the credential.
const BY_STEP_UP: u64 = 0x8000;
/// The longest time that an entry can hold, in seconds: nine hours. No window is as long.
const LONGEST: u64 = 0x7FFE;

number! {
    /// When each of the credentials before the previous one was superseded, and by what: up to four,
    /// the latest first. A store keeps it as the number that it is.
    ///
    /// When the previous one was superseded is the session's `rotated_at`. Only a step-up needs to know
    /// more, because it may follow another rotation at any moment: a client with a credential that was
    /// superseded a moment ago is honest, and one with a credential that was superseded long ago is a
    /// thief. After a refresh it is 0, the default: nothing is remembered, because a refresh rotates only
    /// if the rotation before it is older than every honest client.
    EarlierRotations
}

impl EarlierRotations {
    /// What there is to remember once the session is rotated again, if `last` made the credential
    /// that is current until then.
    pub(crate) fn with(self, last: Supersession) -> Self {
        let newest = Supersession {
            ago: Duration::ZERO,
            ..last
        };
        let entries = std::iter::once(newest).chain((1..ENTRIES).map_while(|step| self.get(step)));
        let mut value = 0;
        for (place, entry) in (0..).zip(entries) {
            let seconds = (entry.ago + last.ago).as_secs();
            if seconds > LONGEST {
                break; // and what is behind it was superseded even longer ago
            }
            let by = if entry.by_step_up { BY_STEP_UP } else { 0 };
            value |= (by | (seconds + 1)) << (16 * place);
        }
        Self(value)
    }

    /// The rotation that superseded the credential which is `steps` older than the previous one,
    /// seen from the last rotation; `None` if that was long ago.
    pub(crate) fn get(self, steps: u64) -> Option<Supersession> {
        let place = steps.checked_sub(1).filter(|place| *place < ENTRIES)?;
        let entry = self.0 >> (16 * place);
        let seconds = (entry & (BY_STEP_UP - 1)).checked_sub(1)?;
        Some(Supersession {
            ago: Duration::from_secs(seconds),
            by_step_up: entry & BY_STEP_UP != 0,
        })
    }
}

/// A rotation that superseded a credential.
#[derive(Clone, Copy)]
pub(crate) struct Supersession {
    /// How long ago.
    pub(crate) ago: Duration,
    /// Whether a step-up or a change of password made it.
    pub(crate) by_step_up: bool,
}
