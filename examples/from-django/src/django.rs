//! Reads the sessions that Django keeps in its database.

use std::fmt;
use std::future::Future;
use std::io::Read as _;

use aws_lc_rs::digest::{Context, SHA256};
use aws_lc_rs::hmac::{HMAC_SHA256, Key, verify};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use flate2::read::ZlibDecoder;
use hallpass::UnixTime;
use hallpass::adopt::{OldCookie, OldRequest, OldSession, OldUser, ReadError, Reader, Reading};
use serde::Deserialize;
use serde_json::{Map, Value};

/// The class whose name Django hashes into the key of its sessions: the same for `db` and `cached_db`.
const SESSIONS: &str = "django.contrib.sessions.SessionStore";
/// The same for the hash by which a session depends on the password.
const USERS: &str = "django.contrib.auth.models.AbstractBaseUser.get_session_auth_hash";
/// What has checked the password. A session of a backend that Django does not have any more is no login there.
const BACKEND: &str = "django.contrib.auth.backends.ModelBackend";
/// How long a session may be once it is unpacked, in bytes.
const MAX_LENGTH: u64 = 1024 * 1024;

/// Reads the sessions of `django.contrib.sessions.backends.db`.
pub(crate) struct DjangoReader<D> {
    secrets: Vec<Secret>,
    database: D,
}

/// What the reader asks the application's database.
pub(crate) trait Database: Send + Sync + 'static {
    /// The row with this `session_key`.
    fn row(&self, key: &str) -> impl Future<Output = Result<Option<Row>, ReadError>> + Send;

    /// The user with this id, who may log in (`is_active`), and what becomes of the data of the session.
    fn user(
        &self,
        id: &str,
        data: &Map<String, Value>,
    ) -> impl Future<Output = Result<Option<DjangoUser>, ReadError>> + Send;
}

/// A row of `django_session`.
pub(crate) struct Row {
    pub(crate) session_data: String,
    pub(crate) expire_date: UnixTime,
}

/// A row of `auth_user`.
pub(crate) struct DjangoUser {
    pub(crate) password: String,
    pub(crate) user: OldUser,
}

impl<D: Database> DjangoReader<D> {
    /// The secrets are `SECRET_KEY` and `SECRET_KEY_FALLBACKS`.
    pub(crate) fn new<'a>(secrets: impl IntoIterator<Item = &'a str>, database: D) -> Self {
        Self {
            secrets: secrets.into_iter().map(Secret::new).collect(),
            database,
        }
    }

    /// The data of a session whose signature is good under one of the secrets.
    fn open(&self, session_data: &str) -> Option<Data> {
        let mut secrets = self.secrets.iter();
        let signed = secrets.find_map(|secret| secret.verified(session_data))?;
        serde_json::from_slice(&unpacked(signed)?).ok()
    }
}

impl<D: Database> Reader for DjangoReader<D> {
    fn name(&self) -> &'static str {
        "django"
    }

    fn cookies(&self) -> Vec<OldCookie> {
        vec![OldCookie::new("sessionid")]
    }

    async fn read(&self, request: &OldRequest) -> Result<Reading, ReadError> {
        let Some(key) = request.cookie("sessionid") else {
            return Ok(Reading::Absent);
        };
        // The only spelling that Django writes: a database may find the row under others too, in capitals for example.
        if !key
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
        {
            return Ok(Reading::Unknown("the cookie is not a session key".into()));
        }
        let Some(row) = self.database.row(key).await? else {
            return Ok(Reading::Dead("no such session".into()));
        };
        if row.expire_date <= request.at() {
            return Ok(Reading::Dead("it has expired".into()));
        }
        let Some(data) = self.open(&row.session_data) else {
            return Ok(Reading::Unknown(
                "its data is not signed with a secret that is known".into(),
            ));
        };
        let Some(login) = data.login.filter(|login| login.backend == BACKEND) else {
            return Ok(Reading::Unknown("nobody is logged in with it".into()));
        };
        let Some(found) = self.database.user(&login.id, &data.rest).await? else {
            return Ok(Reading::Dead("the user may not log in any more".into()));
        };
        let mut secrets = self.secrets.iter();
        if !secrets.any(|secret| secret.is_hash(&login.hash, &found.password)) {
            return Ok(Reading::Dead("the password was changed since".into()));
        }
        let old = OldSession::new(found.user.subject, key, found.user.session).stored_under(key);
        Ok(Reading::Live(old.ends_at(row.expire_date)))
    }
}

