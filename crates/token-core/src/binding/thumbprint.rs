//! The name of a key: a hash of it.

use std::fmt;

use crate::jose::base64url;
use crate::types::stored::bytes;

bytes! {
    /// The SHA-256 thumbprint of a public key
    /// ([RFC 7638](https://www.rfc-editor.org/rfc/rfc7638)): the `jkt` of a token that is bound to it.
    #[derive(Clone, Copy, PartialEq, Eq, Hash)]
    Thumbprint, 32
}

impl fmt::Display for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&base64url::to_text(&self.0))
    }
}

impl fmt::Debug for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Thumbprint({self})")
    }
}
