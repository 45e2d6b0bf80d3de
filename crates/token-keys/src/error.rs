//! What is wrong with keys.

use std::io;

use thiserror::Error;
use token_core::keys::KeyError;
use token_core::{Algorithm, KeyId};
use token_session::ManagerError;
use token_session::schedule::ScheduleError;

/// Keys that cannot be used. The sentence follows the name of the file or variable.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum KeysError {
    /// They sign with another algorithm than is asked for, and it cannot be changed for them.
    #[error(
        "it signs with {has}, and no key for {wanted} can be added to it: keys in the environment are changed there, and keys that verifiers know are not mixed with secrets; do not ask for {wanted}"
    )]
    Algorithm {
        /// What is there.
        has: Algorithm,
        /// What is asked for.
        wanted: Algorithm,
    },
    /// It was replaced by others each time.
    #[error(
        "it was replaced by others again and again while keys were made for it, so nothing was changed; try again"
    )]
    Changing,
    /// The system has no random bytes.
    #[error("a new key could not be made: the system has no random bytes")]
    Entropy,
    /// Others than its owner may read or write the file.
    #[error(
        "open to other users (mode {mode:o}); run `chmod 600` on it, and if one of them may have read it, delete it so that new keys are made"
    )]
    Exposed {
        /// Its permissions.
        mode: u32,
    },
    /// A variable cannot be written.
    #[error("keys in the environment change with the environment; set others and restart")]
    Fixed,
    /// It is not a key file.
    #[error(
        "this is not a key file of this server; name another, or move it away so that a new one is made"
    )]
    Form,
    /// A key is not accepted.
    #[error("a key is not accepted: {0}")]
    Key(KeyError),
    /// Another server holds the lock on the file.
    #[error(
        "another server has held the lock beside it for 2 seconds, so nothing was changed; try again"
    )]
    Locked,
    /// A key could not be made.
    #[error("a new key could not be made: {0}")]
    New(KeyError),
    /// The key that has to sign is only public.
    #[error("the key {id} has to sign, and only its public half is there; put the whole key in")]
    Public {
        /// The key.
        id: KeyId,
    },
    /// It cannot be read.
    #[error(
        "it cannot be read ({0}); make it readable for the user that runs this server, or name another"
    )]
    Read(io::Error),
    /// The keys do not go together, or a step of the rotation is not possible.
    #[error(transparent)]
    Schedule(#[from] ScheduleError),
    /// The manager does not take the keys.
    #[error(transparent)]
    Manager(#[from] ManagerError),
    /// The keeper has ended, or the runtime is shutting down.
    #[error("the server is shutting down")]
    Stopped,
    /// There is no such variable.
    #[error("it is not set; put the text of a key file into it")]
    Unset,
    /// It cannot be written.
    #[error("it cannot be written ({0}); name a file in a folder that this server may write to")]
    Write(io::Error),
}
