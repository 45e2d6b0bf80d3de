//! The revocation view with what is known of its completeness.
//!
//! A node checks access tokens by this view without asking the store, so it has to know when the
//! view is complete: silence may mean that nothing was ended, or that the connection is dead. The
//! sessions that it remembers ([`SessionCache`]) are true under the same condition. Here is the state
//! alone; the tasks that move it are in `manager/follow.rs`.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use token_core::{PRODUCT, SessionId, UnixTime};
use tokio::sync::{Notify, broadcast};
use tokio::time::Instant;
use tracing::error;

use crate::revocation_view::RevocationView;
use crate::session_cache::{Known, Load, SessionCache};
use crate::store::{Changed, Ended, Heartbeat, Notice};
use crate::waiters::Waiters;

/// How many heartbeats are remembered until they come back. Older ones are given up, so that a way
/// that is dead costs no memory.
const REMEMBERED: usize = 16;

/// How far the clock of the node may move more or less than time passed before that counts as a jump: it was
/// set, or the machine was suspended. Clocks are read in whole seconds, and slewed by NTP.
const JUMP: Duration = Duration::from_secs(5);

/// How often the feed reads and sends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FeedTiming {
    /// How often everything is read again.
    pub(crate) reading_interval: Duration,
    /// How often a heartbeat is sent.
    pub(crate) heartbeat_interval: Duration,
    /// How far before the point that was reached each reading begins: an ending that was asked for
    /// then may have become visible later, and clocks differ.
    pub(crate) overlap: Duration,
}

/// The view, and until when it counts as complete.
#[derive(Debug)]
pub(crate) struct Feed {
    pub(crate) timing: FeedTiming,
    /// Wakes the reader: something may have been missed.
    pub(crate) reading_wanted: Notify,
    /// Wakes the task that sends heartbeats: the way may be open again.
    pub(crate) heartbeat_wanted: Notify,
    /// Wakes the task that reports whether the view is behind.
    pub(crate) changed: Notify,
    pub(crate) waiters: Waiters,
    view: RevocationView,
    sessions: SessionCache,
    state: Mutex<State>,
    start: Instant,
    /// In milliseconds after `start`; 0 if the view is behind. It is beside the lock because each
    /// request reads it.
    live_until: AtomicU64,
    /// The same by the node's clock, in its seconds: a machine that was suspended has heard nothing
    /// meanwhile, and its `Instant` may have stood still.
    live_until_time: AtomicU64,
    /// The latest time at which the view was proved or forgot, in seconds: to a clock that was ahead and is
    /// set right it says nothing, since it has forgotten too much.
    live_from_time: AtomicU64,
}

/// Gaps are numbered. The view is complete if the last gap was followed by a heartbeat that came
/// back and then by a reading: the heartbeat proves that the subscription works again, and the
/// reading brings what was ended before it did.
#[derive(Debug)]
struct State {
    /// Everything that was ended up to then was read.
    read_until: Option<UnixTime>,
    /// What had ended long before then was forgotten.
    forgot_at: UnixTime,
    /// When the last heartbeat was about to be sent.
    beat: Option<Moment>,
    /// How often notices may have been missed. The first time is before the start.
    gaps: u64,
    /// The last gap after which a heartbeat came back.
    heartbeat_after: u64,
    /// The last gap after which, and after whose heartbeat, everything was read again.
    read_after: u64,
    /// The view is complete as of then, unless a gap is open.
    complete_as_of: Moment,
    /// How often the view had no room for an ending.
    dropped: u64,
    /// Up to which of these it was read again, with room.
    refilled: u64,
    /// Notices do not leave the process: reading alone proves.
    polled: bool,
    /// Heartbeats since the last gap that have not come back, oldest first.
    sent: VecDeque<Sent>,
    /// The subscription that caught the view up, until a task follows it: between the two nothing
    /// may be missed.
    subscription: Option<broadcast::Receiver<Notice>>,
    followed: bool,
}

/// An instant by both clocks of the node.
#[derive(Clone, Copy, Debug)]
struct Moment {
    instant: Instant,
    time: UnixTime,
}

