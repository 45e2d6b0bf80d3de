//! The application's private data in a session: members of a JSON object that never leaves the
//! server.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::{RawValue, to_raw_value};
use thiserror::Error;
use token_core::session::SessionData;
use token_core::{PRODUCT, SessionId};
use token_session::store::DataWritten;
use token_session::{StoreError, WriteDataError};
use tokio::sync::{Mutex, MutexGuard};
use tracing::{error, warn};

use crate::auth::Auth;
use crate::refusal::{Refusal, TokenFault};
use crate::rejection::Rejection;

/// The private data of one session: read when it is first asked for, and written once if it
/// was changed.
pub(crate) struct PrivateData {
    id: SessionId,
    loaded: Mutex<Option<Loaded>>,
}

struct Loaded {
    version: u64,
    members: BTreeMap<String, Box<RawValue>>,
    changed: bool,
}

impl PrivateData {
    pub(crate) fn of(id: SessionId) -> Self {
        let loaded = Mutex::default();
        Self { id, loaded }
    }

    pub(crate) async fn get<T: DeserializeOwned>(
        &self,
        auth: &Auth,
        name: &str,
    ) -> Result<Option<T>, DataError> {
        let mut guard = self.loaded.lock().await;
        let loaded = self.load(auth, &mut guard).await?;
        let value = loaded.members.get(name);
        let value = value.map(|value| serde_json::from_str(value.get()));
        value.transpose().map_err(|_| DataError::Read {
            name: name.to_owned(),
        })
    }

    pub(crate) async fn set(
        &self,
        auth: &Auth,
        name: &str,
        value: &impl Serialize,
    ) -> Result<(), DataError> {
        let value = to_raw_value(value).map_err(|_| DataError::Write {
            name: name.to_owned(),
        })?;
        let mut guard = self.loaded.lock().await;
        let loaded = self.load(auth, &mut guard).await?;
        let before = loaded.members.insert(name.to_owned(), value);
        let length = loaded.json().map_or(0, |json| json.len());
        if length > SessionData::MAX_LENGTH {
            match before {
                Some(before) => loaded.members.insert(name.to_owned(), before),
                None => loaded.members.remove(name),
            };
            return Err(DataError::TooLong);
        }
        loaded.changed = true;
        Ok(())
    }

    pub(crate) async fn remove(&self, auth: &Auth, name: &str) -> Result<bool, DataError> {
        let mut guard = self.loaded.lock().await;
        let loaded = self.load(auth, &mut guard).await?;
        let removed = loaded.members.remove(name).is_some();
        loaded.changed |= removed;
        Ok(removed)
    }

    pub(crate) async fn save(&self, auth: &Auth) -> Result<(), DataError> {
        let mut guard = self.loaded.lock().await;
        let Some(loaded) = guard.as_mut().filter(|loaded| loaded.changed) else {
            return Ok(());
        };
        let version = loaded.version;
        let written = auth
            .manager()
            .write_session_data(self.id, version, loaded.json());
        match written.await? {
            DataWritten::Applied => {
                loaded.version = version + 1;
                loaded.changed = false;
                Ok(())
            }
            DataWritten::Moved(_) => {
                *guard = None;
                Err(DataError::Conflict)
            }
            DataWritten::NotLive => {
                loaded.changed = false;
                Err(ended(auth))
            }
        }
    }

    async fn load<'a>(
        &self,
        auth: &Auth,
        guard: &'a mut MutexGuard<'_, Option<Loaded>>,
    ) -> Result<&'a mut Loaded, DataError> {
        if guard.is_none() {
            let stored = auth.manager().session_data(self.id).await?;
            let stored = stored.ok_or_else(|| ended(auth))?;
            let members = stored.json.as_deref().map(serde_json::from_str);
            **guard = Some(Loaded {
                version: stored.version,
                members: members
                    .transpose()
                    .map_err(|_| DataError::NotAnObject)?
                    .unwrap_or_default(),
                changed: false,
            });
        }
        Ok(guard.as_mut().expect("it was loaded above"))
    }
}

impl Loaded {
    /// `None` without members: then nothing is stored.
    fn json(&self) -> Option<Box<str>> {
        let json = || serde_json::to_string(&self.members).expect("raw JSON with text keys");
        (!self.members.is_empty()).then(|| json().into())
    }
}

fn ended(auth: &Auth) -> DataError {
    let realm = auth.config().shared_realm();
    DataError::Ended { realm }
}

/// What can go wrong with the private data of a session. Values are not repeated.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DataError {
    /// Another request changed the data first; nothing was written.
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
    #[error(
        "the session's data would be longer than {} bytes",
        SessionData::MAX_LENGTH
    )]
    TooLong,
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
            _ => Self::TooLong,
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
