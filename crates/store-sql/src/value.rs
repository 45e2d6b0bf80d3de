//! The values that a statement is given.

use std::borrow::Cow;

use token_core::binding::{Binding, Proof};
use token_core::session::EarlierRotations;
use token_core::{SessionId, UnixTime};

/// One value of a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    Bytes(Option<&'a [u8]>),
    Flag(bool),
    Int(Option<i64>),
    OwnedBytes(Vec<u8>),
    OwnedText(String),
    Text(Option<&'a str>),
}

impl<'a> From<&'a [u8]> for Value<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self::Bytes(Some(bytes))
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(Some(text))
    }
}

impl From<i64> for Value<'_> {
    fn from(number: i64) -> Self {
        Self::Int(Some(number))
    }
}

impl From<UnixTime> for Value<'_> {
    fn from(time: UnixTime) -> Self {
        i64::from(time).into()
    }
}

/// NULL for none, which is what nearly every session has.
impl From<EarlierRotations> for Value<'_> {
    fn from(earlier: EarlierRotations) -> Self {
        let bits = earlier.0.cast_signed();
        Self::Int((bits != 0).then_some(bits))
    }
}

/// NULL for none, which is what nearly every session has.
impl From<Binding> for Value<'_> {
    fn from(binding: Binding) -> Self {
        if binding.is_unbound() {
            return Self::Bytes(None);
        }
        Self::OwnedBytes(binding.to_bytes())
    }
}

impl From<Proof> for Value<'_> {
    fn from(proof: Proof) -> Self {
        match proof.prefix() {
            Cow::Borrowed(bytes) => bytes.into(),
            Cow::Owned(bytes) => Self::OwnedBytes(bytes),
        }
    }
}

impl<'a> From<&'a SessionId> for Value<'a> {
    fn from(id: &'a SessionId) -> Self {
        id.as_bytes().as_slice().into()
    }
}

/// Databases count to 2^63 - 1. A session that is refreshed each second gets there in
/// 292 thousand million years.
pub(crate) fn count(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
