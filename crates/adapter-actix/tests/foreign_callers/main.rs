//! Tokens of another issuer at two real servers, one on axum and one on actix-web: every answer must be the
//! same.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests fail like tests"
)]

#[path = "../same_answers/client.rs"]
mod client;
mod either;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use adapter_axum::ForeignAuth;
use aws_lc_rs::signature::Ed25519KeyPair;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use token_core::foreign::Profile;
use token_core::{Algorithm, Entropy, KeyRing, SigningKey};
use token_http::Rule;
use token_remote::RemoteIssuer;

const AUDIENCE: &str = "https://api.example";
const SEED: [u8; 64] = [7; 64];

enum ReadNotes {}
impl Rule for ReadNotes {
    const SCOPE: &'static str = "notes:read";
}

enum JustAuthenticated {}
impl Rule for JustAuthenticated {
    const MAX_AGE: Option<Duration> = Some(Duration::from_secs(60));
}

mod on_axum {
    use adapter_axum::{Foreign, ForeignAuth, Require};
    use axum::Router;
    use axum::routing::get;

    use super::{JustAuthenticated, ReadNotes};

    async fn hello(caller: Foreign) -> String {
        format!("{} of {}", caller.subject(), caller.claims().issuer)
    }

    async fn guest(caller: Option<Foreign>) -> String {
        caller.map_or("guest".to_owned(), |caller| caller.subject().to_string())
    }

    async fn notes(caller: Require<ReadNotes, Foreign>) -> String {
        caller.scope().to_string()
    }

    async fn transfer(_caller: Require<JustAuthenticated, Foreign>) {}

    pub(super) async fn serve(listener: std::net::TcpListener, auth: ForeignAuth) {
        let app = Router::new()
            .route("/hello", get(hello))
            .route("/guest", get(guest))
            .route("/notes", get(notes))
            .route("/transfer", get(transfer))
            .with_state(auth);
        listener.set_nonblocking(true).unwrap();
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        axum::serve(listener, app).await.unwrap();
    }
}

mod on_actix {
    use actix_web::{App, HttpServer, web};
    use adapter_actix::{Foreign, ForeignAuth, Optional, Require};

    use super::{JustAuthenticated, ReadNotes};

    async fn hello(caller: Foreign) -> String {
        format!("{} of {}", caller.subject(), caller.claims().issuer)
    }

    async fn guest(Optional(caller): Optional<Foreign>) -> String {
        caller.map_or("guest".to_owned(), |caller| caller.subject().to_string())
    }

    async fn notes(caller: Require<ReadNotes, Foreign>) -> String {
        caller.scope().to_string()
    }

    async fn transfer(_caller: Require<JustAuthenticated, Foreign>) -> &'static str {
        ""
    }

    pub(super) async fn serve(listener: std::net::TcpListener, auth: ForeignAuth) {
        let server = HttpServer::new(move || {
            App::new()
                .app_data(web::Data::new(auth.clone()))
                .route("/hello", web::get().to(hello))
                .route("/guest", web::get().to(guest))
                .route("/notes", web::get().to(notes))
                .route("/transfer", web::get().to(transfer))
        });
        let server = server.workers(1).disable_signals().listen(listener);
        server.unwrap().run().await.unwrap();
    }
}

/// Starts a server on a thread of its own, which ends with the process.
fn start(serve: impl FnOnce(TcpListener) + Send + 'static) -> SocketAddr {
    let (ready, started) = mpsc::channel();
    thread::spawn(move || {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        ready.send(listener.local_addr().unwrap()).unwrap();
        serve(listener);
    });
    started.recv().unwrap()
}

/// What a service knows of the issuer.
fn auth(issuer: &str) -> ForeignAuth {
    let (issuer, audience) = (issuer.parse().unwrap(), AUDIENCE.parse().unwrap());
    let issuer = RemoteIssuer::builder(issuer, audience, Profile::RFC9068).build();
    ForeignAuth::new(issuer.unwrap(), "notes")
}

