//! Keys, sessions and tokens that are the same for all libraries in a measurement.

use std::time::Duration;

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPairComponents, PublicKeyComponents};
use aws_lc_rs::signature::{EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RsaKeyPair};
use token_core::session::rule::{self, Granted, Login};
use token_core::session::{Committed, Credentials, Device, Epoch};
use token_core::types::Bucket;
use token_core::{
    Algorithm, Authentication, ClientId, CustomClaims, Entropy, KeyId, KeyRing, Policy, RefreshKey,
    RefreshKeyRing, Scope, SessionId, SigningKey, Subject, TokenIssuer, Transport, UnixTime,
};
use token_session::store::BucketKey;

/// The secret of HS256.
pub const SECRET: [u8; 32] = [42; 32];
/// The issuer of every token.
pub const ISSUER: &str = "https://id.example";
/// The audience of every token.
pub const AUDIENCE: &str = "https://api.example";

/// One key in the forms that the libraries need.
#[derive(Debug)]
#[expect(clippy::exhaustive_structs, reason = "forms of one key, for the peers")]
pub struct Key {
    /// The algorithm.
    pub algorithm: Algorithm,
    /// The key as a type of `token-core`.
    pub ours: SigningKey,
    /// PKCS#8, or the secret if it is HMAC; empty for RSA, which only verifies here.
    pub private: Vec<u8>,
    /// The point, or the modulus if it is RSA; empty for HMAC.
    pub public: Vec<u8>,
}

impl Key {
    /// A key of one of the measured algorithms. With RSA it has 2,048 bits.
    ///
    /// # Panics
    /// If it is another algorithm.
    pub fn new(algorithm: Algorithm) -> Self {
        let (private, public) = match algorithm {
            Algorithm::HS256 => (SECRET.to_vec(), Vec::new()),
            Algorithm::EdDSA => {
                let pair = Ed25519KeyPair::generate().expect("there is entropy");
                let private = pair.to_pkcs8v1().expect("a new key is written");
                (
                    private.as_ref().to_vec(),
                    pair.public_key().as_ref().to_vec(),
                )
            }
            Algorithm::ES256 => {
                let algorithm = &aws_lc_rs::signature::ECDSA_P256_SHA256_FIXED_SIGNING;
                let pair = EcdsaKeyPair::generate(algorithm).expect("there is entropy");
                let private = pair.to_pkcs8v1().expect("a new key is written");
                (
                    private.as_ref().to_vec(),
                    pair.public_key().as_ref().to_vec(),
                )
            }
            Algorithm::RS256 => {
                let jwk = rsa_jwk();
                let modulus = jwk.get("n").and_then(serde_json::Value::as_str);
                let modulus = modulus.expect("the vector has a modulus");
                let public = base64::Engine::decode(
                    &base64::engine::general_purpose::URL_SAFE_NO_PAD,
                    modulus,
                );
                let public = public.expect("the vector is base64url");
                let jwk = jwk.to_string();
                let ours = SigningKey::from_jwk(&jwk).expect("the vector is a key");
                return Self {
                    algorithm,
                    ours,
                    private: Vec::new(),
                    public,
                };
            }
            other => unreachable!("{other} is not measured"),
        };
        let ours = match algorithm {
            Algorithm::HS256 => SigningKey::from_secret(&private, algorithm),
            _ => SigningKey::from_der(&private, algorithm),
        };
        Self {
            algorithm,
            ours: ours.expect("a new key is accepted"),
            private,
            public,
        }
    }
}

/// The private key of RFC 7515 appendix A.2: making one takes seconds under valgrind.
fn rsa_jwk() -> serde_json::Value {
    let file = include_str!("../../token-core/tests/vectors/rfc7515.json");
    let file: serde_json::Value = serde_json::from_str(file).expect("the vectors are JSON");
    let mut jwk = file
        .pointer("/vectors/1/key")
        .expect("the second vector is RSA")
        .clone();
    if let Some(members) = jwk.as_object_mut() {
        members.insert("alg".to_owned(), "RS256".into());
    }
    jwk
}

