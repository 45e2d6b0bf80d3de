//! Reads sessions of actix-session.

use std::fmt;
use std::future::Future;
use std::time::Duration;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::{digest, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};
use thiserror::Error;
use token_session::adopt::OldSession;
use zeroize::Zeroizing;

use super::cookie::OldCookie;
use super::reader::{ReadError, Reader, Reading};
use super::request::OldRequest;
use super::user::OldUser;

/// The bytes of a key of the crate `cookie`: one half signs, the other one encrypts.
const KEY: usize = 64;
/// The base64 of an HMAC-SHA256.
const SIGNATURE: usize = 44;

/// Reads the sessions of `actix-session`, from its cookie or from Redis. Tested with actix-session 0.11.
///
/// ```
/// use token_core::Subject;
/// use token_http::adopt::{ActixSessionReader, Adoption, OldUser};
///
/// # fn f(key: &[u8]) -> Result<Adoption, Box<dyn std::error::Error>> {
/// // The bytes that the application gave to `Key::from`.
/// let reader = ActixSessionReader::cookie_store(key, async |state| {
///     let user = state.get("user_id").and_then(|id| id.as_str());
///     let user = user.and_then(|user| Subject::new(user).ok());
///     Ok(user.map(OldUser::new)) // `None` if the user is gone, or the password was changed since
/// })?;
/// Ok(Adoption::of(reader).trust_sister_hosts().remember(false))
/// # }
/// ```
pub struct ActixSessionReader<L, F> {
    name: &'static str,
    cookie: OldCookie,
    key: CookieKey,
    signed: bool,
    load: L,
    user: F,
}

/// The state of a session as the old store has it.
#[derive(Clone)]
#[expect(clippy::exhaustive_structs, reason = "made by the application")]
pub struct OldState {
    /// The JSON object.
    pub json: String,
    /// How long it still lives, if the store says: `TTL` in Redis.
    pub lives_for: Option<Duration>,
}

impl fmt::Debug for OldState {
    /// The content is the application's and may be private.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OldState")
            .field("lives_for", &self.lives_for)
            .finish_non_exhaustive()
    }
}

/// Where the state of a session is.
pub trait StateSource: Send + Sync + 'static {
    /// Whether it is in the cookie itself, and not in a store under a key that the cookie has.
    const IN_COOKIE: bool = false;

    /// The state of the session whose cookie has this text.
    fn state(
        &self,
        cookie: &str,
    ) -> impl Future<Output = Result<Option<OldState>, ReadError>> + Send;
}

/// The state is in the cookie.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "there is nothing to it")]
pub struct InCookie;

impl StateSource for InCookie {
    const IN_COOKIE: bool = true;

    async fn state(&self, cookie: &str) -> Result<Option<OldState>, ReadError> {
        Ok(Some(OldState {
            json: cookie.to_owned(),
            lives_for: None,
        }))
    }
}

impl<L, R> StateSource for L
where
    L: Fn(String) -> R + Send + Sync + 'static,
    R: Future<Output = Result<Option<OldState>, ReadError>> + Send,
{
    async fn state(&self, cookie: &str) -> Result<Option<OldState>, ReadError> {
        self(cookie.to_owned()).await
    }
}

impl<F, U> ActixSessionReader<InCookie, F>
where
    F: Fn(Map<String, Value>) -> U + Send + Sync + 'static,
    U: Future<Output = Result<Option<OldUser>, ReadError>> + Send,
{
    /// Sessions of `CookieSessionStore`. `key` are the bytes that the application gave to `Key::from`.
    ///
    /// Such a session has no end but that of its cookie, which a server cannot see: here it lives as the policy
    /// says. An older copy of the cookie is another session, and a logout does not end it.
    ///
    /// # Errors
    /// [`ShortKey`] for less than 64 bytes.
    pub fn cookie_store(key: &[u8], user: F) -> Result<Self, ShortKey> {
        Self::new(key, InCookie, user)
    }
}

impl<L, F, U> ActixSessionReader<L, F>
where
    L: StateSource,
    F: Fn(Map<String, Value>) -> U + Send + Sync + 'static,
    U: Future<Output = Result<Option<OldUser>, ReadError>> + Send,
{
    /// Sessions of `RedisSessionStore`, or of another store. `load` gets the state of a session key; in Redis
    /// `GET` and `TTL` of that key.
    ///
    /// # Errors
    /// [`ShortKey`] for less than 64 bytes.
    pub fn new(key: &[u8], load: L, user: F) -> Result<Self, ShortKey> {
        Ok(Self {
            name: "actix-session",
            cookie: OldCookie::new("id"),
            key: CookieKey::new(key)?,
            signed: false,
            load,
            user,
        })
    }

    /// The cookie, if it is not `id` with the path `/`.
    #[must_use]
    pub fn cookie(mut self, cookie: OldCookie) -> Self {
        self.cookie = cookie;
        self
    }

    /// The application has set `CookieContentSecurity::Signed`.
    #[must_use]
    pub fn signed(mut self) -> Self {
        self.signed = true;
        self
    }

    /// What it is called in the log. Default `actix-session`.
    #[must_use]
    pub fn named(mut self, name: &'static str) -> Self {
        self.name = name;
        self
    }
}

