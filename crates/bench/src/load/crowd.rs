//! The clients: honest, and patient. What was not answered they repeat, on the other node if there is one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use token_session::SessionManager;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use super::client;
use super::latencies::Latencies;
use super::node::Node;
use super::plan::Plan;

/// How long a client repeats what is not answered: longer than a store takes to start again.
const PATIENCE: Duration = Duration::from_mins(6);
/// How long it waits before that.
const PAUSE: Duration = Duration::from_millis(50);
/// How many access tokens are used in turn: fewer than are made within their lifetime.
const ACCESS_TOKENS: usize = 10_000;
/// For how long an access token is used. It lives for five minutes.
const USED_FOR: Duration = Duration::from_mins(4);
/// The step through the sessions, so that they are not refreshed in their order on the disk.
const STRIDE: usize = 611_953;
/// Of the sessions that nobody used, one in so many is looked at in the end.
const SAMPLE: usize = 100;
/// How many are looked at at once.
const AT_ONCE: usize = 64;

/// What clients met.
#[derive(Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "counters")]
pub struct Counts {
    /// Refused with 401.
    pub refused: AtomicU64,
    /// Not answered at all, however often it was repeated.
    pub unanswered: AtomicU64,
    /// Asked once more, after no answer or 503.
    pub repeated: AtomicU64,
}

/// A client with a session.
#[derive(Debug)]
struct Client {
    token: tokio::sync::Mutex<String>,
    used: AtomicBool,
}

/// All clients.
#[derive(Debug)]
pub struct Crowd {
    nodes: [Node; 2],
    clients: Vec<Client>,
    /// The refresh tokens of new logins.
    new: Mutex<Vec<String>>,
    access: Mutex<Vec<(Instant, Arc<str>)>>,
    turn: AtomicUsize,
    /// What they met.
    pub counts: Counts,
    logins: Latencies,
    refreshes: Latencies,
    requests: Latencies,
}

impl Crowd {
    /// Starts two nodes, and has a client for each refresh token.
    ///
    /// # Panics
    /// If a node does not start.
    pub fn new(store: &str, tokens: Vec<String>) -> Self {
        let client = |token| Client {
            token: tokio::sync::Mutex::new(token),
            used: AtomicBool::new(false),
        };
        Self {
            nodes: [Node::new(store), Node::new(store)],
            clients: tokens.into_iter().map(client).collect(),
            new: Mutex::default(),
            access: Mutex::default(),
            turn: AtomicUsize::new(0),
            counts: Counts::default(),
            logins: Latencies::default(),
            refreshes: Latencies::default(),
            requests: Latencies::default(),
        }
    }

    /// One of the two nodes.
    pub const fn node(&self, place: usize) -> &Node {
        let [first, second] = &self.nodes;
        if place == 0 { first } else { second }
    }

