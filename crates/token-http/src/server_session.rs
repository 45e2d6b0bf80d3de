//! A server session in a request: who is calling, by the session cookie.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use http::HeaderValue;
use serde::Serialize;
use serde::de::DeserializeOwned;
use token_core::binding::BindingLevel;
use token_core::session::{Committed, Denial};
use token_core::{NoClaims, PRODUCT, RevokeReason, Scope, Session, SessionId, Subject, UnixTime};
use token_session::{
    CookieSession, RefreshError, SessionEnd, SessionManager, ShownCookie, StoreError,
};
use tokio::sync::OnceCell;
use tracing::warn;

use crate::adopt::{Adopted, AdoptedSlot};
use crate::answered::Answered;
use crate::auth::Auth;
use crate::binding;
use crate::caller::Caller;
use crate::cookies::Kind;
use crate::csrf;
use crate::head::Head;
use crate::private_data::{DataError, PrivateData};
use crate::refusal::{Refusal, TokenFault};
use crate::rejection::Rejection;
use crate::rule::{Authenticated, Found, Ruled, ShownBy};

/// A live session that the request's session cookie has proven, with the
/// application's private data: members of a JSON object that never leaves the server. `C` is the
/// application's own claims, which are public.
///
/// The data is read when it is first asked for. It is written once, at the end of the request, and
/// only if it was changed and the answer is not an error of the server. Two requests at the same time
/// may set different members. If another request has changed the same member meanwhile, nothing is
/// written and the client gets 409 `conflict`; a handler that calls [`save`](Self::save) sees that
/// itself, and one that calls [`update`](Self::update) tries again. A write never brings an ended
/// session back.
///
/// Cheap to clone; all clones are the same session.
pub struct ServerSession<C = NoClaims> {
    shared: Arc<Shared>,
    custom: Arc<C>,
}

/// What all extractors of one request share, whatever claims they ask for.
struct Shared {
    auth: Auth,
    visit: CookieSession,
    shown: ShownCookie,
    data: PrivateData,
    /// If the cookie takes the place of an old one with this answer: the fields that delete that one.
    replaced: Option<Vec<HeaderValue>>,
}

impl<C> ServerSession<C> {
    /// The session.
    pub fn session(&self) -> &Session {
        self.committed()
    }

    /// Who is calling.
    pub fn subject(&self) -> &Subject {
        &self.session().subject
    }

    /// In which session. The id is not a secret.
    pub fn session_id(&self) -> SessionId {
        self.session().id
    }

    /// What the caller may do.
    pub fn scope(&self) -> &Scope {
        &self.session().scope
    }

    /// When the user last authenticated, by the server's clock.
    pub fn auth_time(&self) -> UnixTime {
        self.session().authentication.time
    }

    /// The application's own claims.
    pub fn custom(&self) -> &C {
        &self.custom
    }

    /// Waits for the end of the session: for connections that outlive the request, such as
    /// WebSockets and server-sent events. See
    /// [`SessionManager::ended`](token_session::SessionManager::ended).
    ///
    /// The future borrows nothing, and it can be dropped at any time.
    pub fn ended(&self) -> impl Future<Output = SessionEnd> + Send + use<C> {
        let (manager, deadline) = self.watched();
        manager.ended(self.session_id(), deadline)
    }

    /// The one that has found the caller.
    pub(crate) fn auth(&self) -> &Auth {
        &self.shared.auth
    }

    /// What knows of the session's end, and until when the caller is known to be let in.
    pub(crate) fn watched(&self) -> (&SessionManager, UnixTime) {
        let manager = self.shared.auth.manager();
        let known_until = manager.known_until(&self.shared.shown, self.session());
        (manager, known_until)
    }

    /// Reads a member of the private data; `None` if there is none.
    ///
    /// # Errors
    /// [`DataError::Read`] if it has another type, [`DataError::Store`], [`DataError::Ended`].
    pub async fn get<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, DataError> {
        self.shared.data.get(&self.shared.auth, name).await
    }

