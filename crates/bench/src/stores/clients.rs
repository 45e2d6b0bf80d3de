//! Clients that refresh stored sessions through the session manager.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use figures::middle::Middle;
use figures::stores::{Line, Sharing};
use token_core::{TokenIssuer, UnixTime};
use token_session::clock::Clock as _;
use token_session::test_util::TestClock;
use token_session::{SessionManager, SessionManagerBuilder, SessionStore};
use tokio::runtime::Runtime;
use tokio::sync::{Mutex, Semaphore};
use tokio::time::MissedTickBehavior;

use super::Effort;
use crate::operations::manager::{PAST_THE_GRACE, refresh_token};

/// The step through the sessions, so that they are not refreshed in their order on the disk. It visits
/// all of them if their number is not a multiple of it.
pub(super) const STRIDE: usize = 611_953;

/// The sessions of one store. Each is refreshed once before any is refreshed again.
#[derive(Debug)]
pub struct Clients {
    /// Each session's token, and an instant not earlier than its making.
    tokens: Vec<Mutex<(String, UnixTime)>>,
    next: AtomicUsize,
    clock: TestClock,
}

/// A clock that shows an early hour of the day, so that no measurement goes past midnight: the idle
/// deadline is moved once a day at most, and here it is not moved at all.
///
/// # Panics
/// Never: the year is before 10000.
pub fn clock() -> TestClock {
    let clock = TestClock::new();
    let day = 24 * 60 * 60;
    let early = day + 60 - clock.now().as_secs() % day;
    clock.advance(Duration::from_secs(early));
    clock
}

/// Builds a manager on a store, with a clock.
pub fn manager(
    store: impl SessionStore,
    issuer: TokenIssuer,
    clock: &TestClock,
) -> SessionManagerBuilder {
    SessionManager::builder(store, issuer).clock(clock.clone())
}

impl Clients {
    /// Clients with these refresh tokens.
    pub fn new(tokens: Vec<String>, clock: TestClock) -> Arc<Self> {
        let now = clock.now();
        let tokens = tokens.into_iter().map(|token| Mutex::new((token, now)));
        Arc::new(Self {
            tokens: tokens.collect(),
            next: AtomicUsize::new(0),
            clock,
        })
    }

    /// Refreshes the next session that was last refreshed before the grace began, so that the store has
    /// to write.
    ///
    /// # Errors
    /// The manager's error as a text, if the refresh fails.
    ///
    /// # Panics
    /// If the token that comes back is the old one: then nothing was measured.
    pub async fn refresh(&self, manager: &SessionManager) -> Result<(), String> {
        loop {
            let turn = self.next.fetch_add(1, Ordering::Relaxed);
            if turn.is_multiple_of(self.tokens.len()) {
                self.clock.advance(PAST_THE_GRACE);
            }
            let place = turn.wrapping_mul(STRIDE) % self.tokens.len();
            let place = self.tokens.get(place).expect("a remainder is below");
            let mut place = place.lock().await;
            let (token, made) = &*place;
            if self.clock.now() < *made + PAST_THE_GRACE {
                // If there are few sessions, one may come up again too soon after a client was delayed.
                continue;
            }
            let issued = manager.refresh(token, None).await;
            let issued = issued.map_err(|error| format!("{error}: {error:?}"))?;
            let new = refresh_token(&issued);
            assert_ne!(*token, new, "a refresh past the grace rotates");
            // Read after the answer: another client may have moved the clock on before the manager
            // read it, and a token must not seem older than it is.
            *place = (new, self.clock.now());
            return Ok(());
        }
    }

    /// Refreshes with so many clients at once for this long, and returns how many a second.
    ///
    /// # Panics
    /// If one is refused.
    pub async fn refresh_for(
        self: &Arc<Self>,
        manager: &SessionManager,
        clients: usize,
        time: Duration,
    ) -> f64 {
        let start = Instant::now();
        let clients = (0..clients).map(|_| {
            let (clients, manager) = (Arc::clone(self), manager.clone());
            tokio::spawn(async move {
                let mut done = 0;
                loop {
                    let refreshed = clients.refresh(&manager).await;
                    refreshed.expect("the token is good");
                    done += 1;
                    // Checked afterwards, so that at least one is done even if the machine stalls.
                    if start.elapsed() >= time {
                        return done;
                    }
                }
            })
        });
        let clients: Vec<_> = clients.collect();
        let mut done = 0;
        for client in clients {
            done += client.await.expect("it does not panic");
        }
        per_second(done, start.elapsed())
    }

