//! Tokens of every algorithm, between this library and others: npm's `jose`, PyPI's `PyJWT` and
//! `joserfc`. Each side verifies the other's, and refuses what is not right.
//!
//! A peer reads `{cases: [{name, token, key, alg, issuer, audience}], issue: [{alg, kid, claims}]}`
//! and writes `{verdicts: {name: "" | error}, issued: [{alg, token, key, other}]}`, all keys as
//! JWK; `other` is another key of the same name. Peers go by the machine's clock, so this does too.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "helpers of tests fail the test"
)]

mod support;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::SystemTime;

use serde_json::{Value, json};
use support::{Counter, login};
use token_core::session::rule;
use token_core::session::{Committed, Credentials};
use token_core::types::Bucket;
use token_core::{
    Algorithm, Authentication, Entropy, KeyRing, NoClaims, Policy, SigningKey, TokenIssuer,
    Transport, UnixTime, UntrustedToken, Verifier, VerifyError, VerifyingKey,
};

const OTHER: &str = "https://other.example";

#[test]
fn jose_and_we_accept_each_others_tokens_and_refuse_what_is_wrong() {
    let modules = std::env::var_os("HALLPASS_NODE_MODULES")
        .map_or_else(|| peers().join("node_modules"), PathBuf::from);
    let mut node = Command::new("node");
    node.arg(peers().join("every_jose.mjs"));
    exchange(&mut node, &json!(modules));
}

#[test]
fn pyjwt_and_we_accept_each_others_tokens_and_refuse_what_is_wrong() {
    exchange(&mut python("every_pyjwt.py"), &Value::Null);
}

#[test]
fn joserfc_and_we_accept_each_others_tokens_and_refuse_what_is_wrong() {
    exchange(&mut python("every_joserfc.py"), &Value::Null);
}

/// One key of each algorithm, which signs at a time.
struct Ours {
    algorithm: Algorithm,
    issuer: TokenIssuer,
    entropy: Counter,
}

impl Ours {
    fn new(algorithm: Algorithm) -> Self {
        // Unlike any other of this process.
        static MADE: AtomicU8 = AtomicU8::new(0);
        let entropy = Counter::default();
        let mut issuer = support::issuer(Policy::default());
        let seed = [MADE.fetch_add(1, Ordering::Relaxed); 64];
        let key = SigningKey::generate(algorithm, Entropy::new(seed)).unwrap();
        issuer.access_keys = KeyRing::new(key);
        Self {
            algorithm,
            issuer,
            entropy,
        }
    }

    /// An access token, made as the library makes them.
    fn token(&mut self, now: UnixTime) -> String {
        let (issuer, entropy) = (&self.issuer, &mut self.entropy);
        let mut login = login(Transport::Header);
        login.authentication = Authentication::password(now);
        let (session, pending) = rule::open(
            login,
            Bucket(7),
            &issuer.policy,
            &issuer.refresh_keys,
            now,
            entropy.draw(),
        );
        let granted = pending.committed(Committed::assertion(session)).unwrap();
        let scope = granted.session().scope.clone();
        let issued = issuer.issue(&granted, &scope, now, entropy.draw()).unwrap();
        let Credentials::Tokens(pair) = issued.give_out(&granted).unwrap() else {
            unreachable!("the transport is `header`");
        };
        pair.access_token.secret().to_owned()
    }

    /// What verifies it, as others read it.
    fn key(&self) -> Value {
        let key = self.issuer.access_keys.current();
        let jwk = if self.algorithm.is_symmetric() {
            key.to_private_jwk().unwrap().to_string()
        } else {
            key.verifying_key().to_jwk().unwrap()
        };
        serde_json::from_str(&jwk).unwrap()
    }
}

/// All algorithms under the names that every peer knows: `Ed25519` of RFC 9864 is tested in `rules.rs`.
fn algorithms() -> impl Iterator<Item = Algorithm> {
    let all = Algorithm::ALL.iter().copied();
    all.filter(|algorithm| *algorithm != Algorithm::Ed25519)
}

/// Everything in both directions.
fn exchange(peer: &mut Command, modules: &Value) {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let now = UnixTime::from_secs(now.unwrap().as_secs()).unwrap();
    let mut all = algorithms().map(Ours::new).collect::<Vec<_>>();
    let keys: Vec<Value> = all.iter().map(Ours::key).collect();
    let (mut cases, mut issue) = (Vec::new(), Vec::new());
    for (index, ours) in all.iter_mut().enumerate() {
        let algorithm = ours.algorithm;
        let other = sibling(algorithm);
        let key = keys[index].clone();
        let token = ours.token(now);
        let expired = ours.token(UnixTime::from_secs(now.as_secs() - 10_000).unwrap());
        let (issuer, audience) = (&ours.issuer.issuer, &ours.issuer.audience);
        // Another key under the same names. RSA keys take their time, so one is borrowed.
        let position = algorithms().position(|a| a == other).unwrap();
        let mut stranger = if key["kty"] == "RSA" {
            keys[position].clone()
        } else {
            Ours::new(algorithm).key()
        };
        assert_ne!(stranger["kid"], key["kid"], "it is another");
        let mut misnamed = key.clone();
        misnamed["alg"] = json!(other.to_string());
        stranger["alg"] = key["alg"].clone();
        stranger["kid"] = key["kid"].clone();
        let mut add = |what: &str, token: &str, key: &Value, audience: &str| {
            cases.push(json!({
                "name": format!("{algorithm} {what}"), "token": token, "key": key,
                "alg": key["alg"], "issuer": issuer, "audience": audience,
            }));
        };
        let own = audience.as_str();
        add("good", &token, &key, own);
        add("expired", &expired, &key, own);
        add("wrong audience", &token, &key, OTHER);
        add("wrong key", &token, &stranger, own);
        add("wrong algorithm", &token, &misnamed, own);
        issue.push(json!({
            "alg": algorithm.to_string(), "kid": "theirs", "claims": claims(now, issuer.as_str()),
        }));
    }
    let asked = json!({ "modules": modules, "cases": cases, "issue": issue });
    let told = ask(peer, &asked);

    for case in &cases {
        let name = case["name"].as_str().unwrap();
        let verdict = told["verdicts"][name].as_str().unwrap();
        let good = name.ends_with(" good");
        assert_eq!(verdict.is_empty(), good, "{name}: {verdict:?}");
    }
    let issued = told["issued"].as_array().unwrap();
    assert_eq!(issued.len(), algorithms().count());
    for theirs in issued {
        judge(theirs, now);
    }
}

