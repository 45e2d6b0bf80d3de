//! Proofs of possession (RFC 9449): what a bound session needs, and what each proof that is not good gets.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{Method, Request};
use serde_json::{Value, json};
use token_core::{Authentication, NoClaims, Transport};
use token_http::{Attempt, AttemptKind, CustomLogin, Dpop, Head, Refusal, Rule, Shown};
use token_session::NewSession;

use crate::world::{
    OWN, PASSWORD, Reply, World, get, post_form, post_json, refusal, request, with, with_bearer,
};

const LOGIN: &str = "/auth/login";
const REFRESH: &str = "/auth/refresh";
const ME: &str = "/api/me";

/// A client with a key of its own.
struct Client {
    key: Ed25519KeyPair,
    nonce: Option<String>,
    made: AtomicU64,
}

fn base64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

impl Client {
    fn new(seed: u8) -> Self {
        Self {
            key: Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap(),
            nonce: None,
            made: AtomicU64::new(0),
        }
    }

    fn thumbprint(&self) -> String {
        let x = base64(self.key.public_key().as_ref());
        let members = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#);
        base64(digest(&SHA256, members.as_bytes()))
    }

    /// A proof for a request, with these claims changed; `null` leaves one out.
    fn proof(
        &self,
        world: &World,
        method: &str,
        path: &str,
        token: Option<&str>,
        changes: &Value,
    ) -> String {
        let made = self.made.fetch_add(1, Ordering::Relaxed);
        let mut claims = json!({
            "jti": format!("{made}"),
            "htm": method,
            "htu": format!("{OWN}{path}"),
            "iat": world.auth.manager().now().as_secs(),
            "nonce": self.nonce,
            "ath": token.map(|token| base64(digest(&SHA256, token.as_bytes()))),
        });
        for (name, value) in changes.as_object().unwrap() {
            claims[name] = value.clone();
        }
        claims
            .as_object_mut()
            .unwrap()
            .retain(|_, value| !value.is_null());
        let jwk =
            json!({ "kty": "OKP", "crv": "Ed25519", "x": base64(self.key.public_key().as_ref()) });
        let header = json!({ "typ": "dpop+jwt", "alg": "EdDSA", "jwk": jwk });
        let input = format!(
            "{}.{}",
            base64(header.to_string()),
            base64(claims.to_string())
        );
        let signature = base64(self.key.sign(input.as_bytes()).as_ref());
        format!("{input}.{signature}")
    }

    /// Takes the nonce that a server asks for.
    fn takes_nonce(mut self, world: &World) -> Self {
        self.nonce = Some(nonce(world));
        self
    }

    async fn log_in(&self, world: &World) -> Reply {
        let proof = self.proof(world, "POST", LOGIN, None, &json!({}));
        world.send(with(login_request(), "dpop", &proof)).await
    }

    async fn refresh(&self, world: &World, token: &str) -> Reply {
        let proof = self.proof(world, "POST", REFRESH, None, &json!({}));
        world
            .send(with(refresh_request(token), "dpop", &proof))
            .await
    }

    async fn call(&self, world: &World, token: &str) -> Reply {
        self.call_with(world, token, &json!({})).await
    }

    async fn call_with(&self, world: &World, token: &str, changes: &Value) -> Reply {
        let proof = self.proof(world, "GET", ME, Some(token), changes);
        world.send(with(call(token), "dpop", &proof)).await
    }
}

fn login_request() -> Request<String> {
    post_json(LOGIN, &json!({ "username": "alice", "password": PASSWORD }))
}

fn refresh_request(token: &str) -> Request<String> {
    post_json(REFRESH, &json!({ "refresh_token": token }))
}

fn call(token: &str) -> Request<&'static str> {
    with(get(ME), "authorization", &format!("DPoP {token}"))
}

fn nonce(world: &World) -> String {
    let manager = world.auth.manager();
    let nonce = manager.nonce_keys().current(manager.now());
    nonce.unwrap().as_str().to_owned()
}

fn world() -> World {
    World::with(|config| config.dpop(Dpop::optional()))
}

