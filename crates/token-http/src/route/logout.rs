//! `POST /auth/logout`.

use bytes::Bytes;
use http::{Response, StatusCode};
use serde::Deserialize;
use token_store::Presented;
use zeroize::Zeroizing;

use crate::answer;
use crate::auth::Auth;
use crate::bearer::bearer;
use crate::cookies::{self, Kind};
use crate::csrf;
use crate::form::Form;
use crate::head::Head;
use crate::json;
use crate::login::Password;
use crate::media_type::MediaType;
use crate::refusal::Refusal;
use crate::rejection::Rejection;

/// Ends the session of each genuine credential, wherever it stands; what is not genuine is
/// passed over.
pub(super) async fn logout(
    auth: &Auth,
    head: &Head<'_>,
    body: &[u8],
) -> Result<Response<Bytes>, Rejection> {
    let request_cookies = head.cookies();
    let csrf = csrf::check(head, auth.config(), request_cookies.any());
    let read = || {
        if request_cookies.any() {
            csrf.clone()?;
        }
        request_cookies.few()?;
        refresh_token(head, body)
    };
    let refresh_token = read().map_err(|refusal| auth.reject(refusal))?;
    let bearer = bearer(head).ok().flatten();
    let refresh_token = refresh_token.as_deref().map(String::as_str);
    let presented = bearer
        .map(Presented::Access)
        .into_iter()
        .chain(refresh_token.map(Presented::Refresh))
        .chain(request_cookies.all(Kind::Refresh).map(Presented::Refresh))
        .chain(request_cookies.all(Kind::Session).map(Presented::Session));
    for presented in presented {
        auth.manager().logout(presented).await?;
    }
    let mut response = answer::empty(StatusCode::NO_CONTENT);
    // Another site's form cannot send the cookies, and must not be able to delete them either.
    if csrf.is_ok() {
        for kind in Kind::ALL {
            cookies::append(response.headers_mut(), kind.delete());
        }
    }
    Ok(response)
}

fn refresh_token(head: &Head<'_>, body: &[u8]) -> Result<Option<Zeroizing<String>>, Refusal> {
    let media_type = MediaType::of(head)?;
    if body.is_empty() {
        return Ok(None);
    }
    match media_type {
        None => Err(Refusal::UnsupportedMediaType),
        Some(MediaType::Json) => {
            let body: Body = json::parse(body)?;
            Ok(body.refresh_token.map(|Password(token)| token))
        }
        Some(MediaType::Form) => {
            let form = Form::parse(body)?;
            let token = form.value("refresh_token");
            Ok(token.map(|token| Zeroizing::new(token.to_owned())))
        }
    }
}

/// A refresh token of the session to end, of any generation.
#[derive(Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(as = Logout))]
pub(crate) struct Body {
    #[serde(default, deserialize_with = "json::some")]
    #[cfg_attr(feature = "openapi", schema(value_type = String, required = false))]
    refresh_token: Option<Password>,
}
