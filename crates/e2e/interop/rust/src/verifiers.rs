//! Who reads the tokens, each by the usual call of its documentation.

use std::io;

use base64::Engine as _;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::Outcome;

/// An issuer, and a token of it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct World {
    alg: String,
    issuer: String,
    audience: String,
    jwks_uri: String,
    token: String,
    pem: String,
    keys: Value,
}

impl World {
    fn set(&self) -> Value {
        json!({ "keys": self.keys })
    }

    fn unknown(&self) -> Outcome {
        Err(format!("{} is not known", self.alg).into())
    }

    /// What a library leaves to its user.
    fn check(&self, issuer: Option<&str>, audience: Option<&str>) -> Outcome {
        let same = issuer == Some(&self.issuer) && audience == Some(&self.audience);
        same.then_some(()).ok_or_else(|| "the issuer".into())
    }
}

/// By the name of the row: the version, and what fails if the token is not read.
const VERIFIERS: &[(&str, &str, fn(&World) -> Outcome)] = &[
    ("jsonwebtoken", "12.0.0", jsonwebtoken),
    ("jsonwebtoken", "12.0.0, 11.1.0", jsonwebtoken_11),
    ("jwt-simple", "0.15.0", jwt_simple),
    ("josekit", "0.10.3", josekit),
    ("biscuit", "0.8.0", biscuit),
    ("jwt-authorizer", "0.15.0", jwt_authorizer),
    ("axum-jwks", "0.12.0", axum_jwks),
    ("jwks_client_rs", "0.6.13", jwks_client),
    ("openidconnect", "4.1.0", openidconnect),
];

pub fn measure() -> Outcome {
    let worlds: Vec<World> = serde_json::from_reader(io::stdin())?;
    let rows = VERIFIERS.iter().map(|(name, version, verify)| {
        let reads = worlds.iter().map(|world| {
            let outcome = verify(world);
            if let Err(error) = &outcome {
                eprintln!("{name} {}: {error}", world.alg);
            }
            outcome.is_ok()
        });
        json!({ "name": name, "version": version, "reads": reads.collect::<Vec<_>>() })
    });
    println!("{}", Value::Array(rows.collect()));
    Ok(())
}

macro_rules! jsonwebtoken {
    ($function:ident, $library:ident) => {
        fn $function(world: &World) -> Outcome {
            use $library::{DecodingKey, Validation, decode, decode_header, jwk::JwkSet};
            let keys: JwkSet = serde_json::from_value(world.set())?;
            let kid = decode_header(&world.token)?.kid.ok_or("no kid")?;
            let key = DecodingKey::from_jwk(keys.find(&kid).ok_or("no key")?)?;
            let mut wanted = Validation::new(world.alg.parse()?);
            wanted.set_issuer(&[&world.issuer]);
            wanted.set_audience(&[&world.audience]);
            decode::<Value>(&world.token, &key, &wanted)?;
            Ok(())
        }
    };
}

jsonwebtoken!(jsonwebtoken, jsonwebtoken);
jsonwebtoken!(jsonwebtoken_11, jsonwebtoken_11);

fn jwt_simple(world: &World) -> Outcome {
    use jwt_simple::prelude::*;
    let options = Some(VerificationOptions {
        allowed_issuers: Some(HashSet::from_strings(&[&world.issuer])),
        allowed_audiences: Some(HashSet::from_strings(&[&world.audience])),
        ..Default::default()
    });
    let (pem, token) = (world.pem.as_str(), world.token.as_str());
    match world.alg.as_str() {
        "EdDSA" => {
            drop(Ed25519PublicKey::from_pem(pem)?.verify_token::<NoCustomClaims>(token, options)?)
        }
        "ES256" => {
            drop(ES256PublicKey::from_pem(pem)?.verify_token::<NoCustomClaims>(token, options)?)
        }
        "RS256" => {
            drop(RS256PublicKey::from_pem(pem)?.verify_token::<NoCustomClaims>(token, options)?)
        }
        "PS256" => {
            drop(PS256PublicKey::from_pem(pem)?.verify_token::<NoCustomClaims>(token, options)?)
        }
        _ => return world.unknown(),
    }
    Ok(())
}