    /// Sets a member of the private data.
    ///
    /// # Errors
    /// [`DataError::Write`] if the value is not JSON, [`DataError::TooLong`] if the whole becomes
    /// longer than [`SessionData::MAX_LENGTH`](token_session::store::SessionData::MAX_LENGTH),
    /// [`DataError::Store`], [`DataError::Ended`]. Nothing has changed then.
    pub async fn set(&self, name: &str, value: &impl Serialize) -> Result<(), DataError> {
        self.shared.data.set(&self.shared.auth, name, value).await
    }

    /// Changes one member of the private data, and writes it now: `change` gets the value that is
    /// stored, or `None`, and gives the new one, which is returned. If another request wrote first, it
    /// is called again with what that one wrote, up to 8 times. For counters and lists that several
    /// requests change at the same time.
    ///
    /// What was [`set`](Self::set) of other members is still written at the end of the request.
    ///
    /// # Errors
    /// As [`set`](Self::set), and [`DataError::Read`] if the member has another type;
    /// [`DataError::Conflict`] if other requests were faster each time.
    pub async fn update<T: DeserializeOwned + Serialize>(
        &self,
        name: &str,
        change: impl FnMut(Option<T>) -> T,
    ) -> Result<T, DataError> {
        let data = &self.shared.data;
        data.update(&self.shared.auth, name, change).await
    }

    /// Removes a member of the private data; returns whether there was one.
    ///
    /// # Errors
    /// [`DataError::Store`], [`DataError::Ended`].
    pub async fn remove(&self, name: &str) -> Result<bool, DataError> {
        self.shared.data.remove(&self.shared.auth, name).await
    }

    /// Writes the data now, if it was changed.
    ///
    /// # Errors
    /// [`DataError::Conflict`] if another request changed one of the same members first: the changes
    /// of this one are dropped, and reading shows what the other wrote. [`DataError::Ended`] if the session has
    /// ended, [`DataError::Store`] if it is not known whether the data was written.
    pub async fn save(&self) -> Result<(), DataError> {
        self.shared.data.save(&self.shared.auth).await
    }

    pub(crate) fn committed(&self) -> &Committed<Session> {
        self.shared.visit.session()
    }

    /// The session as the store has it now; `None` if the cookie is not its current one any more. The store is
    /// asked unless it has been during this request.
    pub(crate) async fn in_store(&self) -> Result<Option<Committed<Session>>, StoreError> {
        let visit = &self.shared.visit;
        if visit.was_remembered() {
            self.shared.auth.manager().current(visit).await
        } else {
            Ok(Some(visit.session().clone()))
        }
    }
}

impl<C> Clone for ServerSession<C> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            custom: Arc::clone(&self.custom),
        }
    }
}

impl<C> fmt::Debug for ServerSession<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ServerSession")
            .field(&self.session().id)
            .finish()
    }
}

impl<C> Found for ServerSession<C> {
    type Claims = C;

    fn claims(&self) -> &C {
        self.custom()
    }

    fn authenticated(&self) -> Authenticated<'_> {
        Authenticated::of(self)
    }

    fn shown_by(&self) -> ShownBy<'_> {
        let visit = &self.shared.visit;
        if visit.was_remembered() {
            ShownBy::Memory(self.auth(), visit)
        } else {
            ShownBy::Store
        }
    }

    fn require<R>(&self) -> Result<(), Rejection>
    where
        Self: Ruled<R>,
    {
        self.shared.auth.check_rule::<R>(self)
    }
}

impl<C> Caller for ServerSession<C> {
    fn subject(&self) -> &Subject {
        self.subject()
    }

    fn session_id(&self) -> SessionId {
        self.session_id()
    }

    fn scope(&self) -> &Scope {
        self.scope()
    }

    fn auth_time(&self) -> UnixTime {
        self.auth_time()
    }

    fn binding(&self) -> Option<BindingLevel> {
        let level = self.session().binding.level();
        level.filter(|_| self.shared.shown.proves(self.session()))
    }

    fn acr(&self) -> Option<&str> {
        self.session().authentication.acr.as_deref()
    }

