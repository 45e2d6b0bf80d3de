//! The contract between the driver and a store.
//!
//! A store evaluates every condition itself, in one atomic step, never by reading and then
//! writing. What each condition means is written once, as `apply` on the types of
//! [`token_core::session`]. Run the suite behind [`store_contract!`](crate::store_contract)
//! on an implementation of your own before you trust it with logins.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::time::Duration;

use token_core::session::{Change, Committed, Ending, Epoch, Generation, Revocation, RotatedBy};
use token_core::types::Bucket;
use token_core::{Session, SessionId, Subject, UnixTime};
use tokio::sync::broadcast;

pub use crate::bucket_key::BucketKey;
pub use crate::session_data::SessionData;

/// Keeps sessions.
///
/// What a wrong implementation costs: a lost update forks a session (two people with one
/// login) or logs an honest user out; a write that is acknowledged and then lost brings an
/// ended session back; a row asserted as [`Committed`] before its transaction ended hands
/// out tokens that the store forgets.
///
/// Every call may be repeated after an error: the driver never assumes that a call which
/// failed did nothing. A future that is dropped half-way must leave no broken row behind.
pub trait SessionStore: Send + Sync + 'static {
    /// What can go wrong; kept whole for logs.
    type Error: Error + Send + Sync + 'static;

    /// The bucket of a subject, by a key that the store made once and keeps with the data
    /// ([`BucketKey`]). No I/O.
    fn bucket(&self, subject: &Subject) -> Bucket;

    /// The subject's epoch: 0 if nothing was ever noted.
    fn epoch(&self, subject: &Subject) -> impl Future<Output = Result<Epoch, Self::Error>> + Send;

    /// Inserts a session, which may have ended already, if there is none with its id and the subject's epoch is still
    /// `session.subject_epoch`. If there is `data`, it begins with that as its private data, a JSON text in
    /// version 1. Both conditions and both inserts are one atomic step, also
    /// against a [`revoke_subject`](Self::revoke_subject) that runs at the same time.
    fn create(
        &self,
        session: &Session,
        data: Option<&str>,
    ) -> impl Future<Output = Result<Created, Self::Error>> + Send;

    /// Reads a session, ended or not.
    fn load(
        &self,
        id: SessionId,
    ) -> impl Future<Output = Result<Option<Committed<Session>>, Self::Error>> + Send;

    /// Writes a change if its condition holds ([`Change::apply`]), in one atomic step and
    /// one round trip. On a miss it reads the row in a second step.
    ///
    /// If the change [is announced](Changed::announces), subscribers hear [`Notice::Changed`] once it is
    /// written ([`Changed::by`]), also if nobody waits for the answer any more: nodes that remember
    /// sessions go on with the old one otherwise.
    fn commit(&self, change: &Change) -> impl Future<Output = Result<Commit, Self::Error>> + Send;

    /// Ends a session if it was not ended before ([`Ending::apply`]). Never loses a race. Subscribers hear
    /// [`Notice::Ended`] once it is written, also if nobody waits for the answer any more.
    fn revoke(&self, ending: &Ending) -> impl Future<Output = Result<Revoke, Self::Error>> + Send;

    /// Ends all sessions of a subject that were not ended before, but for `except`, and
    /// returns their ids.
    ///
    /// Raises the subject's epoch first, and gives the new one to `except`. After it has
    /// returned no session that was opened before works, also one whose login is in flight.
    fn revoke_subject(
        &self,
        ending: &SubjectEnding,
    ) -> impl Future<Output = Result<Vec<SessionId>, Self::Error>> + Send;

    /// All sessions of a subject that are stored, ended or not, newest first.
    fn list(
        &self,
        subject: &Subject,
    ) -> impl Future<Output = Result<Vec<Committed<Session>>, Self::Error>> + Send;

    /// The private data of a session, or `None` if there is no such session.
    fn load_data(
        &self,
        id: SessionId,
    ) -> impl Future<Output = Result<Option<SessionData>, Self::Error>> + Send;

    /// Replaces the private data of a session if it is live at `write.at` and its data has
    /// `write.version`, in one atomic step.
    fn write_data(
        &self,
        write: &DataWrite,
    ) -> impl Future<Output = Result<DataWritten, Self::Error>> + Send;

    /// Deletes at most `limit` sessions whose `purge_at` is not after `before`, and returns
    /// how many.
    fn purge(
        &self,
        before: UnixTime,
        limit: u32,
    ) -> impl Future<Output = Result<u64, Self::Error>> + Send;

    /// The sessions that were ended at `since` or later and are still stored.
    fn revocations(
        &self,
        since: UnixTime,
    ) -> impl Future<Output = Result<Vec<Ended>, Self::Error>> + Send;

    /// Live notice of what is ended or changed: from here on each ending and each announced change
    /// arrives, once or more often, or a [`Notice::Gap`] or a lag says that some may not have. Endings are
    /// read again by the driver then; it forgets what it remembers of sessions that may have changed.
    fn subscribe(&self) -> broadcast::Receiver<Notice>;

    /// Sends a heartbeat on the way that notices take from node to node. It comes back to
    /// this node's subscribers as [`Notice::Heartbeat`], behind every notice that was sent
    /// before it: that proves the whole way, which silence cannot. Never answer it here.
    ///
    /// Gives whether it was sent. `false` is for stores whose notices do not leave the
    /// process: then only reading again tells what other processes end, and
    /// [`catch_up_interval`](Self::catch_up_interval) is how late that is.
    ///
    /// What a wrong implementation costs: a heartbeat that takes another way than the
    /// notices lets ended sessions live until the next reading.
    fn heartbeat(
        &self,
        heartbeat: Heartbeat,
    ) -> impl Future<Output = Result<bool, Self::Error>> + Send;

    /// Whether another process may have changed sessions since the last call, without a notice. It is
    /// asked with each reading, if notices do not leave the process; on `true` the driver forgets the
    /// sessions that it remembers. Default: `true`, which is never wrong.
    fn changed_elsewhere(&self) -> impl Future<Output = Result<bool, Self::Error>> + Send {
        std::future::ready(Ok(true))
    }

    /// How often [`revocations`](Self::revocations) must be read again although the store is
    /// subscribed to: short if notices do not cross processes.
    fn catch_up_interval(&self) -> Duration;

    /// Whether a call that failed with this error would fail again if it were repeated at once: a row
    /// that cannot be read, a right that is missing, no room. The driver then does not repeat it.
    /// Default: no.
    fn is_lasting(error: &Self::Error) -> bool {
        let _ = error;
        false
    }

    /// Whether a write that failed with this error has certainly changed nothing: the store was not reached,
    /// or has refused or undone it. Otherwise its outcome is unknown, the client is told so (504 instead of
    /// 503), and it repeats a refresh while the server still recognises the old token. Default: no, which is
    /// never wrong.
    ///
    /// What a wrong implementation costs: a client that is told 503 keeps to the old token for as long as
    /// its pauses grow, and if the write was done after all, its session ends as reused.
    fn wrote_nothing(error: &Self::Error) -> bool {
        let _ = error;
        false
    }
}

