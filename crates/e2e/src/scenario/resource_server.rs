//! Another service, `resource-server`, which accepts the tokens of a demo and knows only its URL.
//!
//! The tokens contain the issuer's address, so the answers are not compared with those of the other
//! demo.

use std::fs;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::Method;
use serde_json::{Value, json};

use testbed::redis;
use token_core::keys::Recipients;
use token_core::{Algorithm, Policy, UnixTime};
use token_keys::{KeySource, Rotations};

use super::pass;
use crate::client::Client;
use crate::forge::resign;
use crate::patience::soon;
use crate::reply::{Reply, Tokens};
use crate::server::{Files, Server, refused_other};
use crate::software_key::SoftwareKey;
use crate::token::{claims, header};

const PROGRAM: &str = "resource-server";
const AUDIENCE: &str = "https://api.example";
const REPORTS: &str = "https://reports.example";
const KEY: &str = "dGhlLWtleS1vZi1hLXRlc3Q";
/// What the service adds to each challenge.
const METADATA: &str =
    r#"resource_metadata="https://api.example/.well-known/oauth-protected-resource""#;
const ADMIN: &str = "an-administrator-s-key-of-many-letters";

/// A demo that can be stopped and started again on the same address.
struct Issuer {
    program: String,
    address: String,
    url: String,
    files: Files,
}

impl Issuer {
    fn new(program: &str) -> Self {
        Self::with_path(program, "")
    }

    /// One whose URL has this path, as one of several on a host has.
    fn with_path(program: &str, path: &str) -> Self {
        let address = format!("127.0.0.1:{}", testbed::free_port());
        Self {
            program: program.to_owned(),
            url: format!("http://{address}{path}"),
            address,
            files: Files::new(),
        }
    }

    fn start(&self) -> Server {
        self.start_with(&[])
    }

    fn start_with(&self, more: &[&str]) -> Server {
        let flags = [
            ["--listen", &self.address],
            ["--issuer", &self.url],
            ["--introspection-key", KEY],
            ["--admin-key", ADMIN],
            ["--jwks-max-age", "1s"],
            ["--tolerance", "0s"],
        ];
        let flags = [flags.as_flattened(), more].concat();
        Server::start_on(&self.program, &self.files, &flags)
    }

    /// The service, with intervals so short that the tests need not wait.
    fn service(&self, flags: &[&str]) -> Server {
        let own = ["--listen", "127.0.0.1:0", "--issuer", &self.url];
        let own = [&own[..], &["--interval", "200ms"], flags].concat();
        if own.contains(&"--audience") {
            return Server::start_other(PROGRAM, &own);
        }
        Server::start_other(PROGRAM, &[&own[..], &["--audience", AUDIENCE]].concat())
    }
}

fn client(server: &Server) -> Client {
    server.client().unrecorded()
}

/// The metadata of an issuer with a path is where RFC 8414 section 3.1 says, and not at the root.
pub fn an_issuer_with_a_path_is_found(program: &str) {
    let issuer = Issuer::with_path(program, "/tenants/one");
    let login = issuer.start();
    let service = issuer.service(&["--revocation", "introspection", "--introspection-key", KEY]);
    let (login, service) = (client(&login), client(&service));
    let alice = login.login("alice", "wonderland");
    assert_eq!(claims(&alice.access)["iss"], issuer.url);
    assert_eq!(service.me(&alice.access).status, 200);
    let metadata = "/.well-known/oauth-authorization-server";
    let at_root = login.send(&Method::GET, metadata, &[], None);
    assert_eq!(at_root.status, 404);
    assert_eq!(login.logout(&alice.refresh).status, 204);
    service.me(&alice.access).invalid_token("revoked");
}

/// One key file has keys of two algorithms, one of them for services that do not read the other: two servers share it,
/// each issues for its audience, and each service reads the tokens that are meant for it.
pub fn each_audience_has_its_algorithm(program: &str) {
    let issuer = Issuer::new(program);
    write_two_algorithms(&issuer.files);
    let login = issuer.start();
    let for_reports = ["--issuer", &*issuer.url, "--audience", REPORTS];
    let reports = Server::start_on(program, &issuer.files, &for_reports);
    let logins = [client(&login), client(&reports)];
    let services = [AUDIENCE, REPORTS].map(|audience| issuer.service(&["--audience", audience]));
    let services = services.each_ref().map(client);
    let set = logins[0].send(&Method::GET, "/.well-known/jwks.json", &[], None);
    let published = |algorithm: &str| {
        let set = set.json();
        let mut keys = set["keys"].as_array().unwrap().iter();
        keys.any(|key| key["alg"] == algorithm)
    };
    for (index, algorithm) in ["EdDSA", "ES256"].into_iter().enumerate() {
        assert!(published(algorithm), "{set:?}");
        let own = &logins[index];
        let first = own.login("alice", "wonderland");
        let second = own.refresh(&first.refresh).tokens();
        for token in [&first.access, &second.access] {
            assert_eq!(header(token)["alg"], algorithm);
            assert_eq!(services[index].me(token).status, 200);
            services[1 - index].me(token).invalid_token("invalid");
        }
    }
}

