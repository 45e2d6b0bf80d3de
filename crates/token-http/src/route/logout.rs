//! `POST /auth/logout`.

use bytes::Bytes;
use http::Response;
use serde::Deserialize;
use token_core::PRODUCT;
use tracing::debug;

use crate::auth::Auth;
use crate::form::Form;
use crate::head::Head;
use crate::json;
use crate::logout_request::LogoutRequest;
use crate::media_type::MediaType;
use crate::refusal::Refusal;
use crate::rejection::Rejection;
use crate::secret_text::SecretText;

/// Ends the session of each genuine credential, wherever in the request it is. What is not genuine
/// is ignored.
///
/// If a cookie came, the body does not matter: what cannot be read in it, such as a beacon that is
/// `text/plain`, must not keep the session of the cookie alive.
pub(super) async fn logout(
    auth: &Auth,
    head: &Head<'_>,
    body: Result<Bytes, Rejection>,
) -> Result<Response<Bytes>, Rejection> {
    let request = LogoutRequest::read(auth, head)?;
    let refresh_token = body.and_then(|body| {
        let refresh_token = refresh_token(head, &body);
        refresh_token.map_err(|refusal| auth.refuse(refusal))
    });
    match refresh_token {
        Ok(refresh_token) => request.end_with(refresh_token.as_deref()).await,
        Err(_) if request.has_cookies() => {
            debug!(target: PRODUCT, "the body of a logout is ignored, since a cookie came");
            request.end().await
        }
        Err(refused) => Err(refused),
    }
}

fn refresh_token(head: &Head<'_>, body: &[u8]) -> Result<Option<SecretText>, Refusal> {
    if body.is_empty() {
        return Ok(None);
    }
    match MediaType::of(head)? {
        None => Err(Refusal::UnsupportedMediaType.because("the body has no `Content-Type`")),
        Some(MediaType::Json) => {
            let body: Option<Body> = json::parse_or_null(body)?;
            Ok(body.and_then(|body| body.refresh_token))
        }
        Some(MediaType::Form) => {
            let form = Form::parse(body)?;
            let token = form.value("refresh_token");
            Ok(token.map(SecretText::from))
        }
    }
}

/// A refresh token of the session to end, of any generation.
#[derive(Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(as = Logout))]
pub(crate) struct Body {
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    refresh_token: Option<SecretText>,
}
