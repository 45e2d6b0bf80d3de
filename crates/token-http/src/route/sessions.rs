//! The routes that list and end the subject's own sessions.

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{HeaderValue, Response, StatusCode};
use serde::Serialize;
use token_core::binding::BindingLevel;
use token_core::session::{Committed, Device};
use token_core::{NoClaims, RevokeReason, Session, SessionId, Transport, UnixTime};

use crate::answer;
use crate::answered::Answered;
use crate::any::Any;
use crate::auth::Auth;
use crate::cookies;
use crate::dpop::Shown;
use crate::form::Form;
use crate::head::Head;
use crate::refusal::{Refusal, TokenFault};
use crate::rejection::Rejection;
use crate::server_session::SessionSlot;

/// `GET /auth/session`.
pub(super) async fn session(auth: &Auth, head: &Head<'_>) -> Result<Response<Bytes>, Rejection> {
    let current = Current::of(auth, head).await?;
    let item = Item::new(&current.session, current.session.id);
    let response = answer::json(StatusCode::OK, &item);
    current.finish(response).await
}

/// `GET /auth/sessions`.
pub(super) async fn sessions(auth: &Auth, head: &Head<'_>) -> Result<Response<Bytes>, Rejection> {
    let current = Current::of(auth, head).await?;
    let rows = auth.manager().sessions(&current.session.subject).await?;
    let id = current.session.id;
    let list = List {
        sessions: rows.iter().map(|row| Item::new(row, id)).collect(),
    };
    let response = answer::json(StatusCode::OK, &list);
    current.finish(response).await
}

/// `DELETE /auth/sessions/{session_id}`.
pub(super) async fn end_session(
    auth: &Auth,
    head: &Head<'_>,
) -> Result<Response<Bytes>, Rejection> {
    let current = Current::of(auth, head).await?;
    let text = head.uri.path().rsplit('/').next().unwrap_or_default();
    let ended = match text.parse::<SessionId>() {
        Ok(id) => {
            let subject = &current.session.subject;
            let ended = auth.manager().revoke_own(subject, id, RevokeReason::Logout);
            ended.await?
        }
        Err(_) => false,
    };
    if ended {
        current.finish(answer::empty(StatusCode::NO_CONTENT)).await
    } else {
        let why = "the subject has no live session of this id";
        Err(auth.refuse(Refusal::NotFound.because(why)))
    }
}

/// `DELETE /auth/sessions`, of which `?keep=current` leaves the current one.
pub(super) async fn end_sessions(
    auth: &Auth,
    head: &Head<'_>,
) -> Result<Response<Bytes>, Rejection> {
    let current = Current::of(auth, head).await?;
    let keep = keeps_current(head).map_err(|refusal| auth.refuse(refusal))?;
    let subject = &current.session.subject;
    if keep {
        let id = current.session.id;
        let reason = RevokeReason::LogoutOthers;
        auth.manager().revoke_others(subject, id, reason).await?;
    } else {
        let reason = RevokeReason::LogoutAll;
        auth.manager().revoke_all(subject, reason).await?;
    }
    current.finish(answer::empty(StatusCode::NO_CONTENT)).await
}

/// Refuses a misspelt `keep`, which must not end the session that was to be kept.
fn keeps_current(head: &Head<'_>) -> Result<bool, Refusal> {
    let query = head.uri.query().unwrap_or_default();
    let form = Form::parse(query.as_bytes())?;
    let only_keep = form.names().all(|name| name == "keep");
    match form.value("keep") {
        Some("current") if only_keep => Ok(true),
        None if form.names().next().is_none() => Ok(false),
        _ => {
            let why = "the query has to be `keep=current`, or there has to be none";
            Err(Refusal::InvalidRequest.because(why))
        }
    }
}

/// The session of the caller. The store is always asked, whatever the `RevocationCheck` is and also if this node
/// remembers the session of the cookie: a caller who was logged out must not end other sessions.
struct Current {
    session: Committed<Session>,
    slot: SessionSlot,
}

impl Current {
    async fn of(auth: &Auth, head: &Head<'_>) -> Result<Self, Rejection> {
        let slot = SessionSlot::default();
        // A page that asks who is logged in, each minute, must not keep the session alive.
        if head.method.is_safe() {
            slot.look();
        }
        let authorization = head.headers.get_all(AUTHORIZATION).iter();
        let authorization = authorization.map(HeaderValue::as_bytes);
        let session = async || auth.server_session(head, Some(&slot)).await;
        let shown = || Shown::of_head(head);
        let caller = auth.clone().any::<NoClaims>(authorization, shown, session);
        let caller = caller.await?;
        let caller = caller.ok_or_else(|| auth.challenge(Refusal::Unauthorized.logged()))?;
        let session = match &caller {
            Any::Access(access) => auth.manager().session(access.session_id()).await?,
            Any::Session(session) => session.in_store().await?,
        };
        let ended = || {
            let why = "the session has ended, or the cookie is not its current one";
            auth.challenge(Refusal::InvalidToken(TokenFault::Revoked).because(why))
        };
        Ok(Self {
            session: session.ok_or_else(ended)?,
            slot,
        })
    }

    /// Sends the cookie again if its deadline moved, and it is still the session's: asked once everything else
    /// has happened, as a request may have ended its own session.
    async fn finish(self, mut response: Response<Bytes>) -> Result<Response<Bytes>, Rejection> {
        let answered = Answered::new(response.status(), response.headers(), true);
        for field in self.slot.finish(&answered).await? {
            cookies::append(response.headers_mut(), field);
        }
        Ok(response)
    }
}

/// The live sessions of a user.
#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(as = Sessions))]
pub(crate) struct List<'a> {
    sessions: Vec<Item<'a>>,
}

/// A session in the user's list.
#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(as = Session))]
pub(crate) struct Item<'a> {
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    session_id: SessionId,
    /// Whether the request belongs to this session.
    current: bool,
    #[cfg_attr(feature = "openapi", schema(value_type = u64))]
    created_at: UnixTime,
    /// Rounded down to 5 minutes, but not to before `created_at`.
    #[cfg_attr(feature = "openapi", schema(value_type = u64))]
    last_seen_at: UnixTime,
    #[cfg_attr(feature = "openapi", schema(value_type = u64))]
    expires_at: UnixTime,
    #[cfg_attr(feature = "openapi", schema(value_type = crate::openapi::schema::Transport))]
    transport: Transport,
    #[cfg_attr(feature = "openapi", schema(value_type = crate::openapi::schema::Device))]
    device: &'a Device,
    /// The key without which the session's credentials are worth nothing, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = String, required = false))]
    binding: Option<BindingLevel>,
}

impl<'a> Item<'a> {
    fn new(session: &'a Session, current: SessionId) -> Self {
        Self {
            session_id: session.id,
            current: session.id == current,
            created_at: session.created_at,
            // It is kept rounded down, but is not shown as before there was a session.
            last_seen_at: session.last_seen_at.max(session.created_at),
            expires_at: session.expires_at(),
            transport: session.transport,
            device: &session.device,
            binding: session.binding.level(),
        }
    }
}
