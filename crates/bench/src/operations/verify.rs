//! From a bearer token to verified claims; the token was never seen before.

use std::hint::black_box;

use aws_lc_rs::signature::{self, ParsedPublicKey, RsaPublicKeyComponents};
use aws_lc_rs::{constant_time, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use token_core::{Algorithm, CustomClaims, NoClaims, UntrustedToken, Verifier};
use token_session::CachedVerifier;

use crate::operation::{BARE, Goal, OURS, Operation, Pool, Way, cycle};
use crate::peer;
use crate::world::{self, Key};

/// With HMAC.
pub fn hs256(pool: Pool) -> Operation {
    let goals = [Goal::Times(BARE, 2.2), Goal::Faster("jsonwebtoken", 3.1)];
    verify(Algorithm::HS256, pool, &goals)
}

/// With Ed25519.
pub fn eddsa(pool: Pool) -> Operation {
    verify(Algorithm::EdDSA, pool, &[Goal::Times(BARE, 1.05)])
}

/// With ECDSA on P-256.
pub fn es256(pool: Pool) -> Operation {
    verify(Algorithm::ES256, pool, &[Goal::Times(BARE, 1.05)])
}

/// With RSA of 2,048 bits.
pub fn rs256(pool: Pool) -> Operation {
    verify(Algorithm::RS256, pool, &[Goal::Times(BARE, 1.05)])
}

fn verify(algorithm: Algorithm, Pool(count): Pool, goals: &[Goal]) -> Operation {
    let key = Key::new(algorithm);
    let issuer = world::issuer(&key);
    let tokens = world::access_tokens(&issuer, count, &CustomClaims::default());
    let verifier = Verifier::builder(issuer.issuer.clone(), issuer.audience.clone());
    let verifier = verifier.keys(issuer.access_keys.verifying_keys()).build();
    let verifier = verifier.expect("an issuer's own keys and names go together");
    let now = world::now();

    let (owned, borrowed) = (verifier.clone(), verifier);
    let borrowed = cycle(tokens.clone(), move |text| {
        let token = UntrustedToken::parse(text).expect("the token is good");
        let token = borrowed.check(token, now);
        black_box(&token).as_ref().expect("the token is good");
    });
    let owned = cycle(tokens.clone(), move |text| {
        let token = UntrustedToken::parse(text).expect("the token is good");
        let token = owned.verify::<NoClaims>(token, now);
        black_box(&token).as_ref().expect("the token is good");
    });
    let mut decode = peer::jsonwebtoken_decode(&key);
    let mut simple = peer::jwt_simple_verify(&key);
    Operation {
        name: format!("verify {algorithm}"),
        ways: vec![
            Way::new(OURS, borrowed),
            Way::new(BARE, bare(&key, &tokens)),
            Way::new("hallpass, owned", owned),
            Way::new(
                "jsonwebtoken",
                cycle(tokens.clone(), move |token| decode(token)),
            ),
            Way::new("jwt-simple", cycle(tokens, move |token| simple(token))),
        ],
        goals: [&[Goal::Allocations(0)], goals].concat(),
    }
}

/// Tokens that were seen before, with Ed25519.
///
/// # Panics
/// If a token is refused.
pub fn seen(Pool(count): Pool) -> Operation {
    let key = Key::new(Algorithm::EdDSA);
    let issuer = world::issuer(&key);
    let tokens = world::access_tokens(&issuer, count, &CustomClaims::default());
    let verifier = Verifier::builder(issuer.issuer.clone(), issuer.audience.clone());
    let verifier = verifier.keys(issuer.access_keys.verifying_keys()).build();
    let verifier = verifier.expect("an issuer's own keys and names go together");
    let now = world::now();
    let cache = CachedVerifier::new(verifier, 16 << 20);
    for token in &tokens {
        cache
            .verify::<NoClaims>(token, now)
            .expect("the token is good");
    }
    let ours = cycle(tokens.clone(), move |token| {
        let token = cache.verify::<NoClaims>(token, now);
        black_box(&token).as_ref().expect("the token is good");
    });
    let pairs: Vec<_> = tokens
        .iter()
        .map(|token| (token.clone(), token.clone()))
        .collect();
    let compare = cycle(pairs, |(one, other)| {
        let same = constant_time::verify_slices_are_equal(one.as_bytes(), other.as_bytes());
        black_box(same.is_ok());
    });
    let mut decode = peer::jsonwebtoken_decode(&key);
    Operation {
        name: "verify EdDSA, token seen before".to_owned(),
        ways: vec![
            Way::new(OURS, ours),
            Way::new("bare comparison", compare),
            Way::new("jsonwebtoken", cycle(tokens, move |token| decode(token))),
        ],
        goals: vec![
            Goal::Allocations(0),
            Goal::Nanoseconds(200.0),
            Goal::Faster("jsonwebtoken", 100.0),
        ],
    }
}

/// The signature alone, of bytes that were decoded before.
pub(super) fn bare(key: &Key, tokens: &[String]) -> Box<dyn FnMut()> {
    let parts = tokens.iter().map(|token| {
        let (message, signature) = token.rsplit_once('.').expect("a token has three parts");
        let signature = URL_SAFE_NO_PAD.decode(signature);
        (
            message.to_owned(),
            signature.expect("a signature is base64url"),
        )
    });
    let parts: Vec<(String, Vec<u8>)> = parts.collect();
    if key.algorithm == Algorithm::HS256 {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &key.private);
        return Box::new(cycle(parts, move |(message, signature)| {
            hmac::verify(&key, message.as_bytes(), signature).expect("the tag is good");
        }));
    }
    let public = match key.algorithm {
        Algorithm::EdDSA => ParsedPublicKey::new(&signature::ED25519, &key.public),
        Algorithm::ES256 => ParsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, &key.public),
        _ => RsaPublicKeyComponents {
            n: key.public.as_slice(),
            e: [1, 0, 1].as_slice(),
        }
        .to_parsed_public_key(&signature::RSA_PKCS1_2048_8192_SHA256)
        .map_err(|_| unreachable!("the key is good")),
    };
    let public = public.expect("the key is good");
    Box::new(cycle(parts, move |(message, signature)| {
        let verified = public.verify_sig(message.as_bytes(), signature);
        verified.expect("the signature is good");
    }))
}
