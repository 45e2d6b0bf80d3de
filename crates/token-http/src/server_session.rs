//! A server session in a request: who it is, and the application's private data.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use http::HeaderValue;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::{RawValue, to_raw_value};
use thiserror::Error;
use token_core::session::{Committed, SessionData};
use token_core::{Scope, Session, SessionId, Subject, UnixTime};
use token_session::store::DataWritten;
use token_session::{SessionEnd, StoreError, Visit, WriteDataError};
use tokio::sync::{Mutex, MutexGuard, OnceCell};
use tracing::{error, warn};

use crate::access::Caller;
use crate::auth::Auth;
use crate::cookies::Kind;
use crate::csrf;
use crate::head::Head;
use crate::refusal::{Refusal, TokenFault};
use crate::rejection::Rejection;

/// A live session that the request's `__Host-Http-session` cookie has proven, with the
/// application's private data: members of a JSON object that never leaves the server.
///
/// The data is read when it is first asked for, and written once, at the end of the request,
/// only if it was changed. Where another request has changed it meanwhile nothing is written
/// and the client gets 409 `conflict`; [`save`](Self::save) lets a handler see that itself.
/// A write never brings an ended session back.
///
/// Cheap to clone; all clones are the same session.
#[derive(Clone)]
pub struct ServerSession(Arc<Inner>);

struct Inner {
    auth: Auth,
    visit: Visit,
    data: Mutex<Option<Data>>,
}

struct Data {
    version: u64,
    members: BTreeMap<String, Box<RawValue>>,
    changed: bool,
}

impl ServerSession {
    /// The session.
    pub fn session(&self) -> &Session {
        self.0.visit.session()
    }

    /// Whose session it is.
    pub fn subject(&self) -> &Subject {
        &self.session().subject
    }

    /// Its id, which is no secret.
    pub fn session_id(&self) -> SessionId {
        self.session().id
    }

    /// What its user may do.
    pub fn scope(&self) -> &Scope {
        &self.session().scope
    }

    /// When the user last proved who they are, by the server's clock.
    pub fn auth_time(&self) -> UnixTime {
        self.session().authentication.time
    }

    /// Waits for the end of the session: for connections that outlive the request, such as
    /// WebSockets and server-sent events. See
    /// [`SessionManager::ended`](token_session::SessionManager::ended).
    ///
    /// It borrows nothing from the session, and dropped it is gone.
    pub fn ended(&self) -> impl Future<Output = SessionEnd> + Send + use<> {
        let session = self.session();
        let manager = self.0.auth.manager();
        manager.ended(session.id, session.expires_at())
    }

    pub(crate) fn committed(&self) -> &Committed<Session> {
        self.0.visit.session()
    }

    /// Reads a member of the private data; `None` where there is none.
    ///
    /// # Errors
    /// [`DataError::Read`] where it is of another type, [`DataError::Store`],
    /// [`DataError::Over`].
    pub async fn get<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, DataError> {
        let mut guard = self.0.data.lock().await;
        let data = self.load(&mut guard).await?;
        let value = data.members.get(name);
        let value = value.map(|value| serde_json::from_str(value.get()));
        value.transpose().map_err(|_| DataError::Read {
            name: name.to_owned(),
        })
    }

    /// Sets a member of the private data.
    ///
    /// # Errors
    /// [`DataError::Write`] where the value is not JSON, [`DataError::TooLong`] where the
    /// whole becomes longer than [`SessionData::MAX_LENGTH`], [`DataError::Store`],
    /// [`DataError::Over`]. Nothing has changed then.
    pub async fn set(&self, name: &str, value: &impl Serialize) -> Result<(), DataError> {
        let value = to_raw_value(value).map_err(|_| DataError::Write {
            name: name.to_owned(),
        })?;
        let mut guard = self.0.data.lock().await;
        let data = self.load(&mut guard).await?;
        let before = data.members.insert(name.to_owned(), value);
        if data
            .json()
            .is_some_and(|json| json.len() > SessionData::MAX_LENGTH)
        {
            match before {
                Some(before) => data.members.insert(name.to_owned(), before),
                None => data.members.remove(name),
            };
            return Err(DataError::TooLong);
        }
        data.changed = true;
        Ok(())
    }

