//! The connection to the one master: of a server alone, or of the servers that Sentinels watch.

use std::io;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionInfo, ErrorKind, FromRedisValue as _, RedisError,
    RedisResult, ServerErrorKind, Value,
};
use token_core::PRODUCT;
use tokio::sync::Notify;
use tracing::{debug, info};

use crate::sentinel::Sentinels;
use crate::timeouts::{Timeouts, within};
use crate::tls::warn_if_readable;

/// The pause before the next attempt, if the address leads to no master.
const PAUSE: Duration = Duration::from_millis(100);

/// A connection to the master, made anew if a call does not end as it should: the master may be
/// another one by now, be it that the Sentinels say so or that a name leads elsewhere.
pub(crate) struct Master {
    address: Address,
    connection: Mutex<Current>,
    /// One task at a time looks for the master.
    seeking: tokio::sync::Mutex<()>,
    /// Told after each attempt to find it.
    sought: Notify,
    replaced: Notify,
    config: AsyncConnectionConfig,
    timeouts: Timeouts,
}

/// The connection in use, and how many there were before it.
#[derive(Clone)]
struct Current {
    number: u64,
    connection: MultiplexedConnection,
    /// A call over it did not end as it should: nothing is sent over it any more.
    is_left: bool,
    /// Where it leads.
    server: Arc<str>,
}

enum Address {
    Fixed(Client),
    Sentinels(Sentinels),
}

impl Master {
    /// The one behind an address.
    pub(crate) async fn at(server: ConnectionInfo, timeouts: Timeouts) -> RedisResult<Self> {
        Self::open(Address::Fixed(Client::open(server)?), timeouts).await
    }

    /// The one that Sentinels know.
    pub(crate) async fn named(sentinels: Sentinels, timeouts: Timeouts) -> RedisResult<Self> {
        let master = Self::open(Address::Sentinels(sentinels), timeouts).await?;
        // The Sentinels may be on this machine, and the master elsewhere.
        warn_if_readable(master.client().await?.get_connection_info());
        Ok(master)
    }

