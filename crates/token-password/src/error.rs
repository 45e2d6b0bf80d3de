//! Why a password could not be checked or hashed.

use thiserror::Error;

/// A password that could not be checked or hashed. A wrong password is no error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PasswordError {
    /// Too many passwords are waiting, or this one has waited for too long: answer 503.
    #[error("too many passwords are being checked")]
    Busy,
    /// The cost of new hashes is out of range: it takes 8 KiB and 1 pass at least.
    #[error("a password hash cannot have this cost; it takes 8 KiB and 1 pass at least")]
    Cost,
    /// The algorithm failed: the system has no memory or no entropy for it.
    #[error("the password hash failed: the system has no memory or no random bytes for it")]
    Hash,
    /// The server is shutting down.
    #[error("the work was interrupted")]
    Interrupted,
    /// What is stored is no hash of a form that is known here. It may be a form for which an
    /// [`OtherForm`](crate::OtherForm) is missing.
    #[error("the stored text is not a password hash of a known form")]
    Stored,
}