impl Moment {
    fn new(time: UnixTime) -> Self {
        let instant = Instant::now();
        Self { instant, time }
    }

    fn later(self, other: Self) -> Self {
        if other.instant >= self.instant {
            other
        } else {
            self
        }
    }

    /// Whether the clock was set between the two, or the machine suspended.
    fn is_jump(self, earlier: Self) -> bool {
        let expected = earlier.time + self.instant.duration_since(earlier.instant);
        expected.since(self.time).max(self.time.since(expected)) > JUMP
    }
}

/// A heartbeat that has not come back.
#[derive(Debug)]
struct Sent {
    heartbeat: Heartbeat,
    at: Moment,
    /// Whether the store has said that it took it. One that it refused was never on the way, and its
    /// absence says nothing.
    accepted: bool,
}

/// A reading of what was ended, from its beginning on.
#[derive(Debug)]
pub(crate) struct Reading {
    pub(crate) since: UnixTime,
    begun: Moment,
    /// What the state was when the reading began: what happened meanwhile, it may not have seen.
    gaps: u64,
    dropped: u64,
    /// Whether a heartbeat has come back since the last gap: then nothing falls between this reading
    /// and the notices.
    proves: bool,
    /// Whether the clock was set back since something was forgotten by it: everything is read.
    forgot_too_much: bool,
}

impl Feed {
    pub(crate) fn new(view: RevocationView, sessions: SessionCache, timing: FeedTiming) -> Self {
        let start = Instant::now();
        Self {
            timing,
            reading_wanted: Notify::new(),
            heartbeat_wanted: Notify::new(),
            changed: Notify::new(),
            waiters: Waiters::default(),
            view,
            sessions,
            state: Mutex::new(State {
                read_until: None,
                forgot_at: UnixTime::EPOCH,
                beat: None,
                // Nothing was heard before the start, so the view begins behind.
                gaps: 1,
                heartbeat_after: 0,
                read_after: 0,
                complete_as_of: Moment {
                    instant: start,
                    time: UnixTime::EPOCH,
                },
                dropped: 0,
                refilled: 0,
                polled: false,
                sent: VecDeque::new(),
                subscription: None,
                followed: false,
            }),
            start,
            live_until: AtomicU64::new(0),
            live_until_time: AtomicU64::new(0),
            live_from_time: AtomicU64::new(0),
        }
    }

    pub(crate) fn contains(&self, session: SessionId) -> bool {
        self.view.contains(session)
    }

    /// How many ended sessions the view holds.
    pub(crate) fn len(&self) -> usize {
        self.view.len()
    }

    /// Whether it is complete as of a moment ago, for one whose clock says `now`.
    pub(crate) fn is_complete(&self, now: UnixTime) -> bool {
        let until = self.live_until.load(Ordering::Acquire);
        until != 0 && millis(self.start.elapsed()) <= until && self.is_in_time(now)
    }

    /// Whether the clock has not jumped since the view was proved.
    fn is_in_time(&self, now: UnixTime) -> bool {
        let from = self.live_from_time.load(Ordering::Acquire);
        let until = self.live_until_time.load(Ordering::Acquire);
        (from..=until).contains(&now.as_secs())
    }

    /// The sessions that are remembered. Ask [`is_complete`](Self::is_complete) first: what is remembered is true
    /// only as long as the feed is live.
    pub(crate) const fn sessions(&self) -> &SessionCache {
        &self.sessions
    }

    /// Call it before a session is read from the store that shall be remembered; `None` if it shall not.
    /// While the feed is behind nothing is: what is read then may be changed without a notice.
    pub(crate) fn begin_load(&self, id: SessionId, now: UnixTime) -> Option<Load> {
        self.sessions.is_on().then_some(())?;
        // In this order: a gap that is noticed before the first shows in the second, and one that is noticed
        // after it makes the load void.
        let load = self.sessions.begin(id)?;
        self.is_complete(now).then_some(load)
    }

    /// Remembers a session that was read, unless something was heard meanwhile.
    pub(crate) fn finish_load(&self, load: &Load, session: &Known, now: UnixTime) {
        self.sessions.finish(load, session, now);
    }