    /// What clients waited for, and how long.
    pub const fn latencies(&self) -> [(&'static str, &Latencies); 3] {
        [
            ("requests", &self.requests),
            ("refreshes", &self.refreshes),
            ("logins", &self.logins),
        ]
    }

    /// Begins with everything, and returns what ends when all of it is answered.
    pub fn begin(
        self: &Arc<Self>,
        plan: &Plan,
        start: Instant,
    ) -> impl Future<Output = ()> + use<> {
        let time = Duration::from_secs(plan.seconds.into());
        let mut all = JoinSet::new();
        for (rate, login) in [(plan.logins, true), (plan.refreshes, false)] {
            let crowd = Arc::clone(self);
            all.spawn(async move {
                let mut ticks =
                    tokio::time::interval(Duration::from_secs_f64(1.0 / f64::from(rate)));
                ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
                let mut begun = JoinSet::new();
                while start.elapsed() < time {
                    let due: Instant = ticks.tick().await.into();
                    let crowd = Arc::clone(&crowd);
                    begun.spawn(async move {
                        if login {
                            crowd.login(start, due).await;
                        } else {
                            crowd.refresh(start, due).await;
                        }
                    });
                    while begun.try_join_next().is_some() {}
                }
                begun.join_all().await;
            });
        }
        for _ in 0..plan.clients {
            let crowd = Arc::clone(self);
            all.spawn(async move {
                while start.elapsed() < time {
                    crowd.request(start).await;
                }
            });
        }
        async move {
            all.join_all().await;
        }
    }

    async fn login(&self, start: Instant, due: Instant) {
        let number = self.turn.fetch_add(1, Ordering::Relaxed);
        let request = client::post("/login", &format!("new-{number}"));
        if let Some(body) = self.answer(&request).await {
            self.logins.add(start, due);
            let token = self.keep(&body);
            lock(&self.new).push(token);
        }
    }

    async fn refresh(&self, start: Instant, due: Instant) {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let place = turn.wrapping_mul(STRIDE) % self.clients.len().max(1);
        let Some(client) = self.clients.get(place) else {
            return;
        };
        let mut token = client.token.lock().await;
        client.used.store(true, Ordering::Relaxed);
        if let Some(body) = self.answer(&client::post("/refresh", &token)).await {
            self.refreshes.add(start, due);
            *token = self.keep(&body);
        }
    }

    async fn request(&self, start: Instant) {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let token = {
            let access = lock(&self.access);
            let found = access.get(turn.wrapping_mul(STRIDE) % access.len().max(1));
            found.filter(|(made, _)| made.elapsed() < USED_FOR).cloned()
        };
        let Some((_, token)) = token else {
            // There are none yet.
            tokio::time::sleep(PAUSE).await;
            return;
        };
        let begun = Instant::now();
        if self.answer(&client::get("/api/me", &token)).await.is_some() {
            self.requests.add(start, begun);
        }
    }

    /// Keeps the access token of an answer, and returns the refresh token.
    fn keep(&self, body: &str) -> String {
        let (access, refresh) = body.split_once('\n').unwrap_or((body, ""));
        let mut all = lock(&self.access);
        let new = (Instant::now(), Arc::from(access));
        if all.len() < ACCESS_TOKENS {
            all.push(new);
        } else {
            let place = self.turn.load(Ordering::Relaxed) % ACCESS_TOKENS;
            if let Some(old) = all.get_mut(place) {
                *old = new;
            }
        }
        refresh.to_owned()
    }

    /// Asks until there is an answer; `None` if it is a refusal, or if there is none in a minute.
    async fn answer(&self, request: &str) -> Option<String> {
        let start = Instant::now();
        loop {
            let node = self.node(self.turn.fetch_add(1, Ordering::Relaxed) % 2);
            match node.send(request).await {
                Ok((200, body)) => return Some(body),
                Ok((401, body)) => {
                    let before = self.counts.refused.fetch_add(1, Ordering::SeqCst);
                    if before < 3 {
                        tell(&body);
                    }
                    return None;
                }
                Ok(_) | Err(_) if start.elapsed() < PATIENCE => {
                    self.counts.repeated.fetch_add(1, Ordering::SeqCst);
                    tokio::time::sleep(PAUSE).await;
                }
                Ok(_) | Err(_) => {
                    self.counts.unanswered.fetch_add(1, Ordering::SeqCst);
                    return None;
                }
            }
        }
    }

    /// Refreshes every session that was used, every new one, and a part of the others. Returns how many these are,
    /// and what was wrong.
    ///
    /// # Panics
    /// If a task panics.
    pub async fn lost(self: &Arc<Self>, manager: SessionManager) -> (usize, Vec<String>) {
        let mut tokens = std::mem::take(&mut *lock(&self.new));
        for (client, number) in self.clients.iter().zip(0..) {
            if client.used.load(Ordering::Relaxed) || number % SAMPLE == 0 {
                tokens.push(client.token.lock().await.clone());
            }
        }
        let (count, tokens) = (tokens.len(), Arc::new(tokens));
        let next = Arc::new(AtomicUsize::new(0));
        let mut checks = JoinSet::new();
        for _ in 0..AT_ONCE {
            let (tokens, next) = (Arc::clone(&tokens), Arc::clone(&next));
            let manager = manager.clone();
            checks.spawn(async move {
                let mut lost = Vec::new();
                while let Some(token) = tokens.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(error) = manager.refresh(token, None).await {
                        lost.push(format!("a session is lost: {error}: {error:?}"));
                    }
                }
                lost
            });
        }
        (count, checks.join_all().await.concat())
    }
}

#[expect(clippy::print_stdout, reason = "the evidence of a failure")]
fn tell(refusal: &str) {
    println!("401: {refusal}");
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
