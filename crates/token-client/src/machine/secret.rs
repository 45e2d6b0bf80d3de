//! Tokens, which no log shows.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

/// A token that opens protected resources for minutes.
///
/// `Debug` does not show it, and it is wiped from memory when it is dropped.
#[derive(Clone)]
pub struct AccessToken(Zeroizing<String>);

impl AccessToken {
    /// The token, to be sent as `Authorization: Bearer TOKEN` and to nobody but the servers that it is for.
    pub fn secret(&self) -> &str {
        &self.0
    }

    /// Whether both are the same token. Both come from the own server, so nobody can learn anything by timing it.
    pub(crate) fn is(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccessToken([redacted])")
    }
}

/// A token that gets new tokens, once.
#[derive(Clone)]
pub(crate) struct RefreshToken(Zeroizing<String>);

impl RefreshToken {
    pub(crate) fn secret(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for RefreshToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RefreshToken([redacted])")
    }
}

/// Both are texts, in the record and in a token response.
macro_rules! text {
    ($($name:ident)*) => {
        $(
            impl From<String> for $name {
                fn from(text: String) -> Self {
                    Self(Zeroizing::new(text))
                }
            }

            impl<'de> Deserialize<'de> for $name {
                fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                    String::deserialize(deserializer).map(Self::from)
                }
            }

            impl Serialize for $name {
                fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                    serializer.serialize_str(&self.0)
                }
            }
        )*
    };
}

text!(AccessToken RefreshToken);