    /// When it will count as behind if nothing happens; `None` if it does already.
    pub(crate) fn live_until(&self) -> Option<Instant> {
        let until = self.live_until.load(Ordering::Acquire);
        (until != 0).then(|| self.start + Duration::from_millis(until))
    }

    pub(crate) fn forget_changed(&self, changed: Changed) {
        self.sessions.forget_changed(changed);
    }

    pub(crate) fn insert(&self, ended: Ended) {
        self.sessions.forget(ended.id);
        if self.view.insert(ended.id, ended.at).is_err() {
            // Without room it does not know all: behind, until it is caught up again.
            let mut state = self.state();
            if !state.is_full() {
                error!(
                    target: PRODUCT,
                    "the revocation view is full and counts as behind; raise `view_capacity`"
                );
            }
            state.dropped += 1;
            self.publish(&state);
        }
        self.waiters.wake(ended.id);
    }

    /// Notices may have been missed: behind, until a heartbeat has come back and everything
    /// was read again after that.
    pub(crate) fn interrupt(&self) {
        let mut state = self.state();
        state.gaps += 1;
        // One that was sent before the gap proves nothing about the time after it.
        state.sent.clear();
        self.publish(&state);
        // Under the same lock: the gap cannot be closed before they are forgotten.
        self.sessions.clear();
        drop(state);
        self.heartbeat_wanted.notify_one();
    }

    /// Notes a heartbeat that is about to be sent: it may be back before the store has answered, and
    /// would not be known then.
    pub(crate) fn sends(&self, heartbeat: Heartbeat, now: UnixTime) {
        let at = Moment::new(now);
        let mut state = self.state();
        let jumped = state.beat.is_some_and(|earlier| at.is_jump(earlier));
        state.beat = Some(at);
        if jumped {
            // What was forgotten, or missed, is read again.
            drop(state);
            self.interrupt();
            state = self.state();
        }
        // The oldest is given up: on a way that works it would have been back long ago.
        if state.sent.len() == REMEMBERED {
            state.sent.pop_front();
        }
        state.sent.push_back(Sent {
            heartbeat,
            at,
            accepted: false,
        });
    }

    /// The store has accepted a heartbeat, or says that notices do not leave this process.
    pub(crate) fn sent(&self, heartbeat: Heartbeat, accepted: bool) {
        let mut state = self.state();
        if !accepted {
            state.polled = true;
            state.sent.clear();
            return;
        }
        let mut sent = state.sent.iter_mut();
        if let Some(sent) = sent.find(|sent| sent.heartbeat == heartbeat) {
            sent.accepted = true;
        }
    }

    /// A heartbeat came. What was sent before it on the same way has come too; if another
    /// heartbeat has not, notices may have been lost like it.
    pub(crate) fn hears(&self, heartbeat: Heartbeat) {
        let mut state = self.state();
        let mut sent = state.sent.iter();
        let Some(place) = sent.position(|sent| sent.heartbeat == heartbeat) else {
            return; // another node's, or from before a gap
        };
        let lost = state.sent.drain(..place).any(|sent| sent.accepted);
        let Some(sent) = state.sent.pop_front().filter(|_| !lost) else {
            drop(state);
            return self.interrupt();
        };
        if state.read_after == state.gaps {
            // Everything that was ended before it was sent has been heard of.
            state.complete_as_of = state.complete_as_of.later(sent.at);
            self.raise_from(sent.at.time);
            self.publish(&state);
        } else if state.heartbeat_after != state.gaps {
            // The first one after a gap: notices come again, so that a reading closes the gap.
            state.heartbeat_after = state.gaps;
            self.reading_wanted.notify_one();
        }
    }

    /// Begins to read what was ended since the last time, less the overlap.
    pub(crate) fn begin_reading(&self, now: UnixTime) -> Reading {
        let begun = Moment::new(now);
        let mut state = self.state();
        // What a clock that was ahead took for long ago was forgotten, perhaps before a reading that failed.
        let forgot_too_much = state.forgot_at > now;
        state.forgot_at = state.forgot_at.max(now);
        // First: by this clock alone the view is complete after it.
        self.raise_from(now);
        self.view.forget_before(now);
        let all = now - self.view.retention();
        // What had no room was dropped: then everything is read again too.
        let since = match state.read_until {
            Some(until) if !forgot_too_much && !state.is_full() => until - self.timing.overlap,
            _ => all,
        };
        Reading {
            since: since.max(all),
            begun,
            gaps: state.gaps,
            dropped: state.dropped,
            proves: state.polled || state.heartbeat_after == state.gaps,
            forgot_too_much,
        }
    }

