//! The session behind a visitor: found by its cookie when it is first needed, opened when something is to
//! be stored.

use std::net::IpAddr;

use http::HeaderValue;
use token_core::PRODUCT;
use token_core::session::Device;
use token_session::store::{DataWritten, SessionData};
use token_session::visitor::{VisitorKind, VisitorPolicy, VisitorSession};
use tokio::sync::Mutex;
use tracing::debug;
use zeroize::Zeroizing;

use crate::auth::Auth;
use crate::cookies::Kind;
use crate::limit::AttemptKind;
use crate::private_data::{DataError, DataOwner};
use crate::refusal::Refusal;

pub(super) struct Owner {
    address: Option<IpAddr>,
    state: Mutex<State>,
}

enum State {
    /// The cookie that came has not been looked at.
    Unread(Zeroizing<String>),
    /// There is no session.
    Nobody,
    /// The session of the cookie that came.
    Found(VisitorSession),
    /// A session that was opened during the request, whose cookie is to be set.
    Opened(VisitorSession),
}

impl Owner {
    pub(super) fn new(cookie: Option<&str>, address: Option<IpAddr>) -> Self {
        let unread = |cookie: &str| State::Unread(Zeroizing::new(cookie.to_owned()));
        Self {
            address,
            state: Mutex::new(cookie.map_or(State::Nobody, unread)),
        }
    }

    /// The cookie of a session that was opened during the request.
    pub(super) async fn cookie(&self, auth: &Auth) -> Option<HeaderValue> {
        let State::Opened(session) = &*self.state.lock().await else {
            return None;
        };
        let seconds = session.expires_at().since(auth.manager().now()).as_secs();
        let text = session.token().to_secret_text();
        let names = auth.config().cookie_names();
        Some(names.set_for(Kind::Visitor, &text, seconds))
    }

    /// Ends a session that was opened during the request, whose cookie nobody gets.
    pub(super) async fn end_opened(&self, auth: &Auth) {
        if let State::Opened(session) = &*self.state.lock().await
            && let Err(error) = auth.manager().end_visitor(session).await
        {
            stays(&error);
        }
    }

    /// The value of the cookie that proves the session, if there is one.
    pub(super) async fn secret(&self, auth: &Auth) -> Result<Option<Zeroizing<String>>, DataError> {
        let mut state = self.state.lock().await;
        self.read(auth, &mut state).await?;
        Ok(match &*state {
            State::Found(session) | State::Opened(session) => {
                Some(session.token().to_secret_text())
            }
            State::Nobody | State::Unread(_) => None,
        })
    }

    /// Looks at the cookie if that has not been done.
    async fn read(&self, auth: &Auth, state: &mut State) -> Result<(), DataError> {
        if let State::Unread(cookie) = state {
            let found = auth.manager().accept_visitor(VisitorKind::Visitor, cookie);
            *state = found.await?.map_or(State::Nobody, State::Found);
        }
        Ok(())
    }
}

impl DataOwner for Owner {
    const MAX_LENGTH: usize = VisitorPolicy::MAX_DATA;

    async fn load(&self, auth: &Auth) -> Result<SessionData, DataError> {
        let mut state = self.state.lock().await;
        self.read(auth, &mut state).await?;
        let (State::Found(session) | State::Opened(session)) = &*state else {
            return Ok(SessionData::default());
        };
        let data = auth.manager().session_data(session.id()).await?;
        if data.is_none() {
            // It was deleted between the two calls.
            *state = State::Nobody;
        }
        Ok(data.unwrap_or_default())
    }

    async fn write(
        &self,
        auth: &Auth,
        version: u64,
        json: Option<Box<str>>,
    ) -> Result<DataWritten, DataError> {
        let mut state = self.state.lock().await;
        self.read(auth, &mut state).await?;
        if let State::Found(session) | State::Opened(session) = &*state {
            let written = auth.manager().write_visitor_data(session, version, json);
            return Ok(match written.await? {
                DataWritten::NotLive => {
                    // It has ended meanwhile, by a login or by itself: the browser begins anew, without
                    // what was stored for it.
                    *state = State::Nobody;
                    DataWritten::Moved(SessionData::default())
                }
                written => written,
            });
        }
        let Some(json) = json else {
            return Ok(DataWritten::Applied);
        };
        let noted = auth.note_attempt_from(self.address, AttemptKind::Visitor);
        if let Err(Refusal::TooManyRequests { retry_after }) = noted {
            return Err(DataError::TooMany { retry_after });
        }
        // Nobody has a list of visitors' sessions in which a device would be named.
        let device = Device::default();
        let manager = auth.manager();
        // Behind a pointer: most writes open nothing, and need not have the room for it.
        let opened = Box::pin(manager.open_visitor(VisitorKind::Visitor, device, &json));
        *state = State::Opened(opened.await?);
        Ok(DataWritten::Applied)
    }
}

/// Says why a visitor's session was not ended. Nothing is lost with that: it expires.
pub(super) fn stays(error: &(dyn std::error::Error + 'static)) {
    debug!(target: PRODUCT, error, "a visitor's session stays until it expires");
}