/// What is in a session.
#[derive(Deserialize)]
struct Data {
    #[serde(flatten)]
    login: Option<Login>,
    /// What the application has put into it.
    #[serde(flatten)]
    rest: Map<String, Value>,
}

/// Who is logged in.
#[derive(Deserialize)]
struct Login {
    #[serde(rename = "_auth_user_id")]
    id: String,
    #[serde(rename = "_auth_user_backend")]
    backend: String,
    #[serde(rename = "_auth_user_hash")]
    hash: String,
}

/// The keys that Django derives from one of its secrets.
struct Secret {
    sessions: Key,
    users: Key,
}

impl Secret {
    fn new(secret: &str) -> Self {
        Self {
            // `Signer` appends its own name to the salt.
            sessions: derived(&[SESSIONS, "signer", secret]),
            users: derived(&[USERS, secret]),
        }
    }

    /// What comes before the signature, without the time at which it was signed, which is no end of the session.
    fn verified<'a>(&self, session_data: &'a str) -> Option<&'a str> {
        let (signed, signature) = session_data.rsplit_once(':')?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        verify(&self.sessions, signed.as_bytes(), &signature).ok()?;
        Some(signed.rsplit_once(':')?.0)
    }

    /// Whether this is the hash of a user with this `password`: the column, which is a hash itself.
    fn is_hash(&self, hash: &str, password: &str) -> bool {
        let bytes = (0..hash.len()).step_by(2);
        let bytes = bytes.map(|at| u8::from_str_radix(hash.get(at..at + 2)?, 16).ok());
        let bytes: Option<Vec<u8>> = bytes.collect();
        bytes.is_some_and(|bytes| verify(&self.users, password.as_bytes(), &bytes).is_ok())
    }
}

fn derived(parts: &[&str]) -> Key {
    let mut hash = Context::new(&SHA256);
    for part in parts {
        hash.update(part.as_bytes());
    }
    Key::new(HMAC_SHA256, hash.finish().as_ref())
}

/// The JSON of a session: base64url, and under it zlib if a dot stands before it.
fn unpacked(text: &str) -> Option<Vec<u8>> {
    let Some(packed) = text.strip_prefix('.') else {
        return URL_SAFE_NO_PAD.decode(text).ok();
    };
    let packed = URL_SAFE_NO_PAD.decode(packed).ok()?;
    let mut json = Vec::new();
    let mut unpacking = ZlibDecoder::new(&*packed).take(MAX_LENGTH);
    unpacking.read_to_end(&mut json).ok()?;
    Some(json)
}

impl<D> fmt::Debug for DjangoReader<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DjangoReader").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `signing.dumps({"a": 1}, key="secret", salt=SESSIONS)` of Django 5.2.19 gives, and that of forty letters
    /// with `compress=True`.
    const PLAIN: &str = "eyJhIjoxfQ:1xocE4:A80_f10WRYduUrQ-PH1ykicrsSv5KFQQVbyBH7N_Fl4";
    const PACKED: &str =
        ".eJyrVkpUslJKJBIo1QIAmmgRRA:1xocE4:VnB7coUJ1VOhtzOUUPZxVKb5_GGcJoFuCsOt-PsDL70";

    fn read(secret: &str, session_data: &str) -> Option<String> {
        let secret = Secret::new(secret);
        let json = unpacked(secret.verified(session_data)?)?;
        Some(String::from_utf8(json).expect("JSON is text"))
    }

    #[test]
    fn what_django_has_signed_is_read_with_and_without_zlib() {
        assert_eq!(read("secret", PLAIN).as_deref(), Some(r#"{"a":1}"#));
        let long = format!(r#"{{"a":"{}"}}"#, "a".repeat(40));
        assert_eq!(read("secret", PACKED), Some(long));
    }

    #[test]
    fn what_django_has_not_signed_is_not_read() {
        assert_eq!(read("another", PLAIN), None);
        for wrong in ["", "eyJhIjoxfQ", "eyJhIjoxfQ:1xocE4", "eyJhIjoyfQ"] {
            assert_eq!(read("secret", wrong), None, "{wrong}");
        }
        assert_eq!(read("secret", &PLAIN.replace("fQ:", "fg:")), None);
        assert_eq!(read("secret", &PLAIN.replace("1xocE4", "1xocE5")), None);
    }
}
