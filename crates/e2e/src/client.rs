//! An HTTP client for the servers.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http::{Method, Request};
use serde_json::{Value, json};
use ureq::Agent;

use crate::document::Document;
use crate::patience::PATIENCE;
use crate::reply::{Reply, Tokens};
use crate::transcript::Transcript;

/// A client that keeps no cookies and follows no redirects.
#[derive(Clone, Debug)]
pub struct Client {
    agent: Agent,
    url: String,
    transcript: Option<Transcript>,
    document: Option<Arc<Document>>,
}

impl Client {
    pub(crate) fn new(url: &str, transcript: Transcript) -> Self {
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_global(Some(PATIENCE))
            // Shorter than any server keeps an idle connection, since a request would fail if the
            // server closed the connection at that moment.
            .max_idle_age(Duration::from_secs(1))
            .build();
        Self {
            agent: agent.into(),
            url: url.to_owned(),
            transcript: Some(transcript),
            document: None,
        }
    }

    /// Checks every answer against the server's OpenAPI document. The document is fetched once,
    /// before the first request, since that may be the last one.
    pub(crate) fn holding_to(self, document: &OnceLock<Arc<Document>>) -> Self {
        let document = document.get_or_init(|| Arc::new(self.fetch_document()));
        Self {
            document: Some(Arc::clone(document)),
            ..self
        }
    }

    /// A client of the same server whose answers are not compared with those of the other server,
    /// for answers that depend on timing.
    #[must_use]
    pub fn unrecorded(&self) -> Self {
        Self {
            transcript: None,
            ..self.clone()
        }
    }

    /// Sends a request with exactly these header fields, and with a body if there is one. A `POST`
    /// without a body has `Content-Length: 0`, as browsers send it.
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

    /// `GET /api/me` with an access token.
    pub fn me(&self, access: &str) -> Reply {
        self.get("/api/me", access)
    }
}
