//! The application's private data in a session: members of a JSON object that never leaves the
//! server.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::{RawValue, to_raw_value};
use thiserror::Error;
use token_core::{PRODUCT, SessionId};
use token_session::store::DataWritten;
use token_session::store::SessionData;
use token_session::visitor::{VisitorError, VisitorPolicy};
use token_session::{StoreError, WriteDataError};
use tokio::sync::{Mutex, MutexGuard};
use tracing::{debug, error, warn};

use crate::auth::Auth;
use crate::mark::Mark;
use crate::refusal::{Refusal, TokenFault};
use crate::rejection::Rejection;

/// The private data of one session: read when it is first asked for, and written once if it
/// was changed. `P` is the session that has it.
pub(crate) struct PrivateData<P = SessionId> {
    owner: P,
    /// Not there until it is asked for: most requests never do.
    loaded: OnceLock<Mutex<Option<Loaded>>>,
}

/// A session that has private data, or that gets some when it is written.
pub(crate) trait DataOwner: Sync {
    /// The longest JSON text that is kept, in bytes.
    const MAX_LENGTH: usize;

    /// Reads it.
    fn load(&self, auth: &Auth) -> impl Future<Output = Result<SessionData, DataError>> + Send;

    /// Replaces it, if it has this version.
    fn write(
        &self,
        auth: &Auth,
        version: u64,
        json: Option<Box<str>>,
    ) -> impl Future<Output = Result<DataWritten, DataError>> + Send;
}

impl DataOwner for SessionId {
    const MAX_LENGTH: usize = SessionData::MAX_LENGTH;

    async fn load(&self, auth: &Auth) -> Result<SessionData, DataError> {
        let stored = auth.manager().session_data(*self).await?;
        stored.ok_or_else(|| ended(auth))
    }

    async fn write(
        &self,
        auth: &Auth,
        version: u64,
        json: Option<Box<str>>,
    ) -> Result<DataWritten, DataError> {
        let written = auth.manager().write_session_data(*self, version, json);
        Ok(written.await?)
    }
}

type Members = BTreeMap<String, Box<RawValue>>;

struct Loaded {
    version: u64,
    /// As they are stored, so far as this request knows.
    stored: Members,
    changes: BTreeMap<String, Change>,
}

/// What this request does to a member.
struct Change {
    /// The member as it was when it was changed. If it is another one now, another request changed it.
    before: Option<Box<RawValue>>,
    /// `None` removes it.
    after: Option<Box<RawValue>>,
}

/// The member that tells a write from another one that writes the same. The application does not see it, and
/// cannot have one of this name.
const MARK: &str = "hallpass";

/// How much longer it makes the text, in bytes: its name, up to 20 digits, and four signs.
const MARK_LENGTH: usize = MARK.len() + 24;

/// How often a write is tried again. Each time another request was faster; more than this many in a
/// row is a fault.
const ATTEMPTS: u32 = 8;

impl<P: DataOwner> PrivateData<P> {
    pub(crate) fn of(owner: P) -> Self {
        let loaded = OnceLock::new();
        Self { owner, loaded }
    }

    /// Whether nothing of it was asked for, so that there is nothing to [`save`](Self::save).
    pub(crate) fn is_untouched(&self) -> bool {
        self.loaded.get().is_none()
    }

