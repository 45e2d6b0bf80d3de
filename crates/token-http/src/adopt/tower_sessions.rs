//! Reads sessions of tower-sessions, and who is logged in by axum-login.

use std::fmt;
use std::future::Future;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cookie::time::{Date, Time, UtcOffset};
use serde::Deserialize;
use serde_json::{Map, Value};
use token_core::UnixTime;
use token_session::adopt::OldSession;

use super::cookie::OldCookie;
use super::reader::{ReadError, Reader, Reading};
use super::request::OldRequest;
use super::user::OldUser;

/// Reads the sessions that `tower-sessions` has stored, in any store that writes its records as MessagePack:
/// those of `tower-sessions-sqlx-store` (SQLite, PostgreSQL, MySQL) and `tower-sessions-redis-store` do.
/// Tested with tower-sessions 0.14 and its stores for SQLite and PostgreSQL 0.15 and for Redis 0.16. Cookies that the layer
/// has signed or encrypted (`with_signed`, `with_private`) are not read.
///
/// The application reads the record, with the connection that it has, and says who it is about.
///
/// ```
/// use std::collections::HashMap;
/// use token_core::Subject;
/// use token_http::adopt::{Adoption, AxumLogin, OldUser, TowerSessionsReader};
///
/// # async fn record(_: &str) -> Result<Option<Vec<u8>>, std::io::Error> { Ok(None) }
/// # async fn password_hash(_: i64) -> Result<Option<String>, std::io::Error> { Ok(None) }
/// let reader = TowerSessionsReader::new(
///     // SELECT data FROM tower_sessions WHERE id = ?, or GET of the id in Redis
///     async |id: String| Ok(record(&id).await?),
///     async |data| {
///         let Some(login) = AxumLogin::read(&data) else { return Ok(None) };
///         let Some(id) = login.user_id().as_i64() else { return Ok(None) };
///         // What `session_auth_hash` gives now: another one if the password was changed.
///         match password_hash(id).await? {
///             Some(hash) if login.has_auth_hash(hash.as_bytes()) => {
///                 Ok(Some(OldUser::new(Subject::new(id.to_string())?)))
///             }
///             _ => Ok(None),
///         }
///     },
/// );
/// let adoption = Adoption::of(reader).trust_sister_hosts().remember(false);
/// ```
pub struct TowerSessionsReader<L, F> {
    name: &'static str,
    cookie: OldCookie,
    load: L,
    user: F,
}

impl<L, F, R, U> TowerSessionsReader<L, F>
where
    L: Fn(String) -> R + Send + Sync + 'static,
    R: Future<Output = Result<Option<Vec<u8>>, ReadError>> + Send,
    F: Fn(Map<String, Value>) -> U + Send + Sync + 'static,
    U: Future<Output = Result<Option<OldUser>, ReadError>> + Send,
{
    /// A reader that gets the record of an id from `load`, and from `user` who the data of the session
    /// is about; `None` if nobody is logged in with it, or not any more.
    pub fn new(load: L, user: F) -> Self {
        Self {
            name: "tower-sessions",
            cookie: OldCookie::new("id"),
            load,
            user,
        }
    }

    /// The cookie, if it is not `id` with the path `/`.
    #[must_use]
    pub fn cookie(mut self, cookie: OldCookie) -> Self {
        self.cookie = cookie;
        self
    }

    /// What it is called in the log. Default `tower-sessions`.
    #[must_use]
    pub fn named(mut self, name: &'static str) -> Self {
        self.name = name;
        self
    }
}

/// A record, as MessagePack has it.
#[derive(Deserialize)]
struct Record(i128, Map<String, Value>, Expiry);

/// Year, day of the year, hour, minute, second, nanosecond, and the offset in hours, minutes and seconds.
#[derive(Deserialize)]
struct Expiry(i32, u16, u8, u8, u8, u32, i8, i8, i8);

impl Expiry {
    fn time(&self) -> Option<UnixTime> {
        let date = Date::from_ordinal_date(self.0, self.1).ok()?;
        let time = Time::from_hms_nano(self.2, self.3, self.4, self.5).ok()?;
        let offset = UtcOffset::from_hms(self.6, self.7, self.8).ok()?;
        let secs = date.with_time(time).assume_offset(offset).unix_timestamp();
        UnixTime::from_secs(u64::try_from(secs).ok()?).ok()
    }
}

/// The bytes of an id. It has one spelling.
fn id(cookie: &str) -> Option<[u8; 16]> {
    URL_SAFE_NO_PAD.decode(cookie).ok()?.try_into().ok()
}

impl<L, F, R, U> Reader for TowerSessionsReader<L, F>
where
    L: Fn(String) -> R + Send + Sync + 'static,
    R: Future<Output = Result<Option<Vec<u8>>, ReadError>> + Send,
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
        let Some(id) = id(cookie) else {
            return Ok(Reading::Unknown("the cookie is not an id".into()));
        };
        let Some(record) = (self.load)(cookie.to_owned()).await? else {
            return Ok(Reading::Dead("no such session".into()));
        };
        // Not a fault of the old store that would pass: this session cannot be read.
        let Ok(Record(own, data, expiry)) = rmp_serde::from_slice(&record) else {
            return Ok(Reading::Unknown("its record cannot be read".into()));
        };
        if own.to_le_bytes() != id {
            return Ok(Reading::Unknown("its record is of another session".into()));
        }
        let Some(expires_at) = expiry.time() else {
            return Ok(Reading::Unknown("its end is not a time".into()));
        };
        if expires_at <= request.at() {
            return Ok(Reading::Dead("it has expired".into()));
        }
        let Some(OldUser { subject, session }) = (self.user)(data).await? else {
            return Ok(Reading::Unknown("nobody is logged in with it".into()));
        };
        let old = OldSession::new(subject, id, session).stored_under(cookie);
        Ok(Reading::Live(old.ends_at(expires_at)))
    }
}

impl<L, F> fmt::Debug for TowerSessionsReader<L, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TowerSessionsReader")
            .field("name", &self.name)
            .field("cookie", &self.cookie)
            .finish_non_exhaustive()
    }
}

/// Who is logged in by `axum-login`, as its member of the session's data says. Tested with axum-login 0.18.
pub struct AxumLogin {
    user_id: Value,
    auth_hash: Vec<u8>,
}

impl AxumLogin {
    /// Reads the member `axum-login.data`; `None` if nobody is logged in.
    pub fn read(data: &Map<String, Value>) -> Option<Self> {
        Self::read_from(data, "axum-login.data")
    }

    /// The same if the application has given the member another name.
    pub fn read_from(data: &Map<String, Value>, name: &str) -> Option<Self> {
        #[derive(Deserialize)]
        struct Data {
            user_id: Value,
            auth_hash: Vec<u8>,
        }
        let data = Data::deserialize(data.get(name)?).ok()?;
        (!data.user_id.is_null()).then_some(Self {
            user_id: data.user_id,
            auth_hash: data.auth_hash,
        })
    }

    /// The id of the user, as JSON.
    pub const fn user_id(&self) -> &Value {
        &self.user_id
    }

    /// Whether the session was opened with this `session_auth_hash`. A session with another one is ended by
    /// `axum-login`: mostly it depends on the password, so that a change ends all sessions. Compares in
    /// constant time.
    pub fn has_auth_hash(&self, hash: &[u8]) -> bool {
        verify_slices_are_equal(&self.auth_hash, hash).is_ok()
    }
}

impl fmt::Debug for AxumLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AxumLogin")
            .field("user_id", &self.user_id)
            .finish_non_exhaustive()
    }
}
