//! A store that is slow, between a request and what the manager decides on: nobody is logged out
//! for it. Time is tokio's, which stands still while anything can run, so nothing here waits.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::pin::Pin;
use std::time::Duration;

use token_core::{Policy, Session, UnixTime};
use token_session::clock::Clock;
use token_session::hook::{HookAnswer, RefreshHook};
use token_session::test_util::{Injected, Trouble, TroubledStore, test_issuer};
use token_session::{Issued, ManagerError, MemoryStore, NewSession, RefreshError, SessionManager};
use tokio::time::{Instant, sleep, sleep_until};

tokio::task_local! {
    /// How long each write of the request hangs before it is done.
    static HANG: Duration;
    /// How long the application takes to answer.
    static ASK: Duration;
}

struct SlowHook;

impl RefreshHook for SlowHook {
    fn on_refresh<'a>(
        &'a self,
        _: &'a Session,
    ) -> Pin<Box<dyn Future<Output = HookAnswer> + Send + 'a>> {
        Box::pin(async {
            sleep(ASK.try_with(|ask| *ask).unwrap_or_default()).await;
            HookAnswer::Keep
        })
    }
}

/// A store whose writes hang for as long as the request says.
#[derive(Clone, Copy, Debug)]
struct Slow;

impl Trouble for Slow {
    async fn before(&self, call: &'static str) -> Result<(), Injected> {
        if let ("commit", Ok(hang)) = (call, HANG.try_with(|hang| *hang)) {
            sleep(hang).await;
        }
        Ok(())
    }
}

/// A clock that moves with tokio's.
#[derive(Clone, Copy, Debug)]
struct Wall(Instant);

impl Clock for Wall {
    fn now(&self) -> UnixTime {
        UnixTime::from_secs(1_700_000_000).unwrap() + self.0.elapsed()
    }
}

struct World {
    manager: SessionManager,
    start: Instant,
}

impl World {
    fn new(policy: Policy) -> Self {
        let start = Instant::now();
        let store = TroubledStore::new(MemoryStore::new(10, &[7; 32]), Slow);
        let builder = SessionManager::builder(store, test_issuer(policy)).clock(Wall(start));
        Self {
            manager: builder.build().unwrap(),
            start,
        }
    }

    async fn login(&self) -> String {
        let ticket = self.manager.begin_login("alice".parse().unwrap());
        let login = self
            .manager
            .login(ticket.await.unwrap(), NewSession::default());
        token(&login.await.unwrap())
    }

    /// Refreshes at a time since the start, with writes that hang.
    async fn refresh(&self, token: &str, at: f64, hang: f64) -> Result<Issued, RefreshError> {
        sleep_until(self.start + Duration::from_secs_f64(at)).await;
        let refresh = self.manager.refresh(token, None);
        HANG.scope(Duration::from_secs_f64(hang), refresh).await
    }
}

fn token(issued: &Issued) -> String {
    issued.tokens().unwrap().refresh_token.secret().to_owned()
}

/// The repeat arrives within the grace, and its write hangs until another tab has refreshed again.
#[tokio::test(start_paused = true)]
async fn a_repeat_whose_write_hangs_does_not_log_the_user_out() {
    let world = World::new(Policy::default());
    let first = world.login().await;
    let second = token(&world.refresh(&first, 0.0, 0.0).await.unwrap());
    let repeat = world.refresh(&first, 30.9, 4.9);
    let other_tab = world.refresh(&second, 35.2, 0.0);
    let (repeat, other_tab) = tokio::join!(repeat, other_tab);
    assert_eq!(token(&repeat.unwrap()), second);
    assert_eq!(token(&other_tab.unwrap()), second);
    let third = world.refresh(&second, 45.0, 0.0).await.unwrap();
    assert_ne!(token(&third), second);
}

