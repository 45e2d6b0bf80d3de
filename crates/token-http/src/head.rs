//! A request without its body.

use std::fmt;
use std::net::IpAddr;

use http::header::AsHeaderName;
use http::{HeaderMap, HeaderName, Method, Uri};

/// The longest request body that the routes read, in bytes.
pub const MAX_BODY: usize = 16 * 1024;

const SEC_PURPOSE: HeaderName = HeaderName::from_static("sec-purpose");

const PURPOSE: HeaderName = HeaderName::from_static("purpose");

/// A request without its body, as an adapter hands it over.
#[derive(Clone, Copy)]
#[expect(
    clippy::exhaustive_structs,
    reason = "an adapter has to hand over all of it"
)]
pub struct Head<'a> {
    /// The request method.
    pub method: &'a Method,
    /// The path and query, as the client sent them.
    pub uri: &'a Uri,
    /// All header fields, or at least those of [`Head::FIELDS`].
    pub headers: &'a HeaderMap,
    /// The address at the other end of the connection, if it is known.
    pub peer: Option<IpAddr>,
}

/// A request without its body, for as long as its handler works on it.
pub(crate) struct OwnedHead {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    peer: Option<IpAddr>,
}

impl OwnedHead {
    pub(crate) fn of(head: &Head<'_>) -> Self {
        Self {
            method: head.method.clone(),
            uri: head.uri.clone(),
            headers: head.headers.clone(),
            peer: head.peer,
        }
    }

    pub(crate) const fn borrow(&self) -> Head<'_> {
        Head {
            method: &self.method,
            uri: &self.uri,
            headers: &self.headers,
            peer: self.peer,
        }
    }
}

impl Head<'_> {
    /// The names of the header fields that are read, in lower case. An adapter for a framework with
    /// its own header types has to copy only these.
    pub const FIELDS: [&'static str; 17] = [
        "authorization",
        "content-type",
        "cookie",
        "dpop",
        "forwarded",
        "if-none-match",
        "origin",
        "purpose",
        "referer",
        "sec-fetch-dest",
        "sec-fetch-site",
        "sec-purpose",
        "sec-secure-session-id",
        "secure-session-response",
        "upgrade",
        "user-agent",
        "x-forwarded-for",
    ];

    /// Whether the browser asks for a page that nobody has opened yet. `Sec-Purpose` is of the
    /// [Fetch standard](https://fetch.spec.whatwg.org/#sec-purpose-header); older browsers send
    /// `Purpose`.
    pub(crate) fn is_prefetch(&self) -> bool {
        // A browser prefetches by `GET` alone. Who acts does not go unseen.
        if !self.method.is_safe() {
            return false;
        }
        let of = |name| self.headers.get_all(name).iter();
        let fields = of(SEC_PURPOSE).chain(of(PURPOSE));
        let mut words = fields.flat_map(|field| field.as_bytes().split(|b| b";,".contains(b)));
        words.any(|word| word.trim_ascii().eq_ignore_ascii_case(b"prefetch"))
    }

    /// Whether the user opens a page with it, in a tab of a browser that says so
    /// ([`Sec-Fetch-Dest`](https://www.w3.org/TR/fetch-metadata/#sec-fetch-dest-header)).
    pub(crate) fn opens_page(&self) -> bool {
        let destination = self.single("sec-fetch-dest");
        self.method == Method::GET && destination == Ok(Some("document")) && !self.is_prefetch()
    }

    /// The one value of a field; `None` if it is absent.
    pub(crate) fn single(&self, name: impl AsHeaderName) -> Result<Option<&str>, NotSingle> {
        let mut values = self.headers.get_all(name).iter();
        match (values.next(), values.next()) {
            (None, _) => Ok(None),
            (Some(value), None) => value.to_str().map(Some).map_err(|_| NotSingle),
            (Some(_), Some(_)) => Err(NotSingle),
        }
    }
}

impl fmt::Debug for Head<'_> {
    /// Header fields carry credentials, and a path or query may.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Head")
            .field("method", &self.method)
            .finish_non_exhaustive()
    }
}

/// A field that must have one value has several, or one that is not text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotSingle;
