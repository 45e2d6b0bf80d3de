//! The masters of a Cluster: each is reached by a connection of its own, which is made anew if a call over it
//! does not end as it should, as that to a server alone is.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::future::{join_all, try_join_all};
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use redis::aio::PubSub;
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, ConnectionInfo, ErrorKind, RedisError,
    RedisResult, ServerErrorKind, Value,
};
use token_core::PRODUCT;
use tokio::sync::Notify;
use tracing::{debug, info};

use crate::master::{Master, not_connected};
use crate::slots::{Address, Slots};
use crate::timeouts::{Timeouts, within};

/// How long a Cluster is asked again while it moves slots or elects a master, as a multiple of the
/// time that one answer may take.
const PATIENCE: u32 = 2;
/// The pause before it is asked again.
const PAUSE: Duration = Duration::from_millis(50);
/// How many masters are asked for the slots at once: one that the others have left may not know it yet.
const ASKED: usize = 3;

/// A Cluster, and what is known of it.
pub(crate) struct Cluster {
    /// The nodes that were named at the start. What they say of user, password and TLS holds for all.
    seeds: Vec<ConnectionInfo>,
    known: Mutex<Known>,
    /// The node that notices come from.
    subscribed: Mutex<Option<Address>>,
    /// One task at a time asks for the slots.
    looking: tokio::sync::Mutex<()>,
    /// Told with each answer.
    looked: Notify,
    timeouts: Timeouts,
}

#[derive(Default)]
struct Known {
    slots: Slots,
    masters: HashMap<Address, Arc<Master>>,
    /// How often the slots were asked for.
    round: usize,
}

impl Cluster {
    pub(crate) async fn open(seeds: Vec<ConnectionInfo>, timeouts: Timeouts) -> RedisResult<Self> {
        let cluster = Self {
            seeds,
            known: Mutex::default(),
            subscribed: Mutex::default(),
            looking: tokio::sync::Mutex::default(),
            looked: Notify::new(),
            timeouts,
        };
        cluster.look().await?;
        Ok(cluster)
    }

    /// Sends a command to the master of its first key, and again only if a node has refused to do it:
    /// because the slot is, or moves, elsewhere, or nobody has it just now. A command whose answer was
    /// lost may have been done; what becomes of that is for those who know what it was.
    pub(crate) async fn send(self: &Arc<Self>, cmd: &Cmd) -> RedisResult<Value> {
        self.send_for(cmd, self.timeouts.response * PATIENCE).await
    }

    /// The same, and gives up at once if the slot is not there.
    pub(crate) async fn send_once(self: &Arc<Self>, cmd: &Cmd) -> RedisResult<Value> {
        self.send_for(cmd, Duration::ZERO).await
    }

    async fn send_for(self: &Arc<Self>, cmd: &Cmd, patience: Duration) -> RedisResult<Value> {
        let deadline = Instant::now() + patience;
        let mut target = self.master_for(cmd);
        let mut is_asked = false;
        let mut is_redirected = false;
        loop {
            let answer = match &target {
                Some((_, master)) if is_asked => master.send_asking(cmd).await,
                Some((_, master)) => master.send(cmd).await,
                None => Err(not_connected()),
            };
            let refusal = match answer {
                Err(error) => error,
                answer => return answer,
            };
            if may_be_elsewhere(&refusal) {
                self.look_soon();
            }
            if !may_pass(&refusal) || Instant::now() >= deadline {
                return Err(refusal);
            }
            let asked = target.map_or_else(String::new, |(address, _)| address.host);
            let named = refusal.redirect_node();
            let named = named.and_then(|(node, _)| Address::parse(node, &asked));
            // It has the slot, or not yet: then it takes what comes with this word.
            is_asked = refusal.kind() == ErrorKind::Server(ServerErrorKind::Ask);
            let was_redirected = std::mem::replace(&mut is_redirected, named.is_some());
            if was_redirected || !is_redirected {
                // Also if two masters name each other.
                tokio::time::sleep(PAUSE).await;
            }
            target = if let Some(named) = named {
                let master = self.reach(&named).await?;
                Some((named, master))
            } else {
                is_asked = false;
                self.master_for(cmd)
            };
        }
    }

