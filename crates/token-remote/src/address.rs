//! Addresses that may be asked.

use reqwest::Url;
use thiserror::Error;

/// An address that is never asked.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AddressError {
    /// It has more than a scheme, a host, a port and a path.
    #[error("{0} has a user name, a query or a fragment; leave them out")]
    Extra(Box<str>),
    /// It is not an address at all.
    #[error("{0} is not a URL; write it as https://HOST or https://HOST/PATH")]
    Form(Box<str>),
    /// An attacker on the way could give us keys of their own.
    #[error("{0} is not encrypted; use https, or let it be on this machine")]
    Insecure(Box<str>),
}

/// Reads an address: `https`, or on this very machine `http`.
pub(crate) fn parse(text: &str, insecure: bool) -> Result<Url, AddressError> {
    let url = Url::parse(text).map_err(|_| AddressError::Form(text.into()))?;
    let extra = !url.username().is_empty() || url.password().is_some();
    if extra || url.query().is_some() || url.fragment().is_some() {
        // Without its parts that may be secret.
        let host = url.host_str().unwrap_or_default();
        return Err(AddressError::Extra(host.into()));
    }
    match url.scheme() {
        "https" => Ok(url),
        "http" if insecure || is_loopback(&url) => Ok(url),
        "http" => Err(AddressError::Insecure(text.into())),
        _ => Err(AddressError::Form(text.into())),
    }
}

/// Whether requests to it are not encrypted because they stay on this machine.
pub(crate) fn is_plain_loopback(url: &Url) -> bool {
    url.scheme() == "http" && is_loopback(url)
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || address
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

/// Where an issuer's metadata is
/// ([RFC 8414 section 3](https://www.rfc-editor.org/rfc/rfc8414#section-3)).
pub(crate) fn metadata(issuer: &Url) -> Url {
    // > If the issuer identifier value contains a path component, any terminating "/" MUST be
    // > removed before inserting "/.well-known/" and the well-known URI suffix between the host
    // > component and the path component.
    let path = issuer.path().trim_end_matches('/');
    let mut url = issuer.clone();
    url.set_path(&format!("/.well-known/oauth-authorization-server{path}"));
    url
}

/// Where an issuer's OpenID Connect configuration is
/// ([OpenID Connect Discovery section 4](https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderConfig)).
pub(crate) fn openid_configuration(issuer: &Url) -> Url {
    // > If the Issuer value contains a path component, any terminating / MUST be removed before appending
    // > /.well-known/openid-configuration.
    let path = issuer.path().trim_end_matches('/');
    let mut url = issuer.clone();
    url.set_path(&format!("{path}/.well-known/openid-configuration"));
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_safe_addresses_are_asked() {
        for good in [
            "https://id.example",
            "https://id.example:8443/tenant",
            "http://localhost:3000",
            "http://127.0.0.1:3000",
            "http://[::1]:3000",
        ] {
            assert!(parse(good, false).is_ok(), "{good}");
        }
        let insecure = "http://id.example";
        let refused = Err(AddressError::Insecure(insecure.into()));
        assert_eq!(parse(insecure, false), refused);
        assert!(parse(insecure, true).is_ok());
        for form in [
            "",
            "id.example",
            "/keys",
            "ftp://id.example",
            "file:///etc/passwd",
        ] {
            assert_eq!(parse(form, true), Err(AddressError::Form(form.into())));
        }
        for extra in [
            "https://user:hush@id.example",
            "https://id.example?hush",
            "https://id.example#hush",
        ] {
            let error = parse(extra, false).unwrap_err();
            assert!(!error.to_string().contains("hush"), "{error}");
        }
    }

    #[test]
    fn metadata_stands_between_host_and_path() {
        let at = |issuer| metadata(&parse(issuer, false).unwrap()).to_string();
        let root = "https://id.example/.well-known/oauth-authorization-server";
        assert_eq!(at("https://id.example"), root);
        assert_eq!(at("https://id.example/"), root);
        assert_eq!(at("https://id.example/a/"), format!("{root}/a"));
    }

    #[test]
    fn an_openid_configuration_stands_behind_the_path() {
        let at = |issuer| openid_configuration(&parse(issuer, false).unwrap()).to_string();
        let name = ".well-known/openid-configuration";
        assert_eq!(
            at("https://id.example"),
            format!("https://id.example/{name}")
        );
        for issuer in ["https://id.example/a/b", "https://id.example/a/b/"] {
            assert_eq!(at(issuer), format!("https://id.example/a/b/{name}"));
        }
    }
}
