//! What a person would call the device that a request came from.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use http::header::USER_AGENT;
use token_core::session::Device;
use woothee::parser::Parser;

use crate::auth::Auth;
use crate::head::Head;

/// Describes the device for the user's list of sessions.
pub(crate) fn of(auth: &Auth, head: &Head<'_>) -> Device {
    let user_agent = head.headers.get(USER_AGENT);
    let user_agent = user_agent.and_then(|value| value.to_str().ok());
    let prefix = auth.client_address(head).map(prefix);
    // Cut before it is parsed, so that a long one costs nothing.
    let cut = Device::new(None, user_agent, prefix.as_deref());
    let label = cut.user_agent.as_deref().and_then(label);
    Device::new(label.as_deref(), user_agent, prefix.as_deref())
}

/// For example `Firefox on Linux`; for an application that is no browser, the name that it gives itself.
fn label(user_agent: &str) -> Option<String> {
    let parsed = Parser::new().parse(user_agent);
    let os = parsed.as_ref().and_then(|parsed| known(parsed.os));
    let browser = parsed.filter(|parsed| parsed.name != "HTTP Library");
    let name = browser.and_then(|parsed| known(parsed.name));
    let name = name.or_else(|| product(user_agent))?;
    Some(match os {
        Some(os) => format!("{name} on {}", system(os)),
        None => name.to_owned(),
    })
}

/// What the parser found, if it found something.
fn known(word: &str) -> Option<&str> {
    (!word.is_empty() && word != "UNKNOWN").then_some(word)
}

/// The first product, without its version (RFC 9110 section 10.1.5): applications put their own name there.
fn product(user_agent: &str) -> Option<&str> {
    let name = user_agent.split(['/', ' ']).next()?;
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let fits = (2..=32).contains(&name.len()) && name.bytes().all(is_name);
    // What browsers and their imitators begin with says nothing.
    (fits && user_agent.contains('/') && name != "Mozilla").then_some(name)
}

/// The parser names releases of Windows; people just say Windows.
fn system(name: &str) -> &str {
    match name {
        "Mac OSX" => "macOS",
        _ if name.starts_with("Windows") && name != "Windows Phone OS" => "Windows",
        _ => name,
    }
}

/// The network part of an address: enough to recognize a place, too little to find a person.
fn prefix(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => {
            let bits = address.to_bits() & (u32::MAX << 8);
            format!("{}/24", Ipv4Addr::from_bits(bits))
        }
        IpAddr::V6(address) => {
            let bits = address.to_bits() & (u128::MAX << 80);
            format!("{}/48", Ipv6Addr::from_bits(bits))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_have_names_that_people_know() {
        for (user_agent, expected) in [
            (
                "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
                Some("Firefox on Linux"),
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) \
                 Chrome/126.0.0.0 Safari/537.36",
                Some("Chrome on Windows"),
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) \
                 Chrome/126.0.0.0 Safari/537.36 Edg/126.0.0.0",
                Some("Edge on Windows"),
            ),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like \
                 Gecko) Version/17.5 Safari/605.1.15",
                Some("Safari on macOS"),
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, \
                 like Gecko) Version/17.5 Mobile/15E148 Safari/604.1",
                Some("Safari on iPhone"),
            ),
            (
                "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) \
                 Chrome/126.0.0.0 Mobile Safari/537.36",
                Some("Chrome on Android"),
            ),
            ("okhttp/4.12.0", Some("okhttp")),
            ("Dart/3.4 (dart:io)", Some("Dart")),
            ("curl/8.14.1", Some("curl")),
            (
                "Notes/12 CFNetwork/1494.0.7 Darwin/23.4.0",
                Some("Notes on iOS"),
            ),
            (
                "Notes/1.0 (com.example.notes; build:1; iOS 17.5.0) Alamofire/5.9.1",
                Some("Notes"),
            ),
            (
                "Dalvik/2.1.0 (Linux; U; Android 14; Pixel 8 Build/UD1A)",
                Some("Dalvik on Android"),
            ),
            ("<b>x</b>/1.0", None),
            ("Mozilla/5.0 (compatible)", None),
            ("nonsense \u{7f}", None),
            ("", None),
        ] {
            assert_eq!(label(user_agent).as_deref(), expected, "{user_agent}");
        }
    }

    #[test]
    fn addresses_lose_their_host_part() {
        let prefix = |text: &str| prefix(text.parse().unwrap());
        assert_eq!(prefix("192.0.2.77"), "192.0.2.0/24");
        assert_eq!(prefix("2001:db8:1:2:3:4:5:6"), "2001:db8:1::/48");
    }
}
