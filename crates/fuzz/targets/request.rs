//! Requests to every route, with genuine credentials anywhere in them: `$A` stands for an access
//! token, `$R` and `$C` for refresh tokens (transports `header` and `cookie`), `$S` for a session
//! cookie.
#![no_main]

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, Uri};
use httparse::Status;
use libfuzzer_sys::fuzz_target;
use token_core::session::Credentials;
use token_core::{NoClaims, Policy, Subject, Transport};
use token_http::{
    Auth, AuthConfig, Head, LoginRequest, PasswordRequest, Route, SessionSlot, Shown, StepUpRequest,
};
use token_session::test_util::TestManager;
use token_session::{MemoryStore, NewSession};
use tokio::runtime::Builder;

/// What stands in a request for a credential of the [`World`].
const PLACES: [&[u8]; 4] = [b"$A", b"$R", b"$C", b"$S"];

/// A server with a session of each transport.
struct World {
    auth: Auth,
    test: TestManager,
    subject: Subject,
    /// An access token, two refresh tokens (of `header` and of `cookie`), a session cookie.
    credentials: [String; 4],
}

impl World {
    async fn new() -> Self {
        let store = MemoryStore::new(100, &[7; 32]);
        let test = TestManager::with_store(store, Policy::default(), |builder| builder);
        let config = AuthConfig::builder("https://own.example".parse().expect("an origin"))
            .allow_origin("https://spa.example".parse().expect("an origin"))
            .trust_proxy("192.0.2.0/24".parse().expect("a network"))
            .introspection_key("a-key-of-a-resource-server-long-enough");
        let subject: Subject = "alice".parse().expect("a subject");
        let mut credentials = Vec::new();
        for transport in [Transport::Header, Transport::Cookie, Transport::Session] {
            let ticket = test
                .manager
                .begin_login(subject.clone())
                .await
                .expect("it answers");
            let session = NewSession {
                transport: Some(transport),
                ..NewSession::default()
            };
            let issued = test
                .manager
                .login(ticket, session)
                .await
                .expect("it answers");
            match issued.credentials() {
                Credentials::Tokens(pair) => {
                    if credentials.is_empty() {
                        credentials.push(pair.access_token.secret().to_owned());
                    }
                    credentials.push(pair.refresh_token.secret().to_owned());
                }
                Credentials::Session(token) => credentials.push(token.to_secret_text().to_string()),
            }
        }
        Self {
            auth: Auth::new(
                test.manager.clone(),
                config.build().expect("a configuration"),
            ),
            test,
            subject,
            credentials: credentials.try_into().expect("four"),
        }
    }

    /// The bytes with credentials where their places are.
    fn fill(&self, mut bytes: &[u8]) -> Vec<u8> {
        let mut filled = Vec::with_capacity(bytes.len());
        while let Some((first, rest)) = bytes.split_first() {
            match PLACES.iter().position(|place| bytes.starts_with(place)) {
                Some(place) => {
                    filled.extend_from_slice(self.credentials[place].as_bytes());
                    bytes = &bytes[PLACES[place].len()..];
                }
                None => {
                    filled.push(*first);
                    bytes = rest;
                }
            }
        }
        filled
    }

    /// The answer to a request in the form of HTTP/1.1, where it is one.
    async fn answer(&self, request: &[u8]) -> Option<Response<Bytes>> {
        let mut fields = [httparse::EMPTY_HEADER; 24];
        let mut parsed = httparse::Request::new(&mut fields);
        let length = match parsed.parse(request).ok()? {
            Status::Complete(length) => length,
            Status::Partial => return None,
        };
        let mut headers = HeaderMap::new();
        for field in parsed.headers {
            let name: HeaderName = field.name.parse().ok()?;
            headers.append(name, HeaderValue::from_bytes(field.value).ok()?);
        }
        let method: Method = parsed.method?.parse().ok()?;
        let uri: Uri = parsed.path?.parse().ok()?;
        let head = Head {
            method: &method,
            uri: &uri,
            headers: &headers,
            peer: Some(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7))),
        };
        let (auth, body) = (&self.auth, Bytes::copy_from_slice(&request[length..]));
        let rejection = match uri.path() {
            "/auth/step-up" => StepUpRequest::read(auth, &head, &body).await.err()?,
            "/auth/password" => PasswordRequest::read(auth, &head, &body).await.err()?,
            "/auth/login" => LoginRequest::read(auth, &head, &body).err()?,
            "/api/me" => {
                let fields = headers.get_all(AUTHORIZATION).iter();
                let slot = SessionSlot::default();
                let session = async || auth.server_session(&head, Some(&slot)).await;
                let caller = auth.clone();
                let caller = caller.any::<NoClaims>(
                    fields.map(HeaderValue::as_bytes),
                    Shown::default,
                    session,
                );
                caller.await.err()?
            }
            path => {
                let route = Route::mounted(&self.auth).find(|route| {
                    let pattern = route.path(auth);
                    let start = pattern.strip_suffix("{session_id}");
                    start.map_or(pattern == path, |start| path.starts_with(start))
                });
                return Some(route?.answer(auth, head, Ok(body)).await);
            }
        };
        Some(rejection.response())
    }
}

fn has(haystack: &[u8], needle: impl AsRef<[u8]>) -> bool {
    let needle = needle.as_ref();
    haystack
        .windows(needle.len())
        .any(|window| window == needle)
}

fuzz_target!(|data: &[u8]| {
    // The first byte is how many minutes after the logins the request comes.
    let Some((minutes, template)) = data.split_first() else {
        return;
    };
    let runtime = Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let world = World::new().await;
        world
            .test
            .clock
            .advance(Duration::from_secs(60 * u64::from(*minutes)));
        if let Some(answer) = world.answer(&world.fill(template)).await {
            let status = answer.status();
            assert!(!status.is_server_error(), "the store works, but {status}");
            if status == StatusCode::UNAUTHORIZED {
                assert!(answer.headers().contains_key(WWW_AUTHENTICATE));
            }
            if status.is_client_error() {
                for secret in &world.credentials {
                    assert!(
                        !has(answer.body(), secret),
                        "a refusal repeats a credential"
                    );
                    let mut values = answer.headers().values();
                    assert!(values.all(|value| !has(value.as_bytes(), secret)));
                }
            }
        }
        if !PLACES.iter().any(|place| has(template, place)) {
            let live = world.test.manager.sessions(&world.subject).await;
            assert_eq!(
                live.expect("it answers").len(),
                3,
                "ended without a credential"
            );
        }
    });
});
