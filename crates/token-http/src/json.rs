//! Strict JSON: one object without duplicate members, and nothing after it.

use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeOwned, DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::error::Category;

use crate::refusal::Refusal;

/// Reads an object. Unknown members are ignored, as RFC 6749 section 3.2 demands of parameters, and
/// an optional member that is `null` counts as absent. Duplicate members are refused at any depth,
/// unknown ones too.
///
/// # Errors
/// [`Refusal::InvalidRequest`] for everything else.
pub(crate) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    let object: Result<Object, _> = serde_json::from_slice(body);
    object
        .and_then(|Object| serde_json::from_slice(body))
        .map_err(|error| Refusal::InvalidRequest.because(reason(&error)))
}

/// What is wrong with a body. The text of an error may repeat what was sent, which may be a password,
/// unless it names a member that is missing.
fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    if text.starts_with("missing field") {
        return format!("the body is not as expected: {text}");
    }
    let fault = match error.classify() {
        Category::Data => "it is not an object, or a member has another type or is duplicate",
        Category::Eof => "it ends too early",
        Category::Io | Category::Syntax => "it is not JSON",
    };
    let (line, column) = (error.line(), error.column());
    format!("the body is not as expected: {fault} at line {line} column {column}")
}

/// The same for a body that may be `null`, as generated clients write a body that they leave out.
///
/// # Errors
/// As [`parse`].
pub(crate) fn parse_or_null<T: DeserializeOwned>(body: &[u8]) -> Result<Option<T>, Refusal> {
    if body.trim_ascii() == b"null" {
        Ok(None)
    } else {
        parse(body).map(Some)
    }
}

/// For optional members that are not an `Option`: `null` counts as absent.
pub(crate) fn or_default<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: Default + Deserialize<'de>,
    D: Deserializer<'de>,
{
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// An object without duplicate members.
struct Object;

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Unique).map(|()| Self)
    }
}

/// Any value in which no object has a member twice. Its depth is limited by `serde_json`.
#[derive(Clone, Copy)]
struct Unique;

impl<'de> DeserializeSeed<'de> for Unique {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Unique {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON without duplicate members")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut seen = HashSet::new();
        while let Some(name) = map.next_key::<String>()? {
            if !seen.insert(name) {
                return Err(A::Error::custom("duplicate member"));
            }
            map.next_value_seed(self)?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while seq.next_element_seed(self)?.is_some() {}
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    struct Request {
        name: String,
        #[serde(default)]
        scope: Option<String>,
        #[serde(default, deserialize_with = "or_default")]
        remember: bool,
    }

    #[test]
    fn an_object_with_unknown_members_is_read() {
        let body = br#" {"name":"a","remember":true,"x":{"y":[1,-1,1.5,null,"z",{}]}} "#;
        let request: Request = parse(body).unwrap();
        assert_eq!((request.name.as_str(), request.remember), ("a", true));
        assert_eq!(request.scope, None);
    }

    /// Generated clients write every member that their schema has.
    #[test]
    fn an_optional_member_may_be_null() {
        let body = br#"{"name":"a","scope":null,"remember":null}"#;
        let request: Request = parse(body).unwrap();
        assert_eq!((request.scope, request.remember), (None, false));
        assert_eq!(parse_or_null::<Request>(b" null\n"), Ok(None));
        assert!(parse_or_null::<Request>(b"[]").is_err());
    }

    #[test]
    fn everything_else_is_an_invalid_request() {
        for body in [
            &b""[..],
            b"null",
            b"\"a\"",
            b"[\"a\"]",
            b"{}",
            b"{\"name\":1}",
            b"{\"name\":null}",
            b"{\"name\":\"a\",\"scope\":7}",
            b"{\"name\":\"a\",\"remember\":\"yes\"}",
            b"{\"name\":\"a\",\"name\":\"a\"}",
            b"{\"name\":\"a\",\"n\\u0061me\":\"a\"}",
            b"{\"name\":\"a\",\"x\":1,\"x\":1}",
            b"{\"name\":\"a\",\"x\":{\"y\":1,\"y\":1}}",
            b"{\"name\":\"a\"} x",
            b"{\"name\":\"a\"}{}",
            b"{\"name\":\"a\",}",
            b"{\"name\":\"\xff\"}",
            b"\xef\xbb\xbf{\"name\":\"a\"}",
            b"{'name':'a'}",
        ] {
            let result = parse::<Request>(body);
            let text = String::from_utf8_lossy(body);
            assert_eq!(result, Err(Refusal::InvalidRequest), "{text}");
        }
    }

    #[test]
    fn deep_nesting_costs_an_answer_and_no_stack() {
        let body = format!("{{\"name\":\"a\",\"x\":{}", "[".repeat(16_000));
        assert!(parse::<Request>(body.as_bytes()).is_err());
    }
}
