//! From a committed session to an access token.

use std::hint::black_box;

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair};
use token_core::{Algorithm, CustomClaims};

use crate::operation::{BARE, Goal, OURS, Operation, Pool, Way, cycle};
use crate::peer;
use crate::world::{self, Key};

/// With HMAC.
pub fn hs256(pool: Pool) -> Operation {
    issue(Algorithm::HS256, pool, Goal::Faster("jsonwebtoken", 1.6))
}

/// With Ed25519.
pub fn eddsa(pool: Pool) -> Operation {
    issue(Algorithm::EdDSA, pool, Goal::Times(BARE, 1.25))
}

/// With ECDSA on P-256.
pub fn es256(pool: Pool) -> Operation {
    issue(Algorithm::ES256, pool, Goal::Times(BARE, 1.25))
}

fn issue(algorithm: Algorithm, Pool(count): Pool, goal: Goal) -> Operation {
    let key = Key::new(algorithm);
    let issuer = world::issuer(&key);
    let tokens = world::access_tokens(&issuer, count, &CustomClaims::default());
    let sample = tokens.first().expect("a pool is not empty").clone();
    let granted = (0..count).map(|n| world::session(&issuer, n, CustomClaims::default()));
    let granted: Vec<_> = granted.collect();
    let now = world::now();
    let mut number = 0_u64;
    let ours = cycle(granted, move |granted| {
        number += 1;
        let mut random = [0; 64];
        random
            .iter_mut()
            .zip(number.to_le_bytes())
            .for_each(|(to, from)| *to = from);
        let entropy = token_core::Entropy::new(random);
        let token = issuer.access_token(granted.session(), &granted.session().scope, now, entropy);
        black_box(token.expect("the key is there"));
    });
    Operation {
        name: format!("issue {algorithm}"),
        ways: vec![
            Way::new(OURS, ours),
            Way::new(BARE, bare(&key, &tokens)),
            Way::new("jsonwebtoken", peer::jsonwebtoken_encode(&key, &sample)),
        ],
        goals: vec![goal],
    }
}

/// The signature alone, of a fixed text.
fn bare(key: &Key, tokens: &[String]) -> Box<dyn FnMut()> {
    let messages = tokens.iter().map(|token| {
        let (message, _) = token.rsplit_once('.').expect("a token has three parts");
        message.to_owned()
    });
    let messages: Vec<String> = messages.collect();
    match key.algorithm {
        Algorithm::HS256 => {
            let key = hmac::Key::new(hmac::HMAC_SHA256, &key.private);
            Box::new(cycle(messages, move |message| {
                black_box(hmac::sign(&key, message.as_bytes()));
            }))
        }
        Algorithm::EdDSA => {
            let key = Ed25519KeyPair::from_pkcs8(&key.private).expect("the key is good");
            Box::new(cycle(messages, move |message| {
                black_box(key.sign(message.as_bytes()));
            }))
        }
        _ => {
            let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
            let key = EcdsaKeyPair::from_pkcs8(algorithm, &key.private).expect("the key is good");
            let random = SystemRandom::new();
            Box::new(cycle(messages, move |message| {
                let signature = key.sign(&random, message.as_bytes());
                black_box(signature.expect("the key signs"));
            }))
        }
    }
}
