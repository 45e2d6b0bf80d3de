//! The application's private data of a session.

use token_core::SessionId;

use super::SessionManager;
use crate::erased::StoreError;
use crate::error::WriteDataError;
use crate::session_data::SessionData;
use crate::store::{DataWrite, DataWritten};

impl SessionManager {
    /// The private data of a session, or `None` if there is no such session.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be asked.
    pub async fn session_data(&self, id: SessionId) -> Result<Option<SessionData>, StoreError> {
        self.call("load_data", || self.inner.store.load_data(id))
            .await
    }

    /// Replaces the private data of a session, if it is live and nobody wrote since the
    /// `version` that was read. A write never brings an ended session back.
    ///
    /// # Errors
    /// [`WriteDataError::TooLong`] for a text of more than [`SessionData::MAX_LENGTH`] bytes, which is
    /// not written; [`WriteDataError::Store`] if the store cannot be asked, and it is unknown whether
    /// it wrote.
    pub async fn write_session_data(
        &self,
        id: SessionId,
        version: u64,
        json: Option<Box<str>>,
    ) -> Result<DataWritten, WriteDataError> {
        let length = json.as_ref().map_or(0, |json| json.len());
        if length > SessionData::MAX_LENGTH {
            return Err(WriteDataError::TooLong { length });
        }
        let write = DataWrite::new(id, version, json, self.now());
        Ok(self.write_data(&write).await?)
    }
}
