//! Proofs of possession, which need the method, the path and a field of the request.

use std::net::SocketAddr;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use token_session::clock::Clock as _;
use token_session::test_util::TestClock;

use crate::OWN;
use crate::client::{Reply, send};

fn base64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A proof of the one key that there is.
fn proof(clock: &TestClock, line: &str, id: &str, nonce: &str, token: Option<&str>) -> String {
    let key = Ed25519KeyPair::from_seed_unchecked(&[1; 32]).unwrap();
    let x = base64(key.public_key().as_ref());
    let (method, path) = line.split_once(' ').unwrap();
    let mut claims = json!({
        "jti": id, "htm": method, "htu": format!("{OWN}{path}"), "iat": clock.now().as_secs(), "nonce": nonce,
    });
    if let Some(token) = token {
        claims["ath"] = Value::from(base64(digest(&SHA256, token.as_bytes())));
    }
    let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "x": x });
    let header = json!({ "typ": "dpop+jwt", "alg": "EdDSA", "jwk": jwk });
    let input = format!(
        "{}.{}",
        base64(header.to_string()),
        base64(claims.to_string())
    );
    let signature = base64(key.sign(input.as_bytes()).as_ref());
    format!("{input}.{signature}")
}

const JSON: (&str, &str) = ("Content-Type", "application/json");
const LOGIN: &str = r#"{"username":"alice","password":"wonderland"}"#;

fn field(reply: &Reply, name: &str) -> String {
    let found = reply.fields.iter().find(|(own, _)| own == name);
    found.map_or_else(String::new, |(_, value)| value.clone())
}

pub(crate) fn run(server: SocketAddr, clock: &TestClock) -> Vec<(String, Reply)> {
    let mut replies = Vec::new();
    let mut ask = |expected: u16, line: &str, fields: &[(&str, &str)], body: &str| {
        let (method, path) = line.split_once(' ').unwrap();
        let reply = send(server, method, path, fields, body);
        assert_eq!(reply.status, expected, "{line} {fields:?}: {reply:?}");
        replies.push((format!("{line} {fields:?}"), reply.clone()));
        reply
    };
    let line = "POST /auth/login";
    let bare = proof(clock, line, "1", "", None);
    let asked = ask(400, line, &[JSON, ("DPoP", &bare)], LOGIN);
    let nonce = field(&asked, "dpop-nonce");
    let good = proof(clock, line, "2", &nonce, None);
    ask(400, line, &[JSON, ("DPoP", &good), ("dpop", &good)], LOGIN);
    let tokens = ask(200, line, &[JSON, ("DPoP", &good)], LOGIN);
    let access = tokens.text("access_token");
    let dpop = format!("DPoP {access}");
    let bearer = format!("Bearer {access}");
    let (dpop, bearer) = (("Authorization", &*dpop), ("Authorization", &*bearer));
    // In both extractors; what the second is asked with a query is the same address.
    for (line, asked) in [
        ("GET /me", "GET /me?page=1"),
        ("GET /nested/me", "GET /nested/me"),
        ("POST /transfer", "POST /transfer"),
        ("GET /auth/session", "GET /auth/session"),
    ] {
        let proof = proof(clock, line, line, "", Some(&access));
        ask(401, asked, &[dpop], "");
        ask(401, asked, &[bearer, ("DPoP", &proof)], "");
        ask(401, asked, &[dpop, ("DPoP", &good)], "");
        ask(401, asked, &[dpop, ("DPoP", &proof), ("DPoP", &proof)], "");
        ask(200, asked, &[dpop, ("DPoP", &proof)], "");
        ask(401, asked, &[dpop, ("DPoP", &proof)], "");
    }
    let body = json!({ "refresh_token": tokens.text("refresh_token") }).to_string();
    let line = "POST /auth/refresh";
    ask(400, line, &[JSON], &body);
    let renewal = proof(clock, line, "3", &nonce, None);
    ask(200, line, &[JSON, ("DPoP", &renewal)], &body);
    ask(204, "POST /auth/logout", &[dpop], "");
    let late = proof(clock, "GET /me", "4", "", Some(&access));
    ask(401, "GET /me", &[dpop, ("DPoP", &late)], "");
    replies
}