    async fn open(address: Address, timeouts: Timeouts) -> RedisResult<Self> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(timeouts.connect))
            .set_response_timeout(Some(timeouts.response));
        let (connection, server) = address.connect(&config, timeouts).await?;
        Ok(Self {
            address,
            connection: Mutex::new(Current {
                number: 0,
                connection,
                is_left: false,
                server,
            }),
            seeking: tokio::sync::Mutex::default(),
            sought: Notify::new(),
            replaced: Notify::new(),
            config,
            timeouts,
        })
    }

    /// Sends a command to the master of a moment ago. If that one does not answer, or is no master
    /// any more, the present one is looked for while the caller has its error, and later calls wait for it.
    pub(crate) async fn send(self: &Arc<Self>, cmd: &Cmd) -> RedisResult<Value> {
        let call = |mut connection: MultiplexedConnection| async move {
            connection.send_packed_command(cmd).await
        };
        self.call(call).await
    }

    /// The same for a key that is on its way to this master of a Cluster, with its slot.
    pub(crate) async fn send_asking(self: &Arc<Self>, cmd: &Cmd) -> RedisResult<Value> {
        let mut asking = redis::Pipeline::new();
        asking.cmd("ASKING").add_command(cmd.clone());
        let call = |mut connection: MultiplexedConnection| async move {
            let answers = connection.send_packed_commands(&asking, 0, 2).await?;
            let mut answers = answers.into_iter();
            // If it is refused, the command is only sent back to where it came from.
            answers.next().unwrap_or_default().extract_error()?;
            Ok(answers.next().unwrap_or_default())
        };
        self.call(call).await
    }

    async fn call<F: Future<Output = RedisResult<Value>>>(
        self: &Arc<Self>,
        call: impl FnOnce(MultiplexedConnection) -> F,
    ) -> RedisResult<Value> {
        let Current {
            number, connection, ..
        } = self.usable().await?;
        let result = call(connection).await.and_then(Value::extract_error);
        if result.as_ref().is_err_and(may_have_moved) {
            self.leave(number);
        }
        result
    }

    /// The connection, if all calls over it have ended as they should, or the one that takes its place. If there
    /// is none, nothing has left this process.
    async fn usable(self: &Arc<Self>) -> RedisResult<Current> {
        let current = self.lock().clone();
        if !current.is_left {
            return Ok(current);
        }
        let mut sought = pin!(self.sought.notified());
        sought.as_mut().enable();
        if self.lock().number == current.number {
            tokio::spawn(Arc::clone(self).seek(current.number));
            // Not for so long that a call with all its repetitions has no time to say that it was not sent.
            let _ = tokio::time::timeout(self.timeouts.response / 2, sought).await;
        }
        let current = self.lock().clone();
        if current.is_left {
            return Err(not_connected());
        }
        Ok(current)
    }

    /// Nothing is sent over the connection of this number any more.
    fn leave(self: &Arc<Self>, number: u64) {
        {
            let mut current = self.lock();
            current.is_left |= current.number == number;
        }
        tokio::spawn(Arc::clone(self).seek(number));
    }

    /// Sees that the server is still a master: one that was demoted goes on to answer reads. And that it is
    /// still the one that the Sentinels name: if they cannot reach it, and this node can, they make another
    /// server the master, and what is written to this one is lost as soon as it hears of that.
    pub(crate) async fn check_role(self: &Arc<Self>) {
        let Current {
            number,
            mut connection,
            is_left,
            server,
        } = self.lock().clone();
        let has_moved = is_left
            || match master_only(&mut connection).await {
                Ok(()) => self.address.leads_elsewhere(&server, self.timeouts).await,
                Err(error) if may_have_moved(&error) => return self.leave(number),
                Err(_) => false,
            };
        if has_moved {
            Arc::clone(self).seek(number).await;
        }
    }

    /// A client for the present master.
    pub(crate) async fn client(&self) -> RedisResult<Client> {
        self.address.client().await
    }

    /// Waits until another connection has taken the place of the one before. What was subscribed to
    /// there may be another server than the one that writes go to.
    pub(crate) async fn replaced(&self) {
        self.replaced.notified().await;
    }

    /// Connects anew, unless that was done since the connection of this number failed: a stalled server lets
    /// all calls of some seconds fail, one after the other.
    async fn seek(self: Arc<Self>, failed: u64) {
        {
            // Somebody is at it already.
            let Ok(_one) = self.seeking.try_lock() else {
                return;
            };
            if self.lock().number == failed {
                self.connect_anew(failed).await;
            }
        }
        self.sought.notify_waiters();
    }

    async fn connect_anew(&self, failed: u64) {
        match self.address.connect(&self.config, self.timeouts).await {
            Ok((connection, server)) => {
                info!(target: PRODUCT, %server, "connected to the master of Redis again");
                *self.lock() = Current {
                    number: failed + 1,
                    connection,
                    is_left: false,
                    server,
                };
                self.replaced.notify_one();
            }
            Err(error) => {
                debug!(
                    target: PRODUCT, error = &error as &dyn std::error::Error,
                    "no master of Redis answers"
                );
                tokio::time::sleep(PAUSE).await;
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Current> {
        self.connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Address {
    async fn client(&self) -> RedisResult<Client> {
        match self {
            Self::Fixed(client) => Ok(client.clone()),
            Self::Sentinels(sentinels) => sentinels.master().await,
        }
    }

    /// Whether Sentinels name another server than this one. A name that leads elsewhere is noticed when the
    /// connection ends or the server says that it is no master.
    async fn leads_elsewhere(&self, server: &str, timeouts: Timeouts) -> bool {
        if matches!(self, Self::Fixed(_)) {
            return false;
        }
        let named = within(timeouts.connect * 2, Box::pin(self.client())).await;
        named.is_ok_and(|client| *where_it_leads(&client) != *server)
    }

    /// Looks the address up anew, and gives where it leads.
    async fn connect(
        &self,
        config: &AsyncConnectionConfig,
        timeouts: Timeouts,
    ) -> RedisResult<(MultiplexedConnection, Arc<str>)> {
        let connect = async {
            let client = self.client().await?;
            let mut connection = client
                .get_multiplexed_async_connection_with_config(config)
                .await?;
            master_only(&mut connection).await?;
            Ok((connection, where_it_leads(&client)))
        };
        // Behind a pointer: the types of these futures are deep, and callers add to that.
        within(timeouts.connect * 2, Box::pin(connect)).await
    }
}

/// The host and port.
fn where_it_leads(client: &Client) -> Arc<str> {
    client.get_connection_info().addr().to_string().into()
}

/// Fails if the server says that it is a replica. It may be forbidden to ask.
async fn master_only(connection: &mut MultiplexedConnection) -> RedisResult<()> {
    let mut ask = redis::cmd("INFO");
    ask.arg("replication");
    let answer = connection.send_packed_command(&ask).await;
    let told = match answer.and_then(Value::extract_error) {
        Ok(answer) => String::from_redis_value(answer).unwrap_or_default(),
        Err(error) if may_have_moved(&error) => return Err(error),
        Err(_) => return Ok(()),
    };
    if told.lines().any(|line| line.trim() == "role:slave") {
        let kind = ErrorKind::Server(ServerErrorKind::ReadOnly);
        return Err((kind, "the server is a replica").into());
    }
    Ok(())
}

/// Nothing has left this process.
pub(crate) fn not_connected() -> RedisError {
    // Not what redis says: it is the same if a command was under way when the connection broke.
    io::Error::from(io::ErrorKind::ConnectionRefused).into()
}

fn may_have_moved(error: &RedisError) -> bool {
    error.is_unrecoverable_error()
        || error.is_timeout()
        || matches!(
            error.kind(),
            ErrorKind::Server(ServerErrorKind::ReadOnly | ServerErrorKind::MasterDown)
        )
}