/// What became of an insert.
#[derive(Debug)]
#[must_use]
#[expect(clippy::exhaustive_enums, reason = "the contract has these outcomes")]
#[expect(clippy::large_enum_variant, reason = "used up at once")]
pub enum Created {
    /// It is stored.
    Applied(Committed<Session>),
    /// All sessions of the subject were ended since the epoch was noted.
    EpochPassed,
    /// There is a session with that id.
    IdTaken,
}

/// What became of a change.
#[derive(Debug)]
#[must_use]
#[expect(clippy::exhaustive_enums, reason = "the contract has these outcomes")]
pub enum Commit {
    /// The row as it was written.
    Applied(Committed<Session>),
    /// The condition did not hold; the row as it is now, if there is one.
    Missed(Option<Committed<Session>>),
}

impl Commit {
    /// The same after an attempt whose answer was lost: a session that missed the condition because it is what
    /// the change makes of it was written by that attempt. A touch is not looked for, since a deadline that is
    /// not moved costs nothing.
    pub fn or_written_before(self, change: &Change) -> Self {
        match self {
            Self::Missed(Some(session)) if is_written(change, &session) => Self::Applied(session),
            other => other,
        }
    }
}

fn is_written(change: &Change, session: &Session) -> bool {
    let written = match change {
        Change::Bind(bind) => session.binding == bind.to,
        // Nobody else can have derived that hash.
        Change::Rotate(rotation) => {
            session.generation == rotation.to && session.token_hash == rotation.to_hash
        }
        // One that is missed has found no live session.
        Change::Permit(_) | Change::Touch(_) => false,
    };
    written && session.revocation.is_none()
}