    pub(crate) fn finish_reading(&self, reading: &Reading, ended: Vec<Ended>) {
        for ended in ended {
            // Those that it knows already change nothing.
            self.insert(ended);
        }
        let mut state = self.state();
        state.read_until = Some(reading.begun.time);
        // If a clock that was ahead had forgotten too much, everything was read again by the right one.
        state.forgot_at = reading.begun.time;
        // Also if no reading ended while it was ahead, so that `complete_as_of` knows nothing of that.
        if reading.forgot_too_much || reading.begun.is_jump(state.complete_as_of) {
            let from = from_time(reading.begun.time);
            self.live_from_time.store(from, Ordering::Release);
        }
        state.refilled = reading.dropped;
        // A gap that opened meanwhile is not closed by a reading that began before it.
        if reading.proves && reading.gaps == state.gaps {
            // If notices come, it is heartbeats that prove that they still do; a reading only
            // closes a gap.
            if state.polled || state.read_after != reading.gaps {
                state.complete_as_of = state.complete_as_of.later(reading.begun);
            }
            state.read_after = reading.gaps;
        }
        self.publish(&state);
    }

    pub(crate) fn is_full(&self) -> bool {
        self.state().is_full()
    }

    /// Whether changes in other processes have to be asked for, since no notice tells them.
    pub(crate) fn is_polled(&self) -> bool {
        self.state().polled
    }

    /// Keeps the subscription that caught the view up for the task that will follow it, unless one
    /// does already.
    pub(crate) fn keep_subscription(&self, notices: broadcast::Receiver<Notice>) {
        let mut state = self.state();
        if !state.followed {
            state.subscription = Some(notices);
        }
    }

    /// The subscription that caught the view up, if it was kept.
    pub(crate) fn start_following(&self) -> Option<broadcast::Receiver<Notice>> {
        let mut state = self.state();
        state.followed = true;
        state.subscription.take()
    }

    /// Nobody follows any more: what comes now is missed.
    pub(crate) fn stop_following(&self) {
        self.state().followed = false;
        self.interrupt();
    }

    fn raise_from(&self, time: UnixTime) {
        self.live_from_time
            .fetch_max(from_time(time), Ordering::AcqRel);
    }

    /// Says until when the view counts as complete, to those who check tokens.
    fn publish(&self, state: &State) {
        let patience = if state.polled {
            self.timing.reading_patience()
        } else {
            self.timing.heartbeat_patience()
        };
        // A view without room lacks endings, however well notices come.
        let live = state.read_after == state.gaps && !state.is_full();
        let Moment { instant, time } = state.complete_as_of;
        let until = (time + patience + JUMP).as_secs();
        self.live_until_time.store(until, Ordering::Release);
        let until = instant.duration_since(self.start) + patience;
        let until = if live { millis(until) } else { 0 };
        self.live_until.store(until, Ordering::Release);
        self.changed.notify_one();
    }

    /// Each field is right by itself, so that a panic elsewhere has left nothing half-done.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn is_full(&self) -> bool {
        self.dropped != self.refilled
    }
}

impl FeedTiming {
    /// How long the view counts as complete after a heartbeat was sent: one may be late.
    pub(crate) fn heartbeat_patience(&self) -> Duration {
        self.heartbeat_interval * 5 / 2
    }

    /// The same after a reading, if nothing else proves: two may fail.
    fn reading_patience(&self) -> Duration {
        self.reading_interval * 3 + Duration::from_secs(1)
    }
}

/// The first second at which what was proved or forgotten at this time holds.
fn from_time(time: UnixTime) -> u64 {
    time.as_secs().saturating_sub(JUMP.as_secs())
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
