//! A reader with the choices that the application makes about it.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use http::HeaderValue;
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::Instant;
use zeroize::Zeroizing;

use super::cookie::OldCookie;
use super::reader::{ErasedReader, ReadError, Reader, Reading};
use super::request::OldRequest;

/// Deletes the session that the old system has stored under a key.
type Delete =
    dyn Fn(String) -> Pin<Box<dyn Future<Output = Result<(), ReadError>> + Send>> + Send + Sync;

/// A [`Reader`] with the choices that the application makes about what it reads.
#[derive(Clone)]
#[must_use]
pub struct Adoption {
    reader: Arc<dyn ErasedReader>,
    cookies: Arc<[OldCookie]>,
    beyond_old_end: bool,
    remember: Option<bool>,
    trusts_sister_hosts: bool,
    delete: Option<Arc<Delete>>,
    /// Before this instant nobody asks the old store to delete a session.
    deletes_again: Arc<Mutex<Option<Instant>>>,
}

impl Adoption {
    /// Adopts what this reader reads.
    pub fn of(reader: impl Reader) -> Self {
        Self {
            cookies: reader.cookies().into(),
            reader: Arc::new(reader),
            beyond_old_end: false,
            remember: None,
            trusts_sister_hosts: false,
            delete: None,
            deletes_again: Arc::default(),
        }
    }

    /// Lets the session live as long as the policy says, from now on. By default it ends when the old one
    /// would have ended, so that everybody logs in once in that time.
    pub fn beyond_old_end(mut self) -> Self {
        self.beyond_old_end = true;
        self
    }

    /// Says whether the old cookie outlives the browser: whether it was set with `Max-Age` or `Expires`. A
    /// server cannot see that. If it does, so does the cookie that takes its place
    /// ([`NewSession::remember`](token_session::NewSession::remember)); otherwise everybody who closes the
    /// browser would be logged out. A reader of cookies needs it; for one of tokens it has no meaning.
    pub fn remember(mut self, remember: bool) -> Self {
        self.remember = Some(remember);
        self
    }

    /// Says that every other host of the site, and the connection to it, is trusted with the sessions of this
    /// one. It is needed for a cookie whose name does not begin with `__Host-`: a page of `x.example.org`
    /// can set such a cookie for `example.org`, and so can anybody on a connection without TLS. They could make
    /// a user go on in a session of theirs, as they could in the old system.
    pub fn trust_sister_hosts(mut self) -> Self {
        self.trusts_sister_hosts = true;
        self
    }

    /// Deletes the old session from the old store once the browser has ours, and at a logout. By default it stays
    /// there until its own end, so that who goes back to the old system finds it.
    ///
    /// `delete` gets the key of a record: for tower-sessions the id, for actix-session the session key, for a
    /// reader of your own what it has given to [`OldSession::stored_under`](super::OldSession::stored_under).
    /// A session that is in its cookie alone has none.
    ///
    /// A record may not go while a request with nothing but the old cookie can still come: from another tab, or
    /// because an answer was lost. So the browser keeps the old cookie beside ours at first. The first request with
    /// both that comes later than the grace after the adoption deletes the record, and its answer the old
    /// cookie. If that fails, the log has a warning, and the next request tries again. Such a request waits for the
    /// old store for half a second at most, and an old store that gave no answer is left alone for half a minute.
    ///
    /// ```
    /// # use token_http::adopt::{Adoption, Reader};
    /// # async fn sql(_: &str, _: String) -> Result<(), std::io::Error> { Ok(()) }
    /// # fn f(reader: impl Reader) -> Adoption {
    /// Adoption::of(reader)
    ///     .delete_old(async |id| Ok(sql("DELETE FROM tower_sessions WHERE id = ?", id).await?))
    /// # }
    /// ```
    pub fn delete_old<R>(mut self, delete: impl Fn(String) -> R + Send + Sync + 'static) -> Self
    where
        R: Future<Output = Result<(), ReadError>> + Send + 'static,
    {
        self.delete = Some(Arc::new(move |key| Box::pin(delete(key))));
        self
    }

    /// The cookie that needs [`trust_sister_hosts`](Self::trust_sister_hosts), if there is one.
    pub(crate) fn untrusted_cookie(&self) -> Option<&OldCookie> {
        let mut cookies = self.cookies.iter();
        cookies.find(|cookie| cookie.is_plantable() && !self.trusts_sister_hosts)
    }

    /// The cookie of which [`remember`](Self::remember) has to say whether it outlives the browser.
    pub(crate) fn cookie_of_unknown_life(&self) -> Option<&OldCookie> {
        let mut cookies = self.cookies.iter();
        cookies.next().filter(|_| self.remember.is_none())
    }

    /// Whether it reads cookies and tokens. A session would be in the transport in which it came first, and be
    /// refused in the other one.
    pub(crate) fn reads_both(&self) -> bool {
        self.reads_bearer() && !self.cookies.is_empty()
    }

    pub(crate) fn invalid_cookie(&self) -> Option<&OldCookie> {
        self.cookies.iter().find(|cookie| !cookie.is_valid())
    }

    pub(crate) fn name(&self) -> &'static str {
        self.reader.name()
    }

