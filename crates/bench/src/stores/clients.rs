//! Clients that refresh stored sessions through the session manager.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use figures::stores::Line;
use token_core::{TokenIssuer, UnixTime};
use token_session::clock::Clock as _;
use token_session::test_util::TestClock;
use token_session::{SessionManager, SessionManagerBuilder, SessionStore};
use tokio::runtime::Runtime;
use tokio::sync::Mutex;
use tokio::time::MissedTickBehavior;

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
    pub async fn p99(
        self: &Arc<Self>,
        manager: &SessionManager,
        per_second: f64,
        time: Duration,
    ) -> f64 {
        let (each, start) = (Duration::from_secs_f64(1.0 / per_second), Instant::now());
        let refreshed = self.refresh_steadily(manager, each, || start.elapsed() >= time);
        let (mut took, failed) = refreshed.await;
        assert_eq!(failed, [""; 0]);
        took.sort_by(f64::total_cmp);
        let p99 = took.get(took.len().saturating_sub(1) * 99 / 100);
        p99.copied().unwrap_or_default()
    }

    /// The same in words, at a quarter of what many callers do at most by these lines.
    pub(super) fn p99_at_a_quarter(
        self: &Arc<Self>,
        runtime: &Runtime,
        manager: &SessionManager,
        (lines, who, sessions): (&[Line], &str, u32),
        time: Duration,
    ) -> Option<String> {
        let line = lines
            .iter()
            .find(|line| line.who == who && line.sessions == sessions)?;
        let rate = line.per_second.median / 4.0;
        let p99 = runtime.block_on(self.p99(manager, rate, time));
        Some(format!(
            "{who}: 99 % of refreshes take at most {p99:.2} ms at {} a second, a quarter of the most",
            figures::number::number(rate.round()),
        ))
    }

    /// Begins a refresh at each tick of a steady rate, even if earlier ones are still under way, until
    /// `over` returns true. Returns how long each took, in milliseconds, and what went wrong.
    ///
    /// # Panics
    /// If a task panicked.
    pub async fn refresh_steadily(
        self: &Arc<Self>,
        manager: &SessionManager,
        each: Duration,
        over: impl Fn() -> bool,
    ) -> (Vec<f64>, Vec<String>) {
        let mut ticks = tokio::time::interval(each);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let mut begun = Vec::new();
        while !over() {
            ticks.tick().await;
            let begun_at = Instant::now();
            let (clients, manager) = (Arc::clone(self), manager.clone());
            begun.push(tokio::spawn(async move {
                let refreshed = clients.refresh(&manager).await;
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

/// A count in a time as a count in a second.
#[expect(clippy::cast_precision_loss, reason = "counts of some seconds")]
pub fn per_second(count: usize, time: Duration) -> f64 {
    count as f64 / time.as_secs_f64()
}
