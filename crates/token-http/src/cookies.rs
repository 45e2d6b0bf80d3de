//! Our cookies: how they are read, set and deleted
//! ([RFC 10025](https://www.rfc-editor.org/rfc/rfc10025)).

use std::iter;

use cookie::time::Duration;
use cookie::{Cookie, SameSite};
use http::header::{COOKIE, SET_COOKIE};
use http::{HeaderMap, HeaderValue};
use memchr::{memchr, memchr_iter};
use token_core::{Session, UnixTime};
use zeroize::Zeroizing;

use crate::head::Head;
use crate::refusal::Refusal;

/// Browsers shorten a longer lifetime to 400 days
/// ([RFC 10025 section 5.5](https://www.rfc-editor.org/rfc/rfc10025#section-5.5)).
const MAX_AGE_LIMIT: u64 = 400 * 24 * 3600;

/// A browser keeps one cookie of each name for a host. More than two of each are an attack, and each
/// that is made up costs a call to the store.
const MAX_COOKIES: usize = 4;

/// One of our cookies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The credential of a login of which a proof is still missing.
    PendingLogin,
    /// The refresh token of transport `cookie`.
    Refresh,
    /// The credential of transport `session`.
    Session,
    /// The credential of a session of nobody.
    Visitor,
}

impl Kind {
    /// Those of somebody who is logged in.
    pub(crate) const ALL: [Self; 2] = [Self::Refresh, Self::Session];

    /// Whether a page of another site may make a browser send it, by a link.
    const fn same_site(self) -> SameSite {
        match self {
            // Only scripts of our own pages use it.
            Self::Refresh => SameSite::Strict,
            // A user who follows a link from another site should be logged in, and one who returns from it
            // should find what was begun.
            Self::PendingLogin | Self::Session | Self::Visitor => SameSite::Lax,
        }
    }
}

/// What our cookies are called. Applications on one host need different names, since a browser keeps
/// one cookie of each name for a host, whatever the port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CookieNames {
    pending: Box<str>,
    refresh: Box<str>,
    session: Box<str>,
    visitor: Box<str>,
}

impl CookieNames {
    /// A browser accepts the prefix `__Host-Http-` only with `Secure`, `Path=/`, `HttpOnly` and no
    /// `Domain`, so no other host, no plain connection and no script can set such a cookie. A browser
    /// that does not know the prefix treats it as `__Host-`, which keeps out all of these but scripts.
    pub(crate) fn with_suffix(suffix: &str) -> Self {
        let hyphen = if suffix.is_empty() { "" } else { "-" };
        let name = |kind| format!("__Host-Http-{kind}{hyphen}{suffix}").into();
        Self {
            pending: name("pending"),
            refresh: name("refresh"),
            session: name("session"),
            visitor: name("visitor"),
        }
    }

    pub(crate) fn of(&self, kind: Kind) -> &str {
        match kind {
            Kind::PendingLogin => &self.pending,
            Kind::Refresh => &self.refresh,
            Kind::Session => &self.session,
            Kind::Visitor => &self.visitor,
        }
    }

    /// The field that sets a cookie. It stays until the browser ends or, if the user asked to be
    /// remembered, for as long as the session would live without being used.
    pub(crate) fn set(
        &self,
        kind: Kind,
        value: &str,
        session: &Session,
        now: UnixTime,
    ) -> HeaderValue {
        let seconds = session.expires_at().since(now).as_secs().min(MAX_AGE_LIMIT);
        let max_age = session.remember.then(|| seconds.cast_signed());
        self.field(kind, value, max_age.map(Duration::seconds))
    }

    /// The field that sets a cookie for so many seconds.
    pub(crate) fn set_for(&self, kind: Kind, value: &str, seconds: u64) -> HeaderValue {
        let seconds = seconds.min(MAX_AGE_LIMIT).cast_signed();
        self.field(kind, value, Some(Duration::seconds(seconds)))
    }

    /// The field that deletes a cookie, with the attributes that it was set with.
    pub(crate) fn delete(&self, kind: Kind) -> HeaderValue {
        self.field(kind, "", Some(Duration::ZERO))
    }

