//! What many sessions have in common, kept once.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;

use hashbrown::HashTable;
use token_core::session::Epoch;
use token_core::{ClientId, KeyId, Scope, Session, Transport};

/// The part of a session that many others have too: of which application it is, what it may do, how its
/// user proved who they are, and how often all sessions of the user were ended, which is mostly never.
#[derive(Debug)]
pub(super) struct Common {
    pub(super) subject_epoch: Epoch,
    pub(super) client_id: ClientId,
    pub(super) transport: Transport,
    pub(super) scope: Scope,
    pub(super) remember: bool,
    pub(super) acr: Option<Box<str>>,
    pub(super) amr: Vec<Box<str>>,
    pub(super) rotation_kid: KeyId,
}

impl Common {
    fn of(session: &Session) -> Self {
        Self {
            subject_epoch: session.subject_epoch,
            client_id: session.client_id.clone(),
            transport: session.transport,
            scope: session.scope.clone(),
            remember: session.remember,
            acr: session.authentication.acr.clone(),
            amr: session.authentication.amr.clone(),
            rotation_kid: session.rotation_kid.clone(),
        }
    }

    /// Whether the session has all of it.
    pub(super) fn is_of(&self, session: &Session) -> bool {
        self.parts() == Parts::of(session)
    }

    fn parts(&self) -> Parts<'_> {
        Parts {
            subject_epoch: self.subject_epoch,
            client_id: &self.client_id,
            transport: self.transport,
            scope: &self.scope,
            remember: self.remember,
            acr: self.acr.as_deref(),
            amr: &self.amr,
            rotation_kid: &self.rotation_kid,
        }
    }
}

/// The same by reference, to be looked up.
#[derive(PartialEq, Hash)]
struct Parts<'a> {
    subject_epoch: Epoch,
    client_id: &'a ClientId,
    transport: Transport,
    scope: &'a Scope,
    remember: bool,
    acr: Option<&'a str>,
    amr: &'a [Box<str>],
    rotation_kid: &'a KeyId,
}

impl<'a> Parts<'a> {
    fn of(session: &'a Session) -> Self {
        Self {
            subject_epoch: session.subject_epoch,
            client_id: &session.client_id,
            transport: session.transport,
            scope: &session.scope,
            remember: session.remember,
            acr: session.authentication.acr.as_deref(),
            amr: &session.authentication.amr,
            rotation_kid: &session.rotation_kid,
        }
    }
}

/// Those of one shard, which alone holds and counts them: its lock is theirs.
#[derive(Debug, Default)]
pub(super) struct Commons {
    table: HashTable<Arc<Common>>,
    hasher: RandomState,
}

impl Commons {
    /// The one of this session, from the table if it is there.
    pub(super) fn of(&mut self, session: &Session) -> Arc<Common> {
        let Self { table, hasher } = self;
        let entry = table.entry(
            hasher.hash_one(Parts::of(session)),
            |common| common.is_of(session),
            |common| hasher.hash_one(common.parts()),
        );
        let entry = entry.or_insert_with(|| Arc::new(Common::of(session)));
        Arc::clone(entry.get())
    }

    /// Takes one back from a row that is gone, and drops it with the last row that had it.
    pub(super) fn give_back(&mut self, common: &Arc<Common>) {
        // One is the table's, one is this row's.
        if Arc::strong_count(common) > 2 {
            return;
        }
        let hash = self.hasher.hash_one(common.parts());
        let same = |kept: &Arc<Common>| Arc::ptr_eq(kept, common);
        if let Ok(entry) = self.table.find_entry(hash, same) {
            entry.remove();
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.table.len()
    }
}
