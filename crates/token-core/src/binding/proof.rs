//! What a request proves of its session's key, before the session is known.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::binding::generation::BindingGeneration;
use crate::binding::thumbprint::Thumbprint;
use crate::types::invalid::InvalidValue;
use crate::types::stored::words;

/// The first byte of a binding in a store, if a request has to prove something for it. The highest bit is set,
/// so that a store can tell by comparing bytes.
pub(super) const REQUIRED: u8 = 0x81;
pub(super) const KEY: u8 = 0x82;

/// What a request proves beside its credential. Whether it is enough is decided on the session's record, by
/// [`Binding::check`](crate::binding::Binding::check).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "one for each kind of binding, and none"
)]
pub enum Proof {
    /// A value that was made for this session's browser after it used its key, with the registration
    /// for which it was made.
    Device(BindingGeneration),
    /// A signature of this key, made for this request.
    Key(Thumbprint),
    /// Nothing, and why.
    None(Unproven),
}

impl Proof {
    /// The bytes with which a store has to find the proof enough: the binding of the session is below
    /// [`Binding::DEMANDING`](crate::binding::Binding::DEMANDING), or it begins with these.
    pub fn prefix(&self) -> Cow<'static, [u8]> {
        match self {
            Self::Device(BindingGeneration::ANY) => Cow::Borrowed(&[REQUIRED]),
            Self::Device(generation) => Cow::Owned(vec![REQUIRED, generation.0]),
            Self::Key(thumbprint) => {
                Cow::Owned([&[KEY], thumbprint.as_bytes().as_slice()].concat())
            }
            // No binding begins with it.
            Self::None(_) => Cow::Borrowed(&[0]),
        }
    }
}

impl Default for Proof {
    /// Nothing, because nothing was sent.
    fn default() -> Self {
        Self::None(Unproven::Missing)
    }
}

words! {
    /// Why a request does not prove that its client has the session's key: for logs and metrics, and
    /// nothing for the client.
    #[non_exhaustive]
    Unproven {
        /// It was good once.
        Expired = "expired",
        /// It is not what this library writes, or was made for another session.
        Invalid = "invalid",
        /// Nothing was sent, or a proof of another kind.
        Missing = "missing",
        /// It belongs to an earlier registration, or to another key.
        Superseded = "superseded",
        /// It was made with a key that this node does not have.
        UnknownKey = "unknown_key",
    }
}
