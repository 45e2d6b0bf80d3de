//! Proofs of a key at services that have no sessions of their own, one on axum and one on actix-web, below a path
//! of the router: what is signed is the whole address.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

#[path = "../../token-core/tests/support/software_key.rs"]
mod software_key;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;
use software_key::SoftwareKey;
use token_http::{Head, ProofVerifier, access_token};
use token_session::clock::{Clock as _, SystemClock};

const OWN: &str = "https://own.example";
const TOKEN: &str = "a.token.text";

/// The code of the refusal, or `good`.
fn verdict(proofs: &ProofVerifier, head: &Head<'_>) -> &'static str {
    let (_, token) = access_token(head).unwrap().unwrap();
    let verified = proofs.verify(head, token, SystemClock.now());
    verified.map_or_else(|refusal| refusal.code(), |_| "good")
}

mod on_axum {
    use axum::Router;
    use axum::extract::{OriginalUri, Request, State};
    use axum::routing::get;
    use token_http::{Head, ProofVerifier};

    async fn hello(
        State(proofs): State<ProofVerifier>,
        OriginalUri(uri): OriginalUri,
        request: Request,
    ) -> &'static str {
        let head = Head {
            method: request.method(),
            uri: &uri,
            headers: request.headers(),
            peer: None,
        };
        super::verdict(&proofs, &head)
    }

    pub(super) async fn serve(listener: std::net::TcpListener, proofs: ProofVerifier) {
        let api = Router::new().route("/hello", get(hello));
        let inner = Router::new().nest("/v1", api);
        let app = Router::new().nest("/api", inner).with_state(proofs);
        listener.set_nonblocking(true).unwrap();
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        axum::serve(listener, app).await.unwrap();
    }
}

mod on_actix {
    use actix_web::{App, HttpRequest, HttpServer, web};
    use http::{HeaderMap, HeaderName, HeaderValue};
    use token_http::{Head, ProofVerifier};

    async fn hello(request: HttpRequest, proofs: web::Data<ProofVerifier>) -> &'static str {
        let fields = Head::FIELDS.into_iter().flat_map(|name| {
            let values = request.headers().get_all(name);
            values.map(move |value| (name, HeaderValue::from_bytes(value.as_bytes()).unwrap()))
        });
        let headers: HeaderMap = fields
            .map(|(name, value)| (HeaderName::from_static(name), value))
            .collect();
        let head = Head {
            method: &request.method().as_str().parse().unwrap(),
            uri: &request.uri().to_string().parse().unwrap(),
            headers: &headers,
            peer: None,
        };
        super::verdict(&proofs, &head)
    }

    pub(super) async fn serve(listener: std::net::TcpListener, proofs: ProofVerifier) {
        let server = HttpServer::new(move || {
            let api = web::scope("/v1").route("/hello", web::get().to(hello));
            App::new()
                .app_data(web::Data::new(proofs.clone()))
                .service(web::scope("/api").service(api))
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

fn servers(proofs: &ProofVerifier) -> [SocketAddr; 2] {
    let (by_axum, by_actix) = (proofs.clone(), proofs.clone());
    [
        start(|listener| {
            let mut runtime = tokio::runtime::Builder::new_current_thread();
            let runtime = runtime.enable_all().build().unwrap();
            runtime.block_on(on_axum::serve(listener, by_axum));
        }),
        start(|listener| {
            actix_web::rt::System::new().block_on(on_actix::serve(listener, by_actix));
        }),
    ]
}

/// A proof for this path.
fn proof(path: &str) -> String {
    let key = SoftwareKey::new();
    let header = format!(r#"{{"alg":"ES256","jwk":{},"typ":"dpop+jwt"}}"#, key.jwk());
    let claims = json!({
        "jti": "one",
        "htm": "GET",
        "htu": format!("{OWN}{path}"),
        "iat": SystemClock.now().as_secs(),
        "ath": URL_SAFE_NO_PAD.encode(digest(&SHA256, TOKEN.as_bytes())),
    });
    key.sign(&header, &claims.to_string())
}

fn ask(server: SocketAddr, proof: &str) -> String {
    let request = format!(
        "GET /api/v1/hello?page=1 HTTP/1.1\r\nHost: own.example\r\nConnection: close\r\n\
         Authorization: DPoP {TOKEN}\r\nDPoP: {proof}\r\n\r\n"
    );
    let mut connection = TcpStream::connect(server).unwrap();
    connection.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    answer.rsplit_once("\r\n\r\n").unwrap().1.to_owned()
}

#[test]
fn below_a_path_of_the_router_the_whole_address_is_compared() {
    let proofs = || ProofVerifier::new(OWN.parse().unwrap());
    let behind = proofs().base_path("/app").unwrap();
    for (proofs, signed) in [(proofs(), "/api/v1/hello"), (behind, "/app/api/v1/hello")] {
        for server in servers(&proofs) {
            for (path, expected) in [
                (signed, "good"),
                ("/hello", "invalid_dpop_proof"),
                ("/v1/hello", "invalid_dpop_proof"),
                ("/elsewhere/api/v1/hello", "invalid_dpop_proof"),
            ] {
                assert_eq!(ask(server, &proof(path)), expected, "{path} for {signed}");
            }
        }
    }
}
