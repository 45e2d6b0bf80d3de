//! The sessions of some subjects, behind one lock.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use token_core::session::{Change, Committed, Ending, Epoch};
use token_core::{Session, SessionId, Subject, UnixTime};

use super::common::Commons;
use super::row::Row;
use super::slab::{Place, Slab};
use crate::session_data::SessionData;
use crate::store::{Commit, DataWrite, DataWritten, Ended, SubjectEnding};

/// Rows, and two tables that find them: by id, and by subject the one that was inserted last, from
/// which the others hang. The tables hold places alone and compare with what stands in the rows.
#[derive(Debug, Default)]
pub(super) struct Shard {
    rows: Slab<Row>,
    by_id: HashTable<Place>,
    by_subject: HashTable<Place>,
    /// Of the subjects whose epoch was ever raised. It stays when their sessions are gone: a login
    /// may still hold the older one.
    epochs: HashMap<Subject, Epoch>,
    commons: Commons,
    pub(super) ended: Vec<Ended>,
    hasher: RandomState,
}

impl Shard {
    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }

    pub(super) fn epoch(&self, subject: &Subject) -> Epoch {
        self.epochs.get(subject).copied().unwrap_or_default()
    }

    pub(super) fn row(&self, id: SessionId) -> Option<&Row> {
        Some(self.rows.get(self.place(id)?))
    }

    pub(super) fn committed(&self, id: SessionId) -> Option<Committed<Session>> {
        let row = self.row(id)?;
        Some(Committed::assertion(row.session()))
    }

    /// The sessions of a subject, the one that was inserted last first.
    pub(super) fn of_subject(&self, subject: &Subject) -> impl Iterator<Item = &Row> {
        let hash = self.hasher.hash_one(subject);
        let own = |place: &Place| self.rows.get(*place).subject == *subject;
        let mut next = self.by_subject.find(hash, own).copied();
        std::iter::from_fn(move || {
            let row = self.rows.get(next?);
            next = row.older;
            Some(row)
        })
    }

    /// Inserts a session; `false` if there is one with its id.
    pub(super) fn insert(&mut self, session: &Session) -> bool {
        let Self { rows, hasher, .. } = self;
        let vacant = match self.by_id.entry(
            hasher.hash_one(session.id),
            |place| rows.get(*place).id == session.id,
            |place| hasher.hash_one(rows.get(*place).id),
        ) {
            Entry::Occupied(_) => return false,
            Entry::Vacant(vacant) => vacant,
        };
        let place = rows.insert(Row::new(session, &mut self.commons));
        vacant.insert(place);
        let entry = self.by_subject.entry(
            hasher.hash_one(&session.subject),
            |place| rows.get(*place).subject == session.subject,
            |place| hasher.hash_one(&rows.get(*place).subject),
        );
        match entry {
            Entry::Occupied(mut newest) => {
                let older = std::mem::replace(newest.get_mut(), place);
                rows.get_mut(place).older = Some(older);
                rows.get_mut(older).newer = Some(place);
            }
            Entry::Vacant(vacant) => {
                vacant.insert(place);
            }
        }
        true
    }

    pub(super) fn commit(&mut self, change: &Change) -> Commit {
        let Some(place) = self.place(change.id()) else {
            return Commit::Missed(None);
        };
        let row = self.rows.get_mut(place);
        let mut session = row.session();
        if change.apply_to(&mut session) {
            row.set(&session, &mut self.commons);
            Commit::Applied(Committed::assertion(session))
        } else {
            Commit::Missed(Some(Committed::assertion(session)))
        }
    }

    pub(super) fn end(&mut self, ending: &Ending) -> Option<Ended> {
        let place = self.place(ending.id)?;
        let row = self.rows.get_mut(place);
        let next = ending.apply(&row.session())?;
        row.set(&next, &mut self.commons);
        let ended = Ended::new(ending.id, ending.revocation.at);
        self.ended.push(ended);
        Some(ended)
    }

    /// Ends the sessions of a subject, and raises its epoch, which the excepted one gets too.
    pub(super) fn end_subject(&mut self, ending: &SubjectEnding) -> Vec<Ended> {
        let epoch = self.epoch(&ending.subject).next();
        self.epochs.insert(ending.subject.clone(), epoch);
        let own = self.of_subject(&ending.subject).map(|row| row.id);
        let mut own: Vec<SessionId> = own.collect();
        own.reverse();
        if let Some(kept) = own.iter().find(|id| Some(**id) == ending.except)
            && let Some(place) = self.place(*kept)
        {
            self.rows.get_mut(place).subject_epoch = epoch;
        }
        let others = own.into_iter().filter(|id| Some(*id) != ending.except);
        let ended = others.filter_map(|id| {
            self.end(&Ending {
                id,
                revocation: ending.revocation,
                purge_at: ending.purge_at,
            })
        });
        ended.collect()
    }

    pub(super) fn data(&self, id: SessionId) -> Option<SessionData> {
        self.row(id).map(Row::data)
    }

    pub(super) fn write_data(&mut self, write: &DataWrite) -> DataWritten {
        let Some(place) = self.place(write.id) else {
            return DataWritten::NotLive;
        };
        let row = self.rows.get_mut(place);
        if !row.is_live(write.at) {
            return DataWritten::NotLive;
        }
        let data = row.data();
        if data.version != write.version {
            return DataWritten::Moved(data);
        }
        row.set_data(SessionData {
            version: write.version + 1,
            json: write.json.clone(),
        });
        DataWritten::Applied
    }

    /// Deletes at most `limit` sessions whose time to be purged is not after `before`.
    pub(super) fn purge(&mut self, before: UnixTime, limit: usize) -> usize {
        self.forget_where(|row| row.purge_at() <= before, limit)
    }

    /// Deletes what has expired, and what a purge would delete.
    pub(super) fn forget_expired(&mut self, now: UnixTime) -> usize {
        let over = |row: &Row| row.expires_at() <= now || row.purge_at() <= now;
        self.forget_where(over, usize::MAX)
    }

    fn forget_where(&mut self, due: impl Fn(&Row) -> bool, limit: usize) -> usize {
        let due = |place: &&Place| due(self.rows.get(**place));
        let due = self.by_id.iter().filter(due).take(limit).copied();
        let due: Vec<Place> = due.collect();
        for place in &due {
            self.forget(*place);
        }
        if !due.is_empty() {
            let mut ended = std::mem::take(&mut self.ended);
            ended.retain(|ended| self.place(ended.id).is_some());
            self.ended = ended;
        }
        due.len()
    }

    fn forget(&mut self, place: Place) {
        let row = self.rows.remove(place);
        let hash = self.hasher.hash_one(row.id);
        if let Ok(entry) = self.by_id.find_entry(hash, |other| *other == place) {
            entry.remove();
        }
        if let Some(older) = row.older {
            self.rows.get_mut(older).newer = row.newer;
        }
        if let Some(newer) = row.newer {
            self.rows.get_mut(newer).older = row.older;
        } else {
            // It was the newest, and so the one in the table.
            let hash = self.hasher.hash_one(&row.subject);
            if let Ok(mut entry) = self.by_subject.find_entry(hash, |other| *other == place) {
                match row.older {
                    Some(older) => *entry.get_mut() = older,
                    None => drop(entry.remove()),
                }
            }
        }
        self.commons.give_back(&row.common);
    }

    fn place(&self, id: SessionId) -> Option<Place> {
        let own = |place: &Place| self.rows.get(*place).id == id;
        self.by_id.find(self.hasher.hash_one(id), own).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_forgotten_leaves_nothing_behind() {
        let mut shard = Shard::default();
        assert_eq!(shard.purge(UnixTime::MAX, usize::MAX), 0);
        assert_eq!((shard.len(), shard.commons.len()), (0, 0));
    }
}
