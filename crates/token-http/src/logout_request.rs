//! A logout: that of `POST /auth/logout`, and one in a handler of the application's own.

use std::fmt;

use bytes::Bytes;
use http::{Response, StatusCode};
use token_core::RevokeReason;
use token_session::{Presented, to_end};
use zeroize::Zeroizing;

use crate::adopt::OldRequest;
use crate::answer;
use crate::auth::Auth;
use crate::bearer::bearers;
use crate::cookies::{self, Kind, RequestCookies};
use crate::csrf;
use crate::head::Head;
use crate::limit::AttemptKind;
use crate::redirect;
use crate::rejection::Rejection;

/// A request to log out, by the access tokens and cookies that came with it. `POST /auth/logout` uses
/// it, and so can a handler that answers differently, such as the target of a form.
#[must_use = "nobody is logged out yet"]
pub struct LogoutRequest {
    auth: Auth,
    bearers: Vec<Zeroizing<String>>,
    cookies: RequestCookies,
    /// What the request has of the system that was used before.
    old: Option<OldRequest>,
    /// A form of another site cannot send the cookies, and must not be able to delete them either.
    deletes: bool,
}

impl LogoutRequest {
    /// Reads the request, without its body.
    ///
    /// # Errors
    /// [`Refusal::Csrf`](crate::Refusal::Csrf);
    /// [`Refusal::InvalidRequest`](crate::Refusal::InvalidRequest) for more than 4 of our cookies or
    /// 4 access tokens; [`Refusal::TooManyRequests`](crate::Refusal::TooManyRequests).
    pub fn read(auth: &Auth, head: &Head<'_>) -> Result<Self, Rejection> {
        let cookies = head.cookies(auth.config().cookie_names());
        let mut old = auth.old_request(head.headers);
        let carries = cookies.any() || old.is_some();
        let refuse = |refusal| auth.refuse(refusal);
        // Whatever the method is: a link of another site must not log the user out either.
        if carries {
            csrf::demand(head, auth.config(), true).map_err(refuse)?;
        }
        let proven = csrf::is_proven(head, auth.config(), carries);
        // A `GET` of another site comes without the cookies that are `SameSite=Strict`, and in an older
        // browser without any field that says where it comes from.
        let deletes = proven && (carries || !head.method.is_safe());
        cookies.few().map_err(refuse)?;
        let bearers = bearers(head, auth.config().scheme()).map_err(refuse)?;
        auth.note_attempt(head, AttemptKind::Logout)
            .map_err(refuse)?;
        let bearers = bearers.map(|token| Zeroizing::new(token.to_owned()));
        let bearers: Vec<_> = bearers.collect();
        if let [token] = &*bearers
            && auth.adopts_bearers()
        {
            let at = auth.manager().now();
            old.get_or_insert_with(|| OldRequest::of_bearer(token, at))
                .set_bearer(token);
        }
        Ok(Self {
            auth: auth.clone(),
            bearers,
            cookies,
            old,
            deletes,
        })
    }

    /// Whether the request has one of our cookies, or an old one.
    pub(crate) fn has_cookies(&self) -> bool {
        self.cookies.any() || self.old.as_ref().is_some_and(OldRequest::has_cookies)
    }

    /// Ends the session of each genuine credential, and answers 204 whether or not there was
    /// one. The cookies are deleted.
    ///
    /// # Errors
    /// [`Refusal::TemporarilyUnavailable`](crate::Refusal::TemporarilyUnavailable) if the store
    /// cannot be asked, and [`Refusal::GatewayTimeout`](crate::Refusal::GatewayTimeout) if a session may have been
    /// ended: the cookies stay, and the client asks again.
    pub async fn end(&self) -> Result<Response<Bytes>, Rejection> {
        self.end_with(None).await
    }

    /// The same for a browser that sent a form: 303 to this address.
    ///
    /// # Errors
    /// As [`end`](Self::end). [`Refusal::ServerError`](crate::Refusal::ServerError) if the address
    /// cannot stand in a header.
    pub async fn redirect(&self, to: &str) -> Result<Response<Bytes>, Rejection> {
        let answer = redirect::see_other(to)?;
        let ended = self.end().await?;
        Ok(redirect::with_cookies_of(answer, &ended))
    }

    pub(crate) async fn end_with(
        &self,
        refresh_token: Option<&str>,
    ) -> Result<Response<Bytes>, Rejection> {
        let manager = self.auth.manager().clone();
        let (bearers, cookies) = (self.bearers.clone(), self.cookies.clone());
        let refresh_token = refresh_token.map(|token| Zeroizing::new(token.to_owned()));
        let (auth, old) = (self.auth.clone(), self.old.clone());
        to_end(async move {
            let bearers = bearers.iter().map(|token| token.as_str());
            let refresh_token = refresh_token.as_ref().map(|token| token.as_str());
            let presented = bearers
                .map(Presented::Access)
                .chain(refresh_token.into_iter().map(Presented::Refresh))
                .chain(cookies.all(Kind::Refresh).map(Presented::Refresh))
                .chain(cookies.all(Kind::Session).map(Presented::Session));
            let mut has_ended = false;
            let ended = async {
                for presented in presented {
                    has_ended |= manager.logout(presented).await?;
                }
                // Also if it was adopted before: a logout wins over every old credential that the client still has.
                if let Some(old) = &old {
                    has_ended |= auth.end_old(old, RevokeReason::Logout).await?;
                }
                // A client that has not renewed yet has its old token in the place of a refresh token.
                if let Some(token) = refresh_token {
                    has_ended |= auth.end_old_token(token, RevokeReason::Logout).await?;
                }
                Ok::<_, Rejection>(())
            };
            match ended.await {
                Err(rejection) if has_ended => Err(rejection.after_a_write()),
                ended => ended,
            }
        })
        .await?;
        let mut response = answer::empty(StatusCode::NO_CONTENT);
        if self.deletes {
            let names = self.auth.config().cookie_names();
            for kind in Kind::ALL {
                cookies::append(response.headers_mut(), names.delete(kind));
            }
            if let Some(old) = &self.old {
                cookies::append_all(response.headers_mut(), self.auth.old_deletions(old));
            }
        }
        Ok(response)
    }
}

impl fmt::Debug for LogoutRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogoutRequest").finish_non_exhaustive()
    }
}