    async fn lock(&self) -> MutexGuard<'_, Option<Loaded>> {
        self.loaded.get_or_init(Mutex::default).lock().await
    }

    /// The session.
    pub(crate) const fn owner(&self) -> &P {
        &self.owner
    }

    /// The members of these names, as this request sees them, as a JSON object; `None` if there are none.
    pub(crate) async fn select(
        &self,
        auth: &Auth,
        names: &[&str],
    ) -> Result<Option<Box<str>>, DataError> {
        let mut guard = self.lock().await;
        let mut members = self.load(auth, &mut guard).await?.members();
        members.retain(|name, _| names.contains(&&**name));
        Ok(json(&members))
    }

    pub(crate) async fn get<T: DeserializeOwned>(
        &self,
        auth: &Auth,
        name: &str,
    ) -> Result<Option<T>, DataError> {
        let mut guard = self.lock().await;
        read(name, self.load(auth, &mut guard).await?.member(name))
    }

    pub(crate) async fn set(
        &self,
        auth: &Auth,
        name: &str,
        value: &impl Serialize,
    ) -> Result<(), DataError> {
        let value = write(name, value)?;
        let mut guard = self.lock().await;
        let loaded = self.load(auth, &mut guard).await?;
        let earlier = loaded.change(name, Some(value));
        let length = json(&loaded.members()).map_or(0, |json| json.len());
        if length + MARK_LENGTH > P::MAX_LENGTH {
            match earlier {
                Some(earlier) => loaded.changes.insert(name.to_owned(), earlier),
                None => loaded.changes.remove(name),
            };
            let limit = P::MAX_LENGTH;
            return Err(DataError::TooLong { limit });
        }
        Ok(())
    }

    pub(crate) async fn update<T: DeserializeOwned + Serialize>(
        &self,
        auth: &Auth,
        name: &str,
        mut change: impl FnMut(Option<T>) -> T,
    ) -> Result<T, DataError> {
        let mut guard = self.lock().await;
        let loaded = self.load(auth, &mut guard).await?;
        for _ in 0..ATTEMPTS {
            let value = change(read(name, loaded.member(name))?);
            let mut members = loaded.stored.clone();
            members.insert(name.to_owned(), write(name, &value)?);
            match self.write(auth, loaded.version, &members).await? {
                DataWritten::Applied => {
                    loaded.applied(members);
                    loaded.changes.remove(name);
                    return Ok(value);
                }
                DataWritten::Moved(data) => {
                    loaded.moved(&data)?;
                    // What was set before counts no more than what the other request wrote.
                    loaded.changes.remove(name);
                }
                DataWritten::NotLive => return Err(ended(auth)),
            }
        }
        Err(DataError::Conflict)
    }

    pub(crate) async fn remove(&self, auth: &Auth, name: &str) -> Result<bool, DataError> {
        let mut guard = self.lock().await;
        let loaded = self.load(auth, &mut guard).await?;
        let there = loaded.member(name).is_some();
        if there {
            loaded.change(name, None);
        }
        Ok(there)
    }

    pub(crate) async fn save(&self, auth: &Auth) -> Result<(), DataError> {
        if self.is_untouched() {
            return Ok(());
        }
        let mut guard = self.lock().await;
        let Some(loaded) = guard.as_mut() else {
            return Ok(());
        };
        for _ in 0..ATTEMPTS {
            if loaded.changes.is_empty() {
                return Ok(());
            }
            // Also before the first write: an `update` may have seen what another request wrote.
            if loaded.conflicts() {
                loaded.changes.clear();
                return Err(DataError::Conflict);
            }
            let members = loaded.members();
            match self.write(auth, loaded.version, &members).await? {
                DataWritten::Applied => {
                    loaded.applied(members);
                    loaded.changes.clear();
                    return Ok(());
                }
                DataWritten::Moved(data) => loaded.moved(&data)?,
                DataWritten::NotLive => {
                    loaded.changes.clear();
                    return Err(ended(auth));
                }
            }
        }
        loaded.changes.clear();
        Err(DataError::Conflict)
    }

    async fn write(
        &self,
        auth: &Auth,
        version: u64,
        members: &Members,
    ) -> Result<DataWritten, DataError> {
        if members.is_empty() && version == 0 {
            return self.owner.write(auth, version, None).await;
        }
        let mut members = members.clone();
        members.insert(MARK.to_owned(), raw(MARK, &Mark::new())?);
        self.owner.write(auth, version, json(&members)).await
    }

    async fn load<'a>(
        &self,
        auth: &Auth,
        guard: &'a mut MutexGuard<'_, Option<Loaded>>,
    ) -> Result<&'a mut Loaded, DataError> {
        if guard.is_none() {
            let stored = self.owner.load(auth).await?;
            **guard = Some(Loaded {
                version: stored.version,
                stored: parse(&stored)?,
                changes: BTreeMap::new(),
            });
        }
        Ok(guard.as_mut().expect("it was loaded above"))
    }
}

impl Loaded {
    /// A member as this request sees it.
    fn member(&self, name: &str) -> Option<&RawValue> {
        match self.changes.get(name) {
            Some(change) => change.after.as_deref(),
            None => self.stored.get(name).map(|value| &**value),
        }
    }

    /// All members as this request wants them.
    fn members(&self) -> Members {
        let mut members = self.stored.clone();
        for (name, change) in &self.changes {
            match &change.after {
                Some(value) => members.insert(name.clone(), value.clone()),
                None => members.remove(name),
            };
        }
        members
    }

    /// Changes a member; returns the change of it that was there before.
    fn change(&mut self, name: &str, after: Option<Box<RawValue>>) -> Option<Change> {
        let earlier = self.changes.remove(name);
        let before = match &earlier {
            Some(earlier) => earlier.before.clone(),
            None => self.stored.get(name).cloned(),
        };
        let change = Change { before, after };
        self.changes.insert(name.to_owned(), change);
        earlier
    }

    fn applied(&mut self, members: Members) {
        self.version += 1;
        self.stored = members;
    }

    /// Another request wrote first.
    fn moved(&mut self, data: &SessionData) -> Result<(), DataError> {
        self.stored = parse(data)?;
        self.version = data.version;
        Ok(())
    }

    /// Whether another request changed one of the changed members. To the same value too: both may
    /// have counted from the same number, or both may have found that a coupon was not used.
    fn conflicts(&self) -> bool {
        self.changes.iter().any(|(name, change)| {
            let now = self.stored.get(name).map(|value| value.get());
            change.before.as_ref().map(|value| value.get()) != now
        })
    }
}

