//! The proof of a request, and what it is compared with.

use std::borrow::Cow;
use std::fmt;

use http::HeaderValue;

use crate::head::{Head, NotSingle};

/// The name of the field with the proof, in lower case.
const FIELD: &str = "dpop";

/// What a request shows to prove a key of its client's: the `DPoP` field, and what it is compared with.
/// Adapters make it of a request.
///
/// The default shows nothing.
#[derive(Clone, Copy, Default)]
pub struct Shown<'a> {
    method: &'a str,
    path: &'a str,
    proof: Option<&'a [u8]>,
    more: bool,
}

impl<'a> Shown<'a> {
    /// Of a request with this method and path, and these values of its `DPoP` field.
    pub fn new(method: &'a str, path: &'a str, mut proofs: impl Iterator<Item = &'a [u8]>) -> Self {
        Self {
            method,
            path,
            proof: proofs.next(),
            more: proofs.next().is_some(),
        }
    }

    pub(crate) fn of_head(head: &Head<'a>) -> Self {
        let proofs = head.headers.get_all(FIELD).iter();
        Self::new(
            head.method.as_str(),
            head.uri.path(),
            proofs.map(HeaderValue::as_bytes),
        )
    }

    pub(super) const fn is_absent(&self) -> bool {
        self.proof.is_none()
    }

    pub(super) const fn method(&self) -> &'a str {
        self.method
    }

    /// The path as clients know it.
    pub(super) fn path_below(&self, base: &str) -> Cow<'a, str> {
        if base.is_empty() {
            Cow::Borrowed(self.path)
        } else {
            Cow::Owned(format!("{base}{}", self.path))
        }
    }

    pub(super) fn proof(&self) -> Result<Option<&'a [u8]>, NotSingle> {
        if self.more {
            return Err(NotSingle);
        }
        Ok(self.proof)
    }
}

impl fmt::Debug for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shown")
            .field("method", &self.method)
            .finish_non_exhaustive()
    }
}
