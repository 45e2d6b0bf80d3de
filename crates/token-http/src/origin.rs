//! The origin of a page: scheme, host and port.

use std::fmt;
use std::str::FromStr;

use http::uri::{Authority, Scheme};
use thiserror::Error;

/// An origin as browsers write it in the `Origin` header, such as `https://app.example` or
/// `http://127.0.0.1:3000` ([RFC 6454 section 6.2](https://www.rfc-editor.org/rfc/rfc6454#section-6.2)).
///
/// Scheme and host are compared without case, and the port may be left out if the scheme implies it.
/// `null` is not an origin.
///
/// ```
/// use token_http::Origin;
///
/// let origin: Origin = "HTTPS://App.example:443".parse()?;
/// assert_eq!(origin, "https://app.example".parse()?);
/// assert!("https://app.example/path".parse::<Origin>().is_err());
/// assert!("null".parse::<Origin>().is_err());
/// # Ok::<(), token_http::OriginError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin(Box<str>);

/// A text that is not an origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("an origin is a scheme, a host and a port, as in https://app.example:8443, and no path")]
pub struct OriginError;

impl Origin {
    /// Scheme, host, and the port unless the scheme implies it; no slash at the end.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The origin of an absolute URL, as in the `Referer` header.
    pub(crate) fn of_url(url: &str) -> Result<Self, OriginError> {
        let (scheme, rest) = url.split_once("://").ok_or(OriginError)?;
        let end = rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len());
        let (authority, _) = rest.split_at(end);
        Self::from_parts(scheme, authority)
    }

    fn from_parts(scheme: &str, authority: &str) -> Result<Self, OriginError> {
        let scheme = Scheme::try_from(scheme.to_ascii_lowercase().as_str());
        let scheme = scheme.map_err(|_| OriginError)?;
        let authority: Authority = authority.parse().map_err(|_| OriginError)?;
        let host = authority.host().to_ascii_lowercase();
        // A user name before the host looks like a host: `https://own.example@evil.example`.
        if host.is_empty() || authority.as_str().contains('@') {
            return Err(OriginError);
        }
        let implied = match scheme.as_str() {
            "http" => Some(80),
            "https" => Some(443),
            _ => None,
        };
        let written = authority.as_str().len() > authority.host().len();
        // As browsers write it, without a sign or a leading zero.
        let port = authority.port_u16().map(|port| (port, port.to_string()));
        if port
            .as_ref()
            .is_some_and(|(_, text)| !authority.as_str().ends_with(&format!(":{text}")))
        {
            return Err(OriginError);
        }
        Ok(Self(match port.map(|(port, _)| port) {
            None if written => return Err(OriginError),
            port if port == implied => format!("{scheme}://{host}").into(),
            None => format!("{scheme}://{host}").into(),
            Some(port) => format!("{scheme}://{host}:{port}").into(),
        }))
    }
}

impl FromStr for Origin {
    type Err = OriginError;

    fn from_str(text: &str) -> Result<Self, OriginError> {
        let (scheme, authority) = text.split_once("://").ok_or(OriginError)?;
        Self::from_parts(scheme, authority)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_have_one_form() {
        for (text, form) in [
            ("http://a:80", "http://a"),
            ("https://A.example:443", "https://a.example"),
            ("https://a.example:80", "https://a.example:80"),
            ("http://[::1]:3000", "http://[::1]:3000"),
            ("capacitor://localhost", "capacitor://localhost"),
        ] {
            assert_eq!(text.parse::<Origin>().unwrap().as_str(), form);
        }
    }

    #[test]
    fn a_text_that_is_not_an_origin_is_refused() {
        for text in [
            "",
            "null",
            "a.example",
            "//a.example",
            "https://",
            "https://a/",
            "https://a b",
            "https://a:",
            "https://a:99999",
            "https://own@evil",
            "https://a#f",
            "https://a?q",
            "https://a:+443",
            "https://a:0443",
            "https://[::1]:+1",
        ] {
            assert_eq!(text.parse::<Origin>(), Err(OriginError), "{text}");
        }
    }

    #[test]
    fn a_referer_cannot_pretend_to_be_ours() {
        let own: Origin = "https://own.example".parse().unwrap();
        for url in ["https://own.example/a?b#c", "https://own.example"] {
            assert_eq!(Origin::of_url(url), Ok(own.clone()), "{url}");
        }
        for url in [
            "https://own.example@evil.example/",
            "https://own.example.evil.example/",
            "https://evil.example/https://own.example/",
            "https://evil.example\\@own.example/",
            "http://own.example/",
            "about:blank",
        ] {
            assert_ne!(Origin::of_url(url), Ok(own.clone()), "{url}");
        }
    }
}
