//! Requests with tokens that are bound to a client's key, and proofs of it, through a router.

use adapter_axum::{Auth, AuthConfig, Dpop};
use aws_lc_rs::digest;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ParsedPublicKey, UnparsedPublicKey};
use axum::body::Body;
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderName, HeaderValue, Request};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use token_core::Algorithm;
use token_session::NewSession;
use token_session::binding::{BindingMode, BindingPolicy};

use super::bound::{ORIGIN, PATH, ask, caught_up, header, login, manager};
use super::client_key::ClientKey;
use super::manager::{access_token, runtime};
use super::request::ours;
use crate::operation::{BARE, Goal, OURS, Operation, Pool, Way, cycle};
use crate::world::Key;

/// How many proofs there are for each token of a pool, which is more than any measurement uses: a proof is good
/// for one request.
const PROOFS: u64 = 64;

/// A name that takes no allocation, as that of `Authorization` takes none.
const DPOP: HeaderName = HeaderName::from_static("dpop");

/// A request with a token that was seen before, and a proof of its own: beside the verification of one signature.
///
/// # Panics
/// If a proof is refused.
pub fn seen(Pool(count): Pool) -> Operation {
    let key = Key::new(Algorithm::EdDSA);
    let world = World::new(&key, count, count * PROOFS);
    let client = parsed(world.client.public());
    let signed: Vec<Signed> = world
        .requests
        .iter()
        .map(|own| signed(&own.proof))
        .collect();
    let bare = cycle(signed, move |proof| proof.verify(&client));
    Operation {
        name: "request with a proof of a client's key (ES256), token seen before".to_owned(),
        ways: vec![
            Way::new(OURS, proven(world.auth.clone(), &world.requests)),
            Way::new(BARE, bare),
            Way::new("bearer", bearing(world.auth, world.bearers)),
        ],
        goals: vec![Goal::Times(BARE, 1.1), Goal::AllocationsBeyond("bearer", 2)],
    }
}

/// A request with a token that nobody has seen before, and its proof: beside the verification of two signatures.
///
/// # Panics
/// If a token or a proof is refused.
pub fn unseen(Pool(count): Pool) -> Operation {
    let key = Key::new(Algorithm::ES256);
    let world = World::new(&key, count * PROOFS, count * PROOFS);
    let (issuer, client) = (parsed(&key.public), parsed(world.client.public()));
    let signed: Vec<(Signed, Signed)> = world
        .requests
        .iter()
        .map(|own| (signed(&own.token), signed(&own.proof)))
        .collect();
    let bare = cycle(signed, move |(token, proof)| {
        token.verify(&issuer);
        proof.verify(&client);
    });
    let twice = "bare aws-lc, twice";
    Operation {
        name: "request with a proof of a client's key, both ES256, token never seen before"
            .to_owned(),
        ways: vec![
            Way::new(OURS, proven(world.auth.clone(), &world.requests)),
            Way::new(twice, bare),
            Way::new("bearer", bearing(world.auth, world.bearers)),
        ],
        goals: vec![
            Goal::Times(twice, 1.15),
            Goal::AllocationsBeyond("bearer", 2),
        ],
    }
}

/// A server and the requests to it.
struct World {
    auth: Auth,
    client: ClientKey,
    requests: Vec<Proven>,
    /// As many values of `Authorization` as there are tokens, without a key.
    bearers: Vec<HeaderValue>,
}

struct Proven {
    token: String,
    proof: String,
}

impl World {
    /// `proofs` requests with `tokens` tokens in turns.
    fn new(key: &Key, tokens: u64, proofs: u64) -> Self {
        let manager = manager(key, BindingPolicy::new(BindingMode::Off));
        let dpop = Dpop::optional().remember(10_000_000, u32::MAX);
        let config = AuthConfig::builder(ORIGIN.parse().expect("an origin")).dpop(dpop);
        let auth = Auth::new(manager.clone(), config.build().expect("it is in range"));
        let client = ClientKey::new();
        let (mut bound, mut bearers) = (Vec::new(), Vec::new());
        runtime().block_on(async {
            for number in 0..tokens {
                let new = NewSession {
                    key: Some(client.thumbprint),
                    ..NewSession::default()
                };
                bound.push(access_token(&login(&manager, number, new).await));
                let free = login(&manager, number, NewSession::default()).await;
                bearers.push(header(&format!("Bearer {}", access_token(&free))));
            }
        });
        let at = manager.now().as_secs();
        let requests = bound.iter().cycle().zip(0..proofs);
        let requests = requests.map(|(token, number)| Proven {
            token: token.clone(),
            proof: proof(&client, token, number, at),
        });
        let requests = requests.collect();
        runtime().block_on(caught_up(&manager));
        Self {
            auth,
            client,
            requests,
            bearers,
        }
    }
}

/// A proof for a request with this token; `number` tells it from the others.
fn proof(client: &ClientKey, token: &str, number: u64, at: u64) -> String {
    let hash = digest::digest(&digest::SHA256, token.as_bytes());
    let (jwk, hash) = (&client.jwk, URL_SAFE_NO_PAD.encode(hash));
    client.sign(
        &format!(r#"{{"typ":"dpop+jwt","alg":"ES256","jwk":{jwk}}}"#),
        &format!(
            r#"{{"jti":"{number}","htm":"GET","htu":"{ORIGIN}{PATH}","iat":{at},"ath":"{hash}"}}"#
        ),
    )
}

fn proven(auth: Auth, requests: &[Proven]) -> impl FnMut() + use<> {
    let (mut router, inside) = (ours(auth), runtime());
    let requests = requests
        .iter()
        .map(|Proven { token, proof }| (header(&format!("DPoP {token}")), header(proof)));
    cycle(requests.collect(), move |(token, proof)| {
        let _inside = inside.enter();
        let request = Request::builder().uri(PATH);
        let request = request.header(AUTHORIZATION, token.clone());
        let request = request.header(DPOP, proof.clone());
        ask(&mut router, request.body(Body::empty()).expect("a request"));
    })
}

fn bearing(auth: Auth, bearers: Vec<HeaderValue>) -> impl FnMut() {
    let (mut router, inside) = (ours(auth), runtime());
    cycle(bearers, move |token| {
        let _inside = inside.enter();
        let request = Request::builder().uri(PATH);
        let request = request.header(AUTHORIZATION, token.clone());
        ask(&mut router, request.body(Body::empty()).expect("a request"));
    })
}

/// A text and its signature, decoded.
struct Signed {
    input: String,
    signature: Vec<u8>,
}

fn signed(jws: &str) -> Signed {
    let (input, signature) = jws.rsplit_once('.').expect("it has three parts");
    let signature = URL_SAFE_NO_PAD.decode(signature);
    Signed {
        input: input.to_owned(),
        signature: signature.expect("it is base64url"),
    }
}

impl Signed {
    fn verify(&self, key: &ParsedPublicKey) {
        let verified = key.verify_sig(self.input.as_bytes(), &self.signature);
        verified.expect("the signature is good");
    }
}

fn parsed(public: &[u8]) -> ParsedPublicKey {
    let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, public);
    key.parse().expect("it is a point")
}
