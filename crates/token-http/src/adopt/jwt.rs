//! Reads tokens that the application has signed itself.

use std::fmt;
use std::future::Future;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::crypto::JwtVerifier;
use jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER;
use jsonwebtoken::{Algorithm as Name, DecodingKey};
use serde::Deserialize;
use serde_json::{Map, Value};
use thiserror::Error;
use token_core::{Algorithm, Authentication, UnixTime};
use token_session::adopt::OldSession;

use super::cookie::OldCookie;
use super::reader::{ReadError, Reader, Reading};
use super::request::OldRequest;
use super::user::OldUser;

/// The longest token that is looked at, in bytes, as for tokens of ours.
const MAX_LENGTH: usize = 8 * 1024;

/// Reads JSON Web Tokens that the application has signed itself before it moved here, in
/// `Authorization: Bearer` or in a cookie.
///
/// A token needs `exp`, without leeway, and must not be before its `nbf`. The application says who it is about
/// and checks everything else that it checked before, such as `iss` and `aud`. A key of any length is
/// taken: it is the one that the application has trusted so far. Tokens whose `typ` is `at+jwt` or `rt+jwt` are
/// taken for tokens of this library, and not read.
///
/// When the user authenticated is its `auth_time`, unless the application names another
/// [authentication](token_session::NewSession::authentication). Without both it is not known, and a route that wants
/// a recent one asks again. An application whose tokens are made at a login and nowhere else may take `iat`.
///
/// ```
/// use token_core::{Algorithm, Subject};
/// use token_http::adopt::{Adoption, JwtReader, OldUser};
///
/// # fn f() -> Result<Adoption, Box<dyn std::error::Error>> {
/// let reader = JwtReader::secret(b"the old secret", Algorithm::HS256, async |claims| {
///     let user = claims.get("sub").and_then(|sub| sub.as_str());
///     let user = user.and_then(|user| Subject::new(user).ok());
///     Ok(user.map(OldUser::new)) // `None` if the user is gone, or the password was changed since
/// })?;
/// Ok(Adoption::of(reader))
/// # }
/// ```
pub struct JwtReader<F> {
    name: &'static str,
    keys: Vec<Key>,
    cookie: Option<OldCookie>,
    user: F,
}

struct Key {
    algorithm: Name,
    key: DecodingKey,
}

impl<F, U> JwtReader<F>
where
    F: Fn(Map<String, Value>) -> U + Send + Sync + 'static,
    U: Future<Output = Result<Option<OldUser>, ReadError>> + Send,
{
    /// Tokens under this secret: `HS256`, `HS384` or `HS512`.
    ///
    /// # Errors
    /// [`JwtKeyError`] if it is not a key of that algorithm.
    pub fn secret(secret: &[u8], algorithm: Algorithm, user: F) -> Result<Self, JwtKeyError> {
        let key = Key::secret(secret, algorithm)?;
        Ok(Self::new(key, user))
    }

    /// Tokens under the private half of this public key in PEM: RSA, ECDSA or Ed25519.
    ///
    /// # Errors
    /// [`JwtKeyError`] if it is not a key of that algorithm.
    pub fn public_pem(pem: &str, algorithm: Algorithm, user: F) -> Result<Self, JwtKeyError> {
        let key = Key::public_pem(pem, algorithm)?;
        Ok(Self::new(key, user))
    }

    fn new(key: Key, user: F) -> Self {
        Self {
            name: "jwt",
            keys: vec![key],
            cookie: None,
            user,
        }
    }

    /// Another secret that the application has accepted.
    ///
    /// # Errors
    /// As [`secret`](Self::secret).
    pub fn or_secret(mut self, secret: &[u8], algorithm: Algorithm) -> Result<Self, JwtKeyError> {
        self.keys.push(Key::secret(secret, algorithm)?);
        Ok(self)
    }

    /// Another public key that the application has accepted.
    ///
    /// # Errors
    /// As [`public_pem`](Self::public_pem).
    pub fn or_public_pem(mut self, pem: &str, algorithm: Algorithm) -> Result<Self, JwtKeyError> {
        self.keys.push(Key::public_pem(pem, algorithm)?);
        Ok(self)
    }

    /// Reads the token from this cookie, and not from `Authorization`.
    #[must_use]
    pub fn in_cookie(mut self, cookie: OldCookie) -> Self {
        self.cookie = Some(cookie);
        self
    }

    /// What it is called in the log. Default `jwt`. Two readers of one application need two names.
    #[must_use]
    pub fn named(mut self, name: &'static str) -> Self {
        self.name = name;
        self
    }

    /// The claims of a token that is genuine.
    fn verify(&self, token: &str) -> Result<Map<String, Value>, &'static str> {
        if token.len() > MAX_LENGTH {
            return Err("the token is too long");
        }
        let (signed, signature) = token.rsplit_once('.').ok_or("it is no token")?;
        let (header, payload) = signed.split_once('.').ok_or("it is no token")?;
        let decode = |text| URL_SAFE_NO_PAD.decode(text).map_err(|_| "it is no token");
        let header: Header = serde_json::from_slice(&decode(header)?).map_err(|_| "bad header")?;
        if header.crit.is_some() {
            return Err("its header has extensions that must be understood");
        }
        // Ours have one, and are refused for a reason.
        let types = ["at+jwt", "rt+jwt"];
        if header.typ.is_some_and(|typ| types.contains(&&*typ)) {
            return Err("it is a token of this library");
        }
        let signature = decode(signature)?;
        let mut keys = self.keys.iter().filter(|key| key.algorithm == header.alg);
        if !keys.any(|key| key.verifies(signed, &signature)) {
            return Err("no key verifies it");
        }
        serde_json::from_slice(&decode(payload)?).map_err(|_| "its claims are not an object")
    }
}