/// A key file that signs with EdDSA, and with ES256 for the audience of the reports, since yesterday.
fn write_two_algorithms(files: &Files) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let yesterday = UnixTime::from_secs(now.as_secs() - 86_400).unwrap();
    let (period, max_age) = (Duration::from_hours(30 * 24), Duration::from_mins(5));
    let rotations = Rotations::new(&Policy::default(), period, max_age).unwrap();
    let source = KeySource::File(files.keys());
    let keys = source.open(Some(Algorithm::EdDSA), Some(&rotations), yesterday);
    let recipients = Recipients {
        clients: Vec::new(),
        audiences: vec![REPORTS.parse().unwrap()],
    };
    let (keys, es256) = (keys.unwrap(), Algorithm::ES256);
    let mixed = source.sign_also_with(es256, &recipients, keys, &rotations, yesterday);
    mixed.unwrap();
}

/// It returns the subject of a token, requires a scope, and refuses as the demos do.
pub fn the_issuers_url_is_all_it_needs(program: &str) {
    let issuer = Issuer::new(program);
    let login = issuer.start();
    let service = issuer.service(&[]);
    let (login, service) = (client(&login), client(&service));
    let alice = login.login("alice", "wonderland");
    let bob = login.login("bob", "builder");

    let me = service.me(&alice.access);
    let expected = json!({ "sub": "alice", "scope": alice.answer["scope"] });
    assert_eq!((me.status, me.json()), (200, expected));
    assert_eq!(service.get("/api/reports", &alice.access).status, 200);
    let refused = service.get("/api/reports", &bob.access);
    refused.error(403, "insufficient_scope");
    assert_eq!(
        refused.header("www-authenticate"),
        format!(
            r#"Bearer realm="api", error="insufficient_scope", scope="reports:read", {METADATA}"#
        )
    );

    let told = claims(&alice.access);
    let but = |name: &str, value: Value| {
        let mut other = told.clone();
        other[name] = value;
        resign(&issuer.files, &alice.access, &other.to_string())
    };
    assert_eq!(service.me(&but("name", json!("Al"))).status, 200);
    let past = told["iat"].as_u64().unwrap() - 1_000;
    let mut expired = told.clone();
    expired["iat"] = json!(past);
    expired["auth_time"] = json!(past);
    expired["exp"] = json!(past + 300);
    let expired = resign(&issuer.files, &alice.access, &expired.to_string());
    service.me(&expired).invalid_token("expired");
    let (unsigned, _) = alice.access.rsplit_once('.').unwrap();
    for bad in [
        but("aud", json!("https://other.example")),
        but("iss", json!("https://other.example")),
        format!("{unsigned}.{}", bob.access.rsplit_once('.').unwrap().1),
        alice.refresh.clone(),
        "garbage".to_owned(),
    ] {
        service.me(&bad).invalid_token("invalid");
    }
    // A genuine token for another audience is refused as well.
    let other = issuer.service(&["--audience", "https://other.example"]);
    client(&other).me(&alice.access).invalid_token("invalid");

    // If it is no token at all, each server answers the same.
    for authorization in [None, Some("Basic YTpi"), Some("Bearer"), Some("Bearer a b")] {
        let fields: Vec<_> = authorization
            .map(|v| ("authorization", v))
            .into_iter()
            .collect();
        let [ours, theirs] =
            [&service, &login].map(|server| server.send(&Method::GET, "/api/me", &fields, None));
        assert!(matches!(ours.status, 400 | 401), "{ours:?}");
        assert_eq!((ours.status, &ours.text), (theirs.status, &theirs.text));
        let challenge = "www-authenticate";
        let theirs = format!("{}, {METADATA}", theirs.header(challenge));
        assert_eq!(ours.header(challenge), theirs);
    }

    // A client that knows nothing but the service finds the issuer (RFC 9728).
    let path = "/.well-known/oauth-protected-resource";
    let document = service.send(&Method::GET, path, &[], None).json();
    assert_eq!(document["resource"], AUDIENCE);
    assert_eq!(document["authorization_servers"], json!([issuer.url]));
}

