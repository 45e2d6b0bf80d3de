//! A user agent in one of the three transports, which keeps the credentials that it gets.

use cookie_store::{Cookie, CookieError, CookieStore};
use http::Method;
use http::header::SET_COOKIE;
use serde_json::{Value, json};
use url::Url;

use crate::client::Client;
use crate::reply::Reply;

/// How the credentials of a session travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "the contract has three")]
pub enum Transport {
    /// A refresh token in a cookie, an access token in a header.
    Cookie,
    /// Two tokens, each in answers and headers.
    Header,
    /// One opaque cookie.
    Session,
}

impl Transport {
    /// All three.
    pub const ALL: [Self; 3] = [Self::Header, Self::Cookie, Self::Session];

    /// The name in requests and answers.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cookie => "cookie",
            Self::Header => "header",
            Self::Session => "session",
        }
    }
}

/// A browser with a cookie jar or, in transport `header`, an app. A clone has a copy of all
/// credentials, as a thief would.
#[derive(Clone, Debug)]
pub struct Browser {
    client: Client,
    jar: CookieStore,
    transport: Transport,
    access: Option<String>,
    refresh: Option<String>,
}

impl Browser {
    /// A browser without any credential.
    pub fn new(client: &Client, transport: Transport) -> Self {
        Self {
            client: client.clone(),
            jar: CookieStore::new(),
            transport,
            access: None,
            refresh: None,
        }
    }

    /// Logs alice in, which must succeed.
    pub fn alice(client: &Client, transport: Transport) -> Self {
        let mut browser = Self::new(client, transport);
        let reply = browser.login("alice", "wonderland", false);
        assert_eq!(reply.status, 200, "{transport:?}: {reply:?}");
        browser
    }

    /// Logs in.
    pub fn login(&mut self, username: &str, password: &str, remember: bool) -> Reply {
        let body = json!({
            "username": username, "password": password,
            "remember": remember, "transport": self.transport.name(),
        });
        // A second login happens without the access token of the first.
        self.access = None;
        self.send(&Method::POST, "/auth/login", Some(&body))
    }

    /// Renews: by the refresh token, or in transport `session` by any use.
    pub fn renew(&mut self) -> Reply {
        match self.transport {
            Transport::Cookie => self.send(&Method::POST, "/auth/refresh", None),
            Transport::Header => {
                let body = json!({ "refresh_token": self.refresh });
                self.send(&Method::POST, "/auth/refresh", Some(&body))
            }
            Transport::Session => self.get("/api/me"),
        }
    }

    /// Authenticates again.
    pub fn step_up(&mut self, password: &str) -> Reply {
        let body = self.with_refresh_token(json!({ "password": password }));
        self.send(&Method::POST, "/auth/step-up", Some(&body))
    }

    /// Changes the password.
    pub fn change_password(&mut self, password: &str, new: &str) -> Reply {
        let body = json!({ "password": password, "new_password": new });
        let body = self.with_refresh_token(body);
        self.send(&Method::POST, "/auth/password", Some(&body))
    }

    /// Logs out. Credentials that the server does not delete are kept.
    pub fn logout(&mut self) -> Reply {
        let body = self.refresh.as_ref();
        let body = body.map(|token| json!({ "refresh_token": token }));
        self.send(&Method::POST, "/auth/logout", body.as_ref())
    }

    /// Sends a `GET` with all credentials.
    pub fn get(&mut self, path: &str) -> Reply {
        self.send(&Method::GET, path, None)
    }

    /// `POST` without a body.
    pub fn post(&mut self, path: &str) -> Reply {
        self.send(&Method::POST, path, None)
    }

    /// `DELETE`.
    pub fn delete(&mut self, path: &str) -> Reply {
        self.send(&Method::DELETE, path, None)
    }

    /// The id of the session, as the server gives it.
    pub fn session(&mut self) -> String {
        let reply = self.get("/auth/session");
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.json()["session_id"].as_str().unwrap().to_owned()
    }

    /// Sends a request as this server's own page would, and keeps what comes back.
    pub fn send(&mut self, method: &Method, path: &str, body: Option<&Value>) -> Reply {
        let (bearer, cookies) = (self.bearer(), self.cookies());
        let body = body.map(Value::to_string);
        let mut headers = Vec::new();
        if let Some(bearer) = &bearer {
            headers.push(("authorization", bearer.as_str()));
        }
        if !cookies.is_empty() {
            headers.push(("cookie", &cookies));
        }
        if self.transport != Transport::Header {
            headers.push(("sec-fetch-site", "same-origin"));
        }
        if body.is_some() {
            headers.push(("content-type", "application/json"));
        }
        let body = body.as_ref().map(String::as_bytes);
        let reply = self.client.send(method, path, &headers, body);
        self.keep(&reply);
        reply
    }

    /// The value of the `Authorization` field, if there is an access token.
    pub fn bearer(&self) -> Option<String> {
        let access = self.access.as_ref();
        access.map(|token| format!("Bearer {token}"))
    }

    /// The value of the `Cookie` field; empty if the jar is.
    pub fn cookies(&self) -> String {
        let url = Self::url();
        let cookies = self.jar.get_request_values(&url);
        let pairs: Vec<_> = cookies
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        pairs.join("; ")
    }

    /// The long-lived credential: the refresh token or the cookie.
    pub fn credential(&self) -> String {
        self.refresh.clone().unwrap_or_else(|| self.cookies())
    }

    /// A cookie in the jar.
    pub fn cookie(&self, name: &str) -> Option<&Cookie<'static>> {
        let host = Self::url();
        let found = self
            .jar
            .iter_unexpired()
            .find(|cookie| cookie.name() == name);
        found.filter(|cookie| cookie.matches(&host))
    }

    /// Sends later requests to another server.
    pub fn move_to(&mut self, client: &Client) {
        self.client = client.clone();
    }

    /// Checks that none of the stored credentials works, and that the answers say why.
    #[track_caller]
    pub fn has_ended(&mut self, reason: &str) {
        let transport = self.transport;
        let reply = self.get("/api/me");
        assert_eq!(reply.status, 401, "{transport:?}: {reply:?}");
        reply.invalid_token(reason);
        if transport == Transport::Session {
            assert_eq!(reply.header("set-cookie"), "", "{reply:?}");
            self.step_up("wonderland").refused_as(reason);
        } else {
            let reply = self.renew();
            reply.refused_as(reason);
            assert_eq!(
                reply.header("set-cookie"),
                "",
                "only a logout deletes: {reply:?}"
            );
        }
    }

    fn with_refresh_token(&self, mut body: Value) -> Value {
        if let Some(token) = &self.refresh {
            body["refresh_token"] = token.as_str().into();
        }
        body
    }

    fn keep(&mut self, reply: &Reply) {
        for field in reply.headers.get_all(SET_COOKIE) {
            let field = field.to_str().unwrap();
            match self.jar.parse(field, &Self::url()) {
                // The server deleted a cookie that was not there.
                Ok(_) | Err(CookieError::Expired) => {}
                Err(error) => panic!("{field}: {error}"),
            }
        }
        let Ok(body) = serde_json::from_str::<Value>(&reply.text) else {
            return;
        };
        let text = |member: &str| body[member].as_str().map(str::to_owned);
        self.access = text("access_token").or(self.access.take());
        self.refresh = text("refresh_token").or(self.refresh.take());
    }

    /// The address that the jar is told: for plain HTTP it would not return a `Secure` cookie.
    fn url() -> Url {
        Url::parse("https://app.example/").unwrap()
    }
}
