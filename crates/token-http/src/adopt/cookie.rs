//! The cookie of the old system.

use cookie::Cookie;
use cookie::time::Duration;
use http::HeaderValue;

/// A cookie of the old system, as it was set: deleting it takes the same path and domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OldCookie {
    name: Box<str>,
    path: Box<str>,
    domain: Option<Box<str>>,
}

impl OldCookie {
    /// A cookie with the path `/` and no domain.
    pub fn new(name: impl Into<Box<str>>) -> Self {
        Self {
            name: name.into(),
            path: "/".into(),
            domain: None,
        }
    }

    /// Another path.
    #[must_use]
    pub fn path(mut self, path: impl Into<Box<str>>) -> Self {
        self.path = path.into();
        self
    }

    /// The `Domain` with which it was set.
    #[must_use]
    pub fn domain(mut self, domain: impl Into<Box<str>>) -> Self {
        self.domain = Some(domain.into());
        self
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether another host of the same site, or anybody on a plain connection, can set it in a browser.
    pub(crate) fn is_plantable(&self) -> bool {
        !self.name.starts_with("__Host-")
    }

    /// Whether it can be written in a header field.
    pub(crate) fn is_valid(&self) -> bool {
        let name = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        let value = |byte: u8| matches!(byte, b' '..=b'~') && byte != b';';
        let domain = self.domain.as_deref().unwrap_or_default();
        !self.name.is_empty()
            && self.name.bytes().all(name)
            && self.path.bytes().chain(domain.bytes()).all(value)
    }

    /// The field that deletes it.
    pub(crate) fn deletion(&self) -> HeaderValue {
        let mut cookie = Cookie::build((&*self.name, ""))
            .path(&*self.path)
            .http_only(true)
            // A browser refuses the prefixes without it. Over a plain connection it would refuse the deletion
            // of any other cookie with it.
            .secure(self.name.starts_with("__"))
            .max_age(Duration::ZERO);
        if let Some(domain) = &self.domain {
            cookie = cookie.domain(&**domain);
        }
        let field = HeaderValue::from_str(&cookie.build().to_string());
        field.expect("the settings were checked")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_deleted_where_it_was_set() {
        let plain = OldCookie::new("id");
        assert_eq!(plain.deletion(), "id=; HttpOnly; Path=/; Max-Age=0");
        let other = OldCookie::new("__Secure-id")
            .path("/app")
            .domain("example.org");
        assert_eq!(
            other.deletion(),
            "__Secure-id=; HttpOnly; Secure; Path=/app; Domain=example.org; Max-Age=0"
        );
        assert!(plain.is_plantable() && other.is_plantable());
        assert!(!OldCookie::new("__Host-id").is_plantable());
        for wrong in ["", "a b", "a=b", "a;b", "\u{e4}"] {
            assert!(!OldCookie::new(wrong).is_valid(), "{wrong}");
        }
        assert!(!OldCookie::new("id").path("/; Secure").is_valid());
    }
}
