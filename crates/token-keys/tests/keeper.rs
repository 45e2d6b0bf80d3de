//! Keys that change while a manager uses them, by a clock that is moved by hand.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test")]

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use token_core::keys::Recipients;
use token_core::{Algorithm, KeyId, KeyRing, Policy, RefreshKeyRing, TokenIssuer};
use token_keys::{KeyKeeper, KeySource, Rotations};
use token_session::clock::Clock as _;
use token_session::test_util::TestClock;
use token_session::{Issued, MemoryStore, NewSession, SessionManager};

const DAY: u64 = 86_400;
const AUDIENCE: &str = "https://reports.example";

#[tokio::test]
async fn keys_of_another_algorithm_begin_to_sign_while_the_server_runs() {
    let folder = tempfile::tempdir().unwrap();
    let source = KeySource::File(folder.path().join("keys.json"));
    let clock = TestClock::new();
    let (period, max_age) = (Duration::from_secs(1000), Duration::from_secs(300));
    let rotations = Rotations::new(&Policy::default(), period, max_age).unwrap();
    let keys = source.open(Some(Algorithm::EdDSA), Some(&rotations), clock.now());
    let reports = Recipients {
        clients: Vec::new(),
        audiences: vec![AUDIENCE.parse().unwrap()],
    };
    let (keys, es256) = (keys.unwrap(), Algorithm::ES256);
    let keys = source.sign_also_with(es256, &reports, keys, &rotations, clock.now());
    let keys = keys.unwrap();

    let manager = manager(&keys.rings(&rotations, clock.now()).unwrap(), &clock);
    let keeper = KeyKeeper::new(source, keys, rotations).without_rotation();
    let _keeper = keeper.start(&manager);
    // It has read the file by then, and has given it to the manager.
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let before = published(&manager);
    assert_eq!(signs(&manager).await, "EdDSA");
    // The file stays as it is, and so do the keys that are published: for whom they sign is all that changes.
    clock.advance(Duration::from_secs(400));
    let taken = async {
        while signs(&manager).await != "ES256" {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), taken)
        .await
        .expect("the other keys sign");
    assert_eq!(published(&manager), before);
}

