//! The revocation view with what is known of its completeness.
//!
//! Here is the state alone; what moves it stands in `follow`.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use token_core::session::RevocationView;
use token_core::{SessionId, UnixTime};
use tokio::sync::{Notify, broadcast};
use tokio::time::Instant;
use tracing::error;

use crate::store::{Ended, Heartbeat, Notice};
use crate::waiting::Waiting;

/// How access tokens of ended sessions are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[expect(clippy::exhaustive_enums, reason = "the view, the store, or neither")]
pub enum RevocationCheck {
    /// By the view in memory, fed by the store: no store call a request.
    Feed(WhenBehind),
    /// Not at all: an access token lives to its end.
    None,
    /// By the store, at each request.
    #[default]
    Store,
}

/// What to do with an access token while the view may be incomplete.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[expect(clippy::exhaustive_enums, reason = "believe the token, ask, or refuse")]
pub enum WhenBehind {
    /// Accept it: an ended session may be used until its access token expires.
    Accept,
    /// Ask the store, as long as the view is behind.
    #[default]
    AskStore,
    /// Answer 503 until the view has caught up.
    Refuse,
}

/// Heartbeats that are remembered until they come back. Those before are given up.
const REMEMBERED: usize = 16;

/// What is known of the revocation view's completeness.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "complete, not, or not asked for")]
pub enum FeedState {
    /// Something may be missing: [`WhenBehind`] decides.
    Behind,
    /// It is complete as of a moment ago.
    Live,
    /// Access tokens are not checked by the view.
    Off,
}

impl FeedState {
    /// The word for people and programs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Behind => "behind",
            Self::Live => "live",
            Self::Off => "off",
        }
    }
}

/// How often things happen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rhythm {
    /// How often everything is read again.
    pub(crate) catch_up: Duration,
    /// How often a heartbeat is sent.
    pub(crate) heartbeat: Duration,
    /// What is read again at each reading, before the point that was reached: an ending that
    /// was asked for then may have become visible later, and clocks differ.
    pub(crate) overlap: Duration,
}

/// The view, and until when it counts as complete.
#[derive(Debug)]
pub(crate) struct Feed {
    pub(crate) rhythm: Rhythm,
    /// Wakes the reader: something may have been missed.
    pub(crate) reading_wanted: Notify,
    /// Wakes the one that sends heartbeats: the way may be open again.
    pub(crate) heartbeat_wanted: Notify,
    /// Wakes the one that reports whether the view is behind.
    pub(crate) changed: Notify,
    pub(crate) waiting: Waiting,
    view: RevocationView,
    state: Mutex<State>,
    start: Instant,
    /// In milliseconds after `start`; 0: it is behind.
    live_until: AtomicU64,
}

#[derive(Debug)]
struct State {
    /// Everything up to then was read.
    read_until: Option<UnixTime>,
    /// How often notices may have been missed. The first time is before the start.
    gaps: u64,
    /// The last gap after which a heartbeat was sent and came back.
    heard: u64,
    /// The last gap after which everything was read again.
    mended: u64,
    /// The view is complete as of then, where no gap is open.
    proven: Instant,
    /// How often the view had no room for an ending.
    dropped: u64,
    /// Up to which of these it was read again, with room.
    refilled: u64,
    /// Notices do not leave the process: reading alone proves.
    polled: bool,
    /// Heartbeats since the last gap that have not come back.
    sent: VecDeque<Sent>,
    /// Subscribed when the view was first caught up, for the one that follows from then on.
    notices: Option<broadcast::Receiver<Notice>>,
    followed: bool,
}

/// A heartbeat that has not come back.
#[derive(Debug)]
struct Sent {
    heartbeat: Heartbeat,
    at: Instant,
    /// The store has said that it took it.
    taken: bool,
}

/// A reading of what was ended, from its beginning on.
#[derive(Debug)]
pub(crate) struct Reading {
    pub(crate) since: UnixTime,
    now: UnixTime,
    begun: Instant,
    gaps: u64,
    dropped: u64,
    /// A heartbeat has come back since the last gap: nothing falls between this reading and
    /// the notices.
    proves: bool,
}

impl Feed {
    pub(crate) fn new(view: RevocationView, rhythm: Rhythm) -> Self {
        let start = Instant::now();
        Self {
            rhythm,
            reading_wanted: Notify::new(),
            heartbeat_wanted: Notify::new(),
            changed: Notify::new(),
            waiting: Waiting::default(),
            view,
            state: Mutex::new(State {
                read_until: None,
                gaps: 1,
                heard: 0,
                mended: 0,
                proven: start,
                dropped: 0,
                refilled: 0,
                polled: false,
                sent: VecDeque::new(),
                notices: None,
                followed: false,
            }),
            start,
            live_until: AtomicU64::new(0),
        }
    }

    pub(crate) fn contains(&self, session: SessionId) -> bool {
        self.view.contains(session)
    }

    /// How many ended sessions the view holds.
    pub(crate) fn len(&self) -> usize {
        self.view.len()
    }

    /// Whether it is complete as of a moment ago.
    pub(crate) fn is_live(&self) -> bool {
        let until = self.live_until.load(Ordering::Acquire);
        until != 0 && millis(self.start.elapsed()) <= until
    }

    /// When it will count as behind if nothing happens; `None` where it does.
    pub(crate) fn live_until(&self) -> Option<Instant> {
        let until = self.live_until.load(Ordering::Acquire);
        (until != 0).then(|| self.start + Duration::from_millis(until))
    }