/// What became of an ending.
#[derive(Debug)]
#[must_use]
#[expect(clippy::exhaustive_enums, reason = "the contract has these outcomes")]
pub enum Revoke {
    /// There is no such session.
    Absent,
    /// It was ended before, by another call.
    Already(Committed<Session>),
    /// This call ended it.
    Applied(Committed<Session>),
}

/// Ends the sessions of a subject.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SubjectEnding {
    /// The subject whose sessions end.
    pub subject: Subject,
    /// The one that lives on.
    pub except: Option<SessionId>,
    /// Becomes `revocation` of the others.
    pub revocation: Revocation,
    /// Becomes `purge_at` of the others.
    pub purge_at: UnixTime,
}

impl SubjectEnding {
    /// Ends all sessions of `subject` but `except`.
    pub const fn new(
        subject: Subject,
        except: Option<SessionId>,
        revocation: Revocation,
        purge_at: UnixTime,
    ) -> Self {
        Self {
            subject,
            except,
            revocation,
            purge_at,
        }
    }
}

/// Replaces the private data of a session.
#[derive(Clone)]
#[non_exhaustive]
pub struct DataWrite {
    /// The session.
    pub id: SessionId,
    /// The version that the data must have; it becomes one more.
    pub version: u64,
    /// Becomes the JSON text.
    pub json: Option<Box<str>>,
    /// The instant at which the session must be live, by the clock of the node that asks.
    pub at: UnixTime,
}

impl DataWrite {
    /// Replaces the data of version `version` by `json`.
    pub const fn new(id: SessionId, version: u64, json: Option<Box<str>>, at: UnixTime) -> Self {
        Self {
            id,
            version,
            json,
            at,
        }
    }
}

impl fmt::Debug for DataWrite {
    /// The content is the application's and may be private.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DataWrite")
            .field("id", &self.id)
            .field("version", &self.version)
            .field("at", &self.at)
            .finish_non_exhaustive()
    }
}

/// What became of a write of private data.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
#[expect(clippy::exhaustive_enums, reason = "the contract has these outcomes")]
pub enum DataWritten {
    /// It is stored.
    Applied,
    /// Another write came first; the data as it is now.
    Moved(SessionData),
    /// The session has expired or was ended, or there is none.
    NotLive,
}

/// A session that was ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Ended {
    /// The session.
    pub id: SessionId,
    /// When it was ended, by the clock of the node that ended it.
    pub at: UnixTime,
}

impl Ended {
    /// The ending of the session `id` at `at`.
    pub const fn new(id: SessionId, at: UnixTime) -> Self {
        Self { id, at }
    }
}

/// A session that was changed, other than by being used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Changed {
    /// The session.
    pub id: SessionId,
    /// Its generation after the change. A session of a later generation, read elsewhere, is newer than
    /// this notice; one of the same generation may be older or newer.
    pub version: Generation,
}

impl Changed {
    /// The change of the session `id` that left it in generation `version`.
    pub const fn new(id: SessionId, version: Generation) -> Self {
        Self { id, version }
    }

    /// What to tell subscribers of a change that made the session what it is now, if it is announced.
    pub fn by(change: &Change, session: &Session) -> Option<Self> {
        Self::announces(change).then(|| Self::new(session.id, session.generation))
    }

    /// Whether other nodes have to be notified of a change, because what they remember of the session becomes wrong.
    ///
    /// A touch is not announced: a node that finds a deadline passed asks the store in any case. Neither is
    /// the rotation of a plain refresh. It replaces a refresh token, and a refresh token is always judged by
    /// the session in the store, so the notice would only cost every node something at each refresh. That holds
    /// for the rights that a hook changes then, too: only sessions of cookies are remembered.
    pub const fn announces(change: &Change) -> bool {
        match change {
            Change::Bind(_) | Change::Permit(_) => true,
            Change::Rotate(rotation) => matches!(rotation.by, RotatedBy::StepUp),
            Change::Touch(_) => false,
        }
    }
}

/// What a subscriber hears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a driver must heed each of them")]
pub enum Notice {
    /// A session was changed, other than by being used: what is remembered of it is not true any more.
    Changed(Changed),
    /// A session was ended.
    Ended(Ended),
    /// Notices may have been missed, or may be missed from now on.
    Gap,
    /// A heartbeat, from this node or another.
    Heartbeat(Heartbeat),
    /// After a gap: from here on nothing is missed.
    Resumed,
}

/// A sign of life: 16 bytes that no other node and no other moment has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Heartbeat([u8; 16]);

impl Heartbeat {
    /// A heartbeat as it was sent.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// What is to be sent.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}
