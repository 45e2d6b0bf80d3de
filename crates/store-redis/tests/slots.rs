//! While a slot of a Cluster moves, what has not arrived is not taken for gone.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use store_redis::RedisStore;
use testbed::redis::{Server, cluster};
use token_core::{Policy, RevokeReason, Subject, UnixTime};
use token_session::test_util::TestManager;
use token_session::{Presented, SessionStore as _};

/// A slot on its way from the server that has it to another.
struct Move<'a> {
    from: &'a Server,
    to: &'a Server,
    slot: String,
    others: &'a [Server],
}

impl<'a> Move<'a> {
    fn begin(servers: &'a [Server], key: &str) -> Self {
        let slot: u64 = servers.first().unwrap().ask(&["CLUSTER", "KEYSLOT", key]);
        let slot = slot.to_string();
        let id = |server: &Server| server.ask::<String>(&["CLUSTER", "MYID"]);
        let has = |server: &&Server| server.ask::<u64>(&["CLUSTER", "COUNTKEYSINSLOT", &slot]) > 0;
        let from = servers.iter().find(has).unwrap();
        let to = servers.iter().find(|one| one.port != from.port).unwrap();
        let _: () = to.ask(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &id(from)]);
        let _: () = from.ask(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &id(to)]);
        Self {
            from,
            to,
            slot,
            others: servers,
        }
    }

    fn keys(&self) -> Vec<Vec<u8>> {
        self.from
            .ask(&["CLUSTER", "GETKEYSINSLOT", &self.slot, "1000"])
    }

    /// Moves the keys that are chosen.
    fn carry(&self, chosen: impl Fn(&[u8]) -> bool) {
        let mut connection = self.from.connection().unwrap();
        for key in self.keys().into_iter().filter(|key| chosen(key)) {
            let mut migrate = redis::cmd("MIGRATE");
            migrate
                .arg("127.0.0.1")
                .arg(self.to.port)
                .arg(key)
                .arg(0)
                .arg(5000);
            migrate.exec(&mut connection).unwrap();
        }
    }

    fn end(self) {
        self.carry(|_| true);
        let id: String = self.to.ask(&["CLUSTER", "MYID"]);
        for server in [self.to, self.from].into_iter().chain(self.others) {
            let _: () = server.ask(&["CLUSTER", "SETSLOT", &self.slot, "NODE", &id]);
        }
    }
}

fn is_row(key: &[u8]) -> bool {
    let name = key.iter().skip_while(|byte| **byte != b'}').skip(1);
    name.count() == token_core::SessionId::LENGTH
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_has_not_arrived_is_not_gone() {
    let servers = cluster(3, &[]);
    let urls: Vec<String> = servers.iter().map(Server::url).collect();
    let store = RedisStore::cluster(&urls);
    let store = store.response_timeout(Duration::from_millis(300)).connect();
    let store = Arc::new(store.await.unwrap());
    let test = TestManager::with_store(Arc::clone(&store), Policy::default(), |b| b);
    let alice = Subject::new("alice").unwrap();
    let mut tokens = Vec::new();
    for _ in 0..5 {
        let issued = test.login("alice", "notes:read").await;
        tokens.push(issued.tokens().unwrap().refresh_token.secret().to_owned());
    }
    let ended = tokens.pop().unwrap();
    assert!(
        test.manager
            .logout(Presented::Refresh(&ended))
            .await
            .unwrap()
    );
    let key = format!("hallpass{{{:02x}}}", store.bucket(&alice).as_byte());

    // The index, the log and the epochs have arrived, and no row has.
    let moving = Move::begin(&servers, &key);
    moving.carry(|key| !is_row(key));
    let _ = store.purge(UnixTime::from_secs(1).unwrap(), 1000).await;
    // Whatever these answer, it is not that there are none.
    let listed = store.list(&alice).await;
    assert!(listed.is_err(), "{listed:?}");
    let log = store.revocations(UnixTime::from_secs(0).unwrap()).await;
    assert!(log.is_err(), "{log:?}");
    let all = test
        .manager
        .revoke_all(&alice, RevokeReason::LogoutAll)
        .await;
    assert!(all.is_err(), "{all:?}");
    let one = tokens.first().unwrap();
    let _ = test.manager.logout(Presented::Refresh(one)).await;
    moving.end();

    assert_eq!(store.list(&alice).await.unwrap().len(), 5);
    let log = store
        .revocations(UnixTime::from_secs(0).unwrap())
        .await
        .unwrap();
    assert!(!log.is_empty(), "the ending is in the log");
    let all = test
        .manager
        .revoke_all(&alice, RevokeReason::LogoutAll)
        .await;
    assert!(all.unwrap().len() >= 3);
    let log = store
        .revocations(UnixTime::from_secs(0).unwrap())
        .await
        .unwrap();
    assert_eq!(log.len(), 5);
}

/// Some rows have gone ahead, which scripts that do not name them cannot read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_wait_until_a_slot_has_moved() {
    let servers = cluster(3, &[]);
    let urls: Vec<String> = servers.iter().map(Server::url).collect();
    let store = Arc::new(RedisStore::cluster(&urls).connect().await.unwrap());
    let test = TestManager::with_store(Arc::clone(&store), Policy::default(), |b| b);
    let alice = Subject::new("alice").unwrap();
    let key = format!("hallpass{{{:02x}}}", store.bucket(&alice).as_byte());
    let late = UnixTime::from_secs(100_000_000_000).unwrap();
    for how in 0..3 {
        for _ in 0..5 {
            let _ = test.login("alice", "notes:read").await;
        }
        let moving = Move::begin(&servers, &key);
        let ahead = AtomicU32::new(2);
        let first = || ahead.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1));
        moving.carry(|key| is_row(key) && first().is_ok());
        let calling = tokio::spawn({
            let (store, manager) = (Arc::clone(&store), test.manager.clone());
            let alice = alice.clone();
            async move {
                match how {
                    0 => store.list(&alice).await.unwrap().len(),
                    1 => {
                        let all = manager.revoke_all(&alice, RevokeReason::LogoutAll);
                        all.await.unwrap().len()
                    }
                    // What is on its way is left to the next one.
                    _ => usize::try_from(store.purge(late, 1000).await.unwrap()).unwrap(),
                }
            }
        });
        tokio::time::sleep(Duration::from_millis(500)).await;
        moving.end();
        let found = calling.await.unwrap();
        assert_eq!(found, if how < 2 { 5 } else { 0 }, "{how}");
        assert_eq!(store.purge(late, 1000).await.unwrap(), 5, "{how}");
    }
}

