//! `POST /auth/revoke` ([RFC 7009](https://www.rfc-editor.org/rfc/rfc7009)).

use bytes::Bytes;
use http::{Response, StatusCode};
use token_core::RevokeReason;
use token_session::Presented;

use crate::answer;
use crate::auth::Auth;
use crate::form::Form;
use crate::head::Head;
use crate::limit::AttemptKind;
use crate::media_type::MediaType;
use crate::refusal::Refusal;
use crate::rejection::Rejection;

pub(super) async fn revoke(
    auth: &Auth,
    head: &Head<'_>,
    body: &[u8],
) -> Result<Response<Bytes>, Rejection> {
    let form = MediaType::Form
        .demand(head)
        .and_then(|()| Form::parse(body));
    let form = form.map_err(|refusal| auth.refuse(refusal))?;
    let token = form.value("token").ok_or_else(|| {
        let why = "there is no parameter `token`";
        auth.refuse(Refusal::InvalidRequest.because(why))
    })?;
    let noted = auth.note_attempt(head, AttemptKind::Revoke);
    noted.map_err(|refusal| auth.refuse(refusal))?;
    // > An invalid token type hint value is ignored by the authorization server and does not
    // > influence the revocation response.
    // RFC 7009 section 2.2: both kinds are tried whatever it says.
    for presented in [Presented::Access(token), Presented::Refresh(token)] {
        // > If the server responds with HTTP status code 503, the client must assume the token still
        // > exists and may retry after a reasonable delay.
        // RFC 7009 section 2.2.1: so it may if the outcome is unknown.
        let ended = auth.manager().logout(presented).await;
        ended.map_err(|error| Rejection::unavailable(&error))?;
    }
    let ended = auth.end_old_token(token, RevokeReason::Logout).await;
    ended.map_err(Rejection::without_outcome)?;
    // > The authorization server responds with HTTP status code 200 if the token has been revoked
    // > successfully or if the client submitted an invalid token.
    // RFC 7009 section 2.2
    Ok(answer::empty(StatusCode::OK))
}