/// A token that is bound to a key of its client is accepted with a proof of that key, and each proof once.
pub fn bound_tokens_need_a_proof_of_their_key(program: &str) {
    let issuer = Issuer::new(program);
    let login = issuer.start_with(&["--dpop", "optional"]);
    let service = issuer.service(&[]);
    let url = service.url().to_owned();
    let (login, service) = (client(&login), client(&service));
    let [key, other] = [SoftwareKey::new(), SoftwareKey::new()];
    let tokens = log_in_with(&key, &issuer.url, &login);
    assert_eq!(tokens.answer["token_type"], "DPoP");

    let ask = |proof: &str, scheme: &str, token: &str| {
        let authorization = format!("{scheme} {token}");
        let fields = [("authorization", authorization.as_str()), ("dpop", proof)];
        service.send(&Method::GET, "/api/me", &fields, None)
    };
    let address = format!("{url}/api/me");
    let prove = |key: &SoftwareKey, token: &str| proof(key, "GET", &address, None, Some(token));
    let good = prove(&key, &tokens.access);
    assert_eq!(ask(&good, "DPoP", &tokens.access).status, 200);
    let again = ask(&good, "DPoP", &tokens.access);
    again.error(401, "invalid_dpop_proof");
    let stolen = ask(&prove(&other, &tokens.access), "DPoP", &tokens.access);
    stolen.error(401, "invalid_token");
    for reply in [&again, &stolen, &service.me(&tokens.access)] {
        assert_eq!(reply.status, 401, "{reply:?}");
        let challenge = reply.header("www-authenticate");
        assert!(
            challenge.starts_with(r#"DPoP realm="api""#) && challenge.contains(METADATA),
            "{challenge}"
        );
    }
    for wrong in [
        proof(&key, "POST", &address, None, Some(&tokens.access)),
        proof(&key, "GET", &issuer.url, None, Some(&tokens.access)),
        prove(&key, "another"),
        proof(&key, "GET", &address, None, None),
        "garbage".to_owned(),
    ] {
        let reply = ask(&wrong, "DPoP", &tokens.access);
        reply.error(401, "invalid_dpop_proof");
    }
    // A token that is bound to nothing comes as a bearer token.
    let bearer = login.login("bob", "builder").access;
    let reply = ask(&prove(&key, &bearer), "DPoP", &bearer);
    reply.error(401, "invalid_token");
    assert_eq!(service.me(&bearer).status, 200);
}

/// If the service says so, each proof needs a nonce of its own; those of the issuer are worth nothing there.
pub fn a_service_can_demand_nonces_of_its_own(program: &str) {
    let issuer = Issuer::new(program);
    let login = issuer.start_with(&["--dpop", "optional"]);
    let service = issuer.service(&["--nonce-key", &"a5".repeat(32)]);
    let address = format!("{}/api/me", service.url());
    let (login, service) = (client(&login), client(&service));
    let key = SoftwareKey::new();
    let tokens = log_in_with(&key, &issuer.url, &login);
    let authorization = format!("DPoP {}", tokens.access);
    let ask = |nonce: Option<&str>| {
        let proof = proof(&key, "GET", &address, nonce, Some(&tokens.access));
        let fields = [("authorization", &*authorization), ("dpop", &proof)];
        service.send(&Method::GET, "/api/me", &fields, None)
    };
    let issuers = ask_for_login(&key, &issuer.url, &login, None);
    for wrong in [None, Some(issuers.header("dpop-nonce"))] {
        let refused = ask(wrong);
        refused.error(401, "use_dpop_nonce");
        let challenge = refused.header("www-authenticate");
        assert!(
            challenge.contains(r#"error="use_dpop_nonce""#),
            "{challenge}"
        );
        assert_eq!(ask(Some(refused.header("dpop-nonce"))).status, 200);
    }
}

/// A login that proves a key, for which the server demands a nonce.
fn log_in_with(key: &SoftwareKey, origin: &str, client: &Client) -> Tokens {
    let asked = ask_for_login(key, origin, client, None);
    asked.error(400, "use_dpop_nonce");
    ask_for_login(key, origin, client, Some(asked.header("dpop-nonce"))).tokens()
}

fn ask_for_login(key: &SoftwareKey, origin: &str, client: &Client, nonce: Option<&str>) -> Reply {
    let body = json!({ "username": "alice", "password": "wonderland" }).to_string();
    let proof = proof(key, "POST", &format!("{origin}/auth/login"), nonce, None);
    let fields = [("content-type", "application/json"), ("dpop", &*proof)];
    client.send(&Method::POST, "/auth/login", &fields, Some(body.as_bytes()))
}

/// A proof of a key for a request, made now.
fn proof(
    key: &SoftwareKey,
    method: &str,
    address: &str,
    nonce: Option<&str>,
    token: Option<&str>,
) -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let mut claims = json!({
        "jti": COUNT.fetch_add(1, Ordering::Relaxed).to_string(),
        "htm": method, "htu": address, "iat": now.as_secs(),
    });
    if let Some(nonce) = nonce {
        claims["nonce"] = json!(nonce);
    }
    if let Some(token) = token {
        let hash = digest(&SHA256, token.as_bytes());
        claims["ath"] = json!(URL_SAFE_NO_PAD.encode(hash));
    }
    let header = format!(r#"{{"alg":"ES256","jwk":{},"typ":"dpop+jwt"}}"#, key.jwk());
    key.sign(&header, &claims.to_string())
}

/// If the issuer is asked, a token of an ended session is refused at once, else until it expires.
pub fn ended_sessions_are_refused_as_the_flag_says(program: &str) {
    let issuer = Issuer::new(program);
    let server = issuer.start();
    let login = client(&server);
    let none = issuer.service(&["--revocation", "none"]);
    let asking = ["--revocation", "introspection", "--introspection-key", KEY];
    let asking = issuer.service(&asking);
    let (none, asking) = (client(&none), client(&asking));
    let [alice, bob] = [("alice", "wonderland"), ("bob", "builder")]
        .map(|(name, password)| login.login(name, password));
    for service in [&none, &asking] {
        assert_eq!(service.me(&alice.access).status, 200);
    }
    assert_eq!(login.logout(&alice.refresh).status, 204);
    asking.me(&alice.access).invalid_token("revoked");
    assert_eq!(none.me(&alice.access).status, 200, "until it expires");
    assert_eq!(asking.me(&bob.access).status, 200, "another session");

    // If it must be asked and cannot be, requests get 503, and nobody is logged out.
    server.kill();
    asking.me(&bob.access).error(503, "temporarily_unavailable");
    asking.me("garbage").invalid_token("invalid");
    assert_eq!(none.me(&bob.access).status, 200);
    let _again = issuer.start();
    assert_eq!(asking.me(&bob.access).status, 200);
    asking.me(&alice.access).invalid_token("revoked");
}

/// With the feed of the issuer's store, a token of an ended session is refused at once, without a
/// request. If the store is unreachable, requests get 503, and nobody is logged out.
pub fn ended_sessions_are_refused_by_the_feed(program: &str) {
    let mut database = redis::Server::start(&[]);
    let url = database.url();
    let issuer = Issuer::new(program);
    let server = issuer.start_with(&["--store", &url]);
    let login = client(&server);
    let [alice, bob, ended] = ["alice", "bob", "alice"].map(|name| {
        let password = ["wonderland", "builder"][usize::from(name == "bob")];
        login.login(name, password)
    });
    assert_eq!(login.logout(&ended.refresh).status, 204);
    let service = issuer.service(&["--revocation", "feed", "--store", &url]);
    let service = client(&service);
    // Also if the session ended before the service started.
    service.me(&ended.access).invalid_token("revoked");
    assert_eq!(service.me(&alice.access).status, 200);
    assert_eq!(login.logout(&alice.refresh).status, 204);
    soon("the logout is heard of", || {
        service.me(&alice.access).status == 401
    });
    service.me(&alice.access).invalid_token("revoked");
    assert_eq!(service.me(&bob.access).status, 200, "another session");

    // The issuer itself need not run.
    server.kill();
    assert_eq!(service.me(&bob.access).status, 200);
    database.kill();
    soon("the feed is behind", || {
        service.me(&bob.access).status == 503
    });
    service.me("garbage").invalid_token("invalid");
}

/// The service goes on with the last good keys. If it has none, it answers 503.
pub fn tokens_are_accepted_while_the_issuer_is_down(program: &str) {
    let issuer = Issuer::new(program);
    let server = issuer.start();
    let alice = client(&server).login("alice", "wonderland");
    let before = issuer.service(&[]);
    assert_eq!(client(&before).me(&alice.access).status, 200);
    server.kill();

    // It starts although the issuer is unreachable, with either setting.
    let asking = ["--revocation", "introspection", "--introspection-key", KEY];
    let [since, asking] = [&[][..], &asking].map(|flags| issuer.service(flags));
    for service in [&since, &asking] {
        let reply = client(service).me(&alice.access);
        reply.error(503, "temporarily_unavailable");
        assert_eq!(reply.header("www-authenticate"), "");
    }
    // Past the `max-age` of the set.
    pass(1.5);
    assert_eq!(client(&before).me(&alice.access).status, 200);
    client(&before).me("garbage").invalid_token("invalid");

    let _again = issuer.start();
    for service in [&since, &asking] {
        soon("the keys are found", || {
            client(service).me(&alice.access).status == 200
        });
    }
}

/// If the issuer's keys change, by its administrator or its file, the service follows.
pub fn new_keys_are_found(program: &str) {
    let issuer = Issuer::new(program);
    let server = issuer.start();
    let (login, service) = (client(&server), issuer.service(&[]));
    let service = client(&service);
    let first = login.login("alice", "wonderland");
    assert_eq!(service.me(&first.access).status, 200);

    let bearer = format!("Bearer {ADMIN}");
    let act = |body: Value| {
        let headers = [("authorization", bearer.as_str())];
        let body = body.to_string();
        let path = "/admin/keys";
        login.send(&Method::POST, path, &headers, Some(body.as_bytes()))
    };
    soon("the next key may sign", || {
        act(json!({ "do": "promote" })).status == 200
    });
    let second = login.refresh(&first.refresh).tokens();
    let kid = |token: &str| header(token)["kid"].clone();
    assert_ne!(kid(&second.access), kid(&first.access));
    for token in [&first.access, &second.access] {
        assert_eq!(service.me(token).status, 200, "both are published");
    }

    // A leaked key is refused when the service's copy of the set expires.
    let removed = act(json!({ "do": "remove", "kid": kid(&second.access) }));
    assert_eq!(removed.status, 200, "{removed:?}");
    soon("it is refused", || service.me(&second.access).status == 401);
    let third = login.refresh(&second.refresh).tokens();
    assert_eq!(service.me(&third.access).status, 200);

    // Keys from another file, which the issuer did not announce.
    let other = Issuer::new(program);
    drop(other.start());
    fs::copy(other.files.keys(), issuer.files.path("next.json")).unwrap();
    fs::rename(issuer.files.path("next.json"), issuer.files.keys()).unwrap();
    server.signal("HUP");
    soon("the issuer has them", || {
        login.me(&third.access).status == 401
    });
    let fourth = login.login("alice", "wonderland");
    soon("they are found", || {
        service.me(&fourth.access).status == 200
    });
    soon("and no others", || service.me(&third.access).status == 401);
}

/// The error for each wrong flag and each address that cannot be used says what to do.
pub fn impossible_settings_are_refused_at_start(program: &str) {
    let issuer = Issuer::new(program);
    let _server = issuer.start();
    let url = issuer.url.as_str();
    let other = url.replace("127.0.0.1", "localhost");
    let asking = |key| {
        [
            "--issuer",
            url,
            "--revocation",
            "introspection",
            "--introspection-key",
            key,
        ]
    };
    for (flags, expected) in [
        (&[][..], "--issuer <URL>"),
        (&["--issuer", ""], "--issuer"),
        (&["--issuer", "id.example"], "write it as https://HOST"),
        (&["--issuer", "http://id.example"], "use https"),
        (&["--issuer", "https://a:hush@id.example"], "leave them out"),
        (&["--issuer", &other], "write the issuer as it stands there"),
        (
            &["--issuer", url, "--interval", "1ms"],
            "interval of 1ms is not between",
        ),
        (
            &["--issuer", url, "--revocation", "perhaps"],
            "--revocation",
        ),
        (&["--issuer", url, "--revocation", "feed"], "--store <URL>"),
        (
            &[
                "--issuer",
                url,
                "--revocation",
                "feed",
                "--store",
                "redis://:hush@127.0.0.1:1/",
            ],
            "--store: ",
        ),
        (
            &["--issuer", url, "--revocation", "introspection"],
            "--introspection-key <KEY>",
        ),
        (
            &asking("hush-hush-hush-hush-hush"),
            "answered with 401; give the key",
        ),
        (&asking("two\nlines"), "--introspection-key"),
        (&["--issuer", url, "--listen", "nowhere"], "--listen"),
        (
            &["--issuer", url, "--listen", &url[7..]],
            "name another with --listen",
        ),
    ] {
        let flags = [flags, &["--audience", AUDIENCE]].concat();
        let output = refused_other(PROGRAM, &flags);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{flags:?}: {said}");
        assert!(said.contains(expected), "{flags:?}: {said}");
        assert!(!said.contains("hush"), "{said}");
        assert!(output.stdout.is_empty());
    }
}
