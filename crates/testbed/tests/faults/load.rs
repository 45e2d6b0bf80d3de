//! Many clients on two nodes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use token_core::Policy;
use token_store::test_util::{TestClock, test_issuer};
use token_store::{SessionManager, SessionStore};
use tokio::task::JoinSet;

use crate::client::Client;

/// The store's time-out of the managers: a fifth of the default, as all limits here.
pub(crate) const STORE_TIMEOUT: Duration = Duration::from_secs(1);

const CLIENTS: u64 = 8;

/// Clients that go on until they are told to stop.
pub(crate) struct Load {
    over: Arc<AtomicBool>,
    gives_up: Arc<AtomicBool>,
    clients: JoinSet<Client>,
}

impl Load {
    pub(crate) fn start<S: SessionStore>(nodes: [S; 2], policy: &Policy) -> Self {
        let seed = std::env::var("TOKENS_SEED").ok();
        let seed = seed.map_or_else(|| fastrand::u64(..), |seed| seed.parse().unwrap());
        println!("TOKENS_SEED={seed}");
        let nodes = nodes.map(Arc::new);
        let mut load = Self {
            over: Arc::default(),
            gives_up: Arc::default(),
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
            let mut client = Client::new(managers, clock, gives_up, number, seed);
            load.clients.spawn(async move {
                while !over.load(Ordering::SeqCst) {
                    client.step().await;
                }
                client
            });
        }
        load
    }

    /// Lets it go on for a while. A client that found a fault ends the test.
    pub(crate) async fn run(&mut self, time: Duration) {
        tokio::select! {
            () = tokio::time::sleep(time) => {}
            client = self.clients.join_next() => match client {
                Some(Err(error)) => std::panic::resume_unwind(error.into_panic()),
                _ => panic!("a client went away"),
            },
        }
    }

    /// Stops it, and sees that everybody was told the truth.
    pub(crate) async fn check(self) {
        self.over.store(true, Ordering::SeqCst);
        let mut checks = JoinSet::new();
        for client in self.clients.join_all().await {
            checks.spawn(client.check());
        }
        let clients = checks.join_all().await;
        let sum = |count: fn(&Client) -> u64| clients.iter().map(count).sum::<u64>();
        let (requests, failures) = (sum(|c| c.requests), sum(|c| c.failures));
        println!("{requests} requests, {failures} of which failed");
        assert!(failures > 0, "there was no fault");
        assert!(requests > 20 * CLIENTS, "there was no load");
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
