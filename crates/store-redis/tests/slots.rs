//! While a slot of a Cluster moves, what has not arrived is not taken for gone.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::collections::BTreeSet;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use store_redis::RedisStore;
use testbed::redis::{Server, cluster};
use testbed::slot::Move;
use token_core::{Policy, RevokeReason, SessionId, Subject, UnixTime};
use token_session::clock::Clock as _;
use token_session::event::{Event, EventKind};
use token_session::store::{DataWrite, DataWritten, Notice};
use token_session::test_util::TestManager;
use token_session::{Presented, SessionStore as _};
use tokio::sync::broadcast;

fn is_row(key: &[u8]) -> bool {
    let name = key.iter().skip_while(|byte| **byte != b'}').skip(1);
    name.count() == SessionId::LENGTH
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
    let key = format!("hallpass{{{:02x}}}", store.bucket(&alice).0);

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
    let key = format!("hallpass{{{:02x}}}", store.bucket(&alice).0);
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

    let moving = Move::begin(&servers, &format!("hallpass{{{:02x}}}", bucket.0));
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

/// The notices of endings that have come.
fn told(notices: &mut broadcast::Receiver<Notice>) -> BTreeSet<SessionId> {
    let all = std::iter::from_fn(|| notices.try_recv().ok());
    let ended = all.filter_map(|notice| match notice {
        Notice::Ended(ended) => Some(ended.id),
        _ => None,
    });
    ended.collect()
}

/// Sessions have no private data, and a log may lose its last entry: keys that are not there look as if they
/// had gone ahead, and a script that touches one is cut off.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_logout_everywhere_is_told_in_an_open_slot() {
    let servers = cluster(3, &[]);
    let urls: Vec<String> = servers.iter().map(Server::url).collect();
    let open = async || Arc::new(RedisStore::cluster(&urls).connect().await.unwrap());
    let (store, other) = (open().await, open().await);
    let mut all_notices = [store.subscribe(), other.subscribe()];
    let events = Arc::<Mutex<Vec<SessionId>>>::default();
    let sink = Arc::clone(&events);
    let test = TestManager::with_store(Arc::clone(&store), Policy::default(), move |b| {
        b.events(move |event: Event| {
            if matches!(event.kind, EventKind::Revoked(_)) {
                sink.lock().unwrap().push(event.session.unwrap());
            }
        })
    });
    let (alice, reason) = (Subject::new("alice").unwrap(), RevokeReason::LogoutAll);
    let key = format!("hallpass{{{:02x}}}", store.bucket(&alice).0);
    let forget = |id: SessionId| {
        let row = [key.as_bytes(), id.as_bytes()].concat();
        let mut delete = redis::cmd("DEL");
        delete.arg(row);
        let deleted = |one: &Server| {
            let answer = delete.query::<u64>(&mut one.connection().unwrap());
            answer == Ok(1)
        };
        assert_eq!(servers.iter().filter(|one| deleted(one)).count(), 1);
    };
    for (keeps_one, log_is_old) in [(false, false), (true, false), (false, true), (true, true)] {
        let first = test.login("alice", "notes:read").await.session().id;
        assert!(
            test.manager
                .revoke(first, RevokeReason::Logout)
                .await
                .unwrap()
        );
        let mut sessions = BTreeSet::new();
        if log_is_old {
            // All that is in the log is old, and nothing is left of the sessions.
            let log = store.revocations(UnixTime::from_secs(0).unwrap()).await;
            log.unwrap().into_iter().for_each(|one| forget(one.id));
            // The index may not name them either: as long as the slot is open they could be on their way.
            assert!(store.list(&alice).await.unwrap().is_empty());
            test.clock.advance(Duration::from_hours(24 * 7));
        }
        for _ in 0..4 {
            sessions.insert(test.login("alice", "notes:read").await.session().id);
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
        let _ = all_notices.each_mut().map(told);
        events.lock().unwrap().clear();

        let moving = Move::begin(&servers, &key);
        let ended = if keeps_one {
            let current = sessions.pop_first().unwrap();
            test.manager.revoke_others(&alice, current, reason).await
        } else {
            test.manager.revoke_all(&alice, reason).await
        };
        let how = format!("keeps one: {keeps_one}, old log: {log_is_old}");
        assert_eq!(
            ended.unwrap().into_iter().collect::<BTreeSet<_>>(),
            sessions,
            "{how}"
        );
        let reported = std::mem::take(&mut *events.lock().unwrap());
        assert_eq!(reported.len(), sessions.len(), "each once; {how}");
        assert_eq!(
            reported.into_iter().collect::<BTreeSet<_>>(),
            sessions,
            "{how}"
        );
        tokio::time::sleep(Duration::from_millis(300)).await;
        for notices in &mut all_notices {
            assert_eq!(told(notices), sessions, "{how}");
        }
        moving.end();
        let _ = test.manager.revoke_all(&alice, reason).await.unwrap();
    }
}

/// What is due is deleted, counted, and taken out of the index, whether it stood in the log or not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_purge_goes_on_in_an_open_slot() {
    let servers = cluster(3, &[]);
    let urls: Vec<String> = servers.iter().map(Server::url).collect();
    let store = Arc::new(RedisStore::cluster(&urls).connect().await.unwrap());
    let test = TestManager::with_store(Arc::clone(&store), Policy::default(), |b| b);
    let alice = Subject::new("alice").unwrap();
    let key = format!("hallpass{{{:02x}}}", store.bucket(&alice).0);
    for _ in 0..4 {
        let id = test.login("alice", "notes:read").await.session().id;
        let write = DataWrite::new(id, 0, Some("{}".into()), test.clock.now());
        assert_eq!(
            store.write_data(&write).await.unwrap(),
            DataWritten::Applied
        );
        if id == store.list(&alice).await.unwrap().last().unwrap().id {
            assert!(test.manager.revoke(id, RevokeReason::Logout).await.unwrap());
        }
    }
    let late = UnixTime::from_secs(100_000_000_000).unwrap();
    let moving = Move::begin(&servers, &key);
    assert_eq!(store.purge(late, 1000).await.unwrap(), 4);
    moving.end();
    assert!(store.list(&alice).await.unwrap().is_empty());
}
