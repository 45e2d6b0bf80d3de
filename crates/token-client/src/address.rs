//! Addresses that tokens may be sent to.

use reqwest::Url;

use crate::build_error::BuildError;

/// Reads an address: `https`, or on this very machine `http`.
pub(crate) fn parse(text: &str, insecure: bool) -> Result<Url, BuildError> {
    let form = || BuildError::Address(text.into());
    let url = Url::parse(text).map_err(|_| form())?;
    let extra = !url.username().is_empty() || url.password().is_some();
    if extra || url.query().is_some() || url.fragment().is_some() {
        // Without its parts that may be secret.
        let host = url.host_str().unwrap_or_default();
        return Err(BuildError::Extra(host.into()));
    }
    match url.scheme() {
        "https" => Ok(url),
        "http" if insecure || is_loopback(&url) => Ok(url),
        "http" => Err(BuildError::Insecure(text.into())),
        _ => Err(form()),
    }
}

/// An address below another.
pub(crate) fn below(base: &Url, name: &str) -> Url {
    let mut url = base.clone();
    let path = base.path().trim_end_matches('/');
    url.set_path(&format!("{path}/{name}"));
    url
}

/// Whether requests to it are not encrypted because they stay on this machine.
pub(crate) fn is_plain_loopback(url: &Url) -> bool {
    url.scheme() == "http" && is_loopback(url)
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']');
    let address: Result<std::net::IpAddr, _> = address.parse();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_sent_encrypted_or_stay_on_this_machine() {
        for good in [
            "https://app.example/auth",
            "http://localhost:3000/auth",
            "http://127.0.0.1:3000/auth",
            "http://[::1]:3000/auth",
        ] {
            assert!(parse(good, false).is_ok(), "{good}");
        }
        let plain = "http://app.example/auth";
        assert!(matches!(
            parse(plain, false),
            Err(BuildError::Insecure(address)) if &*address == plain
        ));
        assert!(parse(plain, true).is_ok());
        for form in ["", "app.example", "/auth", "ftp://app.example"] {
            assert!(matches!(parse(form, true), Err(BuildError::Address(_))));
        }
        for extra in ["https://user:hush@app.example", "https://app.example?hush"] {
            let error = parse(extra, false).unwrap_err();
            assert!(!error.to_string().contains("hush"), "{error}");
        }
    }

    #[test]
    fn routes_are_below_the_base() {
        for base in ["https://app.example/auth", "https://app.example/auth/"] {
            let base = parse(base, false).unwrap();
            let route = below(&base, "refresh");
            assert_eq!(route.as_str(), "https://app.example/auth/refresh");
        }
    }
}