/// Routes that demand a key.
pub(crate) fn demanded(server: SocketAddr, clock: &TestClock) -> Vec<(String, Reply)> {
    let mut replies = Vec::new();
    let mut ask = |expected: u16, line: &str, fields: &[(&str, &str)], body: &str| {
        let (method, path) = line.split_once(' ').unwrap();
        let reply = send(server, method, path, fields, body);
        assert_eq!(reply.status, expected, "{line} {fields:?}: {reply:?}");
        replies.push((format!("{line} {fields:?}"), reply.clone()));
        reply
    };
    let line = "POST /auth/login";
    let unbound = ask(200, line, &[JSON], LOGIN).text("access_token");
    let bare = proof(clock, line, "1", "", None);
    let nonce = field(
        &ask(400, line, &[JSON, ("DPoP", &bare)], LOGIN),
        "dpop-nonce",
    );
    let good = proof(clock, line, "2", &nonce, None);
    let bound = ask(200, line, &[JSON, ("DPoP", &good)], LOGIN).text("access_token");
    let (bearer, dpop) = (format!("Bearer {unbound}"), format!("DPoP {bound}"));

    let (key, device) = ("GET /by-key", "GET /by-device");
    let served = proof(clock, key, "3", "", Some(&bound));
    let served = ask(200, key, &[("Authorization", &dpop), ("DPoP", &served)], "");
    assert_eq!(served.body, "alice");
    let other = proof(clock, device, "4", "", Some(&bound));
    let other = [("Authorization", &*dpop), ("DPoP", &other)];
    let none = [("Authorization", &*bearer)];
    for (line, fields, challenge) in [
        (key, &none[..], r#"Bearer realm="api""#),
        (device, &none, r#"Bearer realm="api""#),
        // It proves a key, but not that of a browser.
        (
            device,
            &other,
            r#"DPoP realm="api", algs="ES256 EdDSA Ed25519""#,
        ),
    ] {
        let refused = ask(401, line, fields, "");
        assert_eq!(refused.body, r#"{"error":"unbound"}"#, "{line}");
        assert_eq!(field(&refused, "www-authenticate"), challenge, "{line}");
    }
    replies
}

/// Lists of sessions say which of them have a key.
pub(crate) fn listed(server: SocketAddr, clock: &TestClock) -> Vec<(String, Reply)> {
    let mut replies = Vec::new();
    let mut ask = |expected: u16, line: &str, fields: &[(&str, &str)], body: &str| {
        let (method, path) = line.split_once(' ').unwrap();
        let reply = send(server, method, path, fields, body);
        assert_eq!(reply.status, expected, "{line} {fields:?}: {reply:?}");
        replies.push((format!("{line} {fields:?}"), reply.clone()));
        reply
    };
    let line = "POST /auth/login";
    let unbound = ask(200, line, &[JSON], LOGIN).text("access_token");
    let bare = proof(clock, line, "1", "", None);
    let asked = ask(400, line, &[JSON, ("DPoP", &bare)], LOGIN);
    let good = proof(clock, line, "2", &field(&asked, "dpop-nonce"), None);
    let bound = ask(200, line, &[JSON, ("DPoP", &good)], LOGIN).text("access_token");
    let (bearer, dpop) = (format!("Bearer {unbound}"), format!("DPoP {bound}"));
    let bindings = |list: &Reply| -> Vec<(bool, Option<String>)> {
        let list: Value = serde_json::from_str(&list.body).unwrap();
        let sessions = list["sessions"].as_array().unwrap().iter();
        let told = sessions.map(|session| {
            let binding = session.get("binding").map(|level| level.as_str().unwrap());
            (session["current"] == true, binding.map(str::to_owned))
        });
        let mut told: Vec<_> = told.collect();
        told.sort();
        told
    };

    let line = "GET /auth/sessions";
    let shown = proof(clock, line, "3", "", Some(&bound));
    let list = ask(200, line, &[("Authorization", &dpop), ("DPoP", &shown)], "");
    assert_eq!(bindings(&list), [(false, None), (true, Some("key".into()))]);
    let list = ask(200, line, &[("Authorization", &bearer)], "");
    assert_eq!(bindings(&list), [(false, Some("key".into())), (true, None)]);

    let line = "GET /auth/session";
    let shown = proof(clock, line, "4", "", Some(&bound));
    let own = ask(200, line, &[("Authorization", &dpop), ("DPoP", &shown)], "");
    assert_eq!(own.text("binding"), "key");
    let own = ask(200, line, &[("Authorization", &bearer)], "");
    assert!(!own.body.contains("binding"), "{own:?}");
    replies
}