/// A refresh key that leaked is replaced, and what it vouched for ends a day later. Tokens of it are good.
#[tokio::test]
async fn a_refresh_key_is_promoted_and_removed_by_request() {
    let folder = tempfile::tempdir().unwrap();
    let source = KeySource::File(folder.path().join("keys.json"));
    let clock = TestClock::new();
    let (period, max_age) = (Duration::from_secs(30 * DAY), Duration::from_secs(300));
    let rotations = Rotations::new(&Policy::default(), period, max_age).unwrap();
    let keys = source.open(None, Some(&rotations), clock.now()).unwrap();
    let manager = manager(&keys.rings(&rotations, clock.now()).unwrap(), &clock);
    clock.advance(Duration::from_secs(3600));
    let keeper = KeyKeeper::new(source.clone(), keys, rotations).start(&manager);
    let kids = |manager: &SessionManager| -> Vec<KeyId> {
        manager.issuer().refresh_keys.kids().cloned().collect()
    };
    let (leaked, next) = (kids(&manager)[0].clone(), kids(&manager)[1].clone());
    let ticket = manager.begin_login("alice".parse().unwrap()).await.unwrap();
    let issued = manager.login(ticket, NewSession::default()).await.unwrap();
    let token = |issued: &Issued| issued.tokens().unwrap().refresh_token.secret().to_owned();
    let before = manager.nonce_keys().current(clock.now()).unwrap();

    assert_eq!(keeper.promote_refresh().await.unwrap(), next);
    assert_eq!(kids(&manager)[0], next);
    assert!(kids(&manager).contains(&leaked));
    let ring = || manager.issuer().refresh_keys.binding_keys();
    assert!(manager.nonce_keys().accept(before.as_str(), clock.now()));
    let known = ring();
    clock.advance(Duration::from_secs(DAY));
    let forgotten = async {
        while ring() == known {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let forgotten = tokio::time::timeout(Duration::from_secs(10), forgotten).await;
    assert_eq!(
        forgotten,
        Ok(()),
        "the manager is given the same keys again"
    );
    assert!(kids(&manager).contains(&leaked));
    let old = token(&issued);
    let issued = manager.refresh(&old, None).await.unwrap();

    keeper.remove(next.clone()).await.unwrap();
    assert!(!kids(&manager).contains(&next));
    let text = std::fs::read_to_string(folder.path().join("keys.json")).unwrap();
    assert!(text.contains(leaked.as_str()) && !text.contains(next.as_str()));
    assert!(manager.refresh(&token(&issued), None).await.is_err());
}

/// What stopped it may be repaired while the server runs.
#[tokio::test]
async fn a_key_is_published_once_the_file_can_be_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.json");
    let source = KeySource::File(path.clone());
    let clock = TestClock::new();
    let (period, max_age) = (Duration::from_secs(30 * DAY), Duration::from_secs(300));
    let rotations = Rotations::new(&Policy::default(), period, max_age).unwrap();
    // None is ahead.
    let keys = source.open(None, None, clock.now()).unwrap();
    let manager = manager(&keys.rings(&rotations, clock.now()).unwrap(), &clock);
    let lock = folder.path().join("keys.json.lock");
    std::fs::create_dir(&lock).unwrap();
    let _keeper = KeyKeeper::new(source, keys, rotations).start(&manager);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(published(&manager).len(), 1, "it serves with what it has");
    std::fs::remove_dir(&lock).unwrap();
    let taken = async {
        while published(&manager).len() == 1 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let taken = tokio::time::timeout(Duration::from_secs(20), taken).await;
    assert_eq!(taken, Ok(()));
}

/// Keys go when a new one is published long after they signed: by a wrong clock those that sign now.
#[tokio::test]
async fn a_clock_that_jumps_ahead_publishes_no_key() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.json");
    let source = KeySource::File(path.clone());
    let clock = TestClock::new();
    let (period, max_age) = (Duration::from_secs(30 * DAY), Duration::from_secs(300));
    let rotations = Rotations::new(&Policy::default(), period, max_age).unwrap();
    let keys = source.open(None, Some(&rotations), clock.now()).unwrap();
    let manager = manager(&keys.rings(&rotations, clock.now()).unwrap(), &clock);
    let _keeper = KeyKeeper::new(source, keys, rotations).start(&manager);
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let before = std::fs::read_to_string(&path).unwrap();
    clock.advance(Duration::from_secs(40 * DAY));
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    assert_eq!(std::fs::read_to_string(&path).unwrap(), before);
}

fn manager((access, refresh): &(KeyRing, RefreshKeyRing), clock: &TestClock) -> SessionManager {
    let issuer = "https://id.example".parse().unwrap();
    let issuer = TokenIssuer::builder(issuer, AUDIENCE.parse().unwrap());
    let issuer = issuer.build(access.clone(), refresh.clone());
    let manager = SessionManager::builder(MemoryStore::with_capacity(1000), issuer);
    manager.clock(clock.clone()).build().unwrap()
}

/// The algorithm of a token for the audience.
async fn signs(manager: &SessionManager) -> String {
    let ticket = manager.begin_login("alice".parse().unwrap()).await.unwrap();
    let issued = manager.login(ticket, NewSession::default()).await.unwrap();
    let pair = issued.tokens().unwrap();
    let header = pair.access_token.secret().split('.').next().unwrap();
    let header = URL_SAFE_NO_PAD.decode(header).unwrap();
    let header: Value = serde_json::from_slice(&header).unwrap();
    header["alg"].as_str().unwrap().to_owned()
}

fn published(manager: &SessionManager) -> Vec<KeyId> {
    let issuer = manager.issuer();
    let keys = issuer.access_keys.verifying_keys();
    keys.map(|key| key.id().clone()).collect()
}