/// The same key as PKCS#8.
///
/// # Panics
/// Never: the vector is a key.
pub fn rsa_pkcs8() -> Vec<u8> {
    let jwk = rsa_jwk();
    let member = |name: &str| {
        let text = jwk.get(name).and_then(serde_json::Value::as_str);
        let text = text.expect("the vector has every member");
        let bytes = base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, text);
        bytes.expect("the vector is base64url")
    };
    let pair = RsaKeyPair::from_components(&KeyPairComponents {
        public_key: PublicKeyComponents {
            n: member("n"),
            e: member("e"),
        },
        d: member("d"),
        p: member("p"),
        q: member("q"),
        dP: member("dp"),
        dQ: member("dq"),
        qInv: member("qi"),
    });
    let pair = pair.expect("the vector is a key");
    let pkcs8: Pkcs8V1Der<'_> = pair.as_der().expect("the key can be written");
    pkcs8.as_ref().to_vec()
}

/// The time of every token and every clock.
///
/// # Panics
/// Never: the machine's clock shows a year below 10000.
pub fn now() -> UnixTime {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let since = since.expect("the clock is past 1970");
    UnixTime::from_secs(since.as_secs()).expect("the clock is before the year 10000")
}

/// An issuer with this key. Its tokens live long enough for any measurement.
///
/// # Panics
/// Never: the names are valid.
pub fn issuer(key: &Key) -> TokenIssuer {
    let policy = Policy::builder().access_lifetime(Duration::from_hours(1));
    let refresh = RefreshKey::new(KeyId::new("refresh").expect("a name"), &SECRET);
    let (issuer, audience) = (ISSUER.parse(), AUDIENCE.parse());
    TokenIssuer::builder(issuer.expect("a name"), audience.expect("a name"))
        .policy(policy.build().expect("an hour is in range"))
        .build(
            KeyRing::new(key.ours.clone()),
            RefreshKeyRing::new(refresh.expect("32 bytes")),
        )
}

/// A new session of its own, as a store would have committed it.
///
/// # Panics
/// Never: the names are valid.
pub fn session(issuer: &TokenIssuer, number: u64, claims: CustomClaims) -> Granted {
    let subject = Subject::new(format!("user-{number:08}")).expect("a name");
    let now = now();
    let login = Login {
        epoch: Epoch::default(),
        client_id: ClientId::new("web").expect("a name"),
        transport: Transport::Header,
        scope: "notes:read notes:write".parse::<Scope>().expect("a scope"),
        authentication: Authentication {
            amr: Vec::new(),
            ..Authentication::password(now)
        },
        remember: false,
        claims,
        device: Device::default(),
        subject,
    };
    let bucket = BucketKey::new(&SECRET).bucket(&login.subject);
    let (policy, keys) = (&issuer.policy, &issuer.refresh_keys);
    let (row, pending) = rule::open(login, bucket, policy, keys, now, entropy(number));
    let committed = pending.committed(Committed::assertion(row));
    committed.expect("it is what was to be written")
}

/// An id in a bucket, made from a number.
pub fn session_id(bucket: Bucket, number: u64) -> SessionId {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &number.to_le_bytes());
    let mut bytes = [bucket.0; SessionId::LENGTH];
    let random = bytes.iter_mut().skip(1).zip(digest.as_ref());
    random.for_each(|(to, from)| *to = *from);
    SessionId::from_bytes(bytes)
}

/// Bytes made from a number.
pub fn entropy(number: u64) -> Entropy {
    let mut bytes = [0; 64];
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA512, &number.to_le_bytes());
    bytes.copy_from_slice(digest.as_ref());
    Entropy::new(bytes)
}

/// The access tokens of this many sessions.
///
/// # Panics
/// If one cannot be issued.
pub fn access_tokens(issuer: &TokenIssuer, count: u64, claims: &CustomClaims) -> Vec<String> {
    let token = |number| {
        let granted = session(issuer, number, claims.clone());
        let scope = granted.session().scope.clone();
        let issued = issuer.issue(&granted, &scope, now(), entropy(number + count));
        let given = issued.and_then(|issued| issued.give_out(&granted));
        match given.expect("the key is there") {
            Credentials::Tokens(pair) => pair.access_token.secret().to_owned(),
            Credentials::Session(_) => unreachable!("the transport is `header`"),
        }
    };
    (0..count).map(token).collect()
}
