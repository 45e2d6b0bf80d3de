//! Answers for browsers that followed a link or sent a form.

use bytes::Bytes;
use http::header::{LOCATION, SET_COOKIE};
use http::{HeaderValue, Response, StatusCode};

use token_core::Transport;

use crate::answer;
use crate::binding;
use crate::rejection::Rejection;

/// A redirect that is followed with `GET`, and that no cache may keep
/// ([RFC 9110 section 15.4.4](https://www.rfc-editor.org/rfc/rfc9110#section-15.4.4)).
///
/// # Errors
/// [`Refusal::ServerError`](crate::Refusal::ServerError) if the address cannot stand in a header.
pub(crate) fn see_other(to: &str) -> Result<Response<Bytes>, Rejection> {
    let visible = to.bytes().all(|byte| byte.is_ascii_graphic());
    let location = HeaderValue::try_from(to).ok().filter(|_| visible);
    let location = location.ok_or_else(|| {
        Rejection::misconfigured("the address of a redirect has to be visible ASCII")
    })?;
    let mut response = answer::empty(StatusCode::SEE_OTHER);
    response.headers_mut().insert(LOCATION, location);
    Ok(response)
}

/// The same for an answer that carries the credential of a session in this transport.
///
/// # Errors
/// As [`see_other`], and for transport `header`.
pub(crate) fn for_session(transport: Transport, to: &str) -> Result<Response<Bytes>, Rejection> {
    let answer = see_other(to)?;
    if transport == Transport::Header {
        return Err(Rejection::misconfigured(
            "a redirect has no body for tokens: use the transport `session` or `cookie`",
        ));
    }
    Ok(answer)
}

/// The first answer with the cookies that the second sets, and what it offers to the browser.
pub(crate) fn with_cookies_of(
    mut answer: Response<Bytes>,
    other: &Response<Bytes>,
) -> Response<Bytes> {
    binding::copy_offer(other.headers(), answer.headers_mut());
    for field in other.headers().get_all(SET_COOKIE) {
        answer.headers_mut().append(SET_COOKIE, field.clone());
    }
    answer
}
