//! Many clients on two nodes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use token_core::Policy;
use token_session::test_util::{TestClock, test_issuer};
use token_session::{SessionManager, SessionStore};
use tokio::task::JoinSet;

use crate::client::{Client, Count};

/// The store's time-out of the managers: a fifth of the default, as all limits here.
pub(crate) const STORE_TIMEOUT: Duration = Duration::from_secs(1);

/// How long a server stands still: for longer than any request may take, and so would a request that
/// waited for it.
pub(crate) const STILL: Duration = Duration::from_secs(12);

const CLIENTS: u64 = 8;
/// The least that a phase takes.
const MOMENT: Duration = Duration::from_millis(400);
/// How many requests are answered in a phase without a fault, by whatever machine.
const WORK: u64 = 10 * CLIENTS;
/// How long a machine may take to that.
const PATIENCE: Duration = Duration::from_mins(2);

/// Opens a store again and again: a busy machine may miss its limits.
pub(crate) async fn opened<S, E: std::fmt::Debug>(open: impl AsyncFn() -> Result<S, E>) -> S {
    let start = Instant::now();
    loop {
        match open().await {
            Ok(store) => return store,
            Err(error) => assert!(start.elapsed() < PATIENCE, "{error:?}"),
        }
    }
}

/// Clients that go on until they are told to stop.
pub(crate) struct Load {
    over: Arc<AtomicBool>,
    gives_up: Arc<AtomicBool>,
    count: Arc<Count>,
    clients: JoinSet<Client>,
}

impl Load {
    pub(crate) fn start<S: SessionStore>(nodes: [S; 2], policy: &Policy) -> Self {
        let seed = std::env::var("HALLPASS_SEED").ok();
        let seed = seed.map_or_else(|| fastrand::u64(..), |seed| seed.parse().unwrap());
        println!("HALLPASS_SEED={seed}");
        let nodes = nodes.map(Arc::new);
        let mut load = Self {
            over: Arc::default(),
            gives_up: Arc::default(),
            count: Arc::default(),
            clients: JoinSet::new(),
        };
        for number in 0..CLIENTS {
            let clock = TestClock::new();
            // One node repeats what fails, and the other leaves that to its clients.
            let managers = [(&nodes[0], 1), (&nodes[1], 0)].map(|(store, retries)| {
                let issuer = test_issuer(policy.clone());
                let builder = SessionManager::builder(Arc::clone(store), issuer);
                let builder = builder.clock(clock.clone()).store_timeout(STORE_TIMEOUT);
                let builder = builder.store_retries(retries).view_capacity(16);
                builder.build().unwrap()
            });
            let (gives_up, over) = (Arc::clone(&load.gives_up), Arc::clone(&load.over));
            let count = Arc::clone(&load.count);
            let mut client = Client::new(managers, clock, gives_up, count, number, seed);
            load.clients.spawn(async move {
                while !over.load(Ordering::SeqCst) {
                    client.step().await;
                }
                client
            });
        }
        load
    }

    /// Lets it go on without a fault, until enough was answered.
    pub(crate) async fn work(&mut self) {
        let before = self.answered();
        self.run(MOMENT, |load| load.answered() >= before + WORK)
            .await;
    }

    /// Lets it go on under a fault, for so long and until somebody has noticed.
    pub(crate) async fn suffer(&mut self, time: Duration) {
        let before = self.failures();
        self.run(time, |load| load.failures() > before).await;
    }

    /// Lets it go on for so long, and until it has come to what was expected. A client that was
    /// told what is not true ends the test.
    pub(crate) async fn run(&mut self, time: Duration, done: impl Fn(&Self) -> bool) {
        let start = Instant::now();
        while start.elapsed() < time || !done(self) {
            assert!(start.elapsed() < time + PATIENCE, "it does not come to it");
            self.pause().await;
        }
    }

    fn answered(&self) -> u64 {
        self.count.requests.load(Ordering::SeqCst) - self.failures()
    }

    fn failures(&self) -> u64 {
        self.count.failures.load(Ordering::SeqCst)
    }

    async fn pause(&mut self) {
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(20)) => {}
            client = self.clients.join_next() => match client {
                Some(Err(error)) => std::panic::resume_unwind(error.into_panic()),
                _ => panic!("a client went away"),
            },
        }
    }

    /// Stops it, and sees that everybody was told the truth, and that there was a fault.
    pub(crate) async fn check(self) {
        assert!(self.check_all().await > 0, "there was no fault");
    }

    /// Stops it, and sees that everybody was told the truth. Gives how many requests failed.
    pub(crate) async fn check_all(self) -> u64 {
        self.over.store(true, Ordering::SeqCst);
        let mut checks = JoinSet::new();
        for client in self.clients.join_all().await {
            checks.spawn(client.check());
        }
        checks.join_all().await;
        let requests = self.count.requests.load(Ordering::SeqCst);
        let failures = self.count.failures.load(Ordering::SeqCst);
        println!("{requests} requests, {failures} of which failed");
        assert!(requests > 2 * WORK, "there was no load");
        failures
    }

    /// Stops it where it is: what fails from now on is not repeated.
    pub(crate) async fn abandon(self, fault: impl FnOnce()) -> Vec<Client> {
        self.gives_up.store(true, Ordering::SeqCst);
        self.over.store(true, Ordering::SeqCst);
        fault();
        let clients = self.clients.join_all().await;
        self.gives_up.store(false, Ordering::SeqCst);
        clients
    }
}