    fn amr(&self) -> &[Box<str>] {
        &self.session().authentication.amr
    }
}

impl Shared {
    fn may_send_cookie(&self) -> bool {
        let slid = self.visit.slid() && self.visit.session().remember;
        slid || self.replaced.is_some()
    }

    /// The cookie to send again, if the deadline has moved and the cookie has a `Max-Age` to move; and if it takes
    /// the place of an old one.
    ///
    /// While the request was served, a step-up or a login may have given the browser another cookie,
    /// and a logout may have deleted it. So the session is read once more.
    async fn cookie(&self) -> Option<HeaderValue> {
        let visit = &self.visit;
        let session = visit.session();
        if !self.may_send_cookie() {
            return None;
        }
        match self.auth.manager().is_current(visit).await {
            Ok(true) => {
                let text = visit.token().to_secret_text();
                let names = self.auth.config().cookie_names();
                Some(names.set(Kind::Session, &text, session, visit.at()))
            }
            Ok(false) => None,
            Err(error) => {
                // The handler's answer stands. The next request moves the deadline again.
                let error = &error as &dyn std::error::Error;
                warn!(target: PRODUCT, error, session = %session.id, "the session cookie is not sent again");
                None
            }
        }
    }
}

/// The place in a request that keeps its server session, so that every extractor sees the same one
/// and the end of the request finds it. An adapter's layer puts a new one into each request.
#[derive(Clone, Default)]
pub struct SessionSlot(Arc<Slot>);

struct Slot {
    /// When the request came.
    since: Instant,
    place: Place,
    /// Whether the request came with a session cookie that was looked at, valid or not.
    asked: AtomicBool,
    /// Whether the request moves no deadline.
    looks: AtomicBool,
    /// The field that deletes the session cookie that came, if that cookie will never be good again.
    dead: OnceLock<HeaderValue>,
    /// Whether the answer deletes it.
    deletes_dead: AtomicBool,
    /// What was adopted.
    adopted: AdoptedSlot,
}

impl Default for Slot {
    fn default() -> Self {
        Self {
            since: Instant::now(),
            place: Place::default(),
            asked: AtomicBool::default(),
            looks: AtomicBool::default(),
            dead: OnceLock::default(),
            deletes_dead: AtomicBool::default(),
            adopted: AdoptedSlot::default(),
        }
    }
}

/// How long after its request a cookie may be deleted. The user may log in in another tab meanwhile, and the
/// deletion would be of the new cookie: an answer that is later leaves the cookie to the next page.
const DELETION_LIMIT: Duration = Duration::from_secs(1);

/// One session and, if the application has several [`Auth`]s and the request is asked for a session of
/// each, the place of the next one.
#[derive(Default)]
struct Place {
    session: OnceCell<Arc<Shared>>,
    next: OnceLock<Box<Place>>,
}

impl SessionSlot {
    /// Whether a session cookie was looked at, so that the answer is for this user alone and there is
    /// something to [`finish`](Self::finish).
    pub fn is_asked(&self) -> bool {
        self.0.asked.load(Ordering::Relaxed)
    }

    /// Whether [`finish`](Self::finish) would neither wait nor give a field, as for most requests: nothing was
    /// asked of the session's data, and no cookie has to be sent or deleted.
    pub fn is_settled(&self) -> bool {
        let Slot {
            place: Place { session, next },
            dead,
            adopted,
            ..
        } = &*self.0;
        let settled =
            |shared: &Arc<Shared>| shared.data.is_untouched() && !shared.may_send_cookie();
        session.get().is_none_or(settled)
            && next.get().is_none()
            && dead.get().is_none()
            && adopted.is_empty()
    }

    /// From now on the request moves no deadline: it looks at its session without using it.
    pub fn look(&self) {
        self.0.looks.store(true, Ordering::Relaxed);
    }

    /// From now on the request is one of nobody: if the session cookie that came is dead, the answer deletes it.
    pub(crate) fn delete_dead(&self) {
        self.0.deletes_dead.store(true, Ordering::Relaxed);
    }

