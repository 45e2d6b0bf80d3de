//! Listens to endings on other nodes.

use std::time::{Duration, SystemTime};

use futures_util::StreamExt as _;
use redis::aio::PubSub;
use token_core::{SessionId, UnixTime};
use token_store::store::Ended;
use tokio::sync::broadcast;
use tokio::task::JoinHandle;
use tracing::{debug, info, warn};

use crate::bytes::Reader;
use crate::connection::{Timeouts, within};
use crate::database::Database;
use crate::error::RedisStoreError;

/// How often a subscription is asked for a sign of life: a peer that vanished says nothing.
const PING: Duration = Duration::from_secs(10);
/// The longest wait before the next attempt to subscribe again.
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// How far back of the last notice the log is read after a gap: twice the largest tolerance
/// between clocks and the longest time of a call, each a minute, and then some.
const OVERLAP: Duration = Duration::from_mins(5);

/// A task that tells what it hears, for as long as this lives.
#[derive(Debug)]
pub(crate) struct Feed(JoinHandle<()>);

impl Feed {
    /// Subscribes, and listens from then on.
    pub(crate) async fn start(
        database: Database,
        told: broadcast::Sender<Ended>,
        timeouts: Timeouts,
    ) -> Result<Self, RedisStoreError> {
        let listener = Listener {
            database,
            told,
            timeouts,
            latest: UnixTime::EPOCH,
        };
        let subscription = listener.subscribe(0).await?;
        Ok(Self(tokio::spawn(listener.run(subscription))))
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.0.abort();
    }
}

struct Listener {
    database: Database,
    told: broadcast::Sender<Ended>,
    timeouts: Timeouts,
    /// No ending that was told so far is later; never in the future of this node's clock.
    latest: UnixTime,
}

impl Listener {
    async fn run(mut self, mut subscription: PubSub) {
        loop {
            self.listen(subscription).await;
            warn!("the subscription to endings broke; subscribing again");
            subscription = self.resume().await;
            info!("subscribed to endings again, and read what was missed");
        }
    }

    /// Tells what it hears, until the connection breaks.
    async fn listen(&mut self, subscription: PubSub) {
        let (mut sink, mut notices) = subscription.split();
        let mut ping = tokio::time::interval(PING);
        loop {
            tokio::select! {
                notice = notices.next() => match notice {
                    Some(notice) => self.tell_all(parse(notice.get_payload_bytes())),
                    None => return,
                },
                _ = ping.tick() => {
                    let pong = within(self.timeouts.response, sink.ping::<redis::Value>());
                    if let Err(error) = pong.await {
                        debug!(error = &error as &dyn std::error::Error, "no sign of life");
                        return;
                    }
                }
            }
        }
    }

    /// Subscribes again and then reads from the log what was told in between: so each ending
    /// arrives, once or more often.
    async fn resume(&mut self) -> PubSub {
        let mut wait = Duration::from_millis(50);
        let mut attempt = 0;
        loop {
            match self.subscribe(attempt).await {
                Ok(subscription) => match self.database.revocations(self.latest - OVERLAP).await {
                    Ok(missed) => {
                        self.tell_all(missed);
                        return subscription;
                    }
                    Err(error) => report(&error),
                },
                Err(error) => report(&error),
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(LONGEST_WAIT);
            attempt += 1;
        }
    }

    async fn subscribe(&self, attempt: usize) -> Result<PubSub, RedisStoreError> {
        let mut subscription = self
            .database
            .connection
            .pub_sub(attempt, self.timeouts)
            .await?;
        let channel = self.database.keys.channel();
        within(self.timeouts.response, subscription.subscribe(channel)).await?;
        Ok(subscription)
    }

    fn tell_all(&mut self, all: impl IntoIterator<Item = Ended>) {
        let now = now();
        for ended in all {
            self.latest = self.latest.max(ended.at.min(now));
            // Nobody listening is no fault.
            let _ = self.told.send(ended);
        }
    }
}

/// A notice is the instant, and after it the ids of what was ended.
fn parse(notice: &[u8]) -> Vec<Ended> {
    let mut reader = Reader(notice);
    let Some(at) = reader.instant() else {
        warn!("a notice that is none came on the channel of endings");
        return Vec::new();
    };
    let ids = std::iter::from_fn(|| reader.array().map(SessionId::from_bytes));
    ids.map(|id| Ended { id, at }).collect()
}

fn now() -> UnixTime {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    UnixTime::from_secs(since.unwrap_or_default().as_secs()).unwrap_or(UnixTime::MAX)
}

fn report(error: &RedisStoreError) {
    debug!(
        error = error as &dyn std::error::Error,
        "not subscribed yet"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_names_an_instant_and_sessions() {
        let mut notice = vec![0, 0, 0, 0, 7];
        let at = UnixTime::from_secs(7).unwrap();
        assert!(parse(&notice).is_empty());
        for id in [[1; 18], [2; 18]] {
            notice.extend_from_slice(&id);
        }
        let ended = [[1; 18], [2; 18]].map(|id| Ended {
            id: SessionId::from_bytes(id),
            at,
        });
        assert_eq!(parse(&notice), ended);
        for wrong in [&b""[..], b"x", &[0xFF; 40]] {
            assert!(parse(wrong).is_empty());
        }
    }
}
