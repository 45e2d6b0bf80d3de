//! The answer of a server, and checks of it.

use http::{HeaderMap, Method};
use serde_json::{Value, json};

/// An answer.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// The header fields.
    pub headers: HeaderMap,
    /// The body, as text.
    pub text: String,
}

/// The credentials of a session in transport `header`.
#[derive(Clone, Debug)]
pub struct Tokens {
    /// The access token.
    pub access: String,
    /// The refresh token.
    pub refresh: String,
    /// The session.
    pub session: String,
    /// The whole answer.
    pub answer: Value,
}

impl Reply {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("not JSON: {self:?}"))
    }

    /// Checks the rules that every answer keeps.
    #[track_caller]
    pub(crate) fn keeps_the_rules(&self, method: &Method, path: &str, headers: &[(&str, &str)]) {
        let challenge = self.header("www-authenticate");
        match self.status {
            401 if self.text == r#"{"error":"invalid_client"}"# => {
                assert_eq!(challenge, r#"Basic realm="api""#, "{self:?}");
            }
            401 => {
                // A token that is bound to a key is told what it needs (RFC 9449 section 7.1).
                let bearer = challenge.starts_with(r#"Bearer realm="api""#);
                let bound = challenge.starts_with(r#"DPoP realm="api""#);
                // A refresh or a step-up without the proof of its browser is no request for a resource.
                let is_unbound = self.text == r#"{"error":"unbound"}"#;
                let renewal = path.starts_with("/auth/") && is_unbound && challenge == "Bearer";
                let complete = bearer || renewal || bound && challenge.contains(r#", algs=""#);
                assert!(complete, "{self:?}");
            }
            405 => assert_ne!(self.header("allow"), "", "{self:?}"),
            429 | 503 | 504 => assert_ne!(self.header("retry-after"), "", "{self:?}"),
            _ => {}
        }
        // The CORS middleware answers preflights.
        if path.starts_with("/auth/") && method != Method::OPTIONS {
            assert_eq!(self.header("cache-control"), "no-store", "{path}: {self:?}");
            assert_eq!(self.header("pragma"), "no-cache", "{path}: {self:?}");
        }
        for field in self.headers.get_all("set-cookie") {
            let deleted = field.to_str().unwrap().contains("; Max-Age=0;");
            assert!(
                !deleted || path == "/auth/logout",
                "only a logout deletes: {self:?}"
            );
        }
        if self.status >= 400 {
            // No answer repeats a token of the request, in any field.
            for (_, value) in headers {
                let mut tokens = value.split([' ', '=', ';']).filter(|word| word.len() > 40);
                let shown = format!("{} {:?}", self.text, self.headers);
                assert!(
                    !tokens.any(|token| shown.contains(token)),
                    "{path}: {self:?}"
                );
            }
        }
    }

    /// A header field; empty if it is absent.
    pub fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.map_or("", |value| value.to_str().unwrap())
    }

    /// The words of a field that is a list, in lower case and sorted.
    pub fn list(&self, name: &str) -> Vec<String> {
        let words = self.header(name).split(',');
        let mut words: Vec<_> = words.map(|word| word.trim().to_lowercase()).collect();
        words.retain(|word| !word.is_empty());
        words.sort_unstable();
        words
    }

    /// The credentials of a token response, which this must be.
    pub fn tokens(&self) -> Tokens {
        assert_eq!(self.status, 200, "{self:?}");
        let answer = self.json();
        let text = |member: &str| answer[member].as_str().unwrap().to_owned();
        Tokens {
            access: text("access_token"),
            refresh: text("refresh_token"),
            session: text("session_id"),
            answer,
        }
    }

    /// Checks that it is a refused refresh with that reason.
    #[track_caller]
    pub fn refused_as(&self, reason: &str) {
        assert_eq!(self.status, 400, "{self:?}");
        let answer = self.json();
        assert_eq!(answer["error"], "invalid_grant", "{self:?}");
        assert_eq!(answer["reason"], reason, "{self:?}");
        assert_eq!(self.header("cache-control"), "no-store");
    }

    /// Checks that it is a refused access token with that description.
    #[track_caller]
    pub fn invalid_token(&self, description: &str) {
        assert_eq!(self.status, 401, "{self:?}");
        assert_eq!(self.text, r#"{"error":"invalid_token"}"#);
        let challenge = self.header("www-authenticate");
        let expected = format!(r#"error="invalid_token", error_description="{description}""#);
        assert!(challenge.contains(&expected), "{challenge}");
    }

    /// Checks the status and the `error` member.
    #[track_caller]
    pub fn error(&self, status: u16, code: &str) {
        assert_eq!(
            (self.status, &self.json()["error"]),
            (status, &json!(code)),
            "{self:?}"
        );
    }
}
