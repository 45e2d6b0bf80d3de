//! What a client of the servers does, and what it is answered.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, Method, Request};
use serde_json::{Value, json};
use ureq::Agent;

use crate::PATIENCE;
use crate::document::Document;
use crate::transcript::Transcript;

/// A client without a memory: it keeps no cookies and follows no redirects.
#[derive(Clone, Debug)]
pub struct Client {
    agent: Agent,
    url: String,
    transcript: Option<Transcript>,
    document: Option<Arc<Document>>,
}

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

impl Client {
    pub(crate) fn new(url: &str, transcript: Transcript) -> Self {
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_global(Some(PATIENCE))
            // Less than any server keeps a connection that is not used: one that it closes at that
            // very moment would fail.
            .max_idle_age(Duration::from_secs(1))
            .build();
        Self {
            agent: agent.into(),
            url: url.to_owned(),
            transcript: Some(transcript),
            document: None,
        }
    }

    /// Holds every answer to the document of the server, which is fetched once: before the
    /// first request, since it may be the last.
    pub(crate) fn holding_to(self, document: &OnceLock<Arc<Document>>) -> Self {
        let document = document.get_or_init(|| Arc::new(self.fetch_document()));
        Self {
            document: Some(Arc::clone(document)),
            ..self
        }
    }

    /// The same, for answers that depend on the moment: they are not compared with those of
    /// the other server.
    #[must_use]
    pub fn unrecorded(&self) -> Self {
        Self {
            transcript: None,
            ..self.clone()
        }
    }

    /// Sends a request with exactly these header fields, and a body where there is one. A
    /// `POST` without one says so, as browsers do.
    pub fn send(
        &self,
        method: &Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&[u8]>,
    ) -> Reply {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.url));
        for (name, value) in headers {
            request = request.header(*name, value.as_bytes());
        }
        let empty = (*method == Method::POST).then_some(&b""[..]);
        let sent = match body.or(empty) {
            Some(body) => self.agent.run(request.body(body).unwrap()),
            None => self.agent.run(request.body(()).unwrap()),
        };
        let mut response = sent.unwrap_or_else(|error| panic!("{method} {path}: {error}"));
        let reply = Reply {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            text: response.body_mut().read_to_string().unwrap(),
        };
        reply.keeps_the_rules(method, path, headers);
        if let Some(document) = &self.document {
            document.check(method, path, &reply);
        }
        if let Some(transcript) = &self.transcript {
            let body = String::from_utf8_lossy(body.unwrap_or_default());
            let request = format!("{method} {path} {headers:?} {body}");
            let address = self.url.trim_start_matches("http://");
            transcript.add(address, &request, &reply);
        }
        reply
    }

    fn fetch_document(&self) -> Document {
        let asked = self.agent.get(format!("{}/openapi.json", self.url)).call();
        let text = asked.unwrap().body_mut().read_to_string().unwrap();
        Document::new(serde_json::from_str(&text).unwrap())
    }

    /// `GET` with an access token.
    pub fn get(&self, path: &str, access: &str) -> Reply {
        let bearer = format!("Bearer {access}");
        self.send(&Method::GET, path, &[("authorization", &bearer)], None)
    }

    /// `DELETE` with an access token.
    pub fn delete(&self, path: &str, access: &str) -> Reply {
        let bearer = format!("Bearer {access}");
        self.send(&Method::DELETE, path, &[("authorization", &bearer)], None)
    }

    /// `POST` with an access token and no body.
    pub fn post(&self, path: &str, access: &str) -> Reply {
        let bearer = format!("Bearer {access}");
        self.send(&Method::POST, path, &[("authorization", &bearer)], None)
    }

    /// `POST` of JSON.
    pub fn post_json(&self, path: &str, body: &Value) -> Reply {
        let headers = [("content-type", "application/json")];
        let body = body.to_string();
        self.send(&Method::POST, path, &headers, Some(body.as_bytes()))
    }

    /// `POST` of a form.
    pub fn post_form(&self, path: &str, body: &str) -> Reply {
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        self.send(&Method::POST, path, &headers, Some(body.as_bytes()))
    }

    /// Logs in, which must succeed.
    pub fn login(&self, username: &str, password: &str) -> Tokens {
        let body = json!({ "username": username, "password": password });
        self.post_json("/auth/login", &body).tokens()
    }

    /// Presents a refresh token.
    pub fn refresh(&self, token: &str) -> Reply {
        self.post_json("/auth/refresh", &json!({ "refresh_token": token }))
    }

    /// Logs out with a refresh token.
    pub fn logout(&self, refresh: &str) -> Reply {
        self.post_json("/auth/logout", &json!({ "refresh_token": refresh }))
    }

    /// Who an access token belongs to.
    pub fn me(&self, access: &str) -> Reply {
        self.get("/api/me", access)
    }
}

impl Reply {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("not JSON: {self:?}"))
    }

    /// Checks what holds for every answer, whatever was asked.
    #[track_caller]
    fn keeps_the_rules(&self, method: &Method, path: &str, headers: &[(&str, &str)]) {
        let challenge = self.header("www-authenticate");
        match self.status {
            401 if self.text == r#"{"error":"invalid_client"}"# => {
                assert_eq!(challenge, r#"Basic realm="api""#, "{self:?}");
            }
            401 => assert!(challenge.starts_with(r#"Bearer realm="api""#), "{self:?}"),
            405 => assert_ne!(self.header("allow"), "", "{self:?}"),
            429 | 503 => assert_ne!(self.header("retry-after"), "", "{self:?}"),
            _ => {}
        }
        // What answers a preflight is the CORS middleware's.
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
            // No answer repeats a token that came in, in whatever field.
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

    /// A header field, or nothing.
    pub fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.map_or("", |value| value.to_str().unwrap())
    }

    /// The words of a field that is a list, in lower case and in order.
    pub fn list(&self, name: &str) -> Vec<String> {
        let words = self.header(name).split(',');
        let mut words: Vec<_> = words.map(|word| word.trim().to_lowercase()).collect();
        words.retain(|word| !word.is_empty());
        words.sort_unstable();
        words
    }

    /// A token response, which this must be.
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
        assert!(challenge.ends_with(&expected), "{challenge}");
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

/// The claims of a token, unverified.
pub fn claims(token: &str) -> Value {
    part(token, 1)
}

/// The header of a token, unverified.
pub fn header(token: &str) -> Value {
    part(token, 0)
}

fn part(token: &str, index: usize) -> Value {
    let part = token.split('.').nth(index).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}