fn challenge(reply: &Reply) -> &str {
    reply.header("www-authenticate")
}

const ALGS: &str = r#"algs="ES256 EdDSA Ed25519""#;

#[tokio::test]
async fn a_session_that_begins_with_a_proof_needs_one_at_each_step() {
    let world = world();
    let client = Client::new(1).takes_nonce(&world);
    let login = client.log_in(&world).await;
    assert_eq!(login.status, 200, "{login:?}");
    assert_eq!(login.text("token_type"), "DPoP");
    assert_eq!(login.header("dpop-nonce"), nonce(&world));
    let (access, refresh) = (login.text("access_token"), login.text("refresh_token"));
    assert_eq!(client.call(&world, &access).await.status, 200);
    // Seen before, it needs a proof all the same.
    assert_eq!(client.call(&world, &access).await.status, 200);
    let bare = world.send(call(&access)).await;
    assert_eq!(bare.refusal(), refusal(401, "invalid_dpop_proof", ""));
    assert_eq!(
        challenge(&bare),
        format!(r#"DPoP realm="api", error="invalid_dpop_proof", {ALGS}"#)
    );

    world.advance(60);
    for (client, reason) in [(&Client::new(2).takes_nonce(&world), "unbound")] {
        let refused = client.refresh(&world, &refresh).await;
        assert_eq!(refused.refusal(), refusal(400, "invalid_grant", reason));
    }
    let bare = world.send(refresh_request(&refresh)).await;
    assert_eq!(bare.refusal(), refusal(400, "invalid_grant", "unbound"));
    let renewed = client.refresh(&world, &refresh).await;
    assert_eq!(renewed.text("token_type"), "DPoP", "{renewed:?}");
    // An older token without the proof ends nothing.
    world.advance(60);
    let bare = world.send(refresh_request(&refresh)).await;
    assert_eq!(bare.refusal(), refusal(400, "invalid_grant", "unbound"));
    assert_eq!(
        client
            .call(&world, &renewed.text("access_token"))
            .await
            .status,
        200
    );
    // With it, it does.
    let stolen = client.refresh(&world, &refresh).await;
    assert_eq!(stolen.refusal(), refusal(400, "invalid_grant", "reused"));
}

#[tokio::test]
async fn a_bound_token_is_no_bearer_token_and_an_unbound_one_proves_no_key() {
    let world = world();
    let client = Client::new(1).takes_nonce(&world);
    let bound = client.log_in(&world).await.text("access_token");
    for _ in 0..2 {
        let refused = world.send(with_bearer(get(ME), &bound)).await;
        assert_eq!(refused.refusal(), refusal(401, "invalid_token", ""));
        let expected = format!(
            r#"DPoP realm="api", error="invalid_token", error_description="invalid", {ALGS}"#
        );
        assert_eq!(challenge(&refused), expected);
        assert_eq!(client.call(&world, &bound).await.status, 200);
    }
    let unbound = world.login("header").await.text("access_token");
    assert_eq!(world.send(with_bearer(get(ME), &unbound)).await.status, 200);
    let refused = client.call(&world, &unbound).await;
    assert_eq!(refused.refusal(), refusal(401, "invalid_token", ""));
    let other = Client::new(2).call(&world, &bound).await;
    assert_eq!(other.refusal(), refusal(401, "invalid_token", ""));
}

#[tokio::test]
async fn each_fault_of_a_proof_is_refused_and_other_spellings_are_not() {
    let world = world();
    let client = Client::new(1).takes_nonce(&world);
    let token = client.log_in(&world).await.text("access_token");
    let now = world.auth.manager().now().as_secs();
    for changes in [
        json!({ "htm": "POST" }),
        json!({ "htu": "http://own.example/api/me" }),
        json!({ "htu": "https://other.example/api/me" }),
        json!({ "htu": "https://own.example:8443/api/me" }),
        json!({ "htu": "https://own.example/api/Me" }),
        json!({ "htu": "https://own.example/api/me/" }),
        json!({ "iat": now - 121 }),
        json!({ "iat": now + 61 }),
        json!({ "ath": null }),
        json!({ "ath": base64([0; 32]) }),
        json!({ "jti": null }),
        json!({ "exp": now }),
    ] {
        let refused = client.call_with(&world, &token, &changes).await;
        assert_eq!(
            refused.refusal(),
            refusal(401, "invalid_dpop_proof", ""),
            "{changes}"
        );
    }
    for changes in [
        json!({ "htu": "https://OWN.example:443/api/me?page=1#top" }),
        json!({ "htu": "https://own.example/%61pi/me" }),
        json!({ "iat": now - 120 }),
        json!({ "iat": now + 60 }),
        json!({ "nonce": null }),
    ] {
        assert_eq!(
            client.call_with(&world, &token, &changes).await.status,
            200,
            "{changes}"
        );
    }
    let proof = client.proof(&world, "GET", ME, Some(&token), &json!({}));
    let twice = with(with(call(&token), "dpop", &proof), "dpop", &proof);
    assert_eq!(
        world.send(twice).await.refusal(),
        refusal(401, "invalid_dpop_proof", "")
    );
    // A proof is used once.
    let again = || with(call(&token), "dpop", &proof);
    assert_eq!(world.send(again()).await.status, 200);
    assert_eq!(
        world.send(again()).await.refusal(),
        refusal(401, "invalid_dpop_proof", "")
    );
}

#[tokio::test]
async fn a_nonce_is_asked_for_before_the_password_and_counts_as_no_attempt() {
    let attempts = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&attempts);
    let world = World::with(|config| {
        config
            .dpop(Dpop::optional())
            .limit(move |attempt: Attempt<'_>| {
                if let AttemptKind::Login(_) = attempt.kind {
                    counted.fetch_add(1, Ordering::Relaxed);
                }
                Ok(())
            })
    });
    let mut client = Client::new(1);
    let asked = client.log_in(&world).await;
    assert_eq!(asked.refusal(), refusal(400, "use_dpop_nonce", ""));
    assert_eq!(asked.header("www-authenticate"), "");
    assert_eq!(attempts.load(Ordering::Relaxed), 0);
    client.nonce = Some(asked.header("dpop-nonce").to_owned());
    let login = client.log_in(&world).await;
    assert_eq!(login.status, 200, "{login:?}");
    assert_eq!(attempts.load(Ordering::Relaxed), 1);
    // The one before is still good, and then no longer.
    world.advance(290);
    let renewed = client.refresh(&world, &login.text("refresh_token")).await;
    assert_eq!(renewed.status, 200, "{renewed:?}");
    world.advance(600);
    let asked = client.refresh(&world, &renewed.text("refresh_token")).await;
    assert_eq!(asked.refusal(), refusal(400, "use_dpop_nonce", ""));
    client.nonce = Some(asked.header("dpop-nonce").to_owned());
    let renewed = client.refresh(&world, &renewed.text("refresh_token")).await;
    assert_eq!(renewed.status, 200, "{renewed:?}");
}

