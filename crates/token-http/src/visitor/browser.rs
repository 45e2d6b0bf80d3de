//! A visitor, as a handler sees it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use token_core::UnixTime;
use token_session::visitor::{KeptData, VisitorPolicy};
use zeroize::Zeroizing;

use super::owner::Owner;
use crate::auth::Auth;
use crate::private_data::{DataError, PrivateData};
use crate::refusal::Refusal;
use crate::rejection::Rejection;

/// A browser of which nothing is known but what the site stores for it: private data of its own, at most
/// 4 KiB of JSON, until it logs in or the session expires.
///
/// It is always there, whatever the browser sends. There is no cookie, no session and no call to the store
/// until something is stored. The data is read when it is first asked for, and written at the end of the
/// request if it was changed and the answer is not an error of the server. A cookie that is not valid
/// counts as none.
///
/// Nobody is logged in with it: the session has a cookie of its own, and everything that takes a caller
/// finds none there. A login ends it, and copies what [`keep`](Self::keep) names.
///
/// Cheap to clone; all clones are the same visitor.
#[derive(Clone)]
pub struct Visitor(pub(super) Arc<Shared>);

pub(super) struct Shared {
    pub(super) auth: Auth,
    pub(super) data: PrivateData<Owner>,
    /// Whether the request has logged in, which ends the visitor.
    pub(super) ended: AtomicBool,
}

/// The member of the data in which messages wait.
const FLASHES: &str = "flash";

/// So many messages wait at most. If there is one more, the oldest is forgotten: no page takes them.
const MOST_FLASHES: usize = 16;

impl Visitor {
    /// Reads a member of the data; `None` if there is none.
    ///
    /// # Errors
    /// [`DataError::Read`] if it has another type, [`DataError::Store`].
    pub async fn get<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, DataError> {
        self.0.data.get(&self.0.auth, name).await
    }

    /// Sets a member of the data.
    ///
    /// # Errors
    /// [`DataError::Write`] if the value is not JSON, [`DataError::TooLong`] if the whole becomes longer
    /// than 4 KiB, [`DataError::Store`]. Nothing has changed then.
    pub async fn set(&self, name: &str, value: &impl Serialize) -> Result<(), DataError> {
        self.0.data.set(&self.0.auth, name, value).await
    }

    /// Changes one member of the data, and writes it now: `change` gets the value that is stored, or
    /// `None`, and gives the new one, which is returned. If another request wrote first, it is called
    /// again with what that one wrote, up to 8 times.
    ///
    /// # Errors
    /// As [`set`](Self::set), and [`DataError::Read`] if the member has another type;
    /// [`DataError::Conflict`] if other requests were faster each time; [`DataError::TooMany`] and
    /// [`DataError::Visitor`] if no session may be opened for the visitor.
    pub async fn update<T: DeserializeOwned + Serialize>(
        &self,
        name: &str,
        change: impl FnMut(Option<T>) -> T,
    ) -> Result<T, DataError> {
        self.0.data.update(&self.0.auth, name, change).await
    }

    /// Removes a member of the data; returns whether there was one.
    ///
    /// # Errors
    /// [`DataError::Store`].
    pub async fn remove(&self, name: &str) -> Result<bool, DataError> {
        self.0.data.remove(&self.0.auth, name).await
    }

    /// Writes the data now, if it was changed.
    ///
    /// # Errors
    /// [`DataError::Conflict`] if another request changed one of the same members first: the changes
    /// of this one are dropped. Otherwise as [`update`](Self::update).
    pub async fn save(&self) -> Result<(), DataError> {
        self.0.data.save(&self.0.auth).await
    }

    /// Leaves a message for the next page that [takes](Self::take_flashes) them, such as "the order was
    /// sent" before a redirect. It is written now. At most 16 wait.
    ///
    /// # Errors
    /// As [`update`](Self::update).
    pub async fn flash(&self, message: impl Serialize) -> Result<(), DataError> {
        let message = serde_json::to_value(message).map_err(|_| DataError::Write {
            name: FLASHES.to_owned(),
        })?;
        let add = |waiting: Option<Vec<Value>>| {
            let mut waiting = waiting.unwrap_or_default();
            let surplus = (waiting.len() + 1).saturating_sub(MOST_FLASHES);
            waiting.drain(..surplus);
            waiting.push(message.clone());
            waiting
        };
        self.update(FLASHES, add).await?;
        Ok(())
    }

    /// Takes the messages that wait, oldest first. No other request gets them again. It costs no write if
    /// there are none, and no call to the store if the browser has no cookie.
    ///
    /// # Errors
    /// [`DataError::Read`] if a message has another type: then they are gone, too. Otherwise as
    /// [`update`](Self::update).
    pub async fn take_flashes<T: DeserializeOwned>(&self) -> Result<Vec<T>, DataError> {
        let waiting: Option<Vec<Value>> = self.get(FLASHES).await?;
        if waiting.is_none_or(|waiting| waiting.is_empty()) {
            return Ok(Vec::new());
        }
        let mut taken = Vec::new();
        let take = |waiting: Option<Vec<Value>>| {
            taken = waiting.unwrap_or_default();
            Vec::new()
        };
        self.update::<Vec<Value>>(FLASHES, take).await?;
        let messages = taken.into_iter().map(serde_json::from_value);
        let messages = messages.collect::<Result<Vec<T>, _>>();
        messages.map_err(|_| DataError::Read {
            name: FLASHES.to_owned(),
        })
    }

    /// The members of these names, for the session that a login opens:
    /// `NewSession { kept: visitor.keep(&["basket"]).await?, ..login.new_session() }`. Members that are not
    /// there are left out.
    ///
    /// Anybody could have stored them, also somebody who gave the browser their own cookie: copy what the
    /// user would type again, and nothing that grants a right.
    ///
    /// # Errors
    /// [`DataError::TooLong`] if they have more than 4 KiB together, which changes that are not written yet may
    /// bring about; [`DataError::Store`].
    pub async fn keep(&self, names: &[&str]) -> Result<KeptData, DataError> {
        let Some(json) = self.0.data.select(&self.0.auth, names).await? else {
            return Ok(KeptData::default());
        };
        let limit = VisitorPolicy::MAX_DATA;
        KeptData::new(json).ok_or(DataError::TooLong { limit })
    }
}

impl Visitor {
    /// The value of the cookie that proves the session, if there is one.
    pub(super) async fn secret(&self) -> Result<Option<Zeroizing<String>>, DataError> {
        self.0.data.owner().secret(&self.0.auth).await
    }

    /// The time by the server's clock.
    pub(super) fn now(&self) -> UnixTime {
        self.0.auth.manager().now()
    }

    /// Refuses the request, for a reason that is in the log already.
    pub(super) fn refuse(&self, refusal: Refusal) -> Rejection {
        self.0.auth.refuse(refusal)
    }
}

impl fmt::Debug for Visitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Visitor").finish_non_exhaustive()
    }
}
