//! From a bearer token of another issuer to verified claims.

use std::hint::black_box;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use token_core::foreign::{ForeignKeys, ForeignVerifier, Profile};
use token_core::{Algorithm, CustomClaims, NoClaims, UntrustedToken, Verifier};
use token_session::CachedVerifier;

use crate::operation::{BARE, Goal, OURS, Operation, Pool, Way, cycle};
use crate::operations::verify::bare;
use crate::world::{self, AUDIENCE, ISSUER, Key};

/// How a token of ours is called beside one of another issuer.
const OWN: &str = "a token of ours";

/// With RSA of 2,048 bits, as most issuers sign; the token was never seen before.
///
/// # Panics
/// If a token is refused.
pub fn verify(Pool(count): Pool) -> Operation {
    let key = Key::new(Algorithm::RS256);
    let tokens = tokens(&key, count);
    let verifier = verifier(&key);
    let now = world::now();
    let ours = cycle(tokens.clone(), move |text| {
        let token = UntrustedToken::parse(text).expect("the token is good");
        let token = verifier.verify::<NoClaims>(token, now);
        black_box(&token).as_ref().expect("the token is good");
    });
    Operation {
        name: "verify RS256 of another issuer".to_owned(),
        ways: vec![Way::new(OURS, ours), Way::new(BARE, bare(&key, &tokens))],
        goals: vec![Goal::Times(BARE, 1.1)],
    }
}

/// Tokens that were seen before, beside tokens of ours of the same algorithm.
///
/// # Panics
/// If a token is refused.
pub fn seen(Pool(count): Pool) -> Operation {
    let key = Key::new(Algorithm::RS256);
    let now = world::now();
    let foreign = tokens(&key, count);
    let cache = CachedVerifier::new(verifier(&key), 16 << 20);
    for token in &foreign {
        let token = cache.verify::<NoClaims>(token, now);
        token.expect("the token is good");
    }
    let ours = cycle(foreign, move |token| {
        let token = cache.verify::<NoClaims>(token, now);
        black_box(&token).as_ref().expect("the token is good");
    });
    let issuer = world::issuer(&key);
    let own = world::access_tokens(&issuer, count, &CustomClaims::default());
    let verifier = Verifier::builder(issuer.issuer.clone(), issuer.audience.clone());
    let verifier = verifier.keys(issuer.access_keys.verifying_keys()).build();
    let verifier = verifier.expect("an issuer's own keys and names go together");
    let cache = CachedVerifier::new(verifier, 16 << 20);
    for token in &own {
        let token = cache.verify::<NoClaims>(token, now);
        token.expect("the token is good");
    }
    let own = cycle(own, move |token| {
        let token = cache.verify::<NoClaims>(token, now);
        black_box(&token).as_ref().expect("the token is good");
    });
    Operation {
        name: "verify RS256 of another issuer, token seen before".to_owned(),
        ways: vec![Way::new(OURS, ours), Way::new(OWN, own)],
        goals: vec![
            Goal::Allocations(0),
            Goal::Nanoseconds(200.0),
            Goal::Times(OWN, 1.1),
        ],
    }
}

fn verifier(key: &Key) -> ForeignVerifier {
    let (issuer, audience) = (ISSUER.parse(), AUDIENCE.parse());
    let verifier = ForeignVerifier::builder(
        issuer.expect("a name"),
        audience.expect("a name"),
        Profile::AUTH0,
    );
    let verifier = verifier.keys(ForeignKeys::new([key.ours.verifying_key()]));
    verifier.build().expect("the key is good")
}

/// Tokens as Auth0 writes them.
fn tokens(key: &Key, count: u64) -> Vec<String> {
    let pair = RsaKeyPair::from_pkcs8(&world::rsa_pkcs8()).expect("the vector is a key");
    let header = format!(r#"{{"alg":"RS256","typ":"JWT","kid":"{}"}}"#, key.ours.id());
    let header = URL_SAFE_NO_PAD.encode(header);
    let (now, random) = (world::now().as_secs(), SystemRandom::new());
    let token = |number| {
        let claims = format!(
            r#"{{"iss":"{ISSUER}","sub":"auth0|{number:024}","aud":["{AUDIENCE}","{ISSUER}/userinfo"],"iat":{now},"exp":{},"scope":"openid notes:read","azp":"6kHrxKcnHCAqYvUmuTdLiYwsDXjr2fTv"}}"#,
            now + 3600
        );
        let input = format!("{header}.{}", URL_SAFE_NO_PAD.encode(claims));
        let mut signature = vec![0; pair.public_modulus_len()];
        pair.sign(&RSA_PKCS1_SHA256, &random, input.as_bytes(), &mut signature)
            .expect("the key signs");
        format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature))
    };
    (0..count).map(token).collect()
}