    /// Removes a member of the private data; returns whether there was one.
    ///
    /// # Errors
    /// [`DataError::Store`], [`DataError::Over`].
    pub async fn remove(&self, name: &str) -> Result<bool, DataError> {
        let mut guard = self.0.data.lock().await;
        let data = self.load(&mut guard).await?;
        let removed = data.members.remove(name).is_some();
        data.changed |= removed;
        Ok(removed)
    }

    /// Writes the data now, if it was changed, in one conditional write.
    ///
    /// # Errors
    /// [`DataError::Conflict`] where another request wrote first: the changes of this one are
    /// dropped, and reading shows what the other wrote. [`DataError::Over`] where the session
    /// has ended, [`DataError::Store`] where it is not known whether it was written.
    pub async fn save(&self) -> Result<(), DataError> {
        let mut guard = self.0.data.lock().await;
        let Some(data) = guard.as_mut().filter(|data| data.changed) else {
            return Ok(());
        };
        let (id, version) = (self.session().id, data.version);
        let manager = self.0.auth.manager();
        match manager.write_session_data(id, version, data.json()).await? {
            DataWritten::Applied => {
                data.version = version + 1;
                data.changed = false;
                Ok(())
            }
            DataWritten::Moved(_) => {
                *guard = None;
                Err(DataError::Conflict)
            }
            DataWritten::Over => {
                data.changed = false;
                Err(self.over())
            }
        }
    }

    async fn load<'a>(
        &self,
        guard: &'a mut MutexGuard<'_, Option<Data>>,
    ) -> Result<&'a mut Data, DataError> {
        if guard.is_none() {
            let stored = self.0.auth.manager().session_data(self.session().id);
            let stored = stored.await?.ok_or_else(|| self.over())?;
            let members = stored.json.as_deref().map(serde_json::from_str);
            **guard = Some(Data {
                version: stored.version,
                members: members
                    .transpose()
                    .map_err(|_| DataError::NotAnObject)?
                    .unwrap_or_default(),
                changed: false,
            });
        }
        Ok(guard.as_mut().expect("it was loaded above"))
    }

    fn over(&self) -> DataError {
        let realm = self.0.auth.config().shared_realm();
        DataError::Over { realm }
    }

    /// The cookie to send again, where the deadline has moved.
    fn cookie(&self) -> Option<HeaderValue> {
        let visit = &self.0.visit;
        let text = visit.token().to_secret_text();
        let session = visit.session();
        visit
            .slid()
            .then(|| Kind::Session.plant(&text, session, visit.at()))
    }
}

impl Data {
    fn json(&self) -> Option<Box<str>> {
        let json = || serde_json::to_string(&self.members).expect("raw JSON with text keys");
        (!self.members.is_empty()).then(|| json().into())
    }
}

impl fmt::Debug for ServerSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ServerSession")
            .field(&self.session().id)
            .finish()
    }
}

impl Caller for ServerSession {
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

    fn acr(&self) -> Option<&str> {
        self.session().authentication.acr.as_deref()
    }

    fn amr(&self) -> &[Box<str>] {
        &self.session().authentication.amr
    }
}

/// What can go wrong with the private data of a session. No value of it is repeated.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DataError {
    /// Another request changed the data first; nothing was written.
    #[error("the session's data was changed by another request")]
    Conflict,
    /// What is stored is not a JSON object: something else wrote it.
    #[error("the session's stored data is not a JSON object")]
    NotAnObject,
    /// The session has ended; nothing was written.
    #[error("the session has ended")]
    Over {
        /// The realm of the challenge that says so.
        realm: Arc<str>,
    },
    /// The member is of another type than asked for.
    #[error("the member {name} of the session's data is of another type")]
    Read {
        /// Its name.
        name: String,
    },
    /// The store could not answer; whether it wrote is unknown.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The data would be too long.
    #[error(
        "the session's data would be longer than {} bytes",
        SessionData::MAX_LENGTH
    )]
    TooLong,
    /// The value cannot be written as JSON.
    #[error("the value of {name} cannot be written as JSON")]
    Write {
        /// The member's name.
        name: String,
    },
}

