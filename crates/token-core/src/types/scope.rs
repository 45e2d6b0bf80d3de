//! What a session may do.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};

use crate::types::invalid::InvalidValue;

/// What a session may do: scope values, each once, in the order given
/// ([RFC 6749 section 3.3](https://www.rfc-editor.org/rfc/rfc6749#section-3.3)).
/// At most 1,024 bytes; empty means that none was granted.
///
/// ```
/// use token_core::Scope;
///
/// let scope: Scope = "notes:read notes:write".parse()?;
/// assert!(scope.contains("notes:read"));
/// assert!(scope.covers(&"notes:write".parse()?));
/// assert!(!scope.covers(&"reports:read".parse()?));
/// # Ok::<(), token_core::types::InvalidValue>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize)]
pub struct Scope(Box<str>);

impl Scope {
    const MAX_LENGTH: usize = 1024;

    /// What parsing refuses, for text that stays borrowed.
    pub(crate) fn check(text: &str) -> Result<(), InvalidValue> {
        // > scope-token = 1*( %x21 / %x23-5B / %x5D-7E )
        // RFC 6749 section 3.3
        let allowed = |byte: u8| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\';
        if text.len() > Self::MAX_LENGTH {
            return Err(InvalidValue::TooLong {
                kind: "Scope",
                max: Self::MAX_LENGTH,
            });
        }
        if text.bytes().fold(true, |all, byte| all & allowed(byte)) {
            Ok(())
        } else {
            Err(InvalidValue::Character { kind: "Scope" })
        }
    }

    /// The values, separated by one space.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether there is no value.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn values(&self) -> impl Iterator<Item = &str> {
        self.0.split(' ').filter(|value| !value.is_empty())
    }

    /// Whether the value is among them.
    pub fn contains(&self, value: &str) -> bool {
        self.values().any(|own| own == value)
    }

    /// The values that are in `other` too.
    #[must_use]
    pub fn within(&self, other: &Self) -> Self {
        let values = self.values().filter(|value| other.contains(value));
        Self(values.collect::<Vec<_>>().join(" ").into())
    }

    /// Whether every value of `other` is among them.
    pub fn covers(&self, other: &Self) -> bool {
        other.values().all(|value| self.contains(value))
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Scope {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        Self::check(text)?;
        if is_tidy(text) {
            return Ok(Self(text.into()));
        }
        let mut values: Vec<&str> = Vec::new();
        for value in text.split(' ').filter(|value| !value.is_empty()) {
            if !values.contains(&value) {
                values.push(value);
            }
        }
        Ok(Self(values.join(" ").into()))
    }
}

impl<'de> Deserialize<'de> for Scope {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Box::<str>::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

/// Whether every value stands once, with one space between two: as a [`Scope`] is written.
fn is_tidy(text: &str) -> bool {
    let values = || text.split(' ');
    let first = |(place, value): (usize, &str)| {
        !value.is_empty() && !values().take(place).any(|other| other == value)
    };
    text.is_empty() || values().enumerate().all(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_keeps_each_value_once_and_in_order() {
        let scope: Scope = " b  a b ".parse().unwrap();
        assert_eq!(scope.as_str(), "b a");
        for text in ["a", "a b", "a aa", "", "a:b c"] {
            assert_eq!(text.parse::<Scope>().unwrap().as_str(), text);
        }
        for text in [" a", "a ", "a  a", "a a", " "] {
            assert_eq!(
                text.parse::<Scope>().unwrap().as_str(),
                text.trim().split(' ').next().unwrap()
            );
        }
        assert!("a\\b".parse::<Scope>().is_err());
        assert!("ä".parse::<Scope>().is_err());
        assert!("a".repeat(Scope::MAX_LENGTH).parse::<Scope>().is_ok());
        let longer = "a".repeat(Scope::MAX_LENGTH + 1).parse::<Scope>();
        assert!(longer.unwrap_err().to_string().contains("1024"));
        assert!(Scope::default().is_empty());
        assert!(Scope::default().covers(&Scope::default()));
    }
}
