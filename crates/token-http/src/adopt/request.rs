//! What a request has of the old system.

use std::fmt;

use http::HeaderMap;
use http::header::COOKIE;
use token_core::UnixTime;
use zeroize::Zeroizing;

use crate::cookies::pairs;

/// Each costs a question to the old store, as each of ours one to the store.
const MAX_COOKIES: usize = 4;

/// The name and the value of a cookie.
type OldValue = (Box<str>, Zeroizing<String>);

/// What a request has of the old system: the cookies that the readers name, and the token in
/// `Authorization: Bearer`.
#[derive(Clone)]
pub struct OldRequest {
    cookies: Vec<OldValue>,
    bearer: Option<Zeroizing<String>>,
    at: UnixTime,
}

impl OldRequest {
    /// The cookies of these names, if there are any.
    pub(crate) fn of_cookies<'a>(
        headers: &HeaderMap,
        names: &(impl Iterator<Item = &'a str> + Clone),
        at: UnixTime,
    ) -> Self {
        let fields = headers.get_all(COOKIE).iter();
        let pairs = fields.flat_map(|field| pairs(field.as_bytes()));
        let cookies = pairs.filter_map(|(name, value)| {
            let name = names.clone().find(|own| own.as_bytes() == name)?;
            // Of a value that is not text no reader knows anything, but it counts as a second cookie.
            let value = String::from_utf8_lossy(value).into_owned();
            Some((name.into(), Zeroizing::new(value)))
        });
        Self {
            cookies: cookies.collect(),
            bearer: None,
            at,
        }
    }

    /// A token alone.
    pub(crate) fn of_bearer(token: &str, at: UnixTime) -> Self {
        Self {
            cookies: Vec::new(),
            bearer: Some(Zeroizing::new(token.to_owned())),
            at,
        }
    }

    pub(crate) fn set_bearer(&mut self, token: &str) {
        self.bearer = Some(Zeroizing::new(token.to_owned()));
    }

    /// Whether it has anything of the old system.
    pub(crate) fn is_empty(&self) -> bool {
        self.cookies.is_empty() && self.bearer.is_none()
    }

    pub(crate) fn has_cookies(&self) -> bool {
        !self.cookies.is_empty()
    }

    /// Whether it has a cookie of this name.
    pub(crate) fn names(&self, name: &str) -> bool {
        self.values(name).next().is_some()
    }

    /// Whether [`apart`](Self::apart) leaves out a cookie of this name.
    pub(crate) fn has_too_many(&self, name: &str) -> bool {
        self.values(name).count() > MAX_COOKIES
    }

    /// Requests with one cookie of each of these names: one with the first of each, one with the second, and so on.
    /// Of a name that has fewer the last goes on.
    pub(crate) fn apart<'a>(
        &self,
        names: impl Iterator<Item = &'a str> + Clone,
    ) -> impl Iterator<Item = Self> {
        let most = names.clone().map(|name| self.values(name).count()).max();
        (1..=most.unwrap_or_default().clamp(1, MAX_COOKIES)).map(move |nth| Self {
            cookies: names
                .clone()
                .filter_map(|name| self.values(name).take(nth).last())
                .cloned()
                .collect(),
            bearer: self.bearer.clone(),
            at: self.at,
        })
    }

    fn values(&self, name: &str) -> impl Iterator<Item = &OldValue> {
        self.cookies.iter().filter(move |(own, _)| **own == *name)
    }

    /// The value of a cookie, as it was sent. `None` also if it came twice: one of both may be planted, and
    /// whose it is cannot be known.
    pub fn cookie(&self, name: &str) -> Option<&str> {
        let mut values = self.values(name);
        match (values.next(), values.next()) {
            (Some((_, value)), None) => Some(value),
            _ => None,
        }
    }

    /// The token in `Authorization: Bearer`, or in the body of a refresh.
    pub fn bearer(&self) -> Option<&str> {
        self.bearer.as_ref().map(|token| token.as_str())
    }

    /// When the request came, by this node's clock.
    pub const fn at(&self) -> UnixTime {
        self.at
    }
}

impl fmt::Debug for OldRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.cookies.iter().map(|(name, _)| name);
        f.debug_list().entries(names).finish()
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn a_cookie_that_comes_twice_is_none() {
        let mut headers = HeaderMap::new();
        for field in ["id=a; x=y; id2=c", "sid=s; sid=t"] {
            headers.append(COOKIE, HeaderValue::from_static(field));
        }
        let names = ["id", "sid", "gone"].into_iter();
        let request = OldRequest::of_cookies(&headers, &names, UnixTime::EPOCH);
        assert_eq!(request.cookie("id"), Some("a"));
        assert_eq!(request.cookie("sid"), None);
        assert!(request.names("sid") && !request.names("gone") && !request.names("x"));
        assert_eq!(format!("{request:?}"), r#"["id", "sid", "sid"]"#);

        let apart = |request: &OldRequest| {
            let each = request.apart(names.clone());
            let shown = each.map(|one| {
                let of = |name| one.cookie(name).unwrap_or_default().to_owned();
                (of("id"), of("sid"))
            });
            shown.collect::<Vec<_>>()
        };
        let pair = |id: &str, sid: &str| (id.to_owned(), sid.to_owned());
        assert_eq!(apart(&request), [pair("a", "s"), pair("a", "t")]);
        assert!(!request.has_too_many("sid"));
        let bearer = OldRequest::of_bearer("token", UnixTime::EPOCH);
        assert_eq!(apart(&bearer), [pair("", "")]);
        headers.append(COOKIE, HeaderValue::from_static("sid=u; sid=v; sid=w"));
        let request = OldRequest::of_cookies(&headers, &names, UnixTime::EPOCH);
        assert_eq!(apart(&request).len(), 4);
        assert!(request.has_too_many("sid"));
    }
}