    fn field(&self, kind: Kind, value: &str, max_age: Option<Duration>) -> HeaderValue {
        let mut cookie = Cookie::build((self.of(kind), value))
            .http_only(true)
            .secure(true)
            .same_site(kind.same_site())
            .path("/");
        if let Some(max_age) = max_age {
            cookie = cookie.max_age(max_age);
        }
        // The `cookie` crate does not know `Priority`. Chromium evicts cookies by it if a site has too
        // many: without it, a page of a sister host that sets 300 cookies logs the user out.
        let text = Zeroizing::new(format!("{}; Priority=High", cookie.build()));
        let mut field = HeaderValue::from_str(&text).expect("tokens and numbers are visible ASCII");
        field.set_sensitive(true);
        field
    }
}

/// Our cookies in a request, with values of the type `V`. They are not verified.
#[derive(Clone)]
pub(crate) struct Cookies<V> {
    found: Vec<(Kind, V)>,
}

/// Those that are kept longer than the request that they came with.
pub(crate) type RequestCookies = Cookies<Zeroizing<String>>;

/// Those whose values stay where they are: nothing of them is copied, and nothing has to be wiped.
pub(crate) type SentCookies<'a> = Cookies<&'a str>;

impl RequestCookies {
    /// Those of somebody who is logged in.
    pub(crate) fn read(headers: &HeaderMap, names: &CookieNames) -> Self {
        Self::read_kinds(&Kind::ALL, headers, names)
    }

    /// Those of these kinds.
    pub(crate) fn read_kinds(kinds: &[Kind], headers: &HeaderMap, names: &CookieNames) -> Self {
        let found = SentCookies::of_kinds(kinds, headers, names).found;
        let kept = |(kind, value): (Kind, &str)| (kind, value.to_owned().into());
        Self {
            found: found.into_iter().map(kept).collect(),
        }
    }
}

/// In place of a value that is not text. It is never good either.
const NOT_TEXT: &str = "\u{fffd}";

impl<'a> SentCookies<'a> {
    fn of_kinds(kinds: &[Kind], headers: &'a HeaderMap, names: &CookieNames) -> Self {
        let mut found = Vec::new();
        for field in headers.get_all(COOKIE) {
            for (name, value) in pairs(field.as_bytes()) {
                let mut kinds = kinds.iter().copied();
                if let Some(kind) = kinds.find(|kind| names.of(*kind).as_bytes() == name) {
                    // A value that is not text is not ours, but counts as a second cookie.
                    found.push((kind, std::str::from_utf8(value).unwrap_or(NOT_TEXT)));
                }
            }
        }
        Self { found }
    }
}

impl<V: AsRef<str>> Cookies<V> {
    /// Limits the cookies on routes that end the session of each, since every one may cost a call
    /// to the store.
    ///
    /// # Errors
    /// [`Refusal::InvalidRequest`] for more than 4.
    pub(crate) fn few(&self) -> Result<(), Refusal> {
        if self.found.len() <= MAX_COOKIES {
            Ok(())
        } else {
            Err(Refusal::InvalidRequest.because(format_args!(
                "it has {} session and refresh cookies",
                self.found.len()
            )))
        }
    }

    /// Whether the request has any of our cookies.
    pub(crate) fn any(&self) -> bool {
        !self.found.is_empty()
    }

    /// All cookies of a kind.
    pub(crate) fn all(&self, kind: Kind) -> impl Iterator<Item = &str> {
        let found = self.found.iter();
        found.filter_map(move |(own, value)| (*own == kind).then_some(value.as_ref()))
    }

    /// The one cookie of a kind.
    ///
    /// # Errors
    /// [`Refusal::InvalidRequest`] if there are two: an attacker set one of them, and "the first
    /// wins" would let them choose which.
    pub(crate) fn one(&self, kind: Kind) -> Result<Option<&str>, Refusal> {
        let mut values = self.all(kind);
        match (values.next(), values.next()) {
            (value, None) => Ok(value),
            (_, Some(_)) => Err(Refusal::InvalidRequest.because(match kind {
                Kind::PendingLogin => {
                    "it has two cookies of pending logins, of which at most one can be ours"
                }
                Kind::Refresh => "it has two refresh cookies, of which at most one can be ours",
                Kind::Session => "it has two session cookies, of which at most one can be ours",
                Kind::Visitor => "it has two visitors' cookies, of which at most one can be ours",
            })),
        }
    }
}

impl<V> std::fmt::Debug for Cookies<V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list()
            .entries(self.found.iter().map(|(kind, _)| kind))
            .finish()
    }
}

impl<'a> Head<'a> {
    pub(crate) fn cookies(&self, names: &CookieNames) -> RequestCookies {
        RequestCookies::read(self.headers, names)
    }