fn servers(issuer: &str) -> [SocketAddr; 2] {
    let (first, second) = (auth(issuer), auth(issuer));
    let axum = start(move |listener| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        runtime.unwrap().block_on(on_axum::serve(listener, first));
    });
    let actix = start(move |listener| {
        actix_web::rt::System::new().block_on(on_actix::serve(listener, second));
    });
    [axum, actix]
}

/// An issuer that publishes one key.
fn issuer() -> String {
    let address = start(|listener| {
        let url = format!("http://{}", listener.local_addr().unwrap());
        for connection in listener.incoming() {
            let mut connection = connection.unwrap();
            let mut first = String::new();
            let mut reader = BufReader::new(connection.try_clone().unwrap());
            reader.read_line(&mut first).unwrap();
            let body = if first.contains("/.well-known/") {
                format!(r#"{{"issuer":"{url}","jwks_uri":"{url}/keys"}}"#)
            } else {
                KeyRing::new(key()).jwks()
            };
            let answer = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
                 Connection: close\r\n\r\n{body}",
                body.len()
            );
            connection.write_all(answer.as_bytes()).unwrap();
        }
    });
    format!("http://{address}")
}

fn key() -> SigningKey {
    SigningKey::generate(Algorithm::EdDSA, Entropy::new(SEED)).unwrap()
}

/// A token whose claims end with these.
fn token(issuer: &str, more: &str) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let (issued, ends) = (now.as_secs() - 100, now.as_secs() + 300);
    let header = format!(r#"{{"alg":"EdDSA","kid":"{}","typ":"at+jwt"}}"#, key().id());
    let claims = format!(
        r#"{{"iss":"{issuer}","aud":"{AUDIENCE}","sub":"alice","client_id":"web","iat":{issued},{more}}}"#
    );
    let claims = claims.replace("SOON", &ends.to_string());
    let claims = claims.replace("PAST", &(issued + 50).to_string());
    let input = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part));
    let input = input.join(".");
    let pair = Ed25519KeyPair::from_seed_unchecked(SEED.first_chunk::<32>().unwrap()).unwrap();
    let signature = URL_SAFE_NO_PAD.encode(pair.sign(input.as_bytes()));
    format!("{input}.{signature}")
}

