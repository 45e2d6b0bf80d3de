//! The sessions of some subjects, behind one lock.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use token_core::session::{Change, Committed, Ending, Epoch};
use token_core::{Session, SessionId, Subject, UnixTime};

use super::common::Commons;
use super::due::DueTimes;
use super::row::Row;
use super::slab::{Place, Slab};
use crate::id_hash::id_hash;
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
    due: DueTimes,
    pub(super) ended: Vec<Ended>,
    hasher: RandomState,
}

/// What was done with one block of places.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) forgotten: usize,
    /// The block to go on with.
    pub(super) next: usize,
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

    pub(super) fn load(&self, id: SessionId) -> Option<Committed<Session>> {
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
    pub(super) fn insert(&mut self, session: &Session, data: Option<&str>) -> bool {
        let Self { rows, hasher, .. } = self;
        let vacant = match self.by_id.entry(
            id_hash(session.id),
            |place| rows.get(*place).id == session.id,
            |place| id_hash(rows.get(*place).id),
        ) {
            Entry::Occupied(_) => return false,
            Entry::Vacant(vacant) => vacant,
        };
        let mut row = Row::new(session, &mut self.commons);
        if let Some(json) = data {
            let json = Some(json.into());
            row.set_data(SessionData { version: 1, json });
        }
        let place = rows.insert(row);
        vacant.insert(place);
        self.due.note(place.index(), rows.get(place).due());
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
            self.due.note(place.index(), row.due());
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
        self.due.note(place.index(), row.due());
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
            let row = self.rows.get_mut(place);
            let mut session = row.session();
            session.subject_epoch = epoch;
            row.set(&session, &mut self.commons);
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

    /// Deletes at most `limit` sessions whose time to be purged is not after `before`, of the next block
    /// that may have some; `None` if there is no further one.
    pub(super) fn purge(&mut self, from: usize, before: UnixTime, limit: usize) -> Option<Step> {
        self.forget_next(from, before, limit, |row| row.purge_at() <= before)
    }

    /// Deletes what has expired, and what a purge would delete, likewise.
    pub(super) fn forget_expired(&mut self, from: usize, now: UnixTime) -> Option<Step> {
        self.forget_next(from, now, usize::MAX, |row| row.due() <= now)
    }

    fn forget_next(
        &mut self,
        from: usize,
        now: UnixTime,
        limit: usize,
        is_due: impl Fn(&Row) -> bool,
    ) -> Option<Step> {
        let block = self.due.next(from, now)?;
        let all = self.rows.taken(DueTimes::places(block));
        let due = all.filter(|(_, row)| is_due(row)).take(limit);
        let due: Vec<Place> = due.map(|(place, _)| place).collect();
        let any_ended = due.iter().any(|place| self.rows.get(*place).is_ended());
        for place in &due {
            self.forget(*place);
        }
        self.due.clear(block);
        for (place, row) in self.rows.taken(DueTimes::places(block)) {
            self.due.note(place.index(), row.due());
        }
        if any_ended {
            let mut ended = std::mem::take(&mut self.ended);
            ended.retain(|ended| self.place(ended.id).is_some());
            self.ended = ended;
        }
        Some(Step {
            forgotten: due.len(),
            next: block + 1,
        })
    }

    fn forget(&mut self, place: Place) {
        let row = self.rows.remove(place);
        let same = |other: &Place| *other == place;
        if let Ok(entry) = self.by_id.find_entry(id_hash(row.id), same) {
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
        self.by_id.find(id_hash(id), own).copied()
    }
}

#[cfg(test)]
mod tests {
    use token_core::Transport;
    use token_core::types::TokenHash;

    use super::*;

    #[test]
    fn what_is_forgotten_leaves_nothing_behind() {
        let mut shard = Shard::default();
        for number in 0..2 {
            let id = SessionId::from_bytes([number; 18]);
            let names = ("alice".parse().unwrap(), "web".parse().unwrap());
            let (transport, hash) = (Transport::Header, TokenHash::from_bytes([1; 32]));
            let (kid, at) = ("k".parse().unwrap(), UnixTime::EPOCH);
            let session = Session::new(id, names.0, names.1, transport, hash, kid, at);
            assert!(shard.insert(&session, None));
        }
        assert_eq!((shard.len(), shard.commons.len()), (2, 1));
        let later = UnixTime::from_secs(1).unwrap();
        // What both have in common stays for the other.
        for (limit, left) in [(1, (1, 1)), (usize::MAX, (0, 0))] {
            let step = shard.purge(0, later, limit).unwrap();
            assert_eq!(step.forgotten, 1);
            assert_eq!((shard.len(), shard.commons.len()), left);
        }
        assert!(shard.purge(0, later, usize::MAX).is_none());
    }
}
