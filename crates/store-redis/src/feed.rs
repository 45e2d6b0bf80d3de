//! Listens to what other nodes publish: endings, changes of sessions and heartbeats.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::StreamExt as _;
use redis::aio::PubSub;
use token_core::session::Generation;
use token_core::{PRODUCT, SessionId};
use token_session::store::{Changed, Ended, Heartbeat, Notice};
use tokio::sync::broadcast;
use tokio::task::JoinHandle;
use tracing::{debug, info, warn};

use crate::bytes::Reader;
use crate::database::Database;
use crate::error::RedisStoreError;
use crate::timeouts::{Timeouts, within};

/// How often a subscription is asked for a sign of life: a peer that vanished says nothing.
const PING: Duration = Duration::from_secs(5);
/// The longest wait before the next attempt to subscribe again.
const LONGEST_WAIT: Duration = Duration::from_secs(2);
/// What a heartbeat begins with on the channel. No ending begins with it: its instant would be
/// after the year 9999.
const HEARTBEAT: &[u8] = b"heartbeat";
/// What the notice of a change begins with, likewise. Its id and its generation follow.
const CHANGED: &[u8] = b"changed";

/// A task that tells what it hears, for as long as this lives.
#[derive(Debug)]
pub(crate) struct Feed {
    pub(crate) copies: Arc<Copies>,
    task: JoinHandle<()>,
}