    /// Notes that the session cookie will never be good again.
    fn note_dead(&self, auth: &Auth) {
        let names = auth.config().cookie_names();
        self.0.dead.get_or_init(|| names.delete(Kind::Session));
    }

    /// The field that deletes the dead cookie.
    fn deletion(&self) -> Option<HeaderValue> {
        let deletion = self.0.dead.get()?;
        let deletes = self.0.deletes_dead.load(Ordering::Relaxed);
        let soon = self.0.since.elapsed() < DELETION_LIMIT;
        (deletes && soon).then(|| deletion.clone())
    }

    /// Ends the request, which was answered like this: writes the session's data if it was
    /// changed and the server did not fail, and gives the `Set-Cookie` field if the session is
    /// remembered, its deadline moved, and the cookie is still the session's current one. The field is
    /// for answers that do not set that cookie themselves
    /// ([`sets_same_cookie`](crate::sets_same_cookie)). There is more than one only if the request was
    /// asked for the sessions of several [`Auth`]s.
    ///
    /// # Errors
    /// The answer to send instead of the handler's, because its write did not happen; none if the handler's
    /// reports an [effect](Answered::reports_effect).
    pub async fn finish(&self, answered: &Answered) -> Result<Vec<HeaderValue>, Rejection> {
        let mut fields = Vec::new();
        let mut place = Some(&self.0.place);
        while let Some(Place { session, next }) = place {
            if let Some(shared) = session.get() {
                answered
                    .settle(&shared.auth, shared.data.save(&shared.auth))
                    .await?;
                if let Some(cookie) = shared.cookie().await {
                    fields.push(cookie);
                    // Only with what takes its place.
                    fields.extend(shared.replaced.iter().flatten().cloned());
                }
            }
            place = next.get().map(|next| &**next);
        }
        fields.extend(self.deletion());
        fields.extend(self.0.adopted.refused().await);
        Ok(fields)
    }
}

impl fmt::Debug for SessionSlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SessionSlot")
            .field(&self.is_asked())
            .finish()
    }
}

/// Whether the cookie that was refused will never be good again, and no other has taken its place in the browser:
/// one that was superseded, or whose session a login has replaced, has a successor, which its deletion would hit.
fn is_dead(denial: &Denial) -> bool {
    match denial {
        Denial::Expired { .. } | Denial::Reused { .. } | Denial::Unknown => true,
        Denial::Revoked(revocation) => revocation.reason != RevokeReason::Replaced,
        _ => false,
    }
}

/// The log line if nothing would end the session with the request.
const NO_LAYER: &str = "a handler takes a server session, and nothing ends it with the request: \
     around its route add `.layer(hallpass::axum::sessions())` on axum, or on actix-web \
     `.wrap(hallpass::actix::sessions())`";

/// The log line if the session of one application would pass for that of another.
const TWO_AUTHS: &str = "one request is asked for the sessions of two `Auth`s, which have the same \
     cookie: make one and clone it, or give each a `cookie_suffix` of its own";

