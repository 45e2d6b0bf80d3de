//! The requests and answers of a server, in a form that can be compared with another server's.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::reply::Reply;

thread_local! {
    static CURRENT: RefCell<Transcript> = RefCell::default();
}

/// Every request of a scenario with its answer, without random values and times.
///
/// It is a set, because the order is not fixed if requests race.
#[derive(Clone, Debug, Default)]
pub(crate) struct Transcript(Arc<Mutex<BTreeSet<String>>>);

impl Transcript {
    /// The transcript of the scenario that runs in this thread.
    pub(crate) fn current() -> Self {
        CURRENT.with_borrow(Self::clone)
    }

    /// Adds an exchange with the server at this address.
    pub(crate) fn add(&self, address: &str, request: &str, reply: &Reply) {
        let body = &reply.text;
        let mut exchange = format!("{request}\n=> {}\n", reply.status);
        let mut lines: Vec<String> = reply
            .headers
            .iter()
            .filter(|(name, _)| *name != "date")
            .map(|(name, value)| match name.as_str() {
                // The length follows from the body, which is compared.
                "content-length" if value == body.len().to_string().as_str() => {
                    "content-length: that of the body".to_owned()
                }
                // The time until a bucket refills.
                "retry-after" => "retry-after: SECONDS".to_owned(),
                // Lists of names: order and case do not matter.
                name if name == "vary" || name.starts_with("access-control-") => {
                    format!("{name}: {}", reply.list(name).join(", "))
                }
                name => format!("{name}: {}", String::from_utf8_lossy(value.as_bytes())),
            })
            .collect();
        lines.sort_unstable();
        for line in lines.iter().map(String::as_str).chain([body.as_str()]) {
            writeln!(exchange, "{line}").unwrap();
        }
        self.0.lock().unwrap().insert(normal(&exchange, address));
    }

    /// Fails if the two differ.
    pub(crate) fn compare(&self, other: &Self, names: [&str; 2]) {
        let (one, other) = (self.0.lock().unwrap(), other.0.lock().unwrap());
        let only = |name: &str, exchanges: Vec<&String>| {
            let exchanges = exchanges.iter();
            exchanges.fold(String::new(), |text, exchange| {
                format!("{text}\n--- only {name}:\n{exchange:.2000}")
            })
        };
        let difference = only(names[0], one.difference(&other).collect())
            + &only(names[1], other.difference(&one).collect());
        assert!(difference.is_empty(), "the servers differ:{difference}");
    }
}

/// The text without random values, times and the server's own address.
fn normal(text: &str, address: &str) -> String {
    let text = text.replace(address, "ADDRESS");
    let part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let mut normal = String::new();
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (word, after) = rest.split_at(rest.find(|c| !part(c)).unwrap_or(rest.len()));
        let ends = ["expires_in\":", "Max-Age="];
        if ends.iter().any(|end| normal.ends_with(end)) {
            normal += &minutes(word);
        } else if normal.ends_with("\"kid\":\"") {
            normal += "KEY";
        } else {
            normal += &random(word).unwrap_or_else(|| word.to_owned());
        }
        let (between, after) = after.split_at(after.find(part).unwrap_or(after.len()));
        normal += between;
        rest = after;
    }
    normal
}

/// A lifetime in minutes, since it is counted from the past, and a second may have gone by.
fn minutes(word: &str) -> String {
    let seconds: Result<u64, _> = word.parse();
    seconds.map_or(word.to_owned(), |seconds| {
        format!("{} min", seconds.div_ceil(60))
    })
}

/// A placeholder for a random value or a time; `None` for any other word.
fn random(word: &str) -> Option<String> {
    if word.len() == 10 && word.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some("TIME".to_owned());
    }
    if let [header, claims, _signature] = word.split('.').collect::<Vec<_>>()[..]
        && let (Some(header), Some(claims)) = (json(header), json(claims))
    {
        return Some(format!(
            "{}.{}.SIGNATURE",
            normal(&header, "\0"),
            normal(&claims, "\0")
        ));
    }
    // Identifiers, secrets and digests; each length is a kind of its own.
    let mixed = word
        .bytes()
        .any(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase());
    (word.len() >= 22 && mixed).then(|| format!("RANDOM-{}", word.len()))
}

/// The JSON of one part of a token.
fn json(part: &str) -> Option<String> {
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(part).ok()?).ok()?;
    text.starts_with('{').then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chance_and_time_are_left_out_and_nothing_else() {
        for (text, expected) in [
            (
                r#"{"server_time":1700000000,"expires_in":300}"#,
                r#"{"server_time":TIME,"expires_in":5 min}"#,
            ),
            (
                r#""refresh_expires_in":2591999,"#,
                r#""refresh_expires_in":43200 min,"#,
            ),
            ("Max-Age=7776000", "Max-Age=129600 min"),
            ("Max-Age=0", "Max-Age=0 min"),
            ("http://127.0.0.1:4711/x", "http://ADDRESS/x"),
            (
                "insufficient_user_authentication",
                "insufficient_user_authentication",
            ),
            (
                "__Host-Http-session=AbCdEfGhIjKlMnOpQrStUvWx; Path=/",
                "__Host-Http-session=RANDOM-24; Path=/",
            ),
        ] {
            assert_eq!(normal(text, "127.0.0.1:4711"), expected);
        }
    }

    #[test]
    fn tokens_are_compared_by_what_they_say() {
        let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
        let token = |claims: &str| {
            let header = encode(r#"{"alg":"EdDSA","typ":"at+jwt"}"#);
            normal(&format!("{header}.{}.c2ln", encode(claims)), "127.0.0.1:1")
        };
        let expected = r#"{"alg":"EdDSA","typ":"at+jwt"}.{"iat":TIME,"sub":"alice"}.SIGNATURE"#;
        assert_eq!(token(r#"{"iat":1700000000,"sub":"alice"}"#), expected);
        assert_ne!(token(r#"{"iat":1700000000,"sub":"bob"}"#), expected);
    }
}
