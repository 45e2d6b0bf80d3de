//! The application before and after the move, with a key of each kind, and its tokens in `Authorization` or in a cookie.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test"
)]

#[path = "../../totp/tests/browser/mod.rs"]
mod browser;

use std::fs;
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use browser::{Browser, Reply, Server};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ED25519, PKCS_RSA_SHA256};
use serde_json::{Value, json};

/// The cookie of the application, and ours.
const OLD: &str = "token";
const NEW: &str = "__Host-Http-session";

const SECRET: &str = "the-secret-with-which-the-application-has-signed";
const PERIOD: Duration = Duration::from_hours(7 * 24);

#[derive(Clone, Copy, PartialEq)]
enum Place {
    Cookie,
    Header,
}

struct Site {
    folder: tempfile::TempDir,
    address: String,
    algorithm: Algorithm,
    place: Place,
}

impl Site {
    fn new(algorithm: Algorithm, place: Place) -> Self {
        let site = Self {
            folder: tempfile::tempdir().unwrap(),
            address: "127.0.0.1:0".to_owned(),
            algorithm,
            place,
        };
        for name in ["site", "other"] {
            let (private, public) = pair(algorithm, name);
            fs::write(site.path(&format!("{name}.private")), private).unwrap();
            fs::write(site.path(&format!("{name}.public")), public).unwrap();
        }
        site
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    /// Serves at the address at which the first program has served.
    fn start(&mut self, program: &mut Command) -> Server {
        let server = Server::start(program, 1);
        self.address = server.lines[0].replace("http://", "");
        server
    }

    fn before(&mut self) -> Server {
        let mut program = Command::new(env!("CARGO_BIN_EXE_before"));
        program.args([&self.address, &self.path("users.db")]);
        program.arg(format!("{:?}", self.algorithm));
        program.args([self.path("site.private"), self.path("site.public")]);
        self.start(&mut program)
    }

    fn after(&mut self, period: Duration) -> Server {
        let until = (now() + period.as_secs()).to_string();
        let mut program = Command::new(env!("CARGO_BIN_EXE_after"));
        program.args([&self.address, &self.path("users.db")]);
        program.arg(format!("{:?}", self.algorithm));
        program.arg(self.path("site.public"));
        program.arg(match self.place {
            Place::Cookie => "cookie",
            Place::Header => "header",
        });
        program.args([&self.path(""), &until]);
        self.start(&mut program)
    }

    /// A token that the application would have signed, or that somebody else has with the key of this name.
    fn sign(&self, claims: &Value, key: &str) -> String {
        let private = fs::read(self.path(&format!("{key}.private"))).unwrap();
        let key = match self.algorithm {
            Algorithm::HS256 => EncodingKey::from_secret(&private),
            Algorithm::RS256 => EncodingKey::from_rsa_pem(&private).unwrap(),
            Algorithm::ES256 => EncodingKey::from_ec_pem(&private).unwrap(),
            _ => EncodingKey::from_ed_pem(&private).unwrap(),
        };
        encode(&Header::new(self.algorithm), claims, &key).unwrap()
    }

    /// A client that has this token of before.
    fn client(&self, server: &Server, token: &str) -> Browser {
        let mut client = server.browser();
        match self.place {
            Place::Cookie => {
                client.cookies.insert(OLD.to_owned(), token.to_owned());
            }
            Place::Header => token.clone_into(&mut client.bearer),
        }
        client
    }

    /// Logs in at the application of before.
    fn log_in(&self, server: &Server, name: &str, password: &str) -> Browser {
        let mut browser = server.browser();
        let body = json!({ "username": name, "password": password });
        let reply = send(&mut browser, "/login", &body);
        assert_eq!(reply.status, 200, "{name}: {reply:?}");
        self.client(server, json(&reply)["token"].as_str().unwrap())
    }
}

/// A private key and its public half in PEM; for HMAC the same secret twice.
fn pair(algorithm: Algorithm, name: &str) -> (String, String) {
    let kind = match algorithm {
        Algorithm::HS256 => {
            let secret = format!("{SECRET}-{name}");
            return (secret.clone(), secret);
        }
        Algorithm::RS256 => &PKCS_RSA_SHA256,
        Algorithm::ES256 => &PKCS_ECDSA_P256_SHA256,
        _ => &PKCS_ED25519,
    };
    let pair = KeyPair::generate_for(kind).unwrap();
    (pair.serialize_pem(), pair.public_key_pem())
}

fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.unwrap().as_secs()
}

