//! Challenges: what a browser signs. The server keeps none of them.

use crate::binding::keys::{BindingKeys, Use};
use crate::binding::proof::Unproven;
use crate::types::id::SessionId;
use crate::types::time::UnixTime;

/// Seconds for which one challenge is given out. The same challenge costs a browser no further signature, and it
/// makes six in nine minutes at most.
const SLOT: u64 = 60;

/// The number of the slot.
const BODY: usize = 4;

impl BindingKeys {
    /// The challenge of this minute for a session.
    pub(super) fn challenge(&self, purpose: Use, session: SessionId, now: UnixTime) -> String {
        let slot = u32::try_from(now.as_secs() / SLOT).unwrap_or(u32::MAX);
        self.seal(purpose, session, &slot.to_be_bytes())
    }

    /// Whether a challenge is one of this minute, the one before or, as clocks differ, the next.
    pub(super) fn check_challenge(
        &self,
        purpose: Use,
        session: SessionId,
        challenge: &str,
        now: UnixTime,
    ) -> Result<(), Unproven> {
        let body: [u8; BODY] = self.open(purpose, session, challenge)?;
        let slot = u64::from(u32::from_be_bytes(body));
        if slot.abs_diff(now.as_secs() / SLOT) <= 1 {
            Ok(())
        } else {
            Err(Unproven::Expired)
        }
    }
}