    pub(crate) fn insert(&self, ended: Ended) {
        if self.view.insert(ended.id, ended.at).is_err() {
            // Without room it does not know all: behind, until it is caught up again.
            let mut state = self.state();
            if !state.is_full() {
                error!("the revocation view is full and counts as behind");
            }
            state.dropped += 1;
            self.publish(&state);
        }
        self.waiting.wake(ended.id);
    }

    /// Notices may have been missed: behind, until a heartbeat has come back and everything
    /// was read again after that.
    pub(crate) fn interrupt(&self) {
        let mut state = self.state();
        state.gaps += 1;
        state.sent.clear();
        self.publish(&state);
        drop(state);
        self.heartbeat_wanted.notify_one();
    }

    /// A heartbeat is about to be sent.
    pub(crate) fn sends(&self, heartbeat: Heartbeat) {
        let mut state = self.state();
        if state.sent.len() == REMEMBERED {
            state.sent.pop_front();
        }
        state.sent.push_back(Sent {
            heartbeat,
            at: Instant::now(),
            taken: false,
        });
    }

    /// The store has taken a heartbeat, or says that notices do not leave this process.
    pub(crate) fn sent(&self, heartbeat: Heartbeat, taken: bool) {
        let mut state = self.state();
        if !taken {
            state.polled = true;
            state.sent.clear();
            return;
        }
        let mut sent = state.sent.iter_mut();
        if let Some(sent) = sent.find(|sent| sent.heartbeat == heartbeat) {
            sent.taken = true;
        }
    }

    /// A heartbeat came. What was sent before it on the same way has come too; where another
    /// heartbeat has not, notices may have been lost like it.
    pub(crate) fn hears(&self, heartbeat: Heartbeat) {
        let mut state = self.state();
        let mut sent = state.sent.iter();
        let Some(place) = sent.position(|sent| sent.heartbeat == heartbeat) else {
            return; // another node's, or from before a gap
        };
        let lost = state.sent.drain(..place).any(|sent| sent.taken);
        let Some(sent) = state.sent.pop_front().filter(|_| !lost) else {
            drop(state);
            return self.interrupt();
        };
        if state.mended == state.gaps {
            state.proven = state.proven.max(sent.at);
            self.publish(&state);
        } else if state.heard != state.gaps {
            state.heard = state.gaps;
            self.reading_wanted.notify_one();
        }
    }

    /// Begins to read what was ended since the last time, less the overlap.
    pub(crate) fn begin_reading(&self, now: UnixTime) -> Reading {
        self.view.forget_before(now);
        let state = self.state();
        let all = now - self.view.retention();
        // What had no room was dropped, and what a clock that was ahead took for long ago was
        // forgotten: then everything is read again.
        let since = match state.read_until {
            Some(until) if until <= now && !state.is_full() => until - self.rhythm.overlap,
            _ => all,
        };
        Reading {
            since: since.max(all),
            now,
            begun: Instant::now(),
            gaps: state.gaps,
            dropped: state.dropped,
            proves: state.polled || state.heard == state.gaps,
        }
    }

    pub(crate) fn finish_reading(&self, reading: &Reading, ended: Vec<Ended>) {
        for ended in ended {
            // What it knows is there already, and nobody waits for it any more.
            self.insert(ended);
        }
        let mut state = self.state();
        state.read_until = Some(reading.now);
        state.refilled = reading.dropped;
        if reading.proves && reading.gaps == state.gaps {
            // Where notices come, heartbeats prove that they still do; reading mends alone.
            if state.polled || state.mended != reading.gaps {
                state.proven = state.proven.max(reading.begun);
            }
            state.mended = reading.gaps;
        }
        self.publish(&state);
    }

    pub(crate) fn is_full(&self) -> bool {
        self.state().is_full()
    }

    /// Keeps a subscription for the one that will follow, where nobody does yet.
    pub(crate) fn keep(&self, notices: broadcast::Receiver<Notice>) {
        let mut state = self.state();
        if !state.followed {
            state.notices = Some(notices);
        }
    }

    /// The subscription of whoever caught the view up.
    pub(crate) fn follow(&self) -> Option<broadcast::Receiver<Notice>> {
        let mut state = self.state();
        state.followed = true;
        state.notices.take()
    }

    /// Nobody follows any more: what comes now is missed.
    pub(crate) fn leave(&self) {
        self.state().followed = false;
        self.interrupt();
    }

    fn publish(&self, state: &State) {
        let patience = if state.polled {
            self.rhythm.polled_patience()
        } else {
            self.rhythm.told_patience()
        };
        let live = state.mended == state.gaps && !state.is_full();
        let until = state.proven.duration_since(self.start) + patience;
        let until = if live { millis(until) } else { 0 };
        self.live_until.store(until, Ordering::Release);
        self.changed.notify_one();
    }

    /// A panic of another thread cannot leave it half-written: each field stands for itself.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn is_full(&self) -> bool {
        self.dropped != self.refilled
    }
}

impl Rhythm {
    /// How long the view counts as complete after a heartbeat was sent: one may be late.
    pub(crate) fn told_patience(&self) -> Duration {
        self.heartbeat * 5 / 2
    }

    /// The same after a reading, where nothing else proves: two may fail.
    fn polled_patience(&self) -> Duration {
        self.catch_up * 3 + Duration::from_secs(1)
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
