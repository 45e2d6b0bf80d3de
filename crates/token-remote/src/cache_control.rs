//! For how long an answer may be kept ([RFC 9111](https://www.rfc-editor.org/rfc/rfc9111)).

use std::time::Duration;

use reqwest::header::{AGE, CACHE_CONTROL, HeaderMap};

/// For how long an answer is fresh; `None` if it does not say.
pub(crate) fn freshness(headers: &HeaderMap) -> Option<Duration> {
    let fields = headers.get_all(CACHE_CONTROL).iter();
    let directives = fields
        .filter_map(|field| field.to_str().ok())
        .flat_map(|field| field.split(','))
        .map(|directive| directive.trim().to_ascii_lowercase());
    let mut max_age = None;
    for directive in directives {
        match directive.split_once('=') {
            None if matches!(&*directive, "no-cache" | "no-store") => return Some(Duration::ZERO),
            // > When there is more than one value present for a given directive [...], either the
            // > first occurrence should be used or the response should be considered stale.
            // RFC 9111 section 4.2.1
            Some(("max-age", seconds)) if max_age.is_none() => {
                max_age = Some(seconds.trim_matches('"').parse().unwrap_or(0));
            }
            _ => {}
        }
    }
    // > The Age header field conveys the sender's estimate of the time since the response was
    // > generated or successfully validated at the origin server.
    // RFC 9111 section 5.1: some of the time has passed in a cache on the way.
    let age = headers.get(AGE).and_then(|age| age.to_str().ok());
    let age: u64 = age.and_then(|age| age.parse().ok()).unwrap_or(0);
    max_age.map(|max_age: u64| Duration::from_secs(max_age.saturating_sub(age)))
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;

    use super::*;

    #[test]
    fn the_answer_says_how_long() {
        let cases: [(&[&str], Option<u64>); 9] = [
            (&[], None),
            (&["public"], None),
            (&["public, max-age=300"], Some(300)),
            (&["Max-Age=300", "max-age=900"], Some(300)),
            (&["max-age=\"60\""], Some(60)),
            (&["max-age=-1"], Some(0)),
            (&["max-age=soon"], Some(0)),
            (&["max-age=300, no-store"], Some(0)),
            (&["no-cache"], Some(0)),
        ];
        for (fields, expected) in cases {
            let mut headers = HeaderMap::new();
            for field in fields {
                headers.append(CACHE_CONTROL, HeaderValue::from_static(field));
            }
            let expected = expected.map(Duration::from_secs);
            assert_eq!(freshness(&headers), expected, "{fields:?}");
        }
        let mut headers = HeaderMap::new();
        headers.append(CACHE_CONTROL, HeaderValue::from_static("max-age=300"));
        headers.append(AGE, HeaderValue::from_static("100"));
        assert_eq!(freshness(&headers), Some(Duration::from_secs(200)));
    }
}
