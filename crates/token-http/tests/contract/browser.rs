//! A browser that binds its sessions, with a key in software.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{Method, Request};
use serde_json::json;

use crate::software_key::SoftwareKey;
use crate::world::{PASSWORD, Reply, World, post_json, request, with};

/// What a browser keeps of a site: cookies, until they end, and the key of the session.
pub(crate) struct Browser {
    pub(crate) key: SoftwareKey,
    pub(crate) cookies: BTreeMap<String, String>,
    pub(crate) session: String,
}

impl Browser {
    pub(crate) fn new() -> Self {
        Self {
            key: SoftwareKey::new(),
            cookies: BTreeMap::new(),
            session: String::new(),
        }
    }

    /// Logs in, and gives what the answer offers.
    pub(crate) async fn login(&mut self, world: &World, transport: &str) -> Reply {
        let login = json!({"username": "alice", "password": PASSWORD, "transport": transport});
        let reply = self.send(world, post_json("/auth/login", &login)).await;
        assert_eq!(reply.status, 200, "{}", reply.body);
        reply
    }

    /// Sends a request with all cookies, and keeps those that come back.
    pub(crate) async fn send<B: Into<Bytes>>(
        &mut self,
        world: &World,
        request: Request<B>,
    ) -> Reply {
        let reply = self.send_copied(world, request).await;
        self.keep(&reply);
        reply
    }

    /// The same for somebody who has copied the cookies.
    pub(crate) async fn send_copied<B: Into<Bytes>>(
        &self,
        world: &World,
        request: Request<B>,
    ) -> Reply {
        let cookies = self.cookies.iter();
        let cookies: Vec<String> = cookies
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let request = with(request, "sec-fetch-site", "same-origin");
        let request = if cookies.is_empty() {
            request
        } else {
            with(request, "cookie", &cookies.join("; "))
        };
        world.send(request).await
    }

    /// Somebody who has copied the cookies, and not the key.
    pub(crate) fn copied(&self) -> Self {
        Self {
            cookies: self.cookies.clone(),
            ..Self::new()
        }
    }

    pub(crate) fn keep(&mut self, reply: &Reply) {
        for field in reply.set_cookies() {
            let (pair, attributes) = field.split_once(';').unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            if attributes.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
    }

    pub(crate) fn drop_bound(&mut self) {
        self.cookies
            .retain(|name, _| !name.starts_with("__Host-bound-"));
    }

    pub(crate) fn registration(&self, offer: &str) -> String {
        let (challenge, authorization) = (part(offer, "challenge"), part(offer, "authorization"));
        self.key.registration(challenge, authorization)
    }

    /// Registers the key, as the answer to the login offers.
    pub(crate) async fn register(&mut self, world: &World, offer: &str) -> Reply {
        let proof = self.registration(offer);
        let reply = self
            .send(world, with(device(), "secure-session-response", &proof))
            .await;
        if reply.status == 200 {
            self.session = reply.text("session_identifier");
        }
        reply
    }

    /// Asks for a challenge.
    pub(crate) async fn challenge(&self, world: &World, session: &str) -> String {
        let asked = with(device(), "sec-secure-session-id", session);
        let reply = world.send(asked).await;
        assert_eq!((reply.status, &*reply.body), (403, ""));
        let field = reply.header("secure-session-challenge");
        let (challenge, id) = field.split_once(';').unwrap();
        assert_eq!(id, format!("id=\"{session}\""));
        challenge.trim_matches('"').to_owned()
    }

    pub(crate) async fn show(&mut self, world: &World, session: &str, proof: &str) -> Reply {
        let request = with(device(), "sec-secure-session-id", session);
        let request = with(request, "secure-session-response", proof);
        // A link on another site carries no cookie to it.
        let reply = world.send(request).await;
        self.keep(&reply);
        reply
    }

    pub(crate) async fn renew(&mut self, world: &World) -> Reply {
        let session = self.session.clone();
        let proof = self.key.renew(&self.challenge(world, &session).await);
        self.show(world, &session, &proof).await
    }

    /// Logs in, registers and renews once.
    pub(crate) async fn bind(world: &World, transport: &str) -> Self {
        let mut browser = Self::new();
        let login = browser.login(world, transport).await;
        let offer = login.header("secure-session-registration").to_owned();
        let registered = browser.register(world, &offer).await;
        assert_eq!(registered.status, 200, "{}", registered.body);
        let renewed = browser.renew(world).await;
        assert_eq!(renewed.status, 204, "{}", renewed.body);
        browser
    }
}

pub(crate) fn device() -> Request<&'static str> {
    request(Method::POST, "/auth/device").body("").unwrap()
}

pub(crate) fn refresh() -> Request<&'static str> {
    request(Method::POST, "/auth/refresh").body("").unwrap()
}

/// A parameter of the field that offers a registration.
pub(crate) fn part<'a>(offer: &'a str, name: &str) -> &'a str {
    let (_, rest) = offer.split_once(&format!("{name}=\"")).unwrap();
    rest.split_once('"').unwrap().0
}
