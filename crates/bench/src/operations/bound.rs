//! Requests of sessions that are bound to a browser or a client's key, through a router.

use std::hint::black_box;

use adapter_axum::{Auth, AuthConfig, Dpop};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _,
    UnparsedPublicKey,
};
use aws_lc_rs::{digest, hmac};
use axum::Router;
use axum::body::Body;
use axum::http::header::{AUTHORIZATION, COOKIE, SET_COOKIE};
use axum::http::{HeaderValue, Request, StatusCode};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use token_core::binding::Thumbprint;
use token_core::session::Credentials;
use token_core::{Algorithm, Subject, Transport};
use token_session::binding::{BindingMode, BindingPolicy};
use token_session::test_util::TestClock;
use token_session::{
    BindingError, Issued, MemoryStore, NewSession, RevocationCheck, SessionManager, WhenBehind,
};
use tower_service::Service as _;

use super::manager::{LONGEST_HEARTBEAT, access_token, at_once, runtime};
use super::request::ours;
use crate::operation::{Goal, OURS, Operation, Pool, Way, cycle};
use crate::world::{self, Key};

const ORIGIN: &str = "https://api.example";
const PATH: &str = "/api/me";

/// More than any measurement uses: each proof is good for one request.
const PROOFS_A_SESSION: u64 = 64;

/// A P-256 key of a browser or a client.
struct ClientKey {
    pair: EcdsaKeyPair,
    jwk: String,
    thumbprint: Thumbprint,
}

impl ClientKey {
    fn new() -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING);
        let pair = pair.expect("there is entropy");
        let (_, point) = pair.public_key().as_ref().split_at(1);
        let (x, y) = point.split_at(32);
        let [x, y] = [x, y].map(|part| URL_SAFE_NO_PAD.encode(part));
        // RFC 7638: the required members in the order of their names.
        let jwk = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
        let hash = digest::digest(&digest::SHA256, jwk.as_bytes());
        let hash = hash.as_ref().try_into().expect("SHA-256 has 32 bytes");
        Self {
            pair,
            jwk,
            thumbprint: Thumbprint::from_bytes(hash),
        }
    }

    fn sign(&self, header: &str, payload: &str) -> String {
        let [header, payload] = [header, payload].map(|part| URL_SAFE_NO_PAD.encode(part));
        let input = format!("{header}.{payload}");
        let signature = self.pair.sign(&SystemRandom::new(), input.as_bytes());
        let signature = signature.expect("a key signs");
        format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// A proof for a request with this token; `number` tells it from the others.
    fn proof(&self, token: &str, number: u64, at: u64) -> String {
        let hash = digest::digest(&digest::SHA256, token.as_bytes());
        let (jwk, hash) = (&self.jwk, URL_SAFE_NO_PAD.encode(hash));
        self.sign(
            &format!(r#"{{"typ":"dpop+jwt","alg":"ES256","jwk":{jwk}}}"#),
            &format!(
                r#"{{"jti":"{number}","htm":"GET","htu":"{ORIGIN}{PATH}","iat":{at},"ath":"{hash}"}}"#
            ),
        )
    }
}

fn manager(policy: BindingPolicy) -> SessionManager {
    let issuer = world::issuer(&Key::new(Algorithm::EdDSA));
    let manager = SessionManager::builder(MemoryStore::new(100_000, &[7; 32]), issuer)
        .clock(TestClock::new())
        .revocation_check(RevocationCheck::Feed(WhenBehind::Refuse))
        .heartbeat(LONGEST_HEARTBEAT)
        .binding(policy)
        .build();
    manager.expect("the settings are in range")
}

/// Call it when everything is made: a view that is older than two and a half heartbeats refuses all.
async fn caught_up(manager: &SessionManager) {
    manager.catch_up().await.expect("the store answers");
}

async fn login(manager: &SessionManager, number: u64, new: NewSession) -> Issued {
    let subject = Subject::new(format!("user-{number:08}")).expect("a name");
    let ticket = manager.begin_login(subject).await;
    let issued = manager.login(ticket.expect("the store answers"), new);
    issued.await.expect("there is room")
}

/// A request with the cookie of a session that is bound to its browser, under `Require`.
///
/// # Panics
/// If a cookie is refused.
pub fn cookie(Pool(count): Pool) -> Operation {
    let manager = manager(BindingPolicy::new(BindingMode::Require));
    let config = AuthConfig::builder(ORIGIN.parse().expect("an origin")).build();
    let auth = Auth::new(manager.clone(), config.expect("the settings are in range"));
    let mut routes = Router::new().merge(adapter_axum::routes(&auth));
    let (mut bound, mut unbound) = (Vec::new(), Vec::new());
    runtime().block_on(async {
        for number in 0..count {
            let new = NewSession {
                transport: Some(Transport::Session),
                ..NewSession::default()
            };
            let issued = login(&manager, number, new).await;
            let Credentials::Session(token) = issued.credentials() else {
                unreachable!("the transport is `session`");
            };
            let own = format!("__Host-Http-session={}", *token.to_secret_text());
            if number % 2 == 0 {
                unbound.push(header(&own));
            } else {
                let beside = bind(&manager, &mut routes, &issued).await;
                bound.push(header(&format!("{own}; {beside}")));
            }
        }
        caught_up(&manager).await;
    });
    let key = hmac::Key::new(hmac::HMAC_SHA256, &world::SECRET);
    let mut hashed = asking(&auth, unbound.clone());
    let two_more = move || {
        hashed();
        for message in [[1_u8; 48], [2; 48]] {
            black_box(hmac::sign(&key, &message));
        }
    };
    let limit = "unbound, and two HMACs";
    Operation {
        name: "request with a bound session cookie".to_owned(),
        ways: vec![
            Way::new(OURS, asking(&auth, bound)),
            Way::new("unbound", asking(&auth, unbound)),
            Way::new(limit, two_more),
        ],
        goals: vec![Goal::Times(limit, 1.0)],
    }
}

/// A request with a token that is bound to a client's key and was seen before, and a proof of its own.
///
/// # Panics
/// If a proof is refused.
pub fn dpop(Pool(count): Pool) -> Operation {
    let manager = manager(BindingPolicy::new(BindingMode::Off));
    let dpop = Dpop::optional().remember(10_000_000, u32::MAX);
    let config = AuthConfig::builder(ORIGIN.parse().expect("an origin")).dpop(dpop);
    let auth = Auth::new(manager.clone(), config.build().expect("it is in range"));
    let client = ClientKey::new();
    let (mut proven, mut bearers, mut signed) = (Vec::new(), Vec::new(), Vec::new());
    runtime().block_on(async {
        let mut tokens = Vec::new();
        for number in 0..count {
            let new = NewSession {
                key: Some(client.thumbprint),
                ..NewSession::default()
            };
            tokens.push(access_token(&login(&manager, number, new).await));
            let free = login(&manager, number, NewSession::default()).await;
            bearers.push(header(&format!("Bearer {}", access_token(&free))));
        }
        let at = manager.now().as_secs();
        for number in 0..count * PROOFS_A_SESSION {
            let token = tokens.get(usize::try_from(number % count).expect("it is small"));
            let token = token.expect("there is one for each number");
            let proof = client.proof(token, number, at);
            proven.push((header(&format!("DPoP {token}")), header(&proof)));
            signed.push(proof);
        }
        caught_up(&manager).await;
    });
    let mut router = ours(auth.clone());
    let inside = runtime();
    let ours = cycle(proven, move |(token, proof)| {
        let _inside = inside.enter();
        let request = Request::builder().uri(PATH);
        let request = request.header(AUTHORIZATION, token.clone());
        let request = request.header("dpop", proof.clone());
        ask(&mut router, request.body(Body::empty()).expect("a request"));
    });
    let bearer = {
        let mut router = super::request::ours(auth);
        let inside = runtime();
        cycle(bearers, move |token| {
            let _inside = inside.enter();
            let request = Request::builder().uri(PATH);
            let request = request.header(AUTHORIZATION, token.clone());
            ask(&mut router, request.body(Body::empty()).expect("a request"));
        })
    };
    let public = client.pair.public_key().as_ref().to_vec();
    let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, public);
    let key = key.parse().expect("it is a point");
    let signed: Vec<(String, Vec<u8>)> = signed
        .iter()
        .filter_map(|proof| {
            let (input, signature) = proof.rsplit_once('.')?;
            Some((input.to_owned(), URL_SAFE_NO_PAD.decode(signature).ok()?))
        })
        .collect();
    let bare = cycle(signed, move |(input, signature)| {
        let verified = key.verify_sig(input.as_bytes(), signature);
        verified.expect("the signature is good");
    });
    Operation {
        name: "request with a proof of a client's key (ES256), token seen before".to_owned(),
        ways: vec![
            Way::new(OURS, ours),
            Way::new("bare aws-lc", bare),
            Way::new("bearer", bearer),
        ],
        goals: vec![Goal::Times("bare aws-lc", 1.1)],
    }
}

