//! Tokens, which no log shows.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

use crate::dpop::ClientKey;

/// A token that opens protected resources for minutes.
///
/// `Debug` does not show it, and it is wiped from memory when it is dropped.
#[derive(Clone)]
pub struct AccessToken {
    text: Zeroizing<String>,
    key: Option<ClientKey>,
}

impl AccessToken {
    /// The token, to be sent as `Authorization: SCHEME TOKEN` and to nobody but the servers that it is for.
    pub fn secret(&self) -> &str {
        &self.text
    }

    /// `Bearer`, or `DPoP` for a token that is bound to a key: each request with it needs a
    /// [proof](crate::Client::proof).
    pub fn scheme(&self) -> &'static str {
        if self.key.is_some() { "DPoP" } else { "Bearer" }
    }

    /// The key that it is bound to.
    pub(crate) fn key(&self) -> Option<&ClientKey> {
        self.key.as_ref()
    }

    /// The same token, bound to this key.
    pub(super) fn with_key(mut self, key: Option<ClientKey>) -> Self {
        self.key = key;
        self
    }

    /// Whether both are the same token. Both come from the own server, so nobody can learn anything by timing it.
    pub(crate) fn is(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccessToken([redacted])")
    }
}

/// A token that gets new tokens, once.
#[derive(Clone)]
pub(crate) struct RefreshToken {
    text: Zeroizing<String>,
}

impl RefreshToken {
    pub(crate) fn secret(&self) -> &str {
        &self.text
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
            impl<'de> Deserialize<'de> for $name {
                fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                    String::deserialize(deserializer).map(Self::from)
                }
            }

            impl Serialize for $name {
                fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                    serializer.serialize_str(&self.text)
                }
            }
        )*
    };
}

text!(AccessToken RefreshToken);

impl From<String> for AccessToken {
    fn from(text: String) -> Self {
        let text = Zeroizing::new(text);
        Self { text, key: None }
    }
}

impl From<String> for RefreshToken {
    fn from(text: String) -> Self {
        let text = Zeroizing::new(text);
        Self { text }
    }
}