    pub(crate) fn cookie_names(&self) -> impl Iterator<Item = &str> + Clone {
        self.cookies.iter().map(OldCookie::name)
    }

    pub(crate) fn reads_bearer(&self) -> bool {
        self.reader.reads_bearer()
    }

    /// Whether the request has something that the reader could read.
    pub(crate) fn concerns(&self, request: &OldRequest) -> bool {
        let bearer = request.bearer().is_some() && self.reads_bearer();
        bearer || self.cookie_names().any(|name| request.names(name))
    }

    /// The fields that delete the cookies of the request that the reader reads. One that came twice stays: one
    /// of both may be planted, to have the other deleted.
    pub(crate) fn deletions(&self, request: &OldRequest) -> impl Iterator<Item = HeaderValue> {
        let cookies = self.cookies.iter();
        let sent = cookies.filter(|cookie| request.cookie(cookie.name()).is_some());
        sent.map(OldCookie::deletion)
    }

    /// Whether old sessions are deleted from the old store.
    pub(crate) fn deletes(&self) -> bool {
        self.delete.is_some()
    }

    /// When sessions are deleted again, for the one request at a time that may ask the old store.
    pub(super) fn deletes_again(&self) -> Option<MutexGuard<'_, Option<Instant>>> {
        self.deletes_again.try_lock().ok()
    }

    /// Deletes the old session that has this key, if the application wants that.
    pub(crate) async fn delete(&self, key: Option<Zeroizing<String>>) -> Result<(), ReadError> {
        match (&self.delete, key) {
            (Some(delete), Some(key)) => delete(key.as_str().to_owned()).await,
            _ => Ok(()),
        }
    }

    /// The same at a login and a logout, where each of the sessions is ended.
    pub(crate) fn all_deletions(&self, request: &OldRequest) -> impl Iterator<Item = HeaderValue> {
        let cookies = self.cookies.iter();
        let sent = cookies.filter(|cookie| request.names(cookie.name()));
        sent.map(OldCookie::deletion)
    }

    /// What the reader is to be asked so that it sees each value of a cookie that came several times.
    pub(crate) fn apart(&self, request: &OldRequest) -> impl Iterator<Item = OldRequest> {
        request.apart(self.cookie_names())
    }

    /// Whether it does not see all of them then.
    pub(crate) fn has_too_many(&self, request: &OldRequest) -> bool {
        self.cookie_names().any(|name| request.has_too_many(name))
    }

    pub(crate) async fn read(&self, request: &OldRequest) -> Result<Reading, ReadError> {
        let mut reading = self.reader.read(request).await?;
        if let Reading::Live(old) = &mut reading {
            old.session.remember |= self.remember.unwrap_or_default();
            if self.beyond_old_end {
                // Unless it has come.
                old.expires_at = old.expires_at.filter(|end| *end <= request.at());
            }
        }
        Ok(reading)
    }
}

impl fmt::Debug for Adoption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Adoption").field(&self.name()).finish()
    }
}