fn parse(data: &SessionData) -> Result<Members, DataError> {
    let members = data.json.as_deref().map(serde_json::from_str);
    let members: Option<Members> = members.transpose().map_err(|_| DataError::NotAnObject)?;
    let mut members = members.unwrap_or_default();
    members.remove(MARK);
    Ok(members)
}

/// `None` without members: then nothing is stored.
fn json(members: &Members) -> Option<Box<str>> {
    let json = || serde_json::to_string(members).expect("raw JSON with text keys");
    (!members.is_empty()).then(|| json().into())
}

fn read<T: DeserializeOwned>(name: &str, value: Option<&RawValue>) -> Result<Option<T>, DataError> {
    let value = value.map(|value| serde_json::from_str(value.get()));
    value.transpose().map_err(|_| DataError::Read {
        name: name.to_owned(),
    })
}

/// The value of a member of the application's.
fn write(name: &str, value: &impl Serialize) -> Result<Box<RawValue>, DataError> {
    if name == MARK {
        let name = name.to_owned();
        return Err(DataError::Write { name });
    }
    raw(name, value)
}

fn raw(name: &str, value: &impl Serialize) -> Result<Box<RawValue>, DataError> {
    to_raw_value(value).map_err(|_| DataError::Write {
        name: name.to_owned(),
    })
}

fn ended(auth: &Auth) -> DataError {
    let realm = auth.config().shared_realm();
    DataError::Ended { realm }
}

/// What can go wrong with the private data of a session. Values are not repeated.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DataError {
    /// Another request changed one of the same members first; nothing was written.
    #[error("the session's data was changed by another request")]
    Conflict,
    /// The session has ended; nothing was written.
    #[error("the session has ended")]
    Ended {
        /// The realm of the challenge in the answer.
        realm: Arc<str>,
    },
    /// What is stored is not a JSON object: something else wrote it.
    #[error("the session's stored data is not a JSON object")]
    NotAnObject,
    /// The member has another type than the one asked for.
    #[error("the member `{name}` of the session's data has another type")]
    Read {
        /// The name of the member.
        name: String,
    },
    /// The store could not answer; whether it wrote is unknown.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The data would be too long.
    #[error("the session's data would be longer than {limit} bytes")]
    TooLong {
        /// The most that is kept, in bytes of JSON.
        limit: usize,
    },
    /// The application's limit refuses another session of a visitor; nothing was written.
    #[error("too many visitors' sessions were asked for; wait {retry_after:?}")]
    TooMany {
        /// How long to wait.
        retry_after: Duration,
    },
    /// A visitor's session could not be opened, or its data not be written.
    #[error(transparent)]
    Visitor(VisitorError),
    /// The value cannot be written as JSON.
    #[error("the value of `{name}` cannot be written as JSON")]
    Write {
        /// The name of the member.
        name: String,
    },
}

impl From<WriteDataError> for DataError {
    fn from(error: WriteDataError) -> Self {
        match error {
            WriteDataError::Store(error) => error.into(),
            // Besides, the manager refuses only what is too long.
            _ => Self::TooLong {
                limit: SessionData::MAX_LENGTH,
            },
        }
    }
}

impl From<VisitorError> for DataError {
    fn from(error: VisitorError) -> Self {
        match error {
            VisitorError::Store(error) => error.into(),
            VisitorError::TooLong { .. } => Self::TooLong {
                limit: VisitorPolicy::MAX_DATA,
            },
            error => Self::Visitor(error),
        }
    }
}

impl From<WriteDataError> for Rejection {
    fn from(error: WriteDataError) -> Self {
        DataError::from(error).into()
    }
}

impl From<DataError> for Rejection {
    fn from(error: DataError) -> Self {
        match error {
            DataError::Conflict => {
                warn!(
                    target: PRODUCT,
                    "session data was not written: another request wrote first"
                );
                Self::plain(Refusal::Conflict)
            }
            DataError::Ended { realm } => {
                let why = "the session has ended, so its data was not used";
                let refusal = Refusal::InvalidToken(TokenFault::Revoked).because(why);
                Self::resource(refusal, Some(realm))
            }
            DataError::Store(error) => error.into(),
            DataError::TooMany { retry_after } => {
                Self::plain(Refusal::TooManyRequests { retry_after }.because(&error))
            }
            DataError::Visitor(VisitorError::Login(error)) => error.into(),
            // Room comes with time: the client tries again.
            DataError::Visitor(error @ VisitorError::Full { .. }) => {
                // Anyone can have this written, with each request.
                debug!(target: PRODUCT, %error, "a visitor's data was not stored");
                Self::temporarily_unavailable()
            }
            // What a visitor sent, not what the application wrote.
            error @ DataError::TooLong {
                limit: VisitorPolicy::MAX_DATA,
            } => Self::plain(Refusal::PayloadTooLarge.because(error)),
            error => {
                error!(
                    target: PRODUCT,
                    error = &error as &dyn std::error::Error,
                    "a session's data cannot be used"
                );
                Self::server_error()
            }
        }
    }
}