/// We accept a peer's token, and refuse it where anything is wrong.
fn judge(theirs: &Value, now: UnixTime) {
    let token = theirs["token"].as_str().unwrap();
    let issuer = support::issuer(Policy::default());
    let audience = issuer.audience.as_str();
    let verify = |key: &Value, audience: &str, now: UnixTime| {
        let key = key.to_string();
        let verifier = Verifier::builder(issuer.issuer.clone(), audience.parse().unwrap());
        let verifier = match SigningKey::from_jwk(&key) {
            Ok(secret) => verifier.keys(KeyRing::new(secret).verifying_keys()),
            Err(_) => verifier.keys([&VerifyingKey::from_jwk(&key).unwrap()]),
        };
        let token = UntrustedToken::parse(token).unwrap();
        let verified = verifier.build().unwrap().verify::<NoClaims>(token, now);
        verified.map(|token| token.claims().subject.to_string())
    };
    let (name, key) = (&theirs["alg"], &theirs["key"]);
    assert_eq!(verify(key, audience, now).as_deref(), Ok("alice"), "{name}");
    let refused = |verdict: Result<String, VerifyError>| verdict.unwrap_err();
    let later = UnixTime::from_secs(now.as_secs() + 300).unwrap();
    assert!(
        matches!(
            refused(verify(key, audience, later)),
            VerifyError::Expired { .. }
        ),
        "{name}"
    );
    let error = refused(verify(key, OTHER, now));
    assert!(
        matches!(error, VerifyError::WrongAudience),
        "{name}: {error:?}"
    );
    let error = refused(verify(&theirs["other"], audience, now));
    assert!(matches!(error, VerifyError::Signature), "{name}: {error:?}");
    let mut misnamed = key.clone();
    let algorithm: Algorithm = name.as_str().unwrap().parse().unwrap();
    misnamed["alg"] = json!(sibling(algorithm).to_string());
    // What is no key of the other algorithm cannot be configured at all.
    if SigningKey::from_jwk(&misnamed.to_string()).is_ok()
        || VerifyingKey::from_jwk(&misnamed.to_string()).is_ok()
    {
        let error = refused(verify(&misnamed, audience, now));
        assert!(
            matches!(error, VerifyError::AlgorithmMismatch { .. }),
            "{name}: {error:?}"
        );
    }
}

/// Another algorithm, for which the same key would often do.
fn sibling(algorithm: Algorithm) -> Algorithm {
    match algorithm {
        Algorithm::ES256 => Algorithm::ES384,
        Algorithm::ES384 | Algorithm::EdDSA => Algorithm::ES256,
        Algorithm::HS256 => Algorithm::HS384,
        Algorithm::HS384 | Algorithm::HS512 => Algorithm::HS256,
        Algorithm::PS256 => Algorithm::RS256,
        Algorithm::PS384 => Algorithm::RS384,
        Algorithm::PS512 => Algorithm::RS512,
        Algorithm::RS256 => Algorithm::PS256,
        Algorithm::RS384 => Algorithm::PS384,
        Algorithm::RS512 => Algorithm::PS512,
        other => panic!("{other} is new here"),
    }
}

fn claims(now: UnixTime, issuer: &str) -> Value {
    let now = now.as_secs();
    json!({
        "iss": issuer, "aud": "https://api.example", "sub": "alice", "client_id": "web",
        "sid": "AAAAAAAAAAAAAAAAAAAAAAAA", "jti": "AAAAAAAAAAAAAAAAAAAAAA",
        "iat": now, "exp": now + 300, "auth_time": now, "scope": "notes:read",
    })
}

fn peers() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers")
}

/// The Python in which the peers of requirements.txt are installed.
fn python(script: &str) -> Command {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let python = std::env::var_os("HALLPASS_PEERS_PYTHON").map_or_else(
        || target.join("python/token-core/bin/python"),
        PathBuf::from,
    );
    assert!(
        python.is_file(),
        "{} is missing: run `cargo xtask peers`, or name with HALLPASS_PEERS_PYTHON a Python that has \
         what {} lists",
        python.display(),
        peers().join("requirements.txt").display(),
    );
    let mut command = Command::new(python);
    command.arg(peers().join(script));
    command
}

fn ask(peer: &mut Command, asked: &Value) -> Value {
    let peer = peer.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut peer = peer.spawn().expect("the peer is installed");
    let mut stdin = peer.stdin.take().unwrap();
    stdin.write_all(asked.to_string().as_bytes()).unwrap();
    drop(stdin);
    let output = peer.wait_with_output().unwrap();
    assert!(
        output.status.success(),
        "the peer failed: {}",
        output.status
    );
    serde_json::from_slice(&output.stdout).unwrap()
}
