//! The tables. Rows are JSON documents; what is searched for stands in an index beside them.

use hallpass::store::{Ended, Epoch, SessionData};
use hallpass::{Session, SessionId, Subject, UnixTime};
use redb::{
    MultimapTableDefinition, ReadTransaction, ReadableMultimapTable, ReadableTable,
    TableDefinition, WriteTransaction,
};

use crate::error::Result;

type Id = &'static [u8; SessionId::LENGTH];
type Text = &'static str;
type Document = &'static [u8];

const SESSIONS: TableDefinition<'_, Id, Document> = TableDefinition::new("sessions");
const DATA: TableDefinition<'_, Id, Document> = TableDefinition::new("data");
const EPOCHS: TableDefinition<'_, Text, u64> = TableDefinition::new("epochs");
const SECRETS: TableDefinition<'_, Text, &[u8; 32]> = TableDefinition::new("secrets");
const SUBJECTS: MultimapTableDefinition<'_, Text, Id> = MultimapTableDefinition::new("subjects");
/// Which sessions were ended, by the second.
const ENDED: MultimapTableDefinition<'_, u64, Id> = MultimapTableDefinition::new("ended");
/// Which sessions may be deleted, by the second.
const DUE: MultimapTableDefinition<'_, u64, Id> = MultimapTableDefinition::new("due");

/// What can be read, in a snapshot as within a write transaction.
pub(crate) trait Read {
    fn sessions(&self) -> Result<impl ReadableTable<Id, Document>>;
    fn subjects(&self) -> Result<impl ReadableMultimapTable<Text, Id>>;
    fn epochs(&self) -> Result<impl ReadableTable<Text, u64>>;
    fn private_data(&self) -> Result<impl ReadableTable<Id, Document>>;

    fn session(&self, id: SessionId) -> Result<Option<Session>> {
        let sessions = self.sessions()?;
        let row = sessions.get(id.as_bytes())?;
        let row = row.map(|row| serde_json::from_slice(row.value()));
        Ok(row.transpose()?)
    }

    fn sessions_of(&self, subject: &Subject) -> Result<Vec<Session>> {
        let mut found = Vec::new();
        for id in self.subjects()?.get(subject.as_str())? {
            found.extend(self.session(SessionId::from_bytes(*id?.value()))?);
        }
        Ok(found)
    }

    fn epoch(&self, subject: &Subject) -> Result<Epoch> {
        let epochs = self.epochs()?;
        let epoch = epochs.get(subject.as_str())?;
        let epoch = epoch.map(|epoch| Epoch(epoch.value()));
        Ok(epoch.unwrap_or_default())
    }

    fn data(&self, id: SessionId) -> Result<SessionData> {
        let table = self.private_data()?;
        let data = table.get(id.as_bytes())?;
        let data = data.map(|data| serde_json::from_slice(data.value()));
        Ok(data.transpose()?.unwrap_or_default())
    }
}

/// Both kinds of transaction open tables by the same names.
macro_rules! read {
    ($transaction:ty) => {
        impl Read for $transaction {
            fn sessions(&self) -> Result<impl ReadableTable<Id, Document>> {
                Ok(self.open_table(SESSIONS)?)
            }

            fn subjects(&self) -> Result<impl ReadableMultimapTable<Text, Id>> {
                Ok(self.open_multimap_table(SUBJECTS)?)
            }

            fn epochs(&self) -> Result<impl ReadableTable<Text, u64>> {
                Ok(self.open_table(EPOCHS)?)
            }

            fn private_data(&self) -> Result<impl ReadableTable<Id, Document>> {
                Ok(self.open_table(DATA)?)
            }
        }
    };
}
read!(ReadTransaction);
read!(WriteTransaction);