/// The rows go ahead of the log that names them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ending_is_not_missed_while_its_session_moves() {
    let servers = cluster(3, &[]);
    let urls: Vec<String> = servers.iter().map(Server::url).collect();
    let store = RedisStore::cluster(&urls);
    let store = store.response_timeout(Duration::from_millis(300)).connect();
    let store = Arc::new(store.await.unwrap());
    let test = TestManager::with_store(Arc::clone(&store), Policy::default(), |b| b);
    let issued = test.login("alice", "notes:read").await;
    let ended = issued.session().id;
    let token = issued.tokens().unwrap().refresh_token.secret();
    let logout = test.manager.logout(Presented::Refresh(token));
    assert!(logout.await.unwrap());
    let bucket = store.bucket(&Subject::new("alice").unwrap());

    let moving = Move::begin(&servers, &format!("hallpass{{{:02x}}}", bucket.as_byte()));
    moving.carry(is_row);
    let since = UnixTime::from_secs(0).unwrap();
    if let Ok(log) = store.revocations(since).await {
        assert!(log.iter().any(|one| one.id == ended), "{log:?}");
    }
    moving.end();
    let log = store.revocations(since).await.unwrap();
    assert!(log.iter().any(|one| one.id == ended), "{log:?}");
}

/// Redis deletes rows by itself; what is left of them in the index goes with the next call.
#[tokio::test]
async fn what_is_gone_is_taken_out_of_the_index() {
    let server = Server::start(&[]);
    let store = Arc::new(RedisStore::connect(&server.url()).await.unwrap());
    let test = TestManager::with_store(Arc::clone(&store), Policy::default(), |b| b);
    let alice = Subject::new("alice").unwrap();
    let indexed = || {
        let keys: Vec<Vec<u8>> = server.ask(&["KEYS", "hallpass{??}i*"]);
        let mut connection = server.connection().unwrap();
        let lengths = keys.iter().map(|key| {
            let mut length = redis::cmd("HLEN");
            length.arg(key).query::<u64>(&mut connection).unwrap()
        });
        lengths.sum::<u64>()
    };
    for how in 0..3 {
        let _ = test.login("alice", "notes:read").await;
        let mut connection = server.connection().unwrap();
        let rows: Vec<Vec<u8>> = server.ask(&["KEYS", "hallpass{*}??????????????????"]);
        redis::cmd("DEL")
            .arg(&rows[..])
            .exec(&mut connection)
            .unwrap();
        assert_eq!(indexed(), 1);
        match how {
            0 => assert!(store.list(&alice).await.unwrap().is_empty()),
            1 => {
                let all = test
                    .manager
                    .revoke_all(&alice, RevokeReason::LogoutAll)
                    .await;
                assert!(all.unwrap().is_empty());
            }
            _ => assert_eq!(
                store
                    .purge(UnixTime::from_secs(1).unwrap(), 10)
                    .await
                    .unwrap(),
                0
            ),
        }
        assert_eq!(indexed(), 0, "{how}");
    }
}