    /// The same for who asks while the request is at hand.
    pub(crate) fn sent_cookies(&self, names: &CookieNames) -> SentCookies<'a> {
        SentCookies::of_kinds(&Kind::ALL, self.headers, names)
    }
}

/// Whether one of these `Set-Cookie` fields sets or deletes the cookie of `ours`, which is such a field
/// too. Then a handler has decided on the cookie, and sending the older one again would undo that.
pub fn sets_same_cookie<'a>(fields: impl IntoIterator<Item = &'a [u8]>, ours: &[u8]) -> bool {
    let name = |field: &'a [u8]| field.split(|byte| *byte == b'=').next();
    let ours = ours.split(|byte| *byte == b'=').next();
    fields.into_iter().any(|field| name(field) == ours)
}

/// Whether an answer with these `Cache-Control` fields stays out of shared caches, which would give
/// a cookie that is in it to the next user:
///
/// > the presence of the Set-Cookie response header field does not inhibit caching; a cacheable
/// > response with a Set-Cookie header field can be (and often is) used to satisfy subsequent
/// > requests to caches.
///
/// [RFC 9111 section 7.3](https://www.rfc-editor.org/rfc/rfc9111#section-7.3)
pub fn is_private<'a>(cache_control: impl IntoIterator<Item = &'a [u8]>) -> bool {
    let fields = cache_control.into_iter();
    let mut directives = fields.flat_map(|field| field.split(|byte| *byte == b','));
    // `private="x"` is about the field `x` alone.
    directives.any(|directive| {
        let directive = directive.trim_ascii();
        directive.eq_ignore_ascii_case(b"private") || directive.eq_ignore_ascii_case(b"no-store")
    })
}

/// The names and values of a `Cookie` field
/// ([RFC 10025 section 4.2.1](https://www.rfc-editor.org/rfc/rfc10025#section-4.2.1)), in bytes.
///
/// Only spaces and tabs are trimmed, as browsers do before they check for `__Host-`. The cookie crate
/// trims everything that Unicode calls white space. A browser lets any subdomain set a cookie named
/// `U+2000 __Host-Http-session`; trimmed, it would look like ours.
pub(crate) fn pairs(field: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let mut ends = memchr_iter(b';', field).chain(iter::once(field.len()));
    let mut begin = 0;
    let all = iter::from_fn(move || {
        let end = ends.next()?;
        let pair = field.get(begin..end)?;
        begin = end + 1;
        Some(pair)
    });
    all.filter_map(|pair| {
        let (name, value) = pair.split_at(memchr(b'=', pair)?);
        Some((trim(name), trim(value.get(1..)?)))
    })
}

fn trim(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = text {
        text = rest;
    }
    text
}

pub(crate) fn append(headers: &mut HeaderMap, field: HeaderValue) {
    headers.append(SET_COOKIE, field);
}

