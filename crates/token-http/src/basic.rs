//! A client that authenticates with a secret
//! ([RFC 6749 section 2.3.1](https://www.rfc-editor.org/rfc/rfc6749#section-2.3.1)).

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::AUTHORIZATION;
use zeroize::Zeroizing;

use crate::head::Head;
use crate::refusal::Refusal;

/// The secret of a client, as `Authorization: Basic` carries it. The name before it is ignored: the
/// secret alone identifies the client.
pub(crate) struct ClientSecret {
    sent: Zeroizing<String>,
    decoded: Zeroizing<String>,
}

impl ClientSecret {
    /// Reads the secret; `None` if there is none, or if the scheme is another one.
    ///
    /// # Errors
    /// [`Refusal::InvalidRequest`] for two fields, and [`Refusal::InvalidClient`] if the field
    /// is malformed.
    pub(crate) fn of(head: &Head<'_>) -> Result<Option<Self>, Refusal> {
        let value = head.single(AUTHORIZATION);
        let value = value.map_err(|_| Refusal::InvalidRequest)?;
        let Some((scheme, rest)) = value.and_then(|value| value.split_once(' ')) else {
            return Ok(None);
        };
        if !scheme.eq_ignore_ascii_case("basic") {
            return Ok(None);
        }
        let bytes = STANDARD.decode(rest.trim()).map(Zeroizing::new);
        let bytes = bytes.map_err(|_| Refusal::InvalidClient)?;
        let text = std::str::from_utf8(&bytes).map_err(|_| Refusal::InvalidClient)?;
        let (_, secret) = text.split_once(':').ok_or(Refusal::InvalidClient)?;
        Ok(Some(Self {
            sent: Zeroizing::new(secret.to_owned()),
            decoded: Zeroizing::new(form_decoded(secret)),
        }))
    }

    /// The ways to read the secret. By the RFC:
    ///
    /// > The client identifier is encoded using the "application/x-www-form-urlencoded" encoding
    /// > algorithm [...], and the encoded value is used as the username; the client password is
    /// > encoded using the same algorithm
    ///
    /// and, since many clients do not encode it, the text itself.
    pub(crate) fn readings(&self) -> impl Iterator<Item = &str> {
        [self.decoded.as_str(), self.sent.as_str()].into_iter()
    }
}

impl fmt::Debug for ClientSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientSecret([redacted])")
    }
}

/// A single value: what would separate two parameters is part of it.
fn form_decoded(text: &str) -> String {
    let escaped = Zeroizing::new(text.replace('&', "%26").replace('=', "%3D"));
    let mut pairs = form_urlencoded::parse(escaped.as_bytes());
    pairs
        .next()
        .map(|(name, _)| name.into_owned())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue, Method, Uri};

    use super::*;

    fn read(values: &[&str]) -> Result<Option<Vec<String>>, Refusal> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, HeaderValue::from_str(value).unwrap());
        }
        let uri = Uri::from_static("/auth/introspect");
        let head = Head {
            method: &Method::POST,
            uri: &uri,
            headers: &headers,
            peer: None,
        };
        let secret = ClientSecret::of(&head)?;
        Ok(secret.map(|secret| secret.readings().map(str::to_owned).collect()))
    }

    fn basic(text: &str) -> String {
        format!("Basic {}", STANDARD.encode(text))
    }

    #[test]
    fn a_secret_is_read_as_the_rfc_writes_it_and_as_it_is() {
        let readings = |text: &str| read(&[&basic(text)]).unwrap().unwrap();
        assert_eq!(readings("api:a%2Fb%3D"), ["a/b=", "a%2Fb%3D"]);
        assert_eq!(readings("api:a+b=&c"), ["a b=&c", "a+b=&c"]);
        assert_eq!(readings(":x:y"), ["x:y", "x:y"]);
        let lower = basic("api:x").replace("Basic", "bASIC");
        assert_eq!(read(&[&lower]).unwrap().unwrap(), ["x", "x"]);
    }

    #[test]
    fn what_is_not_of_the_form_is_refused_and_another_scheme_is_none() {
        assert_eq!(read(&[]), Ok(None));
        assert_eq!(read(&["Bearer x"]), Ok(None));
        assert_eq!(read(&["Basic"]), Ok(None));
        for bad in ["Basic ", "Basic ?", &basic("no colon"), "Basic /w=="] {
            assert_eq!(read(&[bad]), Err(Refusal::InvalidClient), "{bad}");
        }
        let two = basic("a:x");
        assert_eq!(read(&[&two, &two]), Err(Refusal::InvalidRequest));
        let secret = ClientSecret {
            sent: "hush".to_owned().into(),
            decoded: "hush".to_owned().into(),
        };
        assert!(!format!("{secret:?}").contains("hush"));
    }
}
