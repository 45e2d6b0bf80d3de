//! Whatever comes in: no parser panics, and what one accepts is what was sent.
//! proptest prints the failing input and its seed.

use http::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE, ORIGIN, REFERER, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use proptest::prelude::*;
use serde_json::{Map, Value};
use token_core::Policy;
use token_session::test_util::TestManager;

use crate::auth::Auth;
use crate::bearer::bearer;
use crate::config::AuthConfig;
use crate::cookies::{CookieNames, Kind, RequestCookies};
use crate::form::Form;
use crate::head::Head;
use crate::media_type::MediaType;
use crate::origin::Origin;
use crate::{csrf, device, json};

const OWN: &str = "https://own.example";

fn config() -> AuthConfig {
    let config = AuthConfig::builder(OWN.parse().unwrap());
    let config = config.allow_origin("https://spa.example:8443".parse().unwrap());
    let config = config.trust_proxy("192.0.2.0/24".parse().unwrap());
    config.build().unwrap()
}

/// Bytes that a header field may have, made of pieces that mean something and of any others.
fn field(pieces: &'static [&'static str]) -> impl Strategy<Value = HeaderValue> {
    let any = prop::collection::vec(
        prop_oneof![Just(b'\t'), 0x20..=0x7e_u8, 0x80..=0xff_u8],
        0..6,
    );
    let piece = prop_oneof![
        4 => prop::sample::select(pieces).prop_map(|piece| piece.as_bytes().to_vec()),
        1 => any,
        1 => prop::sample::select(vec!["\u{85}", "\u{a0}", "\u{2000}", "\u{3000}", "\u{feff}"])
            .prop_map(|space| space.as_bytes().to_vec()),
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| {
        HeaderValue::from_bytes(&pieces.concat()).expect("none of them is a control character")
    })
}

fn headers(fields: Vec<(HeaderName, HeaderValue)>) -> HeaderMap {
    fields
        .into_iter()
        .fold(HeaderMap::new(), |mut headers, (name, value)| {
            headers.append(name, value);
            headers
        })
}

fn with_head<T>(headers: &HeaderMap, read: impl FnOnce(&Head<'_>) -> T) -> T {
    read(&Head {
        method: &Method::POST,
        uri: &Uri::from_static("/"),
        headers,
        peer: Some("192.0.2.77".parse().unwrap()),
    })
}

/// How often a pair of this name stands in the field, read another way: by what stands around it.
fn count(field: &[u8], name: &str) -> usize {
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let name = name.as_bytes();
    let at = |start: usize| {
        let (before, rest) = field.split_at(start);
        let before = before.iter().rev().find(|byte| !blank(byte));
        let after = rest.get(name.len()..).unwrap_or_default();
        let after = after.iter().find(|byte| !blank(byte));
        rest.starts_with(name) && matches!(before, None | Some(b';')) && after == Some(&b'=')
    };
    (0..field.len()).filter(|start| at(*start)).count()
}

/// Values as JSON has them, with names from so few that they repeat where they may.
fn value() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        any::<i64>().prop_map(|number| number.to_string()),
        any::<f32>()
            .prop_map(|number| format!("{:e}", if number.is_finite() { number } else { 0.0 })),
        "[a-z\u{e4}]{0,4}".prop_map(|text| format!("\"{text}\"")),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let members = prop::collection::vec(("[ab\u{e4}]{1,2}", inner.clone()), 0..4);
        prop_oneof![
            prop::collection::vec(inner, 0..4).prop_map(|items| format!("[{}]", items.join(","))),
            members.prop_map(object),
        ]
    })
}

fn object(members: Vec<(String, String)>) -> String {
    let members = members
        .into_iter()
        .map(|(name, value)| format!("\"{name}\" : {value}"));
    format!("{{{}}}", members.collect::<Vec<_>>().join(","))
}