    /// Sends a command to every master, and gives each one's answer.
    pub(crate) async fn ask_masters(self: &Arc<Self>, cmd: &Cmd) -> RedisResult<Vec<Value>> {
        let masters = {
            let known = self.lock();
            let all = known.slots.masters().into_iter();
            let all: Option<Vec<_>> = all.map(|node| known.masters.get(node).cloned()).collect();
            all
        };
        let answers = match masters {
            Some(masters) => try_join_all(masters.iter().map(|master| master.send(cmd))).await,
            None => Err(not_connected()),
        };
        answers.inspect_err(|_| self.look_soon())
    }

    /// Opens a connection for notices, to another master with each `attempt`: a notice reaches every node.
    pub(crate) async fn pub_sub(&self, attempt: usize) -> RedisResult<PubSub> {
        if attempt > 0 {
            self.look().await?;
        }
        let node = {
            let known = self.lock();
            let masters = known.slots.masters();
            masters.iter().cycle().nth(attempt).copied().cloned()
        };
        let node = node.ok_or_else(no_answer)?;
        *self.subscribed() = Some(node.clone());
        let client = Client::open(self.info(&node))?;
        within(self.timeouts.connect, client.get_async_pubsub()).await
    }

    /// Waits until the node that notices come from is none of the Cluster any more: it may live on, and
    /// hears nothing.
    pub(crate) async fn is_left(&self) {
        loop {
            self.looked.notified().await;
            let subscribed = self.subscribed().clone();
            let is_member = |node: &Address| self.lock().slots.is_member(node);
            if let Some(node) = subscribed.filter(|node| !is_member(node)) {
                info!(target: PRODUCT, host = node.host, port = node.port, "a node has left the Cluster of Redis");
                return;
            }
        }
    }

    /// Looks whether the Cluster is as it was.
    pub(crate) async fn check(&self) {
        if let Err(error) = Box::pin(self.look()).await {
            report(&error);
        }
    }

    /// Asks who has the slots, and connects to masters that are new.
    async fn look(&self) -> RedisResult<()> {
        let _one = self.looking.lock().await;
        self.look_now().await
    }

    /// The same while the caller goes on, unless somebody is at it already.
    fn look_soon(self: &Arc<Self>) {
        let cluster = Arc::clone(self);
        tokio::spawn(async move {
            let Ok(_one) = cluster.looking.try_lock() else {
                return;
            };
            if let Err(error) = Box::pin(cluster.look_now()).await {
                report(&error);
            }
            tokio::time::sleep(PAUSE).await;
        });
    }

    async fn look_now(&self) -> RedisResult<()> {
        let slots = self.slots().await?;
        let new: Vec<Address> = {
            let mut known = self.lock();
            let masters = slots.masters();
            known.masters.retain(|node, _| masters.contains(node));
            known.slots = slots;
            let new = known.slots.masters().into_iter();
            new.filter(|node| !known.masters.contains_key(node))
                .cloned()
                .collect()
        };
        self.looked.notify_one();
        let reached = join_all(new.iter().map(|node| self.connect(node))).await;
        let mut errors = Vec::new();
        for (node, reached) in new.into_iter().zip(reached) {
            match reached {
                Ok(master) => drop(self.lock().masters.insert(node, master)),
                Err(error) => errors.push(error),
            }
        }
        // Without one of them the store can do a part of its work.
        match errors.pop() {
            Some(error) if self.lock().masters.is_empty() => Err(error),
            _ => Ok(()),
        }
    }

    /// What some masters say, or else the nodes that were named at the start.
    async fn slots(&self) -> RedisResult<Slots> {
        let masters: Vec<_> = {
            let mut known = self.lock();
            known.round += 1;
            let all = known.masters.iter();
            let all: Vec<_> = all
                .map(|(node, master)| (node.clone(), Arc::clone(master)))
                .collect();
            let first = known.round % all.len().max(1);
            all.iter()
                .cycle()
                .skip(first)
                .take(ASKED.min(all.len()))
                .cloned()
                .collect()
        };
        let asked = masters.into_iter().map(|(node, master)| async move {
            let answer = master.send(&Slots::question()).await?;
            Slots::parse(answer, &node.host)
        });
        match agreed(asked).await {
            Ok(slots) => Ok(slots),
            Err(_) => agreed(self.seeds.iter().map(|seed| self.ask_seed(seed))).await,
        }
    }

