//! Where sessions are kept, as a flag says it.

use std::path::PathBuf;
use std::str::FromStr;

use thiserror::Error;

/// Where sessions are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a new store is a new choice")]
pub enum StoreUrl {
    /// In this process, until it ends.
    Memory,
    /// In a file.
    Sqlite(PathBuf),
}

impl FromStr for StoreUrl {
    type Err = StoreUrlError;

    fn from_str(text: &str) -> Result<Self, StoreUrlError> {
        match text.split_once(':') {
            Some(("memory", "")) => Ok(Self::Memory),
            Some(("sqlite", file)) if !file.trim_start_matches("//").is_empty() => {
                Ok(Self::Sqlite(file.strip_prefix("//").unwrap_or(file).into()))
            }
            Some(("memory" | "sqlite", _)) => Err(StoreUrlError::Form),
            _ => Err(StoreUrlError::Scheme),
        }
    }
}

/// A store that cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum StoreUrlError {
    /// Too much after `memory:`, or too little after `sqlite:`.
    #[error("write `memory:`, or `sqlite:` and a file")]
    Form,
    /// Another scheme.
    #[error("this server has no such store; it has `memory:` and `sqlite:FILE`")]
    Scheme,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stores_are_told_apart_by_their_scheme() {
        let sqlite = |file: &str| Ok(StoreUrl::Sqlite(file.into()));
        for (text, expected) in [
            ("memory:", Ok(StoreUrl::Memory)),
            ("sqlite:a.db", sqlite("a.db")),
            ("sqlite:///tmp/a.db", sqlite("/tmp/a.db")),
            ("sqlite:/tmp/a:b.db", sqlite("/tmp/a:b.db")),
            ("sqlite:", Err(StoreUrlError::Form)),
            ("sqlite://", Err(StoreUrlError::Form)),
            ("memory:x", Err(StoreUrlError::Form)),
            ("mysql://localhost", Err(StoreUrlError::Scheme)),
            ("a.db", Err(StoreUrlError::Scheme)),
            ("", Err(StoreUrlError::Scheme)),
        ] {
            assert_eq!(text.parse(), expected, "{text}");
        }
    }
}
