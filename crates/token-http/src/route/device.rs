//! `POST /auth/device`: a browser registers a key for its session, or renews the bound cookie with it.

use bytes::Bytes;
use http::header::HeaderName;
use http::{HeaderValue, Response, StatusCode};
use serde::Serialize;
use token_core::{SessionId, Transport};
use token_session::binding::BindingMode;
use token_session::{BindingError, BoundSession};

use crate::answer;
use crate::auth::Auth;
use crate::binding;
use crate::cookies;
use crate::head::Head;
use crate::limit::AttemptKind;
use crate::refusal::Refusal;
use crate::rejection::Rejection;

/// In [`Head::FIELDS`].
const ID: &str = "sec-secure-session-id";
const PROOF: &str = "secure-session-response";
const CHALLENGE: HeaderName = HeaderName::from_static("secure-session-challenge");

pub(super) async fn device(auth: &Auth, head: &Head<'_>) -> Result<Response<Bytes>, Rejection> {
    if auth.manager().binding().mode() == BindingMode::Off {
        // The policy was another one: a browser that is answered 404 gives its binding up for good.
        if head.headers.contains_key(ID) {
            return Err(Rejection::temporarily_unavailable());
        }
        let why = "sessions are not bound to their browsers";
        return Err(auth.refuse(Refusal::NotFound.because(why)));
    }
    // A browser gives the binding up for good if it is told to slow down (429).
    auth.note_attempt(head, AttemptKind::Refresh)
        .map_err(|_| Rejection::temporarily_unavailable())?;
    let malformed = || {
        auth.refuse(
            Refusal::InvalidRequest
                .because("`Sec-Secure-Session-Id` or `Secure-Session-Response` comes twice"),
        )
    };
    let id = head.single(ID).map_err(|_| malformed())?.map(unquoted);
    let proof = head.single(PROOF).map_err(|_| malformed())?.map(unquoted);
    match id {
        Some(id) => renew(auth, id, proof).await,
        None => register(auth, proof).await,
    }
}

async fn register(auth: &Auth, proof: Option<&str>) -> Result<Response<Bytes>, Rejection> {
    let proof = proof.ok_or_else(|| {
        auth.refuse(Refusal::InvalidRequest.because("there is no proof of a key"))
    })?;
    let bound = auth.manager().register_browser(proof).await;
    let bound = bound.map_err(|error| match error {
        BindingError::Store(error) => Rejection::unavailable(&error),
        // A browser that is refused gives the binding up for good.
        BindingError::Contended => Rejection::temporarily_unavailable(),
        error => auth.refuse(Refusal::InvalidRequest.because(error)),
    })?;
    let answer = answer::json(StatusCode::OK, &Instructions::of(auth, &bound));
    Ok(with_cookie(answer, &bound))
}

async fn renew(auth: &Auth, id: &str, proof: Option<&str>) -> Result<Response<Bytes>, Rejection> {
    let session: SessionId = id
        .parse()
        .map_err(|_| auth.refuse(Refusal::InvalidRequest.because("the id is none of a session")))?;
    match auth.manager().renew_browser(session, proof).await {
        Ok(bound) => Ok(with_cookie(answer::empty(StatusCode::NO_CONTENT), &bound)),
        Err(BindingError::Challenge(challenge)) => {
            let mut answer = answer::empty(StatusCode::FORBIDDEN);
            let value = HeaderValue::try_from(format!(r#""{challenge}";id="{session}""#));
            let value = value.expect("base64url is visible ASCII");
            answer.headers_mut().insert(CHALLENGE, value);
            Ok(answer)
        }
        // Browsers ask again after 503, whatever was done, and keep their keys.
        Err(BindingError::Store(error)) => Err(Rejection::unavailable(&error)),
        Err(BindingError::Contended) => Err(Rejection::temporarily_unavailable()),
        Err(error) => Err(auth.refuse(Refusal::InvalidRequest.because(error))),
    }
}

fn with_cookie(mut answer: Response<Bytes>, bound: &BoundSession) -> Response<Bytes> {
    let field = binding::set(bound.session.id, &bound.cookie);
    cookies::append(answer.headers_mut(), field);
    answer
}

/// The value of a field, which the draft puts in quotes and browsers do not.
fn unquoted(value: &str) -> &str {
    let inner = value.strip_prefix('"');
    inner
        .and_then(|rest| rest.strip_suffix('"'))
        .unwrap_or(value)
}

/// What a browser does with its key from now on.
#[derive(Serialize)]
struct Instructions {
    session_identifier: SessionId,
    refresh_url: String,
    scope: Scope,
    credentials: [Credential; 1],
    /// Otherwise a link on another site arrives without the cookie.
    allowed_refresh_initiators: [&'static str; 1],
}

#[derive(Serialize)]
struct Scope {
    include_site: bool,
    scope_specification: Vec<Rule>,
}

/// Requests that wait for a renewal, or do not.
#[derive(Serialize)]
struct Rule {
    #[serde(rename = "type")]
    kind: &'static str,
    domain: &'static str,
    path: String,
}

#[derive(Serialize)]
struct Credential {
    #[serde(rename = "type")]
    kind: &'static str,
    name: String,
    attributes: &'static str,
}

impl Instructions {
    fn of(auth: &Auth, bound: &BoundSession) -> Self {
        let session = &bound.session;
        let rule = |kind, path: &str| Rule {
            kind,
            domain: "*",
            path: path.to_owned(),
        };
        let prefix = auth.config().prefix();
        let scope_specification = match session.transport {
            // Access tokens are good without the cookie: only the routes that take the refresh token need it.
            Transport::Cookie if !prefix.is_empty() => {
                vec![rule("exclude", "/"), rule("include", prefix)]
            }
            Transport::Cookie | Transport::Header | Transport::Session => Vec::new(),
        };
        Self {
            session_identifier: session.id,
            refresh_url: binding::path(auth),
            scope: Scope {
                include_site: false,
                scope_specification,
            },
            credentials: [Credential {
                kind: "cookie",
                name: binding::cookie_name(session.id),
                attributes: binding::ATTRIBUTES,
            }],
            allowed_refresh_initiators: ["*"],
        }
    }
}