fn send(client: &mut Browser, path: &str, body: &Value) -> Reply {
    client.send("POST", path, "application/json", &body.to_string())
}

fn json(reply: &Reply) -> Value {
    serde_json::from_str(&reply.body).unwrap()
}

/// The name of who is logged in, or nothing.
fn me(client: &mut Browser) -> Option<String> {
    let reply = client.get("/me");
    match reply.status {
        200 => Some(reply.body),
        401 => None,
        _ => panic!("{reply:?}"),
    }
}

/// Another token with these parts. The signature is of the first one.
fn with_part(token: &str, number: usize, part: &Value) -> String {
    let mut parts: Vec<String> = token.split('.').map(str::to_owned).collect();
    parts[number] = URL_SAFE_NO_PAD.encode(part.to_string());
    parts.join(".")
}

/// Tokens that the application of before does not take either, and why.
fn dead(site: &Site, public: &[u8]) -> Vec<(&'static str, String)> {
    let claims = json!({
        "iss": "https://app.example", "sub": "carol", "ver": 0, "iat": now() - 60, "exp": now() + 3600,
    });
    let with = |name: &str, value: Value| {
        let mut claims = claims.clone();
        claims[name] = value;
        site.sign(&claims, "site")
    };
    let mut endless = claims.clone();
    endless.as_object_mut().unwrap().remove("exp");
    let good = site.sign(&claims, "site");
    let (signed, _) = good.rsplit_once('.').unwrap();
    let mut bob = claims.clone();
    bob["sub"] = json!("bob");
    let public_as_secret = EncodingKey::from_secret(public);
    vec![
        // The crate allows a minute by default.
        ("expired", with("exp", json!(now() - 120))),
        ("no exp", site.sign(&endless, "site")),
        ("not yet valid", with("nbf", json!(now() + 600))),
        (
            "of another issuer",
            with("iss", json!("https://other.example")),
        ),
        ("of a user who is gone", with("sub", json!("zoe"))),
        (
            "from before a change of the password",
            site.sign(&bob, "site"),
        ),
        ("under another key", site.sign(&claims, "other")),
        (
            "under the public key as a secret, in another algorithm",
            encode(&Header::new(Algorithm::HS384), &claims, &public_as_secret).unwrap(),
        ),
        ("of another user than was signed", with_part(&good, 1, &bob)),
        (
            "with `none`",
            with_part(&format!("{signed}."), 0, &json!({ "alg": "none" })),
        ),
        ("without a signature", format!("{signed}.")),
        ("cut off", good[..good.len() - 4].to_owned()),
        ("no token", "x".to_owned()),
    ]
}