fn josekit(world: &World) -> Outcome {
    use josekit::jwk::JwkSet;
    use josekit::jws::{ES256, EdDSA, JwsVerifier, PS256, RS256};
    use josekit::jwt;
    let keys = JwkSet::from_bytes(world.set().to_string())?;
    let header = jwt::decode_header(&world.token)?;
    let kid = header
        .claim("kid")
        .and_then(Value::as_str)
        .ok_or("no kid")?;
    let found = keys.get(kid);
    let key = found.first().ok_or("no key")?;
    let verifier: Box<dyn JwsVerifier> = match world.alg.as_str() {
        "EdDSA" => Box::new(EdDSA.verifier_from_jwk(key)?),
        "ES256" => Box::new(ES256.verifier_from_jwk(key)?),
        "RS256" => Box::new(RS256.verifier_from_jwk(key)?),
        "PS256" => Box::new(PS256.verifier_from_jwk(key)?),
        _ => return world.unknown(),
    };
    let (claims, _) = jwt::decode_with_verifier(&world.token, &*verifier)?;
    let mut wanted = jwt::JwtPayloadValidator::new();
    wanted.set_base_time(std::time::SystemTime::now());
    wanted.set_issuer(&world.issuer);
    wanted.set_audience(&world.audience);
    wanted.validate(&claims)?;
    Ok(())
}

fn biscuit(world: &World) -> Outcome {
    use biscuit::jwk::JWKSet;
    use biscuit::{Empty, JWT, SingleOrMultiple};
    let keys: JWKSet<Empty> = serde_json::from_value(world.set())?;
    let token = JWT::<Value, Empty>::new_encoded(&world.token);
    let token = token.decode_with_jwks(&keys, None)?;
    token.validate(Default::default())?;
    let claims = &token.payload()?.registered;
    let Some(SingleOrMultiple::Single(audience)) = &claims.audience else {
        return Err("the audience".into());
    };
    world.check(claims.issuer.as_deref(), Some(audience))
}

fn jwt_authorizer(world: &World) -> Outcome {
    use jwt_authorizer::{JwtAuthorizer, Validation};
    let wanted = Validation::new()
        .iss(&[&world.issuer])
        .aud(&[&world.audience]);
    let authorizer = JwtAuthorizer::<Value>::from_jwks_url(&world.jwks_uri).validation(wanted);
    wait(async {
        let authorizer = authorizer.build().await?;
        authorizer.check_auth(&world.token).await?;
        Ok(())
    })
}

fn axum_jwks(world: &World) -> Outcome {
    let claims: Value = wait(async {
        let keys = axum_jwks::Jwks::from_jwks_url(&world.jwks_uri, Some(&world.audience), None);
        Ok(keys.await?.validate_claims(&world.token)?.claims)
    })?;
    world.check(claims["iss"].as_str(), Some(&world.audience))
}

fn jwks_client(world: &World) -> Outcome {
    use jwks_client_rs::{JwksClient, source::WebSource};
    let source = WebSource::builder().build(url::Url::parse(&world.jwks_uri)?)?;
    let client = JwksClient::builder().build(source);
    let claims: Value = wait(async { Ok(client.decode(&world.token, &[&world.audience]).await?) })?;
    world.check(claims["iss"].as_str(), Some(&world.audience))
}

fn openidconnect(world: &World) -> Outcome {
    use openidconnect::core::{CoreJsonWebKeySet, CoreJwsSigningAlgorithm};
    use openidconnect::{JsonWebKey, JsonWebKeySetUrl, reqwest};
    let client = reqwest::blocking::Client::new();
    let keys = CoreJsonWebKeySet::fetch(&JsonWebKeySetUrl::new(world.jwks_uri.clone())?, &client)?;
    let algorithm: CoreJwsSigningAlgorithm = serde_json::from_value(json!(world.alg))?;
    let (signed, signature) = world.token.rsplit_once('.').ok_or("no signature")?;
    let (header, claims) = signed.split_once('.').ok_or("no claims")?;
    let kid = decoded(header)?["kid"].clone();
    let known = |key: &&_| JsonWebKey::key_id(*key).is_some_and(|id| kid == id.as_str());
    let key = keys.keys().iter().find(known).ok_or("no key")?;
    key.verify_signature(&algorithm, signed.as_bytes(), &bytes(signature)?)?;
    let claims = decoded(claims)?;
    world.check(claims["iss"].as_str(), claims["aud"].as_str())
}

fn bytes(part: &str) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
    Ok(base64::prelude::BASE64_URL_SAFE_NO_PAD.decode(part)?)
}

fn decoded(part: &str) -> Result<Value, Box<dyn std::error::Error>> {
    Ok(serde_json::from_slice(&bytes(part)?)?)
}

fn wait<T>(
    work: impl Future<Output = Result<T, Box<dyn std::error::Error>>>,
) -> Result<T, Box<dyn std::error::Error>> {
    tokio::runtime::Runtime::new()?.block_on(work)
}