/// Makes the tables, and the key behind the buckets: once, and kept with the data.
pub(crate) fn create(write: &WriteTransaction, bucket_key: [u8; 32]) -> Result<[u8; 32]> {
    write.open_table(SESSIONS)?;
    write.open_table(DATA)?;
    write.open_table(EPOCHS)?;
    write.open_multimap_table(SUBJECTS)?;
    write.open_multimap_table(ENDED)?;
    write.open_multimap_table(DUE)?;
    let mut secrets = write.open_table(SECRETS)?;
    let kept = secrets.get("bucket")?.map(|kept| *kept.value());
    if let Some(kept) = kept {
        return Ok(kept);
    }
    secrets.insert("bucket", &bucket_key)?;
    Ok(bucket_key)
}

/// Writes a row over `before`, and moves its places in the indexes.
pub(crate) fn put(write: &WriteTransaction, before: Option<&Session>, row: &Session) -> Result<()> {
    let id = row.id.as_bytes();
    if let Some(before) = before {
        let mut due = write.open_multimap_table(DUE)?;
        due.remove(before.purge_at.as_secs(), id)?;
    } else {
        let mut subjects = write.open_multimap_table(SUBJECTS)?;
        subjects.insert(row.subject.as_str(), id)?;
    }
    let mut due = write.open_multimap_table(DUE)?;
    due.insert(row.purge_at.as_secs(), id)?;
    if let Some(revocation) = row.revocation {
        let mut ended = write.open_multimap_table(ENDED)?;
        ended.insert(revocation.at.as_secs(), id)?;
    }
    let document = serde_json::to_vec(row)?;
    let mut sessions = write.open_table(SESSIONS)?;
    sessions.insert(id, document.as_slice())?;
    Ok(())
}

pub(crate) fn put_epoch(write: &WriteTransaction, subject: &Subject, epoch: Epoch) -> Result<()> {
    let mut epochs = write.open_table(EPOCHS)?;
    epochs.insert(subject.as_str(), epoch.0)?;
    Ok(())
}

pub(crate) fn put_data(write: &WriteTransaction, id: SessionId, data: &SessionData) -> Result<()> {
    let document = serde_json::to_vec(data)?;
    let mut table = write.open_table(DATA)?;
    table.insert(id.as_bytes(), document.as_slice())?;
    Ok(())
}

/// Deletes at most `limit` sessions that are due, and says how many.
pub(crate) fn purge(write: &WriteTransaction, before: UnixTime, limit: usize) -> Result<u64> {
    let mut rows = Vec::new();
    for second in write.open_multimap_table(DUE)?.range(..=before.as_secs())? {
        for id in second?.1 {
            if rows.len() < limit {
                rows.extend(write.session(SessionId::from_bytes(*id?.value()))?);
            }
        }
        if rows.len() == limit {
            break;
        }
    }
    for row in &rows {
        delete(write, row)?;
    }
    Ok(rows.len() as u64)
}

fn delete(write: &WriteTransaction, row: &Session) -> Result<()> {
    let id = row.id.as_bytes();
    write.open_table(SESSIONS)?.remove(id)?;
    write.open_table(DATA)?.remove(id)?;
    let mut subjects = write.open_multimap_table(SUBJECTS)?;
    subjects.remove(row.subject.as_str(), id)?;
    let mut due = write.open_multimap_table(DUE)?;
    due.remove(row.purge_at.as_secs(), id)?;
    if let Some(revocation) = row.revocation {
        let mut ended = write.open_multimap_table(ENDED)?;
        ended.remove(revocation.at.as_secs(), id)?;
    }
    Ok(())
}

/// The sessions that were ended at `since` or later.
pub(crate) fn ended(read: &ReadTransaction, since: UnixTime) -> Result<Vec<Ended>> {
    let mut found = Vec::new();
    for second in read.open_multimap_table(ENDED)?.range(since.as_secs()..)? {
        let (at, ids) = second?;
        let at = UnixTime::from_secs(at.value())?;
        for id in ids {
            let id = SessionId::from_bytes(*id?.value());
            found.push(Ended::new(id, at));
        }
    }
    Ok(found)
}