#[tokio::test]
async fn a_resource_can_ask_for_a_nonce_too() {
    let world = World::with(|config| config.dpop(Dpop::optional().nonces_with_tokens(true)));
    let client = Client::new(1).takes_nonce(&world);
    let token = client.log_in(&world).await.text("access_token");
    assert_eq!(client.call(&world, &token).await.status, 200);
    let asked = client
        .call_with(&world, &token, &json!({ "nonce": null }))
        .await;
    assert_eq!(asked.refusal(), refusal(401, "use_dpop_nonce", ""));
    assert_eq!(asked.header("dpop-nonce"), nonce(&world));
    assert_eq!(
        challenge(&asked),
        format!(r#"DPoP realm="api", error="use_dpop_nonce", {ALGS}"#)
    );
}

#[tokio::test]
async fn the_settings_say_who_has_to_prove_a_key() {
    let bare = || login_request();
    let off = World::new();
    let client = Client::new(1);
    // Switched off, the field is ignored.
    let login = client.log_in(&off).await;
    assert_eq!(
        (login.status, login.text("token_type").as_str()),
        (200, "Bearer")
    );
    assert_eq!(login.header("dpop-nonce"), "");
    let refused = client.call(&off, &login.text("access_token")).await;
    assert_eq!(refused.refusal(), refusal(401, "unauthorized", ""));

    let required = World::with(|config| config.dpop(Dpop::required()));
    assert_eq!(
        required.send(bare()).await.refusal(),
        refusal(400, "invalid_dpop_proof", "")
    );
    assert_eq!(
        client.takes_nonce(&required).log_in(&required).await.status,
        200
    );
    assert_eq!(
        challenge(&required.send(get(ME)).await),
        format!(r#"DPoP realm="api", {ALGS}"#)
    );
    // Other transports have cookies instead.
    assert_eq!(required.login("session").await.status, 200);

    let app = || "app".parse().unwrap();
    let one = World::with(|config| config.client(app()).dpop(Dpop::optional().require(app())));
    let as_app = json!({ "username": "alice", "password": PASSWORD, "client_id": "app" });
    let refused = one.send(post_json(LOGIN, &as_app)).await;
    assert_eq!(refused.refusal(), refusal(400, "invalid_dpop_proof", ""));
    assert_eq!(one.send(bare()).await.status, 200);

    for transport in ["cookie", "session"] {
        let mut as_app = as_app.clone();
        as_app["transport"] = json!(transport);
        let refused = one.send(post_json(LOGIN, &as_app)).await;
        assert_eq!(refused.refusal(), refusal(400, "invalid_request", ""));
    }

    let by_cookie = json!({ "username": "alice", "password": PASSWORD, "transport": "cookie" });
    let client = Client::new(1).takes_nonce(&one);
    let proof = client.proof(&one, "POST", LOGIN, None, &json!({}));
    let refused = one
        .send(with(post_json(LOGIN, &by_cookie), "dpop", &proof))
        .await;
    assert_eq!(refused.refusal(), refusal(400, "invalid_request", ""));
}

/// Who leaves the client out has the default one's tokens.
#[tokio::test]
async fn a_login_that_names_no_client_proves_what_the_default_client_has_to() {
    let default = || "default".parse().unwrap();
    let world = World::with(|config| config.dpop(Dpop::optional().require(default())));
    let refused = world.send(login_request()).await;
    assert_eq!(refused.refusal(), refusal(400, "invalid_dpop_proof", ""));
    let client = Client::new(1).takes_nonce(&world);
    assert_eq!(client.log_in(&world).await.status, 200);
}

/// The step-up that a rule asks for needs a proof too.
#[tokio::test]
async fn a_rule_challenges_a_caller_by_the_scheme_of_its_token() {
    struct Admin;
    impl Rule for Admin {
        const SCOPE: &'static str = "admin";
    }
    let world = world();
    let client = Client::new(1).takes_nonce(&world);
    let bound = client.log_in(&world).await.text("access_token");
    let unbound = world.login("header").await.text("access_token");
    let proof = client.proof(&world, "GET", ME, Some(&bound), &json!({}));
    for (scheme, token, algs) in [("DPoP", &bound, ALGS), ("Bearer", &unbound, "")] {
        let authorization = format!("{scheme} {token}");
        let values = std::iter::once(authorization.as_bytes());
        let shown = || Shown::new("GET", ME, std::iter::once(proof.as_bytes()));
        let caller = world.auth.clone().access::<NoClaims>(values, shown).await;
        let refused = world.auth.require::<Admin>(&caller.unwrap().unwrap());
        let refused = refused.unwrap_err().response();
        assert_eq!(refused.status(), 403);
        let challenge = refused.headers()["www-authenticate"].to_str().unwrap();
        assert!(
            challenge.starts_with(&format!("{scheme} realm=")),
            "{challenge}"
        );
        assert!(
            challenge.contains(r#"error="insufficient_scope""#),
            "{challenge}"
        );
        assert!(challenge.ends_with(algs), "{challenge}");
    }
}

#[tokio::test]
async fn a_custom_login_with_a_proof_has_to_be_by_header_too() {
    let world = world();
    let client = Client::new(1).takes_nonce(&world);
    for (transport, good) in [
        (Transport::Cookie, false),
        (Transport::Session, false),
        (Transport::Header, true),
    ] {
        let proof = client.proof(&world, "POST", LOGIN, None, &json!({}));
        let (parts, _) = with(login_request(), "dpop", &proof).into_parts();
        let head = Head {
            method: &parts.method,
            uri: &parts.uri,
            headers: &parts.headers,
            peer: None,
        };
        let login = CustomLogin::read(&world.auth, &head).unwrap();
        let ticket = login.begin("alice").await.unwrap();
        let session = NewSession {
            transport: Some(transport),
            ..login.new_session(Authentication::password(login.at()))
        };
        let opened = login.open(ticket, session).await;
        let refused = opened.map_err(|rejection| rejection.refusal().clone());
        assert_eq!(refused.is_ok(), good, "{transport}");
        if !good {
            assert_eq!(refused.unwrap_err(), Refusal::InvalidRequest);
        }
    }
}

#[tokio::test]
async fn without_room_for_used_proofs_nothing_is_accepted_and_nothing_is_wrong() {
    let world = World::with(|config| config.dpop(Dpop::optional().remember(2, 10)));
    let client = Client::new(1).takes_nonce(&world);
    let token = client.log_in(&world).await.text("access_token");
    // Who has no token takes no room.
    for _ in 0..3 {
        assert_eq!(client.call(&world, "a.b.c").await.status, 401);
    }
    assert_eq!(client.call(&world, &token).await.status, 200);
    let full = client.call(&world, &token).await;
    assert_eq!(full.refusal(), refusal(503, "temporarily_unavailable", ""));
    assert_eq!(full.header("retry-after"), "1");
    world.advance(200);
    assert_eq!(client.call(&world, &token).await.status, 200);
}

/// Anyone who has an old refresh token can make as many keys as they like.
#[tokio::test]
async fn refresh_tokens_without_the_sessions_key_do_not_take_the_room_of_others() {
    let world = World::with(|config| config.dpop(Dpop::optional().remember(200, 100)));
    let unbound = world.login("header").await.text("refresh_token");
    let client = Client::new(1).takes_nonce(&world);
    let bound = client.log_in(&world).await;
    let of_bound = bound.text("refresh_token");
    let thief = Client::new(2).takes_nonce(&world);
    let mut statuses = Vec::new();
    for _ in 0..200 {
        statuses.push(thief.refresh(&world, &of_bound).await.status);
    }
    assert!(
        statuses.contains(&503),
        "of one session some are remembered"
    );
    for token in [&unbound, &of_bound] {
        let body = json!({ "password": PASSWORD, "refresh_token": token });
        for _ in 0..200 {
            let proof = thief.proof(&world, "POST", "/auth/step-up", None, &json!({}));
            let stepped = with(post_json("/auth/step-up", &body), "dpop", &proof);
            assert_ne!(world.send(stepped).await.status, 503, "none is remembered");
        }
    }
    let access = bound.text("access_token");
    assert_eq!(client.call(&world, &access).await.status, 200);
    assert_eq!(client.log_in(&world).await.status, 200);
}

#[tokio::test]
async fn a_refresh_that_the_limit_refuses_uses_no_proof() {
    let limited = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&limited);
    let world = World::with(|config| {
        let config = config.dpop(Dpop::optional());
        config.limit(move |attempt: Attempt<'_>| match attempt.kind {
            AttemptKind::RefreshOf { .. } if counted.fetch_add(1, Ordering::Relaxed) == 0 => {
                Err(std::time::Duration::from_secs(1))
            }
            _ => Ok(()),
        })
    });
    let client = Client::new(1).takes_nonce(&world);
    let token = client.log_in(&world).await.text("refresh_token");
    let proof = client.proof(&world, "POST", REFRESH, None, &json!({}));
    let ask = || with(refresh_request(&token), "dpop", &proof);
    for status in [429, 200, 400] {
        assert_eq!(world.send(ask()).await.status, status);
    }
}

#[tokio::test]
async fn a_proof_steps_up_once() {
    let world = world();
    let client = Client::new(1).takes_nonce(&world);
    let login = client.log_in(&world).await;
    let body = json!({ "password": PASSWORD, "refresh_token": login.text("refresh_token") });
    let proof = client.proof(&world, "POST", "/auth/step-up", None, &json!({}));
    let ask = || with(post_json("/auth/step-up", &body), "dpop", &proof);
    assert_eq!(world.send(ask()).await.status, 200);
    let again = world.send(ask()).await;
    assert_eq!(again.refusal(), refusal(400, "invalid_dpop_proof", ""));
}

#[tokio::test]
async fn introspection_metadata_and_step_up_know_the_key() {
    const KEY: &str = "dGhlLWtleS1vZi1hLXRlc3Q";
    let world = World::with(|config| config.introspection_key(KEY).dpop(Dpop::optional()));
    let client = Client::new(1).takes_nonce(&world);
    let login = client.log_in(&world).await;
    for (token, kind) in [
        ("access_token", json!("DPoP")),
        ("refresh_token", Value::Null),
    ] {
        let form = format!("token={}", login.text(token));
        let asked = with_bearer(post_form("/auth/introspect", &form), KEY);
        let told = world.send(asked).await.json();
        assert_eq!(told["active"], true, "{token}");
        assert_eq!(
            told["cnf"],
            json!({ "jkt": client.thumbprint() }),
            "{token}"
        );
        assert_eq!(told["token_type"], kind);
    }
    let metadata = world
        .send(get("/.well-known/oauth-authorization-server"))
        .await
        .json();
    let algorithms = json!(["ES256", "EdDSA", "Ed25519"]);
    assert_eq!(metadata["dpop_signing_alg_values_supported"], algorithms);

    let body = json!({ "password": PASSWORD, "refresh_token": login.text("refresh_token") });
    let bare = world.send(post_json("/auth/step-up", &body)).await;
    assert_eq!(bare.refusal(), refusal(400, "invalid_grant", "unbound"));
    let proof = client.proof(&world, "POST", "/auth/step-up", None, &json!({}));
    let renewed = world
        .send(with(post_json("/auth/step-up", &body), "dpop", &proof))
        .await;
    assert_eq!(renewed.text("token_type"), "DPoP", "{renewed:?}");

    // The same by a proof that the application checks, and for a change of password.
    let mut token = renewed.text("refresh_token");
    for path in ["/form/step-up", "/form/password"] {
        let form = format!("password={PASSWORD}&new_password=looking-glass&refresh_token={token}");
        let bare = world.send(post_form(path, &form)).await;
        assert_eq!(bare.refusal(), refusal(400, "invalid_grant", "unbound"));
        let proof = client.proof(&world, "POST", path, None, &json!({}));
        let ask = || with(post_form(path, &form), "dpop", &proof);
        let renewed = world.send(ask()).await;
        assert_eq!(renewed.text("token_type"), "DPoP", "{path}: {renewed:?}");
        let again = world.send(ask()).await.refusal();
        assert_eq!(again, refusal(400, "invalid_dpop_proof", ""), "{path}");
        token = renewed.text("refresh_token");
    }
}

#[tokio::test]
async fn who_has_a_bound_token_may_end_its_session_without_a_proof() {
    for by_access in [true, false] {
        let world = world();
        let client = Client::new(1).takes_nonce(&world);
        let login = client.log_in(&world).await;
        let (access, refresh) = (login.text("access_token"), login.text("refresh_token"));
        let ended = if by_access {
            let logout = request(Method::POST, "/auth/logout").body("").unwrap();
            world
                .send(with(logout, "authorization", &format!("DPoP {access}")))
                .await
        } else {
            world
                .send(post_form("/auth/revoke", &format!("token={refresh}")))
                .await
        };
        assert!(ended.status < 300, "{ended:?}");
        assert_eq!(
            client.call(&world, &access).await.refusal(),
            refusal(401, "invalid_token", "")
        );
    }
}
