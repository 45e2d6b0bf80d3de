//! The `Content-Type` of a request.

use http::header::CONTENT_TYPE;

use crate::head::Head;
use crate::refusal::Refusal;

/// The media types that bodies may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MediaType {
    Form,
    Json,
}

impl MediaType {
    /// The type that the request names; `None` if it names none.
    ///
    /// # Errors
    /// [`Refusal::UnsupportedMediaType`] for any other, and for a character set other than
    /// UTF-8.
    pub(crate) fn of(head: &Head<'_>) -> Result<Option<Self>, Refusal> {
        let field = head.single(CONTENT_TYPE);
        let unsupported = |why: &str| Refusal::UnsupportedMediaType.because(why);
        let field = field.map_err(|_| unsupported("`Content-Type` is repeated or not text"))?;
        let Some(field) = field else {
            return Ok(None);
        };
        let mut parts = field.split(';').map(str::trim);
        let essence = parts.next().unwrap_or_default();
        let media_type = if essence.eq_ignore_ascii_case("application/json") {
            Self::Json
        } else if essence.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            Self::Form
        } else {
            let why = "the media type of the body is neither JSON nor a form";
            return Err(unsupported(why));
        };
        for parameter in parts {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            let utf8 = value.trim_matches('"').eq_ignore_ascii_case("utf-8");
            if name.eq_ignore_ascii_case("charset") && !utf8 {
                return Err(unsupported("the body is not in UTF-8"));
            }
        }
        Ok(Some(media_type))
    }

    /// Refuses a request whose body has another type.
    ///
    /// # Errors
    /// [`Refusal::UnsupportedMediaType`] for another, or none.
    pub(crate) fn demand(self, head: &Head<'_>) -> Result<(), Refusal> {
        let of = Self::of(head)?;
        if of == Some(self) {
            return Ok(());
        }
        Err(Refusal::UnsupportedMediaType.because(match (self, of) {
            (_, None) => "the body has no `Content-Type`",
            (Self::Json, _) => "the body has to be `application/json`",
            (Self::Form, _) => "the body has to be `application/x-www-form-urlencoded`",
        }))
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue, Method, Uri};

    use super::*;

    fn of(values: &[&'static str]) -> Result<Option<MediaType>, Refusal> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(CONTENT_TYPE, HeaderValue::from_static(value));
        }
        MediaType::of(&Head {
            method: &Method::POST,
            uri: &Uri::from_static("/"),
            headers: &headers,
            peer: None,
        })
    }

    #[test]
    fn json_and_forms_are_recognised() {
        assert_eq!(of(&[]), Ok(None));
        for value in ["application/json", "Application/JSON ; charset=\"UTF-8\""] {
            assert_eq!(of(&[value]), Ok(Some(MediaType::Json)));
        }
        let form = "application/x-www-form-urlencoded;charset=utf-8";
        assert_eq!(of(&[form]), Ok(Some(MediaType::Form)));
    }

    #[test]
    fn everything_else_is_unsupported() {
        for values in [
            &[""][..],
            &["text/plain"],
            &["application/json-patch+json"],
            &["application/json; charset=latin1"],
            &["multipart/form-data; boundary=x"],
            &["application/json", "application/json"],
        ] {
            assert_eq!(of(values), Err(Refusal::UnsupportedMediaType));
        }
    }
}