pub(crate) fn append_all(headers: &mut HeaderMap, fields: impl IntoIterator<Item = HeaderValue>) {
    for field in fields {
        append(headers, field);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(fields: &[&[u8]]) -> RequestCookies {
        let mut headers = HeaderMap::new();
        for field in fields {
            headers.append(COOKIE, HeaderValue::from_bytes(field).unwrap());
        }
        RequestCookies::read(&headers, &CookieNames::with_suffix(""))
    }

    #[test]
    fn our_cookies_are_found_among_many() {
        let mut text = "a=b; ".repeat(200);
        text +=
            "__Host-Http-session=x; __host-refresh=no; __Host-Http-refreshed=no; =; \"; c=\u{e4}";
        let cookies = read(&[
            text.as_bytes(),
            b"\xff\xfe=z; __Host-Http-refresh=\"quoted\"",
        ]);
        assert_eq!(cookies.one(Kind::Session), Ok(Some("x")));
        assert_eq!(cookies.one(Kind::Refresh), Ok(Some("\"quoted\"")));
        assert!(!read(&[b"session=x"]).any());
    }

    #[test]
    fn two_of_one_name_are_refused_and_both_seen() {
        for cookies in [
            read(&[b"__Host-Http-session=a; __Host-Http-session=a"]),
            read(&[b"__Host-Http-session=a", b"__Host-Http-session=b"]),
        ] {
            assert_eq!(cookies.one(Kind::Session), Err(Refusal::InvalidRequest));
            assert_eq!(cookies.all(Kind::Session).count(), 2);
            assert_eq!(cookies.one(Kind::Refresh), Ok(None));
        }
    }

    #[test]
    fn a_name_that_only_looks_like_ours_is_not() {
        // White space by Unicode, an empty name, a zero-width space, a byte order mark.
        for before in [
            "\u{85}", "\u{a0}", "\u{1680}", "\u{2000}", "\u{2003}", "\u{2028}", "\u{202f}",
            "\u{3000}", "=", "\u{200b}", "\u{feff}", "$", "\"",
        ] {
            for text in [
                format!("{before}__Host-Http-session=planted"),
                format!("a=b; {before}__Host-Http-session=planted"),
                format!("__Host-Http-session{before}=planted"),
            ] {
                let planted = read(&[text.as_bytes()]);
                let seen = planted.one(Kind::Session);
                assert!(!matches!(seen, Ok(Some("planted"))), "{text:?}");
                let beside = read(&[format!("{text}; __Host-Http-session=ours").as_bytes()]);
                assert!(
                    !beside.all(Kind::Session).any(|value| value == "planted"),
                    "{text:?}"
                );
            }
        }
        let spaced = read(&[b" \t__Host-Http-session\t = ours \t"]);
        assert_eq!(spaced.one(Kind::Session), Ok(Some("ours")));
        let latin = read(&[b"\xa0__Host-Http-session=planted;\x85__Host-Http-refresh=planted"]);
        assert!(!latin.any());
    }

    #[test]
    fn more_cookies_than_a_browser_sends_are_too_many() {
        let cookies = |count| read(&["__Host-Http-session=a;".repeat(count).as_bytes()]);
        assert_eq!(cookies(MAX_COOKIES).few(), Ok(()));
        assert_eq!(cookies(MAX_COOKIES + 1).few(), Err(Refusal::InvalidRequest));
    }

    #[test]
    fn with_a_suffix_the_cookies_of_another_application_are_not_ours() {
        let names = CookieNames::with_suffix("staff");
        let mut headers = HeaderMap::new();
        let sent = "__Host-Http-session=theirs; __Host-Http-session-staff=ours; \
                    __Host-Http-refresh-staff2=theirs";
        headers.append(COOKIE, HeaderValue::from_static(sent));
        let cookies = RequestCookies::read(&headers, &names);
        assert_eq!(cookies.one(Kind::Session), Ok(Some("ours")));
        assert_eq!(cookies.one(Kind::Refresh), Ok(None));
        assert_eq!(
            names.delete(Kind::Refresh),
            "__Host-Http-refresh-staff=; HttpOnly; SameSite=Strict; Secure; Path=/; Max-Age=0; Priority=High"
        );
    }

    #[test]
    fn cookies_are_deleted_with_the_attributes_they_were_set_with() {
        let names = CookieNames::with_suffix("");
        assert_eq!(
            names.delete(Kind::Refresh),
            "__Host-Http-refresh=; HttpOnly; SameSite=Strict; Secure; Path=/; Max-Age=0; Priority=High"
        );
        assert_eq!(
            names.delete(Kind::Session),
            "__Host-Http-session=; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=0; Priority=High"
        );
    }

    #[test]
    fn no_value_is_shown() {
        let cookies = read(&[b"__Host-Http-session=hidden"]);
        assert!(!format!("{cookies:?}").contains("hidden"));
        let deleted = CookieNames::with_suffix("").delete(Kind::Session);
        assert!(deleted.is_sensitive());
    }

    #[test]
    fn an_answer_that_a_shared_cache_may_keep_is_recognised() {
        for fields in [
            &["no-store"][..],
            &["max-age=60, Private"],
            &["no-cache", "private"],
        ] {
            assert!(
                is_private(fields.iter().map(|field| field.as_bytes())),
                "{fields:?}"
            );
        }
        for fields in [
            &[][..],
            &["public, max-age=60"],
            &["private=\"x\""],
            &["no-cache"],
        ] {
            assert!(
                !is_private(fields.iter().map(|field| field.as_bytes())),
                "{fields:?}"
            );
        }
    }

    #[test]
    fn a_handlers_own_session_cookie_is_recognised() {
        let ours = b"__Host-Http-session=old; Path=/";
        assert!(sets_same_cookie(
            [&b"a=b"[..], b"__Host-Http-session=x; Path=/"],
            ours
        ));
        assert!(!sets_same_cookie(
            [
                &b"__Host-Http-sessions=x"[..],
                b"__Host-Http-session-staff=x",
                b"__Host-Http-refresh=y"
            ],
            ours
        ));
    }
}