fn moves(algorithm: Algorithm, place: Place) {
    let mut site = Site::new(algorithm, place);
    let server = site.before();
    let mut alice = site.log_in(&server, "alice", "wonderland");
    assert_eq!(me(&mut alice).as_deref(), Some("alice"));
    let mut bob = site.log_in(&server, "bob", "wonderland");
    let body = json!({ "new_password": "builder" });
    assert_eq!(send(&mut bob, "/password", &body).status, 204);
    let mut bob = site.log_in(&server, "bob", "builder");
    let mut unseen = site.log_in(&server, "carol", "wonderland");
    let soon = now() + 3600;
    let ends_soon = site.sign(
        &json!({ "iss": "https://app.example", "sub": "carol", "ver": 0, "exp": soon }),
        "site",
    );
    let public = fs::read(site.path("site.public")).unwrap();
    let dead = dead(&site, &public);
    for (why, token) in &dead {
        assert_eq!(me(&mut site.client(&server, token)), None, "{why}");
    }
    drop(server);

    let server = site.after(PERIOD);
    let mut tab = alice.clone();
    for _ in 0..2 {
        assert_eq!(me(&mut alice).as_deref(), Some("alice"));
    }
    assert_eq!(me(&mut bob).as_deref(), Some("bob"));
    match place {
        Place::Cookie => {
            assert!(alice.cookies.keys().eq([NEW]), "the old one is deleted");
            assert_eq!(me(&mut tab).as_deref(), Some("alice"));
            assert_eq!(tab.cookies, alice.cookies, "one session for both tabs");
        }
        Place::Header => {
            // A client that was updated gets a pair for it, the same for each of its processes.
            let exchange = |client: &Browser| {
                let body = json!({ "refresh_token": client.bearer });
                let reply = send(&mut server.browser(), "/auth/refresh", &body);
                assert_eq!(reply.status, 200, "{reply:?}");
                json(&reply)
            };
            let pair = exchange(&alice);
            assert_eq!(pair["refresh_token"], exchange(&tab)["refresh_token"]);
            pair["access_token"]
                .as_str()
                .unwrap()
                .clone_into(&mut alice.bearer);
            assert_eq!(me(&mut alice).as_deref(), Some("alice"));
        }
    }
    let mut limited = site.client(&server, &ends_soon);
    assert_eq!(me(&mut limited).as_deref(), Some("carol"));
    let session = json(&limited.get("/auth/session"));
    assert_eq!(
        session["expires_at"], soon,
        "it ends when the token would have"
    );
    for (why, token) in &dead {
        let mut client = site.client(&server, token);
        assert_eq!(me(&mut client), None, "{why}");
        // What is not under a key that is known stays in the browser: the key may be the wrong one.
        let deleted = client.cookies.is_empty();
        assert_eq!(
            deleted,
            place == Place::Header || why.starts_with("expired"),
            "{why}"
        );
        if place == Place::Header {
            let body = json!({ "refresh_token": token });
            let reply = send(&mut server.browser(), "/auth/refresh", &body);
            assert_eq!(reply.status, 400, "{why}: {reply:?}");
        }
    }
    // A logout wins over the old token, also as the first request that has it.
    let mut copied = unseen.clone();
    assert_eq!(unseen.post("/auth/logout", &[]).status, 204);
    assert_eq!(me(&mut copied.clone()), None);
    drop(server);

    // Back to the application as it was: it has never heard of the logout.
    let server = site.before();
    assert_eq!(me(&mut copied).as_deref(), Some("carol"));
    drop(server);

    // After the period nothing of before is read.
    let _server = site.after(Duration::ZERO);
    assert_eq!(me(&mut copied), None);
    if place == Place::Cookie {
        assert!(copied.cookies.keys().eq([OLD]), "it is left alone");
    }
}

#[test]
fn tokens_in_authorization_under_a_secret_go_on() {
    moves(Algorithm::HS256, Place::Header);
}

#[test]
fn tokens_in_authorization_under_an_rsa_key_go_on() {
    moves(Algorithm::RS256, Place::Header);
}

#[test]
fn tokens_in_authorization_under_an_ecdsa_key_go_on() {
    moves(Algorithm::ES256, Place::Header);
}

#[test]
fn tokens_in_authorization_under_an_ed25519_key_go_on() {
    moves(Algorithm::EdDSA, Place::Header);
}

#[test]
fn tokens_in_a_cookie_under_a_secret_go_on() {
    moves(Algorithm::HS256, Place::Cookie);
}

#[test]
fn tokens_in_a_cookie_under_an_rsa_key_go_on() {
    moves(Algorithm::RS256, Place::Cookie);
}

#[test]
fn tokens_in_a_cookie_under_an_ecdsa_key_go_on() {
    moves(Algorithm::ES256, Place::Cookie);
}

#[test]
fn tokens_in_a_cookie_under_an_ed25519_key_go_on() {
    moves(Algorithm::EdDSA, Place::Cookie);
}

/// The library's routes open sessions for who logs in after the move, and a change of the password holds for all.
#[test]
fn after_the_move_a_login_is_as_before_and_a_change_of_the_password_ends_old_tokens() {
    let mut site = Site::new(Algorithm::HS256, Place::Header);
    let server = site.before();
    let mut old = site.log_in(&server, "alice", "wonderland");
    drop(server);
    let server = site.after(PERIOD);
    let mut browser = server.browser();
    let body = json!({ "username": "alice", "password": "wonderland", "transport": "session" });
    assert_eq!(send(&mut browser, "/auth/login", &body).status, 200);
    assert_eq!(me(&mut browser).as_deref(), Some("alice"));
    let body = json!({ "password": "wonderland", "new_password": "mirror" });
    let reply = send(&mut browser, "/auth/password", &body);
    assert_eq!(reply.status, 200, "{reply:?}");
    assert_eq!(me(&mut browser).as_deref(), Some("alice"));
    assert_eq!(me(&mut old), None);
}
