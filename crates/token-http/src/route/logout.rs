//! `POST /auth/logout`.

use bytes::Bytes;
use http::Response;
use serde::Deserialize;

use crate::auth::Auth;
use crate::form::Form;
use crate::head::Head;
use crate::json;
use crate::logout_request::LogoutRequest;
use crate::media_type::MediaType;
use crate::refusal::Refusal;
use crate::rejection::Rejection;
use crate::secret_text::SecretText;

/// Ends the session of each genuine credential, wherever it stands; what is not genuine is
/// passed over.
pub(super) async fn logout(
    auth: &Auth,
    head: &Head<'_>,
    body: &[u8],
) -> Result<Response<Bytes>, Rejection> {
    let request = LogoutRequest::read(auth, head)?;
    let refresh_token = refresh_token(head, body).map_err(|refusal| auth.reject(refusal))?;
    let refresh_token = refresh_token.as_deref();
    request.end_with(refresh_token).await
}

fn refresh_token(head: &Head<'_>, body: &[u8]) -> Result<Option<SecretText>, Refusal> {
    let media_type = MediaType::of(head)?;
    if body.is_empty() {
        return Ok(None);
    }
    match media_type {
        None => Err(Refusal::UnsupportedMediaType),
        Some(MediaType::Json) => {
            let body: Body = json::parse(body)?;
            Ok(body.refresh_token)
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
    #[serde(default, deserialize_with = "json::some")]
    #[cfg_attr(feature = "openapi", schema(value_type = String, required = false))]
    refresh_token: Option<SecretText>,
}
