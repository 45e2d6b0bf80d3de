//! What people use today, as they commonly use it: keys prepared once, claims in a struct that owns
//! its texts, every check switched on that the library offers for these claims.

use std::collections::HashSet;

use jsonwebtoken::{DecodingKey, EncodingKey, Header, Validation};
use jwt_simple::algorithms::{
    ECDSAP256PublicKeyLike as _, EdDSAPublicKeyLike as _, MACLike as _, RSAPublicKeyLike as _,
};
use jwt_simple::prelude::{
    Duration, ES256PublicKey, Ed25519PublicKey, HS256Key, RS256PublicKey, VerificationOptions,
};
use serde::{Deserialize, Serialize};
use token_core::Algorithm;

use crate::world::{AUDIENCE, ISSUER, Key};

/// The claims of an access token.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    sub: String,
    client_id: String,
    sid: String,
    jti: String,
    iat: u64,
    exp: u64,
    auth_time: u64,
    scope: String,
}

/// The claims that jwt-simple does not know itself.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct OtherClaims {
    client_id: String,
    sid: String,
    auth_time: u64,
    scope: String,
}

/// `jsonwebtoken::decode`, with aws-lc behind it.
///
/// # Panics
/// The closure, if a token is refused.
pub fn jsonwebtoken_decode(key: &Key) -> impl FnMut(&str) + use<> {
    let decoding = match key.algorithm {
        Algorithm::HS256 => {
            DecodingKey::from_secret(&key.private).expect("the secret is long enough")
        }
        Algorithm::EdDSA => DecodingKey::from_ed_der(&key.public),
        Algorithm::ES256 => DecodingKey::from_ec_der(&key.public),
        Algorithm::RS256 => DecodingKey::from_rsa_raw_components(&key.public, &[1, 0, 1]),
        other => unreachable!("{other} is not measured"),
    };
    let mut validation = Validation::new(algorithm(key.algorithm));
    validation.set_issuer(&[ISSUER]);
    validation.set_audience(&[AUDIENCE]);
    validation.set_required_spec_claims(&["iss", "aud", "sub", "exp"]);
    move |token| {
        let decoded = jsonwebtoken::decode::<Claims>(token, &decoding, &validation);
        std::hint::black_box(decoded.expect("the token is good"));
    }
}

/// `jsonwebtoken::encode` of the claims of this token, with aws-lc behind it.
///
/// # Panics
/// Where the token is no token.
pub fn jsonwebtoken_encode(key: &Key, token: &str) -> impl FnMut() + use<> {
    let encoding = match key.algorithm {
        Algorithm::HS256 => {
            EncodingKey::from_secret(&key.private).expect("the secret is long enough")
        }
        Algorithm::EdDSA => EncodingKey::from_ed_der(&key.private),
        Algorithm::ES256 => EncodingKey::from_ec_der(&key.private),
        other => unreachable!("{other} is not measured"),
    };
    let mut header = Header::new(algorithm(key.algorithm));
    header.typ = Some("at+jwt".to_owned());
    header.kid = Some(key.ours.id().as_str().to_owned());
    let claims = jsonwebtoken::dangerous::insecure_decode::<Claims>(token);
    let claims = claims.expect("the token is good").claims;
    move || {
        let token = jsonwebtoken::encode(&header, &claims, &encoding);
        std::hint::black_box(token.expect("the claims are written"));
    }
}

fn algorithm(algorithm: Algorithm) -> jsonwebtoken::Algorithm {
    let name = algorithm.as_str().parse();
    name.expect("jsonwebtoken has the algorithms that are measured")
}

/// jwt-simple's `verify_token`, in pure Rust.
///
/// # Panics
/// If the key is refused; the closure, if a token is.
pub fn jwt_simple_verify(key: &Key) -> Box<dyn FnMut(&str)> {
    let options = VerificationOptions {
        allowed_audiences: Some(HashSet::from([AUDIENCE.to_owned()])),
        allowed_issuers: Some(HashSet::from([ISSUER.to_owned()])),
        max_validity: Some(Duration::from_hours(24)),
        ..VerificationOptions::default()
    };
    macro_rules! verifier {
        ($key:expr) => {{
            let key = $key;
            Box::new(move |token| {
                let claims = key.verify_token::<OtherClaims>(token, Some(options.clone()));
                std::hint::black_box(claims.expect("the token is good"));
            })
        }};
    }
    let accepted = "the key is accepted";
    match key.algorithm {
        Algorithm::HS256 => verifier!(HS256Key::from_bytes(&key.private)),
        Algorithm::EdDSA => verifier!(Ed25519PublicKey::from_bytes(&key.public).expect(accepted)),
        Algorithm::ES256 => verifier!(ES256PublicKey::from_bytes(&key.public).expect(accepted)),
        Algorithm::RS256 => {
            verifier!(RS256PublicKey::from_components(&key.public, &[1, 0, 1]).expect(accepted))
        }
        other => unreachable!("{other} is not measured"),
    }
}