impl<L, F, U> Reader for ActixSessionReader<L, F>
where
    L: StateSource,
    F: Fn(Map<String, Value>) -> U + Send + Sync + 'static,
    U: Future<Output = Result<Option<OldUser>, ReadError>> + Send,
{
    fn name(&self) -> &'static str {
        self.name
    }

    fn cookies(&self) -> Vec<OldCookie> {
        vec![self.cookie.clone()]
    }

    async fn read(&self, request: &OldRequest) -> Result<Reading, ReadError> {
        let Some(cookie) = request.cookie(self.cookie.name()) else {
            return Ok(Reading::Absent);
        };
        let opened = if self.signed {
            self.key.verify(cookie)
        } else {
            self.key.open(self.cookie.name(), cookie)
        };
        let Some(Opened { text, digest }) = opened else {
            return Ok(Reading::Unknown("the cookie is not one of this key".into()));
        };
        let Some(state) = self.load.state(&text).await? else {
            return Ok(Reading::Dead("no such session".into()));
        };
        let Some(values) = values(&state.json) else {
            return Ok(Reading::Unknown("its state cannot be read".into()));
        };
        let Some(OldUser { subject, session }) = (self.user)(values).await? else {
            return Ok(Reading::Unknown("nobody is logged in with it".into()));
        };
        // A store has one session under one key, which each answer may have sealed anew. Without a store each
        // sealed cookie is a session: the text alone is the same for everybody with the same state.
        let old = if L::IN_COOKIE {
            OldSession::new(subject, digest, session)
        } else {
            OldSession::new(subject, text.as_bytes(), session).stored_under(&*text)
        };
        Ok(Reading::Live(match state.lives_for {
            Some(lives_for) => old.ends_at(request.at() + lives_for),
            None => old,
        }))
    }
}

/// The state is an object of texts, each of which is JSON.
fn values(json: &str) -> Option<Map<String, Value>> {
    let texts: Map<String, Value> = serde_json::from_str(json).ok()?;
    let values = texts.into_iter().map(|(name, text)| {
        let value = serde_json::from_str(text.as_str()?).ok()?;
        Some((name, value))
    });
    values.collect()
}

/// The two halves of a key of the crate `cookie`.
struct CookieKey {
    signing: hmac::Key,
    encryption: LessSafeKey,
}

/// A cookie that is genuine.
struct Opened {
    text: Zeroizing<String>,
    /// The hash of the decoded cookie, which has one spelling.
    digest: Vec<u8>,
}

impl CookieKey {
    fn new(key: &[u8]) -> Result<Self, ShortKey> {
        let short = ShortKey { bytes: key.len() };
        let halves = key.get(..KEY).ok_or(short)?;
        let (signing, encryption) = halves.split_at(KEY / 2);
        let encryption = UnboundKey::new(&AES_256_GCM, encryption);
        Ok(Self {
            signing: hmac::Key::new(hmac::HMAC_SHA256, signing),
            encryption: LessSafeKey::new(encryption.expect("32 bytes are a key")),
        })
    }

    /// Opens a sealed cookie: nonce, ciphertext and tag, with its name as what is authenticated beside it.
    fn open(&self, name: &str, cookie: &str) -> Option<Opened> {
        let text = percent_decode_str(cookie).decode_utf8().ok()?;
        let sealed = STANDARD.decode(&*text).ok()?;
        let (nonce, ciphertext) = sealed.split_at_checked(12)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut buffer = Zeroizing::new(ciphertext.to_vec());
        let aad = Aad::from(name.as_bytes());
        let opened = self
            .encryption
            .open_in_place(nonce, aad, &mut buffer)
            .ok()?;
        let text = Zeroizing::new(std::str::from_utf8(opened).ok()?.to_owned());
        Some(Opened {
            text,
            digest: digest::digest(&digest::SHA256, &sealed).as_ref().to_vec(),
        })
    }

    /// The value of a signed cookie, which stands after its signature.
    fn verify(&self, cookie: &str) -> Option<Opened> {
        let text = percent_decode_str(cookie).decode_utf8().ok()?;
        let (signature, value) = text.split_at_checked(SIGNATURE)?;
        let signature = STANDARD.decode(signature).ok()?;
        hmac::verify(&self.signing, value.as_bytes(), &signature).ok()?;
        Some(Opened {
            text: Zeroizing::new(value.to_owned()),
            digest: digest::digest(&digest::SHA256, text.as_bytes())
                .as_ref()
                .to_vec(),
        })
    }
}

/// A key of less than 64 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a key of {bytes} bytes: `Key::from` takes 64")]
#[non_exhaustive]
pub struct ShortKey {
    /// How many there are.
    pub bytes: usize,
}

impl<L, F> fmt::Debug for ActixSessionReader<L, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ActixSessionReader")
            .field("name", &self.name)
            .field("cookie", &self.cookie)
            .finish_non_exhaustive()
    }
}