/// How many members stand in a text, and how many are left once duplicates have fallen together.
fn members(text: &str) -> (usize, usize) {
    fn left(value: &Value) -> usize {
        match value {
            Value::Array(items) => items.iter().map(left).sum(),
            Value::Object(members) => members.len() + members.values().map(left).sum::<usize>(),
            _ => 0,
        }
    }
    let value = serde_json::from_str(text).expect("it was written as JSON");
    (text.matches(" : ").count(), left(&value))
}

proptest! {
    #[test]
    fn a_cookie_is_ours_only_by_its_exact_name(
        fields in prop::collection::vec(field(&[
            "__Host-Http-session", "__Host-Http-refresh", "__host-session", "=", "=", ";", "; ", " ", "\t", "a", "\"", "$",
        ]), 0..3),
    ) {
        let names = CookieNames::with_suffix("");
        let expected: Vec<usize> = Kind::ALL
            .iter()
            .map(|kind| fields.iter().map(|field| count(field.as_bytes(), names.of(*kind))).sum())
            .collect();
        let fields = fields.into_iter().map(|field| (COOKIE, field)).collect();
        let cookies = RequestCookies::read(&headers(fields), &names);
        for (kind, expected) in Kind::ALL.into_iter().zip(expected) {
            prop_assert_eq!(cookies.all(kind).count(), expected);
            prop_assert_eq!(cookies.one(kind).is_err(), expected > 1);
        }
    }

    #[test]
    fn a_bearer_token_is_the_whole_of_the_field(
        value in field(&["Bearer", "bearer", " ", " ", "a.b.c", "-_~+/", "=", ",", "Basic", "\""]),
    ) {
        let headers = headers(vec![(AUTHORIZATION, value.clone())]);
        let token = with_head(&headers, |head| bearer(head).map(|token| token.map(str::to_owned)));
        if let Ok(Some(token)) = token {
            let text = value.to_str().unwrap().trim_end();
            let (scheme, rest) = text.split_once(' ').unwrap();
            prop_assert!(scheme.eq_ignore_ascii_case("bearer"));
            prop_assert_eq!(rest.trim_start_matches(' '), token);
        }
    }

    #[test]
    fn an_origin_has_one_form(text in prop_oneof![
        "(https|HTTPS|http|app)://[aA\\.\\-]{0,6}(:[0-9+]{0,6})?",
        "(https?|null|)(:|://|//|@|\\\\|/|\\?|#|\\.|\\[|\\]|own|OWN|example|443|0443|é| ){0,8}",
        "\\PC{0,40}",
    ]) {
        if let Ok(origin) = text.parse::<Origin>() {
            prop_assert_eq!(origin.as_str().parse::<Origin>(), Ok(origin.clone()));
            prop_assert!(!origin.as_str().contains(['@', '/', '\\', '?', '#', ' ']) || origin.as_str().matches('/').count() == 2);
            let own: Origin = OWN.parse().unwrap();
            let spelt = text.eq_ignore_ascii_case(OWN) || text.eq_ignore_ascii_case("https://own.example:443");
            prop_assert_eq!(origin == own, spelt);
        }
        let _ = Origin::of_url(&text);
    }

    #[test]
    fn a_page_of_another_site_never_passes(
        origin in field(&["https://", "evil.example", "own.example", ".", ":443", "@", "null", "/", " "]),
        referer in field(&["https://", "evil.example", "own.example", ".", ":443", "@", "/", "?", "#", "\\"]),
        site in prop::sample::select(vec!["cross-site", "same-site", "", "Same-Origin", "none,none"]),
    ) {
        let config = config();
        let own = |value: &HeaderValue| {
            value.to_str().is_ok_and(|text| text.parse::<Origin>().is_ok_and(|origin| origin.as_str() == OWN))
        };
        let site = (HeaderName::from_static("sec-fetch-site"), HeaderValue::from_static(site));
        let fields = headers(vec![(ORIGIN, origin.clone()), (REFERER, referer.clone()), site]);
        prop_assert!(with_head(&fields, |head| csrf::check(head, &config, true)).is_err());
        let fields = headers(vec![(ORIGIN, origin.clone()), (REFERER, referer)]);
        let passed = with_head(&fields, |head| csrf::check(head, &config, true)).is_ok();
        prop_assert_eq!(passed, own(&origin));
    }

    #[test]
    fn a_form_has_each_name_once(body in prop_oneof![
        "[ab=&%+2\\-]{0,20}".prop_map(String::into_bytes),
        prop::collection::vec(any::<u8>(), 0..60),
    ]) {
        let pairs: Vec<String> = form_urlencoded::parse(&body).map(|(name, _)| name.into_owned()).collect();
        let mut names = pairs.clone();
        names.sort();
        names.dedup();
        let form = Form::parse(&body);
        prop_assert_eq!(form.is_ok(), names.len() == pairs.len());
        if let Ok(form) = form {
            prop_assert!(names.iter().all(|name| form.value(name) != Some("")));
        }
    }

    #[test]
    fn an_object_has_each_member_once(members_of in prop::collection::vec(("[ab]{1,2}", value()), 0..4)) {
        let text = object(members_of);
        let (written, left) = members(&text);
        let read = json::parse::<Map<String, Value>>(text.as_bytes());
        prop_assert_eq!(read.is_ok(), written == left, "{}", text);
        // Nothing behind it, and nothing missing.
        let twice = format!("{text}{text}");
        let cut = &text[..text.len() - 1];
        for broken in [&twice, cut] {
            prop_assert!(json::parse::<Map<String, Value>>(broken.as_bytes()).is_err());
        }
    }

    #[test]
    fn no_body_panics(body in prop::collection::vec(any::<u8>(), 0..60), text in "[\\[\\]{}\",:\\\\u0-9a-f.eE+-]{0,40}") {
        let _ = json::parse::<Map<String, Value>>(&body);
        let _ = json::parse::<Map<String, Value>>(text.as_bytes());
    }

    #[test]
    fn a_media_type_is_named_whole(
        value in field(&["application/json", "Application/JSON", "application/x-www-form-urlencoded", ";", " ", "charset=", "utf-8", "latin1", "\"", ",", "+json"]),
    ) {
        let fields = headers(vec![(CONTENT_TYPE, value.clone())]);
        if let Ok(Some(media_type)) = with_head(&fields, MediaType::of) {
            let text = value.to_str().unwrap();
            let essence = text.split(';').next().unwrap().trim().to_ascii_lowercase();
            let expected = match media_type {
                MediaType::Form => "application/x-www-form-urlencoded",
                MediaType::Json => "application/json",
            };
            prop_assert_eq!(essence, expected);
            let charsets = text.split(';').map(str::trim);
            prop_assert!(!charsets.into_iter().any(|parameter| parameter == "charset=latin1"));
        }
    }

    #[test]
    fn a_device_is_bounded_whatever_it_calls_itself(
        agent in field(&["Mozilla/5.0 ", "(", ")", "Firefox/", "Chrome/", "Version/", "; ", "Windows NT ", "10.0", "iPhone", "Android ", "KDDI-", "DoCoMo/", "bot"]),
        forwarded in field(&["192.0.2.1", "203.0.113.9", "2001:db8::1", "[", "]", ":80", ",", ", ", " "]),
    ) {
        let manager = TestManager::new(Policy::default()).manager;
        let auth = Auth::new(manager, config());
        let forwarded = (HeaderName::from_static("x-forwarded-for"), forwarded);
        let fields = headers(vec![(USER_AGENT, agent), forwarded]);
        let device = with_head(&fields, |head| device::of(&auth, head));
        prop_assert!(device.label.is_none_or(|text| text.len() <= 64));
        prop_assert!(device.user_agent.is_none_or(|text| text.len() <= 256));
        // The peer is known, so an address always is.
        prop_assert!(device.ip_prefix.is_some());
    }
}
