//! The client gets the flat answer, the log the rule that was broken: for each rule.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use aws_lc_rs::signature::Ed25519KeyPair;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Uri};
use serde_json::{Value, json};
use token_http::{Attempt, CustomLogin, Head, Route};
use tracing::level_filters::LevelFilter;
use tracing::subscriber::DefaultGuard;

use crate::world::{
    Reply, World, get, post_json, refusal, request, with, with_bearer, with_cookie,
};

const NOW: u64 = 1_700_000_000;

/// What was logged in this thread.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    pub(crate) fn watch() -> (Self, DefaultGuard) {
        let log = Self::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(LevelFilter::DEBUG)
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish();
        (log, tracing::subscriber::set_default(subscriber))
    }

    pub(crate) fn take(&self) -> String {
        String::from_utf8(std::mem::take(&mut *self.0.lock().unwrap())).unwrap()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Signs what the library never would, with the library's key.
struct Forge {
    key: Ed25519KeyPair,
    kid: String,
    session: String,
}

impl Forge {
    fn of(world: &World, session: String) -> Self {
        let issuer = world.auth.manager().issuer();
        let key = issuer.access_keys.current();
        let jwk: Value = serde_json::from_str(&key.to_private_jwk().unwrap()).unwrap();
        let seed = URL_SAFE_NO_PAD.decode(jwk["d"].as_str().unwrap()).unwrap();
        Self {
            key: Ed25519KeyPair::from_seed_unchecked(&seed).unwrap(),
            kid: key.id().to_string(),
            session,
        }
    }

    fn header(&self) -> Value {
        json!({"alg": "EdDSA", "kid": self.kid, "typ": "at+jwt"})
    }

    fn claims(&self) -> Value {
        json!({
            "iss": "https://issuer.example", "aud": "https://api.example", "sub": "alice",
            "client_id": "default", "sid": self.session, "jti": "AAAAAAAAAAAAAAAAAAAAAA",
            "iat": NOW, "exp": NOW + 300, "auth_time": NOW,
        })
    }

    fn sign(&self, header: &Value, claims: &str) -> String {
        let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
        let input = format!("{}.{}", encode(&header.to_string()), encode(claims));
        let signature = self.key.sign(input.as_bytes());
        format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// Good but for one member of the header.
    fn with_header(&self, name: &str, value: impl Into<Value>) -> String {
        let mut header = self.header();
        header[name] = value.into();
        self.sign(&header, &self.claims().to_string())
    }

    /// Good but for one claim.
    fn with_claim(&self, name: &str, value: impl Into<Value>) -> String {
        let mut claims = self.claims();
        claims[name] = value.into();
        self.sign(&self.header(), &claims.to_string())
    }
}

async fn me(world: &World, token: &str) -> Reply {
    world.send(with_bearer(get("/api/me"), token)).await
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a table")]
async fn every_rule_of_the_verifier_is_answered_flatly_and_logged_by_name() {
    let world = World::new();
    let login = world.login("header").await;
    let forge = Forge::of(&world, login.text("session_id"));
    let (log, _guard) = Log::watch();
    let good = forge.sign(&forge.header(), &forge.claims().to_string());
    assert_eq!(me(&world, &good).await.status, 200);
    assert_eq!(log.take(), "", "what is in order is not worth a line");

    let (input, signature) = good.rsplit_once('.').unwrap();
    let twice = forge
        .claims()
        .to_string()
        .replacen('{', r#"{"sub":"bob","#, 1);
    let nested = forge
        .claims()
        .to_string()
        .replacen('{', r#"{"a":{"b":1,"b":2},"#, 1);
    let trailing = format!("{}x", forge.claims());
    let mut without = forge.claims();
    without.as_object_mut().unwrap().remove("jti");
    for (token, expected) in [
        (
            format!("{input}.{signature}="),
            "is neither base64url nor a dot",
        ),
        (input.to_owned(), "it has 2 parts instead of 3"),
        (format!("{input}."), "the signature is empty"),
        (
            format!("{input}.A"),
            "the signature is not canonical base64url",
        ),
        (
            forge.with_header("crit", json!(["exp"])),
            "the header has critical extensions",
        ),
        (forge.with_header("zip", "DEF"), "the content is compressed"),
        (
            forge.with_header("b64", false),
            "the content is not encoded",
        ),
        (
            forge.with_header("enc", "A128GCM"),
            "it is an encrypted token",
        ),
        (
            forge.with_header("jku", "https://evil.example"),
            "the member `jku` has a key or points",
        ),
        (forge.with_header("foo", 1), "unknown member in the header"),
        (
            forge.with_header("kid", 1),
            "the member `kid` is not a string",
        ),
        (
            forge.with_header("kid", "another"),
            "names a key that is not known here",
        ),
        (
            forge.with_header("alg", "none"),
            "does not name EdDSA, the algorithm of its key",
        ),
        (
            forge.with_header("alg", "HS256"),
            "does not name EdDSA, the algorithm of its key",
        ),
        (
            forge.with_header("typ", "rt+jwt"),
            "the token's `typ` is not accepted here",
        ),
        (
            format!("{input}.{}", "A".repeat(86)),
            "the signature is not that of the key",
        ),
        (
            forge.sign(&forge.header(), "[]"),
            "claims: not strict JSON: not an object",
        ),
        (
            forge.sign(&forge.header(), &trailing),
            "claims: not strict JSON",
        ),
        (forge.sign(&forge.header(), &twice), "duplicate claim `sub`"),
        (
            forge.sign(&forge.header(), &nested),
            "duplicate claim `another`",
        ),
        (
            forge.sign(&forge.header(), &without.to_string()),
            "missing claim `jti`",
        ),
        (
            forge.with_claim("iss", json!(["x"])),
            "the claim `iss` is not of the right type",
        ),
        (
            forge.with_claim("sub", 1),
            "the claim `sub` is not of the right type",
        ),
        (
            forge.with_claim("exp", "1"),
            "the claim `exp` is not of the right type",
        ),
        (
            forge.with_claim("exp", u64::MAX),
            "the claim `exp` is not a time before",
        ),
        (
            forge.with_claim("sub", "a\nb"),
            "the claim `sub` is not acceptable",
        ),
        (
            forge.with_claim("sid", "x"),
            "the claim `sid` does not have the required form",
        ),
        (
            forge.with_claim("cnf", json!({})),
            "bound to a key of its client",
        ),
        (
            forge.with_claim("iss", "https://evil.example"),
            "the token names another issuer",
        ),
        (
            forge.with_claim("aud", "https://evil.example"),
            "meant for another audience",
        ),
        (forge.with_claim("iat", NOW + 6), "and the claim `iat` says"),
        (forge.with_claim("nbf", NOW + 6), "and the claim `nbf` says"),
        (forge.with_claim("exp", NOW), "and expires at"),
    ] {
        let reply = me(&world, &token).await;
        let flat = r#"Bearer realm="api", error="invalid_token", error_description="invalid""#;
        assert_eq!(
            reply.refusal(),
            refusal(401, "invalid_token", ""),
            "{expected}"
        );
        assert_eq!(reply.header("www-authenticate"), flat, "{expected}");
        assert_eq!(reply.body, r#"{"error":"invalid_token"}"#);
        let logged = log.take();
        assert!(logged.contains(expected), "{expected}: {logged}");
        assert_eq!(logged.lines().count(), 1, "{logged}");
        assert!(!logged.contains(&token), "a token is never logged");
    }

    // Two faults of time share the other description.
    let token = forge.with_claim("exp", NOW + 100_000);
    world.advance(301);
    for (token, expected) in [
        (good, "the token expired at"),
        (token, "longer ago than is accepted"),
    ] {
        let reply = me(&world, &token).await;
        assert!(reply.header("www-authenticate").ends_with(r#"="expired""#));
        assert!(log.take().contains(expected), "{expected}");
    }
}

#[tokio::test]
async fn refused_credentials_of_every_other_kind_are_logged() {
    let world = World::new();
    let login = world.login("header").await;
    let (access, token) = (login.text("access_token"), login.text("refresh_token"));
    let (input, signature) = token.rsplit_once('.').unwrap();
    let forged = format!("{input}.{}{}", signature[1..].to_owned(), &signature[..1]);
    let refresh = |token: &str| post_json("/auth/refresh", &json!({"refresh_token": token}));
    let empty = |path: &str| request(Method::POST, path).body(String::new()).unwrap();
    let cookie =
        |value: &str| with_cookie(empty("/api/me"), &format!("__Host-Http-session={value}"));
    let unknown = "A".repeat(67);
    let (log, _guard) = Log::watch();
    let cases: [(Request<String>, &str); 7] = [
        (refresh("a.b.c"), "refresh token refused"),
        (refresh(&forged), "refresh token refused"),
        (refresh(&access), "refresh token refused"),
        (
            with_cookie(
                empty("/auth/refresh"),
                &format!("__Host-Http-refresh={token}"),
            ),
            "a refresh token came by another way than it was issued",
        ),
        (cookie("garbage"), "session cookie refused"),
        (cookie(&unknown), "credential refused: no such session"),
        (
            with_bearer(empty("/api/me"), &access[..access.len() - 4]),
            "access token refused",
        ),
    ];
    for (request, expected) in cases {
        let reply = world.send(request).await;
        assert!(matches!(reply.status, 400 | 401), "{expected}");
        let logged = log.take();
        assert!(logged.contains(expected), "{expected}: {logged}");
        assert!(!logged.contains(&token) && !logged.contains(&access));
    }
}

#[tokio::test]
async fn a_limit_that_knows_no_addresses_is_told_once() {
    let (log, _guard) = Log::watch();
    let world = World::with(|config| config.limit(|_: Attempt<'_>| Ok(())));
    let headers = HeaderMap::new();
    let login = |peer| {
        let head = Head {
            method: &Method::POST,
            uri: &Uri::from_static("/"),
            headers: &headers,
            peer,
        };
        CustomLogin::read(&world.auth, &head)
            .unwrap()
            .attempt("alice")
            .unwrap();
    };
    login(Some("192.0.2.77".parse().unwrap()));
    assert_eq!(log.take(), "");
    login(None);
    assert!(log.take().contains("into_make_service_with_connect_info"));
    login(None);
    assert_eq!(log.take(), "");
}

/// In `Router::nest` the routes are elsewhere, and clients that read the metadata would not find them.
#[tokio::test]
async fn metadata_below_another_path_than_they_say_are_told_once() {
    let (log, _guard) = Log::watch();
    let world = World::new();
    world
        .send(get("/.well-known/oauth-authorization-server"))
        .await;
    assert!(!log.take().contains("nest"));
    for told in [true, false] {
        let request = get("/api/.well-known/oauth-authorization-server");
        let head = Head {
            method: request.method(),
            uri: request.uri(),
            headers: request.headers(),
            peer: None,
        };
        let answer = Route::Metadata
            .answer(&world.auth, head, Ok(Bytes::new()))
            .await;
        assert_eq!(answer.status(), 200);
        let log = log.take();
        assert_eq!(
            log.contains("WARN") && log.contains("/api/.well-known"),
            told,
            "{log}"
        );
    }
}

/// Otherwise everybody who comes through the proxy would have its address, and nobody would know.
#[tokio::test]
async fn a_proxy_that_is_not_trusted_is_told_once() {
    let (log, _guard) = Log::watch();
    for name in ["x-forwarded-for", "forwarded"] {
        let world = World::new();
        let login = || {
            post_json(
                "/auth/login",
                &json!({"username": "alice", "password": "x"}),
            )
        };
        world.send(login()).await;
        assert!(!log.take().contains("trust_proxy"));
        world.send(with(login(), name, "for=198.51.100.1")).await;
        let told = log.take();
        assert!(
            told.contains("WARN") && told.contains("trust_proxy"),
            "{told}"
        );
        assert!(told.contains("192.0.2.77"), "{told}");
        world.send(with(login(), name, "for=198.51.100.1")).await;
        assert!(!log.take().contains("trust_proxy"));
    }
    let world = World::with(|config| config.trust_proxy("192.0.2.0/24".parse().unwrap()));
    let login = post_json(
        "/auth/login",
        &json!({"username": "alice", "password": "x"}),
    );
    world
        .send(with(login, "x-forwarded-for", "198.51.100.1"))
        .await;
    assert!(!log.take().contains("trust_proxy"));
}
