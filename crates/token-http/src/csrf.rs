//! The rule against requests that another site makes a browser send.

use http::header::{ORIGIN, REFERER, UPGRADE};
use token_core::PRODUCT;
use tracing::debug;

use crate::config::AuthConfig;
use crate::head::Head;
use crate::origin::Origin;
use crate::refusal::Refusal;

/// Checks whether an unsafe request may use the cookies that the browser added by itself. `carries`
/// says whether it has one of ours.
///
/// A handshake for a WebSocket counts as unsafe, although it is a `GET`: a page of another origin
/// may open one with the user's cookies, and then read and write, since CORS does not apply to it
/// ([RFC 6455 section 10.2](https://www.rfc-editor.org/rfc/rfc6455#section-10.2)).
///
/// `Host`, `Forwarded` and the like are ignored, since the sender chooses them.
///
/// # Errors
/// [`Refusal::Csrf`].
pub(crate) fn check(head: &Head<'_>, config: &AuthConfig, carries: bool) -> Result<(), Refusal> {
    if head.method.is_safe() && !opens_websocket(head) {
        return Ok(());
    }
    demand(head, config, carries)
}

/// The same for a request that changes something whatever its method is, such as a logout by a link.
///
/// # Errors
/// [`Refusal::Csrf`].
pub(crate) fn demand(head: &Head<'_>, config: &AuthConfig, carries: bool) -> Result<(), Refusal> {
    if is_proven(head, config, carries) {
        return Ok(());
    }
    let allowed: Vec<_> = config
        .allowed_origins()
        .iter()
        .map(Origin::as_str)
        .collect();
    let referer = head.single(REFERER).ok().flatten();
    let referer = referer.and_then(|url| Origin::of_url(url).ok());
    debug!(
        target: PRODUCT,
        error = Refusal::Csrf.code(),
        expected = %config.origin(),
        ?allowed,
        origin = ?head.headers.get(ORIGIN),
        sec_fetch_site = ?head.headers.get("sec-fetch-site"),
        referer = referer.as_ref().map(Origin::as_str),
        "request refused: nothing proves that it comes from a page of the expected origin; if \
         browsers see this server under another origin, give that one to `AuthConfig::builder`"
    );
    Err(Refusal::Csrf)
}

fn opens_websocket(head: &Head<'_>) -> bool {
    let fields = head.headers.get_all(UPGRADE).iter();
    let mut protocols = fields.flat_map(|field| field.as_bytes().split(|byte| *byte == b','));
    protocols.any(|protocol| protocol.trim_ascii().eq_ignore_ascii_case(b"websocket"))
}

