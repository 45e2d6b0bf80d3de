//! Addresses to which a browser may be sent after a login: paths of this site.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};
use thiserror::Error;

use crate::refusal::Refusal;
use crate::rejection::Rejection;

/// A path of this site, with its query: where a browser goes after a login, usually as a request says. It
/// cannot lead to another site.
///
/// It is at most 512 bytes of visible ASCII, begins with one slash, and has no backslash, which browsers
/// take for a slash. Its path has no second slash in a row.
///
/// ```
/// use token_http::LocalPath;
///
/// assert!("/notes?page=2".parse::<LocalPath>().is_ok());
/// assert!("//evil.example".parse::<LocalPath>().is_err());
/// assert!("https://evil.example".parse::<LocalPath>().is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LocalPath(Box<str>);

/// The text is not a path of this site.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "not a path of this site: use at most {} bytes of visible ASCII that begin with one `/` and have no `\\`",
    LocalPath::MAX_LENGTH
)]
#[expect(clippy::exhaustive_structs, reason = "there is no more to say")]
pub struct NotLocal;

impl LocalPath {
    /// The longest path with its query, in bytes.
    pub const MAX_LENGTH: usize = 512;

    /// The first page, `/`.
    pub fn root() -> Self {
        Self("/".into())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for LocalPath {
    type Err = NotLocal;

    fn from_str(text: &str) -> Result<Self, NotLocal> {
        let path = text.split(['?', '#']).next().unwrap_or_default();
        let local = text.len() <= Self::MAX_LENGTH
            && text.starts_with('/')
            && !path.contains("//")
            // A browser drops tabs and line breaks before it reads an address: `/<tab>/evil.example`.
            && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
        local.then(|| Self(text.into())).ok_or(NotLocal)
    }
}

impl fmt::Display for LocalPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for LocalPath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl From<NotLocal> for Rejection {
    /// 400 `invalid_request`.
    fn from(error: NotLocal) -> Self {
        Self::plain(Refusal::InvalidRequest.because(error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_leaves_the_site_is_refused() {
        let long = format!("/{}", "a".repeat(LocalPath::MAX_LENGTH));
        for text in [
            "",
            "notes",
            "?a=b",
            "#a",
            ".",
            "//evil.example",
            "///evil.example",
            "////evil.example/..",
            "/\\evil.example",
            "\\/evil.example",
            "\\\\evil.example",
            "/a\\b",
            "/\t/evil.example",
            "/\n/evil.example",
            "/\r\nset-cookie: a=b",
            "/a b",
            " /a",
            "\u{a0}/a",
            "/\u{ff0f}evil.example",
            "/.//evil.example",
            "/a/..//evil.example",
            "https://evil.example",
            "https:/evil.example",
            "https:evil.example",
            "javascript:alert(1)",
            "data:text/html,x",
            "@evil.example",
            ":@evil.example",
            &long,
        ] {
            assert_eq!(text.parse::<LocalPath>(), Err(NotLocal), "{text:?}");
        }
        for text in [
            "/",
            "/notes",
            "/a/b?c=//d&e=%2F#f",
            "/%2fevil.example",
            "/.",
            "/@a:b",
        ] {
            assert_eq!(text.parse::<LocalPath>().unwrap().as_str(), text);
        }
        assert!(serde_json::from_str::<LocalPath>(r#""/a""#).is_ok());
        assert!(serde_json::from_str::<LocalPath>(r#""//a""#).is_err());
    }
}
