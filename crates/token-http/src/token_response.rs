//! The answer to a login, a refresh, a step-up and a change of password.

use bytes::Bytes;
use http::{Response, StatusCode};
use serde::Serialize;
use token_core::session::rule::SessionToken;
use token_core::session::{Credentials, TokenPair};
use token_core::{SessionId, Transport, UnixTime};
use token_session::Issued;

use crate::answer;
use crate::auth::Auth;
use crate::binding;
use crate::cookies::{self, Kind};
use crate::dpop::fields;

impl Auth {
    /// The answer with the credentials that were issued: tokens in the body, or cookies, depending on
    /// the session's transport
    /// ([RFC 6749 section 5.1](https://www.rfc-editor.org/rfc/rfc6749#section-5.1)).
    pub fn token_response(&self, issued: &Issued) -> Response<Bytes> {
        self.answer_with(issued, true)
    }

    /// The same for a request that has just proven who its user is: a login, a step-up or a change of
    /// password. It offers the browser to bind the session, which a refresh must not.
    pub(crate) fn answer_authenticated(&self, issued: &Issued) -> Response<Bytes> {
        let mut response = self.answer_with(issued, true);
        binding::offer(self, issued.session(), response.headers_mut());
        response
    }

    /// The same; `renewed` says whether the refresh token is another one than was presented, so that
    /// its cookie has to be set.
    pub(crate) fn answer_with(&self, issued: &Issued, renewed: bool) -> Response<Bytes> {
        match issued.credentials() {
            Credentials::Tokens(pair) => self.tokens(issued, pair, renewed),
            Credentials::Session(token) => self.session_cookie(issued, token),
        }
    }

    fn tokens(&self, issued: &Issued, pair: &TokenPair, renewed: bool) -> Response<Bytes> {
        let (session, now) = (issued.session(), issued.issued_at());
        let by_cookie = session.transport == Transport::Cookie;
        let refresh_token = pair.refresh_token.secret();
        let mut response = answer::json(
            StatusCode::OK,
            &TokenBody {
                token_type: fields::token_type(session),
                access_token: pair.access_token.secret(),
                expires_in: pair.access_expires_at.since(now).as_secs(),
                access_expires_at: pair.access_expires_at,
                refresh_token: (!by_cookie).then_some(refresh_token),
                refresh_expires_in: session.expires_at().since(now).as_secs(),
                refresh_expires_at: session.expires_at(),
                refresh_grace: self.manager().policy().grace().as_secs(),
                session_id: session.id,
                server_time: now,
                scope: issued.scope().as_str(),
            },
        );
        if !by_cookie && let Some(nonce) = self.next_nonce() {
            let nonce = fields::nonce_value(&nonce);
            response.headers_mut().insert(fields::NONCE_FIELD, nonce);
        }
        if by_cookie && renewed {
            let names = self.config().cookie_names();
            let field = names.set(Kind::Refresh, refresh_token, session, now);
            cookies::append(response.headers_mut(), field);
        }
        response
    }

    fn session_cookie(&self, issued: &Issued, token: &SessionToken) -> Response<Bytes> {
        let (session, now) = (issued.session(), issued.issued_at());
        let mut response = answer::json(
            StatusCode::OK,
            &SessionBody {
                session_id: session.id,
                session_expires_in: session.expires_at().since(now).as_secs(),
                session_expires_at: session.expires_at(),
                server_time: now,
            },
        );
        let names = self.config().cookie_names();
        let field = names.set(Kind::Session, &token.to_secret_text(), session, now);
        cookies::append(response.headers_mut(), field);
        response
    }
}

/// The tokens of a session in transport `header` or `cookie`. Times are Unix seconds by the
/// server's clock, lifetimes seconds.
#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(as = Tokens))]
pub(crate) struct TokenBody<'a> {
    token_type: &'static str,
    access_token: &'a str,
    expires_in: u64,
    #[cfg_attr(feature = "openapi", schema(value_type = u64))]
    access_expires_at: UnixTime,
    /// Only in transport `header`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = String, required = false))]
    refresh_token: Option<&'a str>,
    refresh_expires_in: u64,
    #[cfg_attr(feature = "openapi", schema(value_type = u64))]
    refresh_expires_at: UnixTime,
    /// For how long a superseded refresh token gets the same successor again.
    refresh_grace: u64,
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    session_id: SessionId,
    #[cfg_attr(feature = "openapi", schema(value_type = u64))]
    server_time: UnixTime,
    #[serde(skip_serializing_if = "str::is_empty")]
    #[cfg_attr(feature = "openapi", schema(value_type = String, required = false))]
    scope: &'a str,
}

/// A session in transport `session`, whose credential is in its cookie.
#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(as = CookieSession))]
pub(crate) struct SessionBody {
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    session_id: SessionId,
    session_expires_in: u64,
    #[cfg_attr(feature = "openapi", schema(value_type = u64))]
    session_expires_at: UnixTime,
    #[cfg_attr(feature = "openapi", schema(value_type = u64))]
    server_time: UnixTime,
}
