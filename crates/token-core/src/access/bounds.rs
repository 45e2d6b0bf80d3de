//! The rules that depend on the time.

use std::time::Duration;

use crate::access::error::VerifyError;
use crate::types::time::UnixTime;

/// How far clocks may differ, and for how long a token is believed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) leeway: Duration,
    pub(crate) max_age: Duration,
}

/// Whether the end of a token matters.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expiry {
    Enforce,
    Ignore,
}

impl Bounds {
    /// Accepts the times of a token. The leeway covers an issuer whose clock is ahead; it never lengthens
    /// a life.
    pub(crate) fn check(
        self,
        issued: UnixTime,
        expires: UnixTime,
        not_before: Option<UnixTime>,
        now: UnixTime,
        expiry: Expiry,
    ) -> Result<(), VerifyError> {
        if expires <= issued {
            return Err(VerifyError::ExpiresBeforeIssue { issued, expires });
        }
        // > The "nbf" (not before) claim identifies the time before which the JWT MUST NOT be
        // > accepted for processing.
        // RFC 7519 section 4.1.5
        let begins = not_before.unwrap_or(issued);
        for (claim, time) in [("iat", issued), ("nbf", begins)] {
            if time > now + self.leeway {
                return Err(VerifyError::InFuture { claim, now, time });
            }
        }
        if expiry == Expiry::Ignore {
            return Ok(());
        }
        // > The "exp" (expiration time) claim identifies the expiration time on or after which the
        // > JWT MUST NOT be accepted for processing.
        // RFC 7519 section 4.1.4
        // A client renews long before that, so no leeway is needed here.
        if now >= expires {
            return Err(VerifyError::Expired { now, expires });
        }
        // > This claim can be used to determine the age of the JWT.
        // RFC 7519 section 4.1.6, of "iat". A leaked key could sign for any time to come; this bounds
        // what is believed.
        if now > issued + self.max_age {
            return Err(VerifyError::TooOld { now, issued });
        }
        Ok(())
    }

    /// Until when a token with these times is accepted, exclusive.
    pub(crate) fn end(self, issued: UnixTime, expires: UnixTime) -> UnixTime {
        expires.min(issued + self.max_age + Duration::from_secs(1))
    }
}
