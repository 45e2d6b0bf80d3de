//! Bodies in JSON.

use serde::de::DeserializeOwned;

use crate::auth::Auth;
use crate::head::Head;
use crate::json;
use crate::media_type::MediaType;
use crate::rejection::Rejection;

/// Reads a body that has to be JSON.
///
/// # Errors
/// [`Refusal::UnsupportedMediaType`](crate::Refusal::UnsupportedMediaType) and
/// [`Refusal::InvalidRequest`](crate::Refusal::InvalidRequest).
pub(super) fn read<T: DeserializeOwned>(
    auth: &Auth,
    head: &Head<'_>,
    body: &[u8],
) -> Result<T, Rejection> {
    let media = MediaType::Json.demand(head);
    let parsed = media.and_then(|()| json::parse(body));
    parsed.map_err(|refusal| auth.refuse(refusal))
}