/// Registers a key and uses it once, as a browser does, and gives the cookie that comes of it.
async fn bind(manager: &SessionManager, routes: &mut Router, issued: &Issued) -> String {
    let browser = ClientKey::new();
    let offered = manager.offer_binding(issued.session());
    let offer = offered.expect("the session can be bound").offer;
    let (challenge, authorization) = (&offer.challenge, offer.authorization.secret());
    let registration = browser.sign(
        &format!(
            r#"{{"alg":"ES256","jwk":{},"typ":"dbsc+jwt"}}"#,
            browser.jwk
        ),
        &format!(r#"{{"authorization":"{authorization}","jti":"{challenge}"}}"#),
    );
    let registered = manager.register_browser(&registration).await;
    let id = registered.expect("the proof is right").session.id;
    let Err(BindingError::Challenge(challenge)) = manager.renew_browser(id, None).await else {
        unreachable!("there is no proof yet");
    };
    let proof = browser.sign(
        r#"{"alg":"ES256","typ":"dbsc+jwt"}"#,
        &format!(r#"{{"jti":"{challenge}"}}"#),
    );
    let request = Request::post("/auth/device")
        .header("sec-secure-session-id", id.to_string())
        .header("secure-session-response", proof)
        .body(Body::empty());
    let response = routes.call(request.expect("a request")).await;
    let response = response.unwrap_or_else(|never| match never {});
    let field = response.headers().get(SET_COOKIE);
    let field = field.and_then(|field| field.to_str().ok());
    let (pair, _) = field
        .and_then(|field| field.split_once(';'))
        .expect("the answer sets the bound cookie");
    pair.to_owned()
}

fn header(text: &str) -> HeaderValue {
    HeaderValue::try_from(text).expect("tokens and cookies are ASCII")
}

fn asking(auth: &Auth, cookies: Vec<HeaderValue>) -> impl FnMut() + use<> {
    let (mut router, inside) = (ours(auth.clone()), runtime());
    cycle(cookies, move |cookie| {
        let _inside = inside.enter();
        let request = Request::builder().uri(PATH).header(COOKIE, cookie.clone());
        ask(&mut router, request.body(Body::empty()).expect("a request"));
    })
}

fn ask(router: &mut Router, request: Request<Body>) {
    let response: Response = at_once(router.call(request)).unwrap_or_else(|never| match never {});
    assert_eq!(response.status(), StatusCode::OK);
    black_box(response);
}