/// The status, the challenge and the body of an answer.
fn ask(server: SocketAddr, path: &str, authorization: &[&str]) -> (u16, String, String) {
    let fields = authorization.iter();
    let fields = fields.flat_map(|value| ["Authorization: ", value, "\r\n"]);
    let fields: String = fields.collect();
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: own.example\r\nConnection: close\r\n{fields}\r\n");
    let mut connection = TcpStream::connect(server).unwrap();
    connection.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap();
    let challenge = lines.find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let found = name.eq_ignore_ascii_case("www-authenticate");
        found.then(|| value.trim().to_owned())
    });
    let status = status.parse().unwrap();
    (status, challenge.unwrap_or_default(), body.to_owned())
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn both_frameworks_answer_callers_of_another_issuer_alike() {
    let issuer = issuer();
    let good = token(&issuer, r#""jti":"one","exp":SOON,"scope":"notes:read""#);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let recent = format!(
        r#""jti":"two","exp":SOON,"auth_time":{}"#,
        now.as_secs() - 5
    );
    let recent = token(&issuer, &recent);
    let expired = token(&issuer, r#""jti":"three","exp":PAST"#);
    let of_a_session = token(
        &issuer,
        r#""jti":"AAAAAAAAAAAAAAAAAAAAAA","sid":"AAAAAAAAAAAAAAAAAAAAAAAA","exp":SOON,"auth_time":1"#,
    );
    // Nothing here proves a key, so a token that is bound to one is refused, and never taken as a bearer's.
    let bound = token(
        &issuer,
        r#""jti":"four","exp":SOON,"cnf":{"jkt":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}"#,
    );
    let with_proof = format!("DPoP {bound}");
    let (input, signature) = good.rsplit_once('.').unwrap();
    let other = if signature.starts_with('A') { "B" } else { "A" };
    let forged = format!("{input}.{other}{}", signature.get(1..).unwrap());
    let bearer = |token: &str| format!("Bearer {token}");
    let [good, recent, expired, of_a_session, forged, bound] =
        [good, recent, expired, of_a_session, forged, bound].map(|token| bearer(&token));
    let good = &*good;

    let invalid = r#"Bearer realm="notes", error="invalid_token", error_description="invalid""#;
    let ended = r#"Bearer realm="notes", error="invalid_token", error_description="expired""#;
    let old = r#"Bearer realm="notes", error="insufficient_user_authentication", max_age="60""#;
    let scope = r#"Bearer realm="notes", error="insufficient_scope", scope="notes:read""#;
    let malformed = r#"Bearer realm="notes", error="invalid_request""#;
    let bare = r#"Bearer realm="notes""#;
    let hello = format!("alice of {issuer}");
    for server in servers(&issuer) {
        for (path, authorization, status, challenge, body) in [
            ("/hello", &[good][..], 200, "", &*hello),
            ("/hello", &[good], 200, "", &*hello),
            ("/guest", &[good], 200, "", "alice"),
            ("/guest", &[], 200, "", "guest"),
            ("/notes", &[good], 200, "", "notes:read"),
            ("/transfer", &[&*recent], 200, "", ""),
            ("/hello", &[], 401, bare, r#"{"error":"unauthorized"}"#),
            (
                "/hello",
                &["Basic YTpi"],
                401,
                bare,
                r#"{"error":"unauthorized"}"#,
            ),
            (
                "/hello",
                &[&*forged],
                401,
                invalid,
                r#"{"error":"invalid_token"}"#,
            ),
            (
                "/hello",
                &[&*bound],
                401,
                invalid,
                r#"{"error":"invalid_token"}"#,
            ),
            (
                "/guest",
                &[&*bound],
                401,
                invalid,
                r#"{"error":"invalid_token"}"#,
            ),
            (
                "/hello",
                &[&*with_proof],
                401,
                bare,
                r#"{"error":"unauthorized"}"#,
            ),
            (
                "/guest",
                &[&*forged],
                401,
                invalid,
                r#"{"error":"invalid_token"}"#,
            ),
            (
                "/hello",
                &[&*of_a_session],
                401,
                invalid,
                r#"{"error":"invalid_token"}"#,
            ),
            (
                "/hello",
                &[&*expired],
                401,
                ended,
                r#"{"error":"invalid_token"}"#,
            ),
            (
                "/hello",
                &["Bearer a b"],
                400,
                malformed,
                r#"{"error":"invalid_request"}"#,
            ),
            (
                "/hello",
                &[good, good],
                400,
                malformed,
                r#"{"error":"invalid_request"}"#,
            ),
            (
                "/notes",
                &[&*recent],
                403,
                scope,
                r#"{"error":"insufficient_scope"}"#,
            ),
            (
                "/transfer",
                &[good],
                401,
                old,
                r#"{"error":"insufficient_user_authentication"}"#,
            ),
        ] {
            let answer = ask(server, path, authorization);
            let expected = (status, challenge.to_owned(), body.to_owned());
            assert_eq!(answer, expected, "{path} {authorization:.60?}");
        }
    }
}

#[test]
fn an_issuer_that_was_never_reached_is_no_fault_of_the_token() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap();
    let issuer = format!("http://{}", nobody.local_addr().unwrap());
    drop(nobody);
    let token = token(&issuer, r#""jti":"one","exp":SOON"#);
    for server in servers(&issuer) {
        let (status, challenge, body) = ask(server, "/hello", &[&format!("Bearer {token}")]);
        assert_eq!((status, &*challenge), (503, ""));
        assert_eq!(body, r#"{"error":"temporarily_unavailable"}"#);
        // What is not even a token is refused without asking.
        let (status, ..) = ask(server, "/hello", &["Bearer nonsense"]);
        assert_eq!(status, 401);
    }
}
