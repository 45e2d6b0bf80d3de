//! Tokens with a genuine signature and one fault each.

use serde_json::{Value, json};

use crate::forge::Forge;
use crate::server::Server;
use crate::token::{claims, header};

/// A token that deviates from the profile is refused, even if it is signed with the right secret.
pub fn every_single_fault_of_a_token_is_refused(program: &str) {
    let (server, files) = Server::start(program, &["--alg", "HS256"]);
    let client = server.client();
    let login = client.login("alice", "wonderland");
    let forge = Forge::new(&files);
    let (good_header, good_claims) = (header(&login.access), claims(&login.access));
    let genuine = forge.sign(&good_header.to_string(), &good_claims.to_string());
    assert_eq!(
        client.me(&genuine).status,
        200,
        "without a fault it is accepted"
    );

    let now = good_claims["iat"].as_u64().unwrap();
    // RFC 9470: a valid token whose authentication is too old for the route.
    let old = with(&good_claims, "auth_time", json!(now - 70)).to_string();
    let old = forge.sign(&good_header.to_string(), &old);
    assert_eq!(client.me(&old).status, 200);
    let reply = client.post("/api/transfer", &old);
    reply.error(401, "insufficient_user_authentication");
    let challenge = r#"Bearer realm="api", error="insufficient_user_authentication", max_age="60""#;
    assert_eq!(reply.header("www-authenticate"), challenge);

    let mut faults: Vec<(String, String)> = Vec::new();
    for (name, value) in [
        ("alg", json!("none")),
        ("alg", json!("HS384")),
        ("alg", json!("EdDSA")),
        ("typ", json!("JWT")),
        ("typ", json!("rt+jwt")),
        ("typ", Value::Null),
        ("kid", json!("another")),
        ("crit", json!(["exp"])),
        ("b64", json!(false)),
        ("zip", json!("DEF")),
        ("jku", json!("https://evil.example/jwks.json")),
        ("jwk", json!({ "kty": "oct", "k": "AAAA" })),
        ("x5u", json!("https://evil.example/cert.pem")),
    ] {
        let header = with(&good_header, name, value).to_string();
        faults.push((header, good_claims.to_string()));
    }
    for name in ["iss", "aud", "sub", "iat", "exp", "jti", "sid", "client_id"] {
        faults.push((
            good_header.to_string(),
            with(&good_claims, name, Value::Null).to_string(),
        ));
        faults.push((
            good_header.to_string(),
            with(&good_claims, name, json!({})).to_string(),
        ));
    }
    for (name, value) in [
        ("iss", json!("https://evil.example")),
        ("aud", json!("https://other.example")),
        ("aud", json!([])),
        ("sub", json!("")),
        ("exp", json!(now - 1)),
        ("exp", json!(now)),
        ("exp", json!("9999999999")),
        ("exp", json!(-1)),
        ("iat", json!(now + 3_600)),
        ("iat", json!(now - 7_200)),
        ("nbf", json!(now + 3_600)),
        ("cnf", json!({ "jkt": "x" })),
    ] {
        faults.push((
            good_header.to_string(),
            with(&good_claims, name, value).to_string(),
        ));
    }
    let claims = good_claims.to_string();
    for text in [
        claims.replacen('{', r#"{"sub":"bob","#, 1),
        format!("{claims} x"),
        format!("[{claims}]"),
        claims.replace("\"sub\"", "\"SUB\""),
    ] {
        faults.push((good_header.to_string(), text));
    }
    let header = good_header.to_string();
    faults.push((
        header.replacen('{', r#"{"alg":"HS256","#, 1),
        claims.clone(),
    ));

    for (header, claims) in faults {
        let reply = client.me(&forge.sign(&header, &claims));
        assert_eq!(reply.status, 401, "{header} {claims}: {reply:?}");
        assert_eq!(reply.json()["error"], "invalid_token", "{header} {claims}");
    }
    assert_eq!(client.me(&login.access).status, 200, "nothing has changed");
}

/// The object with one member changed, or without it.
fn with(object: &Value, name: &str, value: Value) -> Value {
    let mut object = object.clone();
    if value.is_null() {
        object.as_object_mut().unwrap().remove(name);
    } else {
        object[name] = value;
    }
    object
}