impl From<WriteDataError> for DataError {
    fn from(error: WriteDataError) -> Self {
        match error {
            WriteDataError::Store(error) => error.into(),
            // What is too long is all that the driver refuses besides.
            _ => Self::TooLong,
        }
    }
}

impl From<WriteDataError> for Rejection {
    fn from(error: WriteDataError) -> Self {
        DataError::from(error).into()
    }
}

impl From<DataError> for Rejection {
    fn from(error: DataError) -> Self {
        match error {
            DataError::Conflict => {
                warn!("session data was not written: another request wrote first");
                Self::plain(Refusal::Conflict)
            }
            DataError::Over { realm } => {
                Self::at_resource(Refusal::InvalidToken(TokenFault::Revoked), realm)
            }
            DataError::Store(error) => error.into(),
            error => {
                error!(error = &error as &dyn std::error::Error, "session data");
                Self::server_error()
            }
        }
    }
}

/// The place in a request where its server session is kept, so that every extractor sees the
/// same one and the end of the request finds it. An adapter's layer puts a new one into each
/// request.
#[derive(Clone, Debug, Default)]
pub struct SessionSlot(Arc<OnceCell<ServerSession>>);

impl SessionSlot {
    /// Whether the request has a session, so that there is something to [`finish`](Self::finish).
    pub fn is_taken(&self) -> bool {
        self.0.initialized()
    }

    /// Ends the request: writes the session's data if it was changed, and gives the
    /// `Set-Cookie` field if the session slid. The field is for answers that do not set that
    /// cookie themselves ([`sets_session_cookie`](crate::sets_session_cookie)).
    ///
    /// # Errors
    /// The answer to be sent instead of the handler's, because its write did not happen.
    pub async fn finish(&self) -> Result<Option<HeaderValue>, Rejection> {
        let Some(session) = self.0.get() else {
            return Ok(None);
        };
        session.save().await?;
        Ok(session.cookie())
    }
}

/// What the log says where nothing would end the session with the request.
const NO_LAYER: &str = "a handler takes a server session, and nothing ends it with the request: \
     around its route add `.layer(adapter_axum::sessions())` on axum, or on actix-web \
     `.wrap(actix_web::middleware::from_fn(adapter_actix::sessions))`";

/// And where the session of one application would pass for another's.
const TWO_AUTHS: &str = "one request is asked for the sessions of two `Auth`s, which have the same \
     cookie: make one and clone it, or give each a host name of its own";

impl Auth {
    /// Authenticates a request by its session cookie; `None` where it has none. Slides the
    /// session, and applies the CSRF rule to unsafe methods and to handshakes for WebSockets.
    ///
    /// # Errors
    /// [`Refusal::InvalidRequest`] for two cookies, [`Refusal::Csrf`],
    /// [`Refusal::InvalidToken`] where the cookie does not hold,
    /// [`Refusal::TemporarilyUnavailable`] where the store cannot be asked,
    /// [`Refusal::ServerError`] where there is a cookie and no slot: the application has left out
    /// the adapter's layer.
    pub async fn server_session(
        &self,
        head: &Head<'_>,
        slot: Option<&SessionSlot>,
    ) -> Result<Option<ServerSession>, Rejection> {
        let cookies = head.cookies();
        let cookie = cookies.one(Kind::Session);
        let Some(cookie) = cookie.map_err(|refusal| self.challenge(refusal))? else {
            return Ok(None);
        };
        let slot = slot.ok_or_else(|| Rejection::misbuilt(NO_LAYER))?;
        csrf::check(head, self.config(), true).map_err(|refusal| self.challenge(refusal))?;
        let session = slot.0.get_or_try_init(|| async {
            let visit = self.manager().touch(cookie).await;
            let visit =
                visit.map_err(|error| Rejection::of_visit(error, self.config().shared_realm()))?;
            Ok::<_, Rejection>(ServerSession(Arc::new(Inner {
                auth: self.clone(),
                visit,
                data: Mutex::new(None),
            })))
        });
        let session = session.await?;
        if session.0.auth.is(self) {
            Ok(Some(session.clone()))
        } else {
            Err(Rejection::misbuilt(TWO_AUTHS))
        }
    }
}
