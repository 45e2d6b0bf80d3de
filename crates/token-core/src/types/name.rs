//! Names that people choose: of bounded length, checked once, compared byte for byte.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};

use crate::types::invalid::InvalidValue;

/// Defines a name: a bounded text that is checked once, when it is made.
macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $max:literal, $allowed:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
        pub struct $name(Box<str>);

        impl $name {
            /// Makes a name of the text, if it is one.
            ///
            /// # Errors
            /// [`InvalidValue`] if it is empty, too long, or has a character that is not allowed.
            pub fn new(text: impl Into<Box<str>>) -> Result<Self, InvalidValue> {
                let text = text.into();
                Self::check(&text)?;
                Ok(Self(text))
            }

            /// What [`Self::new`] refuses, for text that stays borrowed.
            pub(crate) fn check(text: &str) -> Result<(), InvalidValue> {
                let allowed = |c: char| -> bool { ($allowed)(c) };
                // Nearly every name is ASCII, which need not be decoded.
                let ascii = |byte: u8| byte.is_ascii() && allowed(char::from(byte));
                if text.is_empty() {
                    Err(InvalidValue::Empty { kind: stringify!($name) })
                } else if text.len() > $max {
                    Err(InvalidValue::TooLong { kind: stringify!($name), max: $max })
                } else if !text.bytes().all(ascii) && !text.chars().all(allowed) {
                    Err(InvalidValue::Character { kind: stringify!($name) })
                } else {
                    Ok(())
                }
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = InvalidValue;

            fn from_str(text: &str) -> Result<Self, InvalidValue> {
                Self::new(text)
            }
        }

        impl TryFrom<&str> for $name {
            type Error = InvalidValue;

            fn try_from(text: &str) -> Result<Self, InvalidValue> {
                Self::new(text)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Self::new(Box::<str>::deserialize(deserializer)?).map_err(serde::de::Error::custom)
            }
        }
    };
}

name! {
    /// Who a session belongs to: the `sub` claim
    /// ([RFC 7519 section 4.1.2](https://www.rfc-editor.org/rfc/rfc7519#section-4.1.2)).
    /// 1 to 255 bytes, no control characters. Compared byte for byte.
    Subject, 255, |c: char| !c.is_control()
}
name! {
    /// The `iss` claim: who issues the tokens, usually an https URL without query or fragment
    /// ([RFC 8414 section 2](https://www.rfc-editor.org/rfc/rfc8414#section-2)).
    /// 1 to 255 bytes of visible ASCII. Compared byte for byte.
    Issuer, 255, |c: char| c.is_ascii_graphic()
}
name! {
    /// One value of the `aud` claim: for whom the tokens are
    /// ([RFC 7519 section 4.1.3](https://www.rfc-editor.org/rfc/rfc7519#section-4.1.3)).
    /// 1 to 255 bytes of visible ASCII. Compared byte for byte.
    Audience, 255, |c: char| c.is_ascii_graphic()
}
name! {
    /// The `client_id` of [RFC 9068 section 2.2](https://www.rfc-editor.org/rfc/rfc9068#section-2.2):
    /// which application asked. 1 to 255 bytes of visible ASCII and spaces
    /// ([RFC 6749 appendix A.1](https://www.rfc-editor.org/rfc/rfc6749#appendix-A.1)).
    ClientId, 255, |c: char| matches!(c, ' '..='~')
}
name! {
    /// An identifier that another issuer chose: of a token, a session or a tenant. 1 to 255 bytes, no
    /// control characters. Compared byte for byte.
    ForeignId, 255, |c: char| !c.is_control()
}
name! {
    /// The `kid` of a key: looked up, never interpreted
    /// ([RFC 7515 section 4.1.4](https://www.rfc-editor.org/rfc/rfc7515#section-4.1.4)).
    /// 1 to 255 characters of visible ASCII and spaces except `"` and `\`, so that it needs no escape in
    /// JSON: room for the ARN of a key in a KMS, or a URL.
    KeyId, 255, |c: char| matches!(c, ' '..='~') && c != '"' && c != '\\'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_bounded_and_has_no_control_characters() {
        assert!(Subject::new("").is_err());
        assert!(Subject::new("a".repeat(256)).is_err());
        assert!(Subject::new("line\nbreak").is_err());
        assert!(Subject::new("Zoë Müller").is_ok());
        assert!(KeyId::new("a\"b").is_err());
        assert!(ClientId::new("line\nbreak").is_err());
    }
}