    /// Refreshes at a steady rate for this long, and returns the 99th percentile of the milliseconds that
    /// each took.
    ///
    /// # Panics
    /// If a refresh fails.
    pub async fn p99(self: &Arc<Self>, way: &Sending, per_second: f64, time: Duration) -> f64 {
        let (each, start) = (Duration::from_secs_f64(1.0 / per_second), Instant::now());
        let refreshed = self.refresh_steadily(way, each, || start.elapsed() >= time);
        let (mut took, failed) = refreshed.await;
        assert_eq!(failed, [""; 0]);
        took.sort_by(f64::total_cmp);
        let p99 = took.get(took.len().saturating_sub(1) * 99 / 100);
        p99.copied().unwrap_or_default()
    }

    /// Compares refreshes that share transactions with refreshes that are each sent alone, in turn, at a quarter
    /// of what the limit does at most by these lines: about as much as each store did without sharing.
    ///
    /// # Panics
    /// If a refresh fails.
    pub fn sharing(
        self: &Arc<Self>,
        runtime: &Runtime,
        [shared, alone]: [&Sending; 2],
        (lines, limit, sessions): (&[Line], &str, u32),
        effort: &Effort,
    ) -> Option<Sharing> {
        let mut lines = lines.iter();
        let line = lines.find(|line| line.who == limit && line.sessions == sessions)?;
        let rate = line.per_second.median / 4.0;
        let time = Duration::from_secs(effort.seconds.into());
        let p99 = |way| runtime.block_on(self.p99(way, rate, time));
        let rounds = (0..effort.rounds).map(|_| (p99(shared), p99(alone)));
        let rounds: Vec<(f64, f64)> = rounds.collect();
        let middle = |of: fn(&(f64, f64)) -> f64| Middle::of(rounds.iter().map(of).collect());
        Some(Sharing {
            sessions,
            per_second: rate,
            shared: middle(|round| round.0),
            alone: middle(|round| round.1),
            ratio: middle(|round| round.0 / round.1),
        })
    }

    /// Begins a refresh at each tick of a steady rate, even if earlier ones are still under way, until
    /// `done` returns true. Returns how long each took, in milliseconds, and what went wrong.
    ///
    /// # Panics
    /// If a task panicked.
    pub async fn refresh_steadily(
        self: &Arc<Self>,
        way: &Sending,
        each: Duration,
        done: impl Fn() -> bool,
    ) -> (Vec<f64>, Vec<String>) {
        let mut ticks = tokio::time::interval(each);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let mut begun = Vec::new();
        while !done() {
            ticks.tick().await;
            let begun_at = Instant::now();
            let (clients, way) = (Arc::clone(self), way.clone());
            let turn = begun.len();
            begun.push(tokio::spawn(async move {
                let refreshed = way.refresh(&clients, turn).await;
                refreshed.map(|()| begun_at.elapsed().as_secs_f64() * 1e3)
            }));
        }
        let (mut took, mut failed) = (Vec::new(), Vec::new());
        for refresh in begun {
            match refresh.await.expect("it does not panic") {
                Ok(time) => took.push(time),
                Err(error) => failed.push(error),
            }
        }
        (took, failed)
    }
}

/// How refreshes are sent at a steady rate.
#[derive(Clone, Debug)]
pub struct Sending {
    /// Each takes its turn.
    managers: Vec<SessionManager>,
    /// How many are sent at once, if that is limited.
    at_once: Option<Arc<Semaphore>>,
}

impl Sending {
    /// As an application sends them.
    pub fn new(manager: SessionManager) -> Self {
        let (managers, at_once) = (vec![manager], None);
        Self { managers, at_once }
    }

    /// Spread over so many managers, each with a store of its own, that none has several refreshes to share.
    pub const fn spread(managers: Vec<SessionManager>) -> Self {
        let at_once = None;
        Self { managers, at_once }
    }

    /// One after the other.
    pub fn one_by_one(manager: SessionManager) -> Self {
        let at_once = Some(Arc::new(Semaphore::new(1)));
        let managers = vec![manager];
        Self { managers, at_once }
    }

    async fn refresh(&self, clients: &Clients, turn: usize) -> Result<(), String> {
        let _permit = match &self.at_once {
            Some(at_once) => at_once.acquire().await.ok(),
            None => None,
        };
        let manager = self.managers.get(turn % self.managers.len());
        clients
            .refresh(manager.expect("a remainder is below"))
            .await
    }
}

/// A count in a time as a count in a second.
#[expect(clippy::cast_precision_loss, reason = "counts of some seconds")]
pub fn per_second(count: usize, time: Duration) -> f64 {
    count as f64 / time.as_secs_f64()
}