impl Feed {
    /// Subscribes, and listens from then on.
    pub(crate) async fn start(
        database: Database,
        notices: broadcast::Sender<Notice>,
        timeouts: Timeouts,
    ) -> Result<Self, RedisStoreError> {
        let copies = Arc::<Copies>::default();
        let listener = Listener {
            database,
            notices,
            timeouts,
            copies: Arc::clone(&copies),
        };
        let subscription = listener.subscribe(0).await?;
        Ok(Self {
            copies,
            task: tokio::spawn(listener.run(subscription)),
        })
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The copies of this node's last heartbeats: one has come back when a copy came from each master.
/// Several managers may share the store, and each sends its own.
#[derive(Debug, Default)]
pub(crate) struct Copies(Mutex<VecDeque<Expected>>);

/// So many heartbeats are waited for at once. If there is one more, the oldest is given up.
const EXPECTED: usize = 16;

#[derive(Debug)]
struct Expected {
    heartbeat: Heartbeat,
    heard: usize,
    /// Known once all masters have answered, which may be after the copies came.
    sent: Option<usize>,
}

impl Copies {
    /// A heartbeat is about to be published.
    pub(crate) fn expect(&self, heartbeat: Heartbeat) {
        let mut all = self.lock();
        if all.len() == EXPECTED {
            all.pop_front();
        }
        all.push_back(Expected {
            heartbeat,
            heard: 0,
            sent: None,
        });
    }

    /// It was published so many times; gives the notice if it has come back by now.
    pub(crate) fn sent(&self, heartbeat: Heartbeat, times: usize) -> Option<Notice> {
        self.count(heartbeat, |expected| expected.sent = Some(times))
    }

    /// A copy of a heartbeat came; gives the notice with the last one of this node's.
    fn hear(&self, heartbeat: Heartbeat) -> Option<Notice> {
        self.count(heartbeat, |expected| expected.heard += 1)
    }

    fn count(&self, heartbeat: Heartbeat, change: impl FnOnce(&mut Expected)) -> Option<Notice> {
        let mut all = self.lock();
        let place = all.iter().position(|own| own.heartbeat == heartbeat)?;
        let expected = all.get_mut(place)?;
        change(expected);
        if expected.sent != Some(expected.heard) {
            return None;
        }
        all.remove(place);
        Some(Notice::Heartbeat(heartbeat))
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Expected>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Listener {
    database: Database,
    notices: broadcast::Sender<Notice>,
    timeouts: Timeouts,
    copies: Arc<Copies>,
}

impl Listener {
    async fn run(self, mut subscription: PubSub) {
        loop {
            self.listen(subscription).await;
            self.tell(Notice::Gap);
            warn!(target: PRODUCT, "the subscription to endings broke; subscribing again");
            subscription = self.resume().await;
            info!(target: PRODUCT, "subscribed to endings again");
            self.tell(Notice::Resumed);
        }
    }

    /// Tells what it hears, until the connection breaks.
    async fn listen(&self, subscription: PubSub) {
        let (mut sink, mut notices) = subscription.split();
        let mut ping = tokio::time::interval(PING);
        loop {
            tokio::select! {
                notice = notices.next() => match notice {
                    Some(notice) => self.hear(notice.get_payload_bytes()),
                    None => return,
                },
                // What is published goes there from now on.
                () = self.database.connection.replaced() => return,
                _ = ping.tick() => {
                    let pong = within(self.timeouts.response, sink.ping::<redis::Value>());
                    if let Err(error) = pong.await {
                        debug!(target: PRODUCT, error = &error as &dyn std::error::Error, "no sign of life");
                        return;
                    }
                }
            }
        }
    }

    /// Subscribes again.
    async fn resume(&self) -> PubSub {
        let mut wait = Duration::from_millis(50);
        let mut attempt = 0;
        loop {
            match self.subscribe(attempt).await {
                Ok(subscription) => return subscription,
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
        let channel = self.database.keys().channel();
        within(self.timeouts.response, subscription.subscribe(channel)).await?;
        Ok(subscription)
    }

    fn hear(&self, payload: &[u8]) {
        if let Some(heartbeat) = parse_heartbeat(payload) {
            if let Some(notice) = self.copies.hear(heartbeat) {
                self.tell(notice);
            }
            return;
        }
        if let Some(changed) = parse_changed(payload) {
            self.tell(Notice::Changed(changed));
            return;
        }
        for ended in parse(payload) {
            self.tell(Notice::Ended(ended));
        }
    }

    fn tell(&self, notice: Notice) {
        // It is not an error if nobody listens.
        let _ = self.notices.send(notice);
    }
}

/// A heartbeat as it is published.
pub(crate) fn heartbeat(heartbeat: Heartbeat) -> Vec<u8> {
    [HEARTBEAT, heartbeat.as_bytes()].concat()
}

fn parse_heartbeat(payload: &[u8]) -> Option<Heartbeat> {
    let bytes = payload.strip_prefix(HEARTBEAT)?;
    bytes.try_into().ok().map(Heartbeat::from_bytes)
}

fn parse_changed(payload: &[u8]) -> Option<Changed> {
    let mut reader = Reader(payload.strip_prefix(CHANGED)?);
    let id = SessionId::from_bytes(reader.array()?);
    let version = Generation(reader.number()?);
    reader.is_empty().then(|| Changed::new(id, version))
}

/// The notice of endings is their instant, and after it the ids of the sessions.
fn parse(notice: &[u8]) -> Vec<Ended> {
    let mut reader = Reader(notice);
    let Some(at) = reader.instant() else {
        warn!(target: PRODUCT, "ignored a malformed notice on the channel of endings and changes");
        return Vec::new();
    };
    let ids = std::iter::from_fn(|| reader.array().map(SessionId::from_bytes));
    ids.map(|id| Ended::new(id, at)).collect()
}

fn report(error: &RedisStoreError) {
    debug!(
        target: PRODUCT, error = error as &dyn std::error::Error,
        "not subscribed yet"
    );
}

#[cfg(test)]
mod tests {
    use token_core::UnixTime;

    use super::*;

    #[test]
    fn a_heartbeat_is_back_when_every_copy_is() {
        let (copies, own) = (Copies::default(), Heartbeat::from_bytes([7; 16]));
        let back = Some(Notice::Heartbeat(own));
        assert_eq!(parse_heartbeat(&heartbeat(own)), Some(own));
        assert_eq!(parse_heartbeat(b"heartbeat"), None);
        // The masters' answers may come before the copies, between them, or after.
        for place in 0..=2 {
            copies.expect(own);
            for heard in 0..=2 {
                let last = heard == 2 && place < 2;
                if heard == place {
                    let expected = back.filter(|_| place == 2);
                    assert_eq!(copies.sent(own, 2), expected, "{place}");
                }
                if heard < 2 {
                    let expected = back.filter(|_| heard == 1 && place < 2);
                    assert_eq!(copies.hear(own), expected, "{place}");
                }
                assert!(!last || copies.hear(own).is_none(), "once");
            }
        }
        let other = Heartbeat::from_bytes([8; 16]);
        // Two managers on one store send at the same time.
        copies.expect(own);
        copies.expect(other);
        assert_eq!(copies.sent(own, 1).or(copies.sent(other, 1)), None);
        assert_eq!(copies.hear(own), back);
        assert_eq!(copies.hear(other), Some(Notice::Heartbeat(other)));
        copies.expect(own);
        assert_eq!(copies.hear(other), None);
        assert_eq!(copies.sent(own, 1), None);
        assert_eq!(copies.hear(own), back);
    }

    #[test]
    fn a_change_names_a_session_and_its_generation() {
        let mut notice = [b"changed".as_slice(), &[1; 18], &[0; 7]].concat();
        assert_eq!(parse_changed(&notice), None, "it is cut off");
        notice.push(9);
        let changed = Changed::new(SessionId::from_bytes([1; 18]), Generation(9));
        assert_eq!(parse_changed(&notice), Some(changed));
        assert!(
            parse(&notice).is_empty(),
            "a node that knows no changes takes it for no ending"
        );
        notice.push(0);
        assert_eq!(parse_changed(&notice), None);
    }

    #[test]
    fn a_notice_names_an_instant_and_sessions() {
        let mut notice = vec![0, 0, 0, 0, 7];
        let at = UnixTime::from_secs(7).unwrap();
        assert!(parse(&notice).is_empty());
        for id in [[1; 18], [2; 18]] {
            notice.extend_from_slice(&id);
        }
        let ended = [[1; 18], [2; 18]].map(|id| Ended::new(SessionId::from_bytes(id), at));
        assert_eq!(parse(&notice), ended);
        for wrong in [&b""[..], b"x", &[0xFF; 40]] {
            assert!(parse(wrong).is_empty());
        }
    }
}