impl Key {
    fn secret(secret: &[u8], algorithm: Algorithm) -> Result<Self, JwtKeyError> {
        let key = DecodingKey::from_secret(secret)?;
        Self::new(key, algorithm)
    }

    fn public_pem(pem: &str, algorithm: Algorithm) -> Result<Self, JwtKeyError> {
        let pem = pem.as_bytes();
        let key = match algorithm {
            Algorithm::ES256 | Algorithm::ES384 => DecodingKey::from_ec_pem(pem),
            Algorithm::Ed25519 | Algorithm::EdDSA => DecodingKey::from_ed_pem(pem),
            _ => DecodingKey::from_rsa_pem(pem),
        };
        Self::new(key?, algorithm)
    }

    fn new(key: DecodingKey, algorithm: Algorithm) -> Result<Self, JwtKeyError> {
        let algorithm: Name = algorithm.as_str().parse()?;
        let key = Self { algorithm, key };
        key.verifier()?;
        Ok(key)
    }

    /// Not by the provider of the process, which panics if another crate has switched on a second one.
    fn verifier(&self) -> Result<Box<dyn JwtVerifier>, JwtKeyError> {
        Ok((DEFAULT_PROVIDER.verifier_factory)(
            &self.algorithm,
            &self.key,
        )?)
    }

    fn verifies(&self, signed: &str, signature: &Vec<u8>) -> bool {
        let verifier = self.verifier();
        verifier.is_ok_and(|verifier| verifier.verify(signed.as_bytes(), signature).is_ok())
    }
}

#[derive(Deserialize)]
struct Header {
    alg: Name,
    typ: Option<String>,
    crit: Option<Value>,
}

/// A time in a token. Some libraries write it with a fraction.
fn time(claims: &Map<String, Value>, name: &str) -> Result<Option<UnixTime>, &'static str> {
    let Some(value) = claims.get(name) else {
        return Ok(None);
    };
    let secs = value.as_u64().or_else(|| {
        let whole = value.as_f64().filter(|secs| (0.0..1e11).contains(secs));
        // Cut off, so that a token ends no later than it says.
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is in range"
        )]
        whole.map(|secs| secs as u64)
    });
    let time = secs.and_then(|secs| UnixTime::from_secs(secs).ok());
    time.map(Some).ok_or("a time in it is not one")
}

/// When the user authenticated, if the token says so ([OpenID Connect Core section
/// 2](https://openid.net/specs/openid-connect-core-1_0.html#IDToken)). Its `iat` does not: a token that was
/// refreshed is newer than the proof of who the user is.
fn authentication(claims: &Map<String, Value>, now: UnixTime) -> Option<Authentication> {
    let time = time(claims, "auth_time").ok().flatten()?;
    let (acr, amr) = (None, Vec::new());
    let time = time.min(now);
    Some(Authentication { time, acr, amr })
}

impl<F, U> Reader for JwtReader<F>
where
    F: Fn(Map<String, Value>) -> U + Send + Sync + 'static,
    U: Future<Output = Result<Option<OldUser>, ReadError>> + Send,
{
    fn name(&self) -> &'static str {
        self.name
    }

    fn cookies(&self) -> Vec<OldCookie> {
        self.cookie.iter().cloned().collect()
    }

    fn reads_bearer(&self) -> bool {
        self.cookie.is_none()
    }

    async fn read(&self, request: &OldRequest) -> Result<Reading, ReadError> {
        let token = match &self.cookie {
            Some(cookie) => request.cookie(cookie.name()),
            None => request.bearer(),
        };
        let Some(token) = token else {
            return Ok(Reading::Absent);
        };
        let read = || {
            let claims = self.verify(token)?;
            let expires_at = time(&claims, "exp")?.ok_or("it has no `exp`")?;
            let not_before = time(&claims, "nbf")?;
            if not_before.is_some_and(|time| request.at() < time) {
                return Err("it is not valid yet");
            }
            Ok((claims, expires_at))
        };
        let (claims, expires_at) = match read() {
            Ok(read) => read,
            Err(why) => return Ok(Reading::Unknown(why.into())),
        };
        if expires_at <= request.at() {
            return Ok(Reading::Dead("it has expired".into()));
        }
        let authentication = authentication(&claims, request.at());
        let Some(OldUser {
            subject,
            mut session,
        }) = (self.user)(claims).await?
        else {
            return Ok(Reading::Unknown("the application does not take it".into()));
        };
        session.authentication = session.authentication.or(authentication);
        // Without the signature: of ECDSA there are several for one token.
        let signed = token.rsplit_once('.').map_or(token, |(signed, _)| signed);
        let old = OldSession::new(subject, signed, session);
        Ok(Reading::Live(old.ends_at(expires_at)))
    }
}

impl<F> fmt::Debug for JwtReader<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let algorithms: Vec<_> = self.keys.iter().map(|key| key.algorithm).collect();
        f.debug_struct("JwtReader")
            .field("name", &self.name)
            .field("algorithms", &algorithms)
            .finish_non_exhaustive()
    }
}

/// A key that does not verify tokens of its algorithm.
#[derive(Debug, Error)]
#[error("the key does not verify tokens of that algorithm: {0}")]
pub struct JwtKeyError(#[from] jsonwebtoken::errors::Error);