    async fn ask_seed(&self, seed: &ConnectionInfo) -> RedisResult<Slots> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.timeouts.connect))
            .set_response_timeout(Some(self.timeouts.response));
        let client = Client::open(seed.clone())?;
        let mut connection = client
            .get_multiplexed_async_connection_with_config(&config)
            .await?;
        let answer = connection.send_packed_command(&Slots::question()).await?;
        let host = match seed.addr() {
            ConnectionAddr::Tcp(host, _) | ConnectionAddr::TcpTls { host, .. } => host.as_str(),
            _ => "",
        };
        Slots::parse(answer.extract_error()?, host)
    }

    fn master_for(&self, cmd: &Cmd) -> Option<(Address, Arc<Master>)> {
        let known = self.lock();
        let node = known.slots.master_for(cmd)?;
        Some((node.clone(), Arc::clone(known.masters.get(node)?)))
    }

    /// The master that a redirection names.
    async fn reach(&self, node: &Address) -> RedisResult<Arc<Master>> {
        let known = self.lock().masters.get(node).cloned();
        if let Some(master) = known {
            return Ok(master);
        }
        let master = self.connect(node).await.map_err(|error| {
            report(&error);
            not_connected()
        })?;
        let mut known = self.lock();
        Ok(Arc::clone(
            known.masters.entry(node.clone()).or_insert(master),
        ))
    }

    async fn connect(&self, node: &Address) -> RedisResult<Arc<Master>> {
        let master = Master::at(self.info(node), self.timeouts);
        Ok(Arc::new(Box::pin(master).await?))
    }

    /// How a node is reached: as those that were named, at another address.
    fn info(&self, node: &Address) -> ConnectionInfo {
        let seed = self.seeds.first().expect("at least one is named");
        let (host, port) = (node.host.clone(), node.port);
        let address = match seed.addr().clone() {
            ConnectionAddr::TcpTls {
                insecure,
                tls_params,
                ..
            } => ConnectionAddr::TcpTls {
                host,
                port,
                insecure,
                tls_params,
            },
            _ => ConnectionAddr::Tcp(host, port),
        };
        seed.clone().set_addr(address)
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn subscribed(&self) -> MutexGuard<'_, Option<Address>> {
        self.subscribed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// What two nodes say, or the first of them if no two say the same.
async fn agreed(
    asked: impl Iterator<Item = impl Future<Output = RedisResult<Slots>>>,
) -> RedisResult<Slots> {
    let mut answers: FuturesUnordered<_> = asked.collect();
    let mut heard: Vec<Slots> = Vec::new();
    let mut failed = None;
    while let Some(answer) = answers.next().await {
        match answer {
            Ok(slots) if heard.iter().any(|other| other.agrees(&slots)) => return Ok(slots),
            Ok(slots) => heard.push(slots),
            Err(error) => failed = Some(error),
        }
    }
    let first = heard.into_iter().next();
    first.ok_or_else(|| failed.unwrap_or_else(no_answer))
}

fn report(error: &RedisError) {
    let error = error as &dyn std::error::Error;
    debug!(target: PRODUCT, error, "the Cluster cannot be reached, or not all of it");
}

fn no_answer() -> RedisError {
    let kind = ErrorKind::ClusterConnectionNotFound;
    (kind, "no master of the Cluster is known").into()
}

/// Whether a Cluster may do in a moment what it refuses now: it moves the slot, or elects a master. All of this
/// is said before a command has done anything. A script that came to a key which is elsewhere may have written
/// others: only those who know what it was can tell its repetition from the first attempt.
fn may_pass(refusal: &RedisError) -> bool {
    use ServerErrorKind::{Ask, BusyLoading, ClusterDown, MasterDown, Moved, ReadOnly, TryAgain};
    let moves = matches!(refusal.kind(), ErrorKind::Server(Ask | Moved | TryAgain));
    let elects = matches!(
        refusal.kind(),
        ErrorKind::Server(BusyLoading | ClusterDown | MasterDown | ReadOnly)
    );
    moves || elects
}

/// Whether another master may have the slot by now.
fn may_be_elsewhere(refusal: &RedisError) -> bool {
    use ServerErrorKind::{ClusterDown, MasterDown, Moved, ReadOnly};
    let kind = refusal.kind();
    !matches!(kind, ErrorKind::Server(_) | ErrorKind::Extension)
        || matches!(
            kind,
            ErrorKind::Server(ClusterDown | MasterDown | Moved | ReadOnly)
        )
}

#[cfg(test)]
mod tests;