/// Whether the request comes from a page of ours or of an allowed origin, or from no browser.
pub(crate) fn is_proven(head: &Head<'_>, config: &AuthConfig, carries: bool) -> bool {
    // A browser sends each field once. If one of them decides and comes twice, the client is not one.
    let Ok(origin) = head.single(ORIGIN) else {
        return false;
    };
    // `null`, and any other text that is not an origin, equals none of them.
    let parsed = origin.and_then(|text| text.parse::<Origin>().ok());
    if parsed
        .as_ref()
        .is_some_and(|origin| config.allowed_origins().contains(origin))
    {
        return true;
    }
    match head.single("sec-fetch-site") {
        Err(_) => return false,
        // `none`: the user typed the address or opened a bookmark.
        Ok(Some(site)) => return matches!(site, "same-origin" | "none"),
        Ok(None) => {}
    }
    let own = |origin: Option<Origin>| origin.is_some_and(|origin| origin == *config.origin());
    if origin.is_some() {
        return own(parsed);
    }
    match head.single(REFERER) {
        Err(_) => false,
        Ok(Some(referer)) => own(Origin::of_url(referer).ok()),
        // Not a browser, so there are no cookies that another site could use.
        Ok(None) => !carries,
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};

    use super::*;

    const OWN: &str = "https://own.example";
    const ALLOWED: &str = "https://spa.example:8443";
    const EVIL: &str = "https://evil.example";

    fn verdict(method: &Method, fields: &[(&'static str, &str)], carries: bool) -> bool {
        let config = AuthConfig::builder(OWN.parse().unwrap())
            .allow_origin(ALLOWED.parse().unwrap())
            .build()
            .unwrap();
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            let value = HeaderValue::from_str(value).unwrap();
            headers.append(HeaderName::from_static(name), value);
        }
        let uri = Uri::from_static("/auth/logout");
        let head = Head {
            method,
            uri: &uri,
            headers: &headers,
            peer: None,
        };
        check(&head, &config, carries).is_ok()
    }

    /// Every combination of the three fields, against the contract's sentences read anew.
    #[test]
    fn every_combination_of_the_three_fields() {
        let origins = [None, Some(OWN), Some(ALLOWED), Some(EVIL), Some("null")];
        let sites = [
            None,
            Some("same-origin"),
            Some("none"),
            Some("same-site"),
            Some("cross-site"),
            Some("nonsense"),
        ];
        let own_page = format!("{OWN}/page");
        let referers = [None, Some(&*own_page), Some(EVIL), Some("nonsense")];
        for origin in origins {
            for site in sites {
                for referer in referers {
                    for carries in [true, false] {
                        let mut fields = Vec::new();
                        fields.extend(origin.map(|value| ("origin", value)));
                        fields.extend(site.map(|value| ("sec-fetch-site", value)));
                        fields.extend(referer.map(|value| ("referer", value)));
                        let expected = if origin == Some(ALLOWED) {
                            true
                        } else if let Some(site) = site {
                            site == "same-origin" || site == "none"
                        } else if let Some(origin) = origin {
                            origin == OWN
                        } else if let Some(referer) = referer {
                            referer == own_page
                        } else {
                            !carries
                        };
                        let found = verdict(&Method::POST, &fields, carries);
                        assert_eq!(found, expected, "{fields:?}, carries: {carries}");
                    }
                }
            }
        }
    }

    #[test]
    fn origins_are_compared_by_scheme_host_and_port() {
        for (origin, passes) in [
            ("https://spa.example:8443", true),
            ("https://spa.example", false),
            ("http://spa.example:8443", false),
            ("https://spa.example:8443.evil.example", false),
            ("https://x.spa.example:8443", false),
            ("https://own.example:443", true),
            ("http://own.example", false),
            ("https://own.example:8443", false),
        ] {
            let found = verdict(&Method::POST, &[("origin", origin)], true);
            assert_eq!(found, passes, "{origin}");
        }
    }

    #[test]
    fn a_repeated_field_is_refused() {
        for name in ["origin", "sec-fetch-site", "referer"] {
            let fields = [(name, "same-origin"), (name, OWN)];
            assert!(!verdict(&Method::POST, &fields, true), "{name}");
        }
        // A listed origin passes whatever else the request says, but not if it is repeated.
        let fields = [("origin", ALLOWED), ("referer", "x"), ("referer", "y")];
        assert!(verdict(&Method::POST, &fields, true));
        let fields = [("origin", ALLOWED), ("origin", ALLOWED)];
        assert!(!verdict(&Method::POST, &fields, true));
    }

    #[test]
    fn safe_methods_need_no_proof() {
        for method in [Method::GET, Method::HEAD, Method::OPTIONS] {
            assert!(verdict(&method, &[("sec-fetch-site", "cross-site")], true));
        }
        for method in [Method::PUT, Method::PATCH, Method::DELETE] {
            assert!(!verdict(&method, &[("sec-fetch-site", "cross-site")], true));
        }
    }

    #[test]
    fn a_websocket_of_another_origin_is_not_opened() {
        for upgrade in ["websocket", "WebSocket", "h2c, websocket"] {
            for (origin, passes) in [(OWN, true), (ALLOWED, true), (EVIL, false), ("null", false)] {
                let fields = [("upgrade", upgrade), ("origin", origin)];
                let found = verdict(&Method::GET, &fields, true);
                assert_eq!(found, passes, "{fields:?}");
            }
            // Not all browsers send it here; where it comes, it decides.
            let fields = [("upgrade", upgrade), ("sec-fetch-site", "same-site")];
            assert!(!verdict(&Method::GET, &fields, true));
            assert!(!verdict(&Method::GET, &[("upgrade", upgrade)], true));
        }
        assert!(verdict(
            &Method::GET,
            &[("upgrade", "h2c"), ("origin", EVIL)],
            true
        ));
    }

    #[test]
    fn host_and_forwarded_decide_nothing() {
        for name in ["host", "forwarded", "x-forwarded-host", "x-forwarded-proto"] {
            let fields = [(name, "evil.example"), ("origin", EVIL)];
            assert!(!verdict(&Method::POST, &fields, true));
            let fields = [(name, "evil.example"), ("origin", OWN)];
            assert!(verdict(&Method::POST, &fields, true));
        }
    }
}