/// The application is asked while two other tabs refresh, one after the other. Nothing follows from
/// what the store shows so much later.
#[tokio::test(start_paused = true)]
async fn a_request_that_waited_for_longer_than_the_margin_ends_nothing() {
    let mut world = World::new(Policy::default());
    let store = MemoryStore::new(10, &[7; 32]);
    let builder = SessionManager::builder(store, test_issuer(Policy::default()));
    let builder = builder.clock(Wall(world.start)).on_refresh(SlowHook);
    world.manager = builder.build().unwrap();
    let first = world.login().await;
    let slow = ASK.scope(Duration::from_secs(60), world.refresh(&first, 0.0, 0.0));
    let others = async {
        let second = token(&world.refresh(&first, 1.0, 0.0).await.unwrap());
        token(&world.refresh(&second, 47.0, 0.0).await.unwrap())
    };
    let (slow, third) = tokio::join!(slow, others);
    assert!(matches!(slow, Err(RefreshError::Store(_))), "{slow:?}");
    assert!(world.refresh(&third, 100.0, 0.0).await.is_ok());
    // A thief who comes that late is not slow.
    let stolen = world.refresh(&first, 101.0, 0.0).await;
    let Err(RefreshError::Denied(denial)) = stolen else {
        panic!("not denied: {stolen:?}");
    };
    assert_eq!(denial.reason().as_str(), "reused");
}

/// A refresh, its repeat within the grace because the answer was lost, and a refresh of another tab
/// that has heard the answer: at every time that matters, and with writes that hang for as long as
/// they may.
#[tokio::test(start_paused = true)]
async fn no_schedule_of_three_requests_logs_the_user_out() {
    const HANGS: [f64; 3] = [0.0, 0.6, 4.9];
    let repeats = [5.2, 15.2, 25.2, 29.9, 30.0, 30.9];
    let others = (20..60).step_by(2).map(|second| 5.2 + f64::from(second));
    let mut schedules = 0;
    for other_at in others {
        for (repeat_at, hangs) in repeats.iter().flat_map(|at| {
            let hangs = HANGS.iter().flat_map(|one| HANGS.map(|two| (*one, two)));
            hangs.map(move |hangs| (*at, hangs))
        }) {
            schedules += 1;
            let world = World::new(Policy::default());
            let first = world.login().await;
            let second = token(&world.refresh(&first, 0.1, hangs.0).await.unwrap());
            let repeat = world.refresh(&first, repeat_at, hangs.1);
            let other = world.refresh(&second, other_at, hangs.0);
            let (repeat, other) = tokio::join!(repeat, other);
            assert_eq!(
                token(&repeat.unwrap()),
                second,
                "{repeat_at} {other_at} {hangs:?}"
            );
            let latest = token(&other.unwrap());
            assert!(world.refresh(&latest, 100.0, 0.0).await.is_ok());
        }
    }
    assert_eq!(schedules, 20 * 6 * 9);
}

#[tokio::test]
async fn a_margin_that_is_shorter_than_the_store_may_take_twice_is_refused() {
    let build = |margin, timeout| {
        let policy = Policy::builder().store_margin(Duration::from_secs(margin));
        let issuer = test_issuer(policy.build().unwrap());
        SessionManager::builder(MemoryStore::new(10, &[7; 32]), issuer)
            .store_timeout(Duration::from_millis(timeout))
            .build()
    };
    assert!(build(10, 5000).is_ok());
    assert!(build(1, 500).is_ok());
    assert!(build(120, 60_000).is_ok());
    let error = build(10, 5001).unwrap_err();
    assert!(matches!(error, ManagerError::StoreMargin { .. }));
    assert_eq!(
        error.to_string(),
        "a store margin of 10s is too short for a store time-out of 5.001s; give the policy a \
         `store_margin` of at least 11s"
    );
}

/// With a grace of 0 nothing is ever replayed, so there is nothing that a margin could keep.
#[tokio::test]
async fn without_a_grace_there_is_no_margin_to_keep() {
    let policy = Policy::builder().grace(Duration::ZERO);
    let policy = policy.store_margin(Duration::ZERO).build().unwrap();
    let builder = SessionManager::builder(MemoryStore::new(10, &[7; 32]), test_issuer(policy));
    assert!(builder.build().is_ok());
}