/// For adapters, which call this for an application.
impl Auth {
    /// Authenticates a request by its session cookie; `None` if it has none. Moves the session's
    /// deadline unless the request is a prefetch or the slot says that it only
    /// [looks](SessionSlot::look), and applies the CSRF rule to unsafe methods and to handshakes
    /// for WebSockets.
    ///
    /// # Errors
    /// [`Refusal::InvalidRequest`] for two cookies; [`Refusal::Csrf`]; [`Refusal::InvalidToken`] if
    /// the cookie is not valid, or the session's claims are not a `C`;
    /// [`Refusal::TemporarilyUnavailable`] if the store cannot be asked; [`Refusal::ServerError`]
    /// if there is a cookie and no slot: the application has left out the adapter's layer.
    pub async fn server_session<C: DeserializeOwned>(
        &self,
        head: &Head<'_>,
        slot: Option<&SessionSlot>,
    ) -> Result<Option<ServerSession<C>>, Rejection> {
        let cookies = head.sent_cookies(self.config().cookie_names());
        let cookie = cookies.one(Kind::Session);
        let cookie = cookie.map_err(|refusal| self.challenge(refusal))?;
        let adopted = if cookies.any() || self.config().adoptions().is_empty() {
            None
        } else {
            // Behind a pointer: an application without readers needs no room for it.
            Box::pin(self.adopt(head, slot)).await?
        };
        let of_adopted = adopted.as_ref().and_then(|adopted| adopted.cookie.as_ref());
        let Some(cookie) = cookie.or(of_adopted.map(|cookie| cookie.as_str())) else {
            return Ok(None);
        };
        let slot = slot.ok_or_else(|| Rejection::misconfigured(NO_LAYER))?;
        slot.0.asked.store(true, Ordering::Relaxed);
        csrf::check(head, self.config(), true).map_err(|refusal| self.challenge(refusal))?;
        let uses = !(slot.0.looks.load(Ordering::Relaxed) || head.is_prefetch());
        let mut place = &slot.0.place;
        let shared = loop {
            let found = place
                .session
                .get_or_try_init(|| self.accept(head, cookie, uses, slot, adopted.as_ref()));
            let shared = found.await?;
            if shared.auth.is(self) {
                break Arc::clone(shared);
            }
            if shared.auth.config().cookie_names() == self.config().cookie_names() {
                return Err(Rejection::misconfigured(TWO_AUTHS));
            }
            place = place.next.get_or_init(Box::default);
        };
        // As for an access token: claims that the application cannot read are not valid.
        let session = shared.visit.session();
        let custom = session.claims.read().map_err(|error| {
            warn!(
                target: PRODUCT,
                session = %session.id,
                %error,
                "the claims of a session are not of the handler's type; give a new field \
                 `#[serde(default)]`"
            );
            self.challenge(Refusal::InvalidToken(TokenFault::Invalid))
        })?;
        let custom = Arc::new(custom);
        Ok(Some(ServerSession { shared, custom }))
    }

    /// What a request with an old cookie and none of ours stands for; `None` if it has none.
    async fn adopt(
        &self,
        head: &Head<'_>,
        slot: Option<&SessionSlot>,
    ) -> Result<Option<Adopted>, Rejection> {
        if self.old_request(head.headers).is_none() {
            return Ok(None);
        }
        let slot = slot.ok_or_else(|| Rejection::misconfigured(NO_LAYER))?;
        slot.0.asked.store(true, Ordering::Relaxed);
        self.adopt_cookie(head, &slot.0.adopted).await
    }

    async fn accept(
        &self,
        head: &Head<'_>,
        cookie: &str,
        uses: bool,
        slot: &SessionSlot,
        adopted: Option<&Adopted>,
    ) -> Result<Arc<Shared>, Rejection> {
        let reject = |error| {
            let rejection = Rejection::of_cookie(error, self.config().shared_realm());
            rejection.with_resource_metadata(self.config().resource_metadata())
        };
        let token = SessionManager::read_session_cookie(cookie);
        let mut token = token.map_err(|denial| {
            slot.note_dead(self);
            reject(denial.into())
        })?;
        let id = token.untrusted_id;
        let shown = binding::shown(self, head, id);
        token.proof = shown.proof();
        let visit = self.manager().accept_cookie(token, uses).await;
        let visit = visit.map_err(|error| {
            if matches!(&error, RefreshError::Denied(denial) if is_dead(denial)) {
                slot.note_dead(self);
            }
            binding::refused(self, error, id, reject)
        })?;
        self.manager().observe(&shown, visit.session());
        let replaced = match adopted {
            Some(adopted) => Some(adopted.deletions.clone()),
            None if self.config().adoptions().is_empty() => None,
            None => {
                let gone = Box::pin(self.delete_old(head, visit.session())).await;
                (!gone.is_empty()).then_some(gone)
            }
        };
        Ok(Arc::new(Shared {
            auth: self.clone(),
            data: PrivateData::of(visit.session().id),
            replaced,
            shown,
            visit,
        }))
    }
}
