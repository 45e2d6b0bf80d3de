//! Why a manager cannot be built, or take other keys.

use std::time::Duration;

use thiserror::Error;
use token_core::KeyId;
use token_core::access::VerifierError;

/// Why a manager cannot be built.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ManagerError {
    /// Browsers could not renew so often, or a copied cookie would work for long.
    #[error("a bound cookie cannot live for {0:?}; use 5 minutes to 1 hour, in whole seconds")]
    BindingLifetime(Duration),
    /// The heartbeat would drown the feed or prove too little.
    #[error("a heartbeat each {0:?} is not between 50 ms and 1 minute")]
    Heartbeat(Duration),
    /// Sessions would be remembered, and nothing would say that they were ended.
    #[error("a session cache needs the feed; set `revocation_check` to `RevocationCheck::Feed`")]
    SessionCache,
    /// The time-out would refuse every call or wait for ever.
    #[error("a store time-out of {0:?} is not between 10 ms and 1 minute")]
    Timeout(Duration),
    /// A refresh that has to wait for the store could find that the token was rotated twice
    /// meanwhile, and an honest client would be logged out.
    #[error(
        "a store margin of {margin:?} is too short for a store time-out of {timeout:?}; give the \
         policy a `store_margin` of at least {min:?}"
    )]
    StoreMargin {
        /// The margin of the policy.
        margin: Duration,
        /// The shortest that the time-out allows: twice as long, in whole seconds.
        min: Duration,
        /// The time-out of the manager.
        timeout: Duration,
    },
    /// The key that signs is elsewhere.
    #[error("the key {id} signs elsewhere; give the manager a `signer`")]
    NoSigner {
        /// The key.
        id: KeyId,
    },
    /// Sessions of visitors would end while they are read, or be stored for months.
    #[error(
        "a visitor's session cannot live for {0:?}; use 1 minute to 90 days, and for a pending login 1 \
         minute to 1 hour, in whole seconds"
    )]
    VisitorLifetime(Duration),
    /// The verifier of access tokens cannot be built.
    #[error(transparent)]
    Verifier(#[from] VerifierError),
}
