#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test")]

use std::fs::Permissions;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use token_core::keys::Recipients;
use token_core::session::rule::{self, Login};
use token_core::session::{Committed, Credentials, Device, Epoch};
use token_core::types::Bucket;
use token_core::{
    Algorithm, Authentication, CustomClaims, Entropy, KeyId, KeyRing, Policy, RefreshKeyRing,
    Scope, SigningKey, TokenIssuer, Transport, UnixTime, VerifyingKey,
};
use token_session::clock::{Clock as _, SystemClock};
use token_session::{MemoryStore, SessionManager};

use crate::{KeyKeeper, KeySource, Keys, KeysError, Rotations};

const DAY: u64 = 86_400;

fn at(seconds: u64) -> UnixTime {
    UnixTime::from_secs(1_700_000_000 + seconds).unwrap()
}

fn file(folder: &tempfile::TempDir, name: &str) -> (KeySource, PathBuf) {
    let path = folder.path().join(name);
    (KeySource::File(path.clone()), path)
}

fn rotations() -> Rotations {
    let (period, max_age) = (Duration::from_secs(1000), Duration::from_secs(300));
    Rotations::new(&Policy::default(), period, max_age).unwrap()
}

/// The key that signs access tokens at that time.
fn signs(keys: &Keys, now: UnixTime) -> &SigningKey {
    &keys.access.keys()[keys.access.current(now)].key
}

fn id(keys: &Keys, now: UnixTime) -> KeyId {
    signs(keys, now).id().clone()
}

#[test]
fn new_keys_are_for_their_owner_alone_and_come_back() {
    let folder = tempfile::tempdir().unwrap();
    for algorithm in [Algorithm::EdDSA, Algorithm::ES256, Algorithm::HS256] {
        let (source, path) = file(&folder, algorithm.as_str());
        let made = source.open(Some(algorithm), None, at(0)).unwrap();
        let mode = path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600);
        let read = source.open(None, None, at(1)).unwrap();
        assert_eq!(id(&read, at(1)), id(&made, at(1)));
        assert_eq!(signs(&read, at(1)).algorithm(), algorithm);
    }
}

#[test]
fn two_servers_that_start_together_have_the_same_keys() {
    let folder = tempfile::tempdir().unwrap();
    let (source, _) = file(&folder, "keys.json");
    let ids: Vec<_> = std::thread::scope(|scope| {
        let open = || id(&source.open(None, None, at(0)).unwrap(), at(0));
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(open)).collect();
        threads.into_iter().map(|t| t.join().unwrap()).collect()
    });
    assert!(ids.windows(2).all(|pair| pair[0] == pair[1]), "{ids:?}");
}

#[test]
fn servers_that_publish_together_publish_once() {
    let folder = tempfile::tempdir().unwrap();
    let (source, path) = file(&folder, "keys.json");
    let rotations = rotations();
    source.open(None, None, at(0)).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let publish = |keys: Keys| keys.publish(&rotations, at(5));
                source.change(at(5), publish).unwrap();
            });
        }
    });
    let keys = source.read(at(5)).unwrap();
    assert_eq!(
        (keys.access.keys().len(), keys.refresh.keys().len()),
        (3, 3)
    );
    let mode = path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
}

/// The keys of a file are replaced, as `mv` does it.
fn put(keys: &Keys, path: &std::path::Path) {
    let beside = path.with_file_name("next.json");
    std::fs::write(&beside, &*keys.to_text(at(0)).unwrap()).unwrap();
    std::fs::set_permissions(&beside, Permissions::from_mode(0o600)).unwrap();
    std::fs::rename(&beside, path).unwrap();
}

#[test]
fn servers_that_reach_the_file_by_a_link_share_it_with_the_others() {
    let (folder, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (source, path) = file(&folder, "keys.json");
    let (linked, link) = file(&elsewhere, "link.json");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    let made = linked.open(None, None, at(0)).unwrap();
    let publish = |keys: Keys| keys.publish(&rotations(), at(5));
    linked.change(at(5), publish).unwrap();
    assert!(link.is_symlink());
    let read = source.read(at(5)).unwrap();
    assert_eq!(id(&read, at(5)), id(&made, at(5)));
    assert_eq!(read.access.keys().len(), 3);
    // There is one lock for all.
    let held = std::fs::File::create(path.with_file_name("keys.json.lock")).unwrap();
    held.lock().unwrap();
    let error = linked.change(at(5), publish).unwrap_err();
    assert!(matches!(error, KeysError::Locked), "{error}");
}

#[test]
fn keys_that_an_operator_puts_there_during_a_change_stay() {
    let folder = tempfile::tempdir().unwrap();
    let (source, path) = file(&folder, "keys.json");
    source.open(None, None, at(0)).unwrap();
    let theirs = Keys::generate(None, at(0)).unwrap();
    let first = std::cell::Cell::new(true);
    let publish = |keys: Keys| {
        if first.replace(false) {
            put(&theirs, &path);
        }
        keys.publish(&rotations(), at(5))
    };
    let changed = source.change(at(5), publish).unwrap();
    for keys in [changed, source.read(at(5)).unwrap()] {
        assert_eq!(id(&keys, at(5)), id(&theirs, at(5)));
        assert_eq!(keys.access.keys().len(), 3);
    }
}

/// A keeper tries again and again, and an RSA key takes seconds.
#[test]
fn no_key_is_made_where_none_can_be_written() {
    let folder = tempfile::tempdir().unwrap();
    if folder.path().metadata().unwrap().uid() == 0 {
        // No permission stops root, so this runs once more as somebody else.
        let mut other = Command::new(std::env::current_exe().unwrap());
        other.args(["--exact", "tests::no_key_is_made_where_none_can_be_written"]);
        let output = other.uid(65_534).gid(65_534).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            output.status.success() && text.contains("1 passed"),
            "{text}"
        );
        return;
    }
    let (source, path) = file(&folder, "keys.json");
    source.open(None, None, at(0)).unwrap();
    let refuse = |mode| {
        std::fs::set_permissions(folder.path(), Permissions::from_mode(mode)).unwrap();
        let made = std::cell::Cell::new(false);
        let change = |keys: Keys| {
            made.set(true);
            keys.publish(&rotations(), at(0))
        };
        let changed = source.change(at(0), change).map(|_| ());
        (made.get(), matches!(changed, Err(KeysError::Write(_))))
    };
    assert_eq!(refuse(0o500), (false, true));
    // The file beside it that is locked.
    std::fs::set_permissions(folder.path(), Permissions::from_mode(0o700)).unwrap();
    std::fs::create_dir(path.with_file_name("keys.json.lock")).unwrap();
    assert_eq!(refuse(0o700), (false, true));
    std::fs::remove_dir(path.with_file_name("keys.json.lock")).unwrap();
    assert_eq!(refuse(0o700), (true, false));
}

/// An RSA key takes seconds, and others wait for two.
#[test]
fn the_lock_is_free_while_keys_are_made() {
    let folder = tempfile::tempdir().unwrap();
    let (source, path) = file(&folder, "keys.json");
    source.open(None, None, at(0)).unwrap();
    let publish = |keys: Keys| {
        let lock = std::fs::File::create(path.with_file_name("keys.json.lock")).unwrap();
        lock.try_lock().unwrap();
        keys.publish(&rotations(), at(5))
    };
    source.change(at(5), publish).unwrap();
}

/// Not at once: a clock that is ahead would take it from the key that signs, and no server could start again.
#[test]
fn a_key_that_has_not_signed_for_a_day_loses_its_private_half() {
    let folder = tempfile::tempdir().unwrap();
    let (period, max_age) = (Duration::from_secs(3 * DAY), Duration::from_secs(300));
    let slow = Rotations::new(&Policy::default(), period, max_age).unwrap();
    for algorithm in [Algorithm::EdDSA, Algorithm::HS256] {
        let (source, _) = file(&folder, algorithm.as_str());
        let keys = source.open(Some(algorithm), Some(&slow), at(0)).unwrap();
        let first = id(&keys, at(0));
        let has_private = |keys: &Keys| keys.access.keys()[0].key.to_private_jwk().is_ok();
        // The second signs from the third day on.
        let now = at(3 * DAY + 100);
        let publish = |keys: Keys| keys.publish(&slow, now);
        let later = source.change(now, publish).unwrap();
        assert_ne!(id(&later, now), first);
        let ring = later.rings(&slow, now).unwrap().0;
        let mut accepted = ring.verifying_keys();
        assert!(accepted.any(|key| key.id() == &first), "it still verifies");
        let read = source.read(at(0)).unwrap();
        assert_eq!(id(&read, at(0)), first);
        assert!(has_private(&read));

        let now = at(4 * DAY + 1);
        source.change(now, Ok).unwrap();
        let read = source.read(now).unwrap();
        assert_eq!(read.access.keys()[0].key.id(), &first);
        assert_eq!(has_private(&read), algorithm.is_symmetric());
    }
}

#[test]
fn a_file_that_others_may_read_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (source, path) = file(&folder, "keys.json");
    source.open(None, None, at(0)).unwrap();
    for mode in [0o604, 0o640, 0o620, 0o602, 0o644] {
        std::fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        let error = source.open(None, None, at(0)).unwrap_err();
        assert!(matches!(error, KeysError::Exposed { .. }), "{error}");
    }
}

#[test]
fn another_algorithm_is_added_to_the_rotation_and_refresh_keys_stay() {
    let folder = tempfile::tempdir().unwrap();
    let (source, _) = file(&folder, "keys.json");
    let rotations = rotations();
    let (old, new) = (Algorithm::EdDSA, Algorithm::ES256);
    let keys = source.open(Some(old), Some(&rotations), at(0)).unwrap();
    let first = id(&keys, at(0));
    let refresh = keys.refresh.keys()[0].key.kid().clone();

    let changed = source.sign_with(new, keys, &rotations, at(10)).unwrap();
    // Verifiers keep a key set for five minutes, so until then the old key signs.
    let algorithm = |keys: &Keys, now| signs(keys, now).algorithm();
    assert_eq!(id(&changed, at(10)), first);
    assert_eq!(algorithm(&changed, at(300)), old);
    assert_eq!(algorithm(&changed, at(400)), new);
    assert_eq!(changed.refresh.keys()[0].key.kid(), &refresh);
    // Both are published from now on, and the old one verifies until its last token has expired.
    let ring = changed.rings(&rotations, at(10)).unwrap().0;
    let published: Vec<_> = ring.verifying_keys().map(VerifyingKey::algorithm).collect();
    assert_eq!(published, [old, new, new]);
    let ring = changed.rings(&rotations, at(400)).unwrap().0;
    assert!(ring.verifying_keys().any(|key| key.id() == &first));

    // Another server, or a restart, changes nothing more.
    let again = source.read(at(20)).unwrap();
    let again = source.sign_with(new, again, &rotations, at(20)).unwrap();
    assert_eq!(again.access.keys().len(), changed.access.keys().len());
    // Keys that are made later are of the new algorithm too.
    let later = source.change(at(500), |keys| keys.publish(&rotations, at(500)));
    assert_eq!(later.unwrap().algorithm(), new);
    // And back again.
    let back = source.read(at(500)).unwrap();
    let back = source.sign_with(old, back, &rotations, at(500)).unwrap();
    assert_eq!(algorithm(&back, at(900)), old);
}

/// For whom ES256 signs beside EdDSA, in a file with both.
fn mixed(source: &KeySource, recipients: &Recipients) -> Keys {
    let keys = source.open(Some(Algorithm::EdDSA), Some(&rotations()), at(0));
    let (keys, es256) = (keys.unwrap(), Algorithm::ES256);
    let mixed = source.sign_also_with(es256, recipients, keys, &rotations(), at(10));
    mixed.unwrap()
}

fn reports() -> Recipients {
    Recipients {
        clients: vec!["reports".parse().unwrap()],
        audiences: vec!["https://reports.example".parse().unwrap()],
    }
}

/// The key that an access token of this client for this audience is signed with.
fn signs_for(
    (access, refresh): (KeyRing, RefreshKeyRing),
    client: &str,
    audience: &str,
    now: UnixTime,
) -> (Algorithm, KeyId) {
    let login = Login {
        subject: "alice".parse().unwrap(),
        epoch: Epoch::default(),
        client_id: client.parse().unwrap(),
        transport: Transport::Header,
        scope: Scope::default(),
        authentication: Authentication::password(now),
        remember: false,
        claims: CustomClaims::default(),
        device: Device::default(),
    };
    let iss = "https://id.example".parse().unwrap();
    let issuer = TokenIssuer::builder(iss, audience.parse().unwrap()).build(access, refresh);
    let (policy, keys, bucket) = (&issuer.policy, &issuer.refresh_keys, Bucket(0));
    let (session, pending) = rule::open(login, bucket, policy, keys, now, Entropy::new([1; 64]));
    let granted = pending.committed(Committed::assertion(session)).unwrap();
    let issued = issuer.issue(&granted, &Scope::default(), now, Entropy::new([2; 64]));
    let Credentials::Tokens(pair) = issued.unwrap().give_out(&granted).unwrap() else {
        unreachable!("the transport is `header`")
    };
    let header = pair.access_token.secret().split('.').next().unwrap();
    let header: serde_json::Value =
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap();
    let text = |member: &str| header[member].as_str().unwrap();
    (text("alg").parse().unwrap(), text("kid").parse().unwrap())
}

#[test]
fn a_file_has_keys_of_another_algorithm_for_some_clients_and_audiences() {
    let folder = tempfile::tempdir().unwrap();
    let (source, path) = file(&folder, "keys.json");
    let made = mixed(&source, &reports());
    let (usual, other) = (Algorithm::EdDSA, Algorithm::ES256);
    let signs = |keys: &Keys, client: &str, audience: &str, now| {
        let rings = keys.rings(&rotations(), now).unwrap();
        signs_for(rings, client, audience, now)
    };
    for keys in [made, source.read(at(20)).unwrap()] {
        // All are published at once; verifiers keep a key set for five minutes, so until then the old key signs.
        let ring = keys.rings(&rotations(), at(20)).unwrap().0;
        let published: Vec<_> = ring.verifying_keys().map(VerifyingKey::algorithm).collect();
        assert_eq!(published, [usual, usual, usual, other, other, other]);
        for (client, audience, wanted) in [
            ("web", "https://api.example", usual),
            ("reports", "https://api.example", other),
            ("web", "https://reports.example", other),
        ] {
            assert_eq!(signs(&keys, client, audience, at(300)).0, usual);
            assert_eq!(signs(&keys, client, audience, at(400)).0, wanted);
        }
    }
    // A restart changes nothing more.
    let before = std::fs::read(&path).unwrap();
    mixed(&source, &reports());
    assert_eq!(std::fs::read(&path).unwrap(), before);
    // Each algorithm has its rotation.
    let of_reports = |keys: &Keys, now| signs(keys, "reports", "https://api.example", now);
    let first = of_reports(&source.read(at(400)).unwrap(), at(400)).1;
    let due = source.read(at(1500)).unwrap();
    assert!(due.is_due(&rotations(), at(1500)));
    let publish = |keys: Keys| keys.publish(&rotations(), at(1500));
    let later = source.change(at(1500), publish).unwrap();
    assert!(!later.is_due(&rotations(), at(1500)));
    let second = of_reports(&later, at(1500));
    assert_eq!(second.0, other);
    assert_ne!(second.1, first);
    // One that leaked is found in its own list.
    let remove = |keys: Keys| keys.remove(&second.1, &rotations(), at(1600));
    let left = source.change(at(1600), remove).unwrap();
    let ring = left.rings(&rotations(), at(1600)).unwrap().0;
    assert!(ring.verifying_keys().all(|key| *key.id() != second.1));
    assert_eq!(of_reports(&left, at(1600)).0, other);
    let promote = |keys: Keys| keys.promote(&rotations(), at(2400));
    let before = of_reports(&left, at(2400)).1;
    let promoted = source.change(at(2400), promote).unwrap();
    assert_ne!(of_reports(&promoted, at(2400)).1, before);
}

/// The others were added just now: a verifier may have a key set without their next one.
#[test]
fn other_keys_that_cannot_be_promoted_hold_up_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let (source, _) = file(&folder, "keys.json");
    let keys = mixed(&source, &reports());
    let other = |keys: &Keys| keys.others[0].access.keys()[0].key.id().clone();
    let before = (id(&keys, at(315)), other(&keys));
    let promote = |keys: Keys| keys.promote(&rotations(), at(315));
    let promoted = source.change(at(315), promote).unwrap();
    assert_ne!(id(&promoted, at(315)), before.0);
    assert_eq!(other(&promoted), before.1);
}

#[test]
fn those_for_whom_other_keys_sign_can_change_and_are_named_once() {
    let folder = tempfile::tempdir().unwrap();
    let (source, path) = file(&folder, "keys.json");
    let keys = mixed(&source, &reports());
    let more = Recipients {
        clients: vec!["reports".parse().unwrap(), "billing".parse().unwrap()],
        audiences: Vec::new(),
    };
    let es256 = Algorithm::ES256;
    let changed = source.sign_also_with(es256, &more, keys, &rotations(), at(500));
    let changed = changed.unwrap();
    let ring = changed.rings(&rotations(), at(500)).unwrap().0;
    assert!(ring.recipients().eq([&more]));
    let before = std::fs::read(&path).unwrap();
    // A client for two algorithms, and secrets beside published keys: nothing is written.
    for algorithm in [Algorithm::ES384, Algorithm::HS256] {
        let keys = changed.clone();
        let refused = source.sign_also_with(algorithm, &more, keys, &rotations(), at(500));
        let refused = refused.unwrap_err();
        assert!(matches!(refused, KeysError::Schedule(_)), "{refused}");
    }
    assert_eq!(std::fs::read(&path).unwrap(), before);
    let variable = KeySource::Env("HALLPASS_KEYS_OF_A_TEST".into());
    let fixed = variable.sign_also_with(es256, &reports(), changed, &rotations(), at(500));
    assert!(matches!(fixed, Err(KeysError::Fixed)));
}

#[test]
fn an_algorithm_that_cannot_be_added_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (source, _) = file(&folder, "keys.json");
    let keys = source.open(None, None, at(0)).unwrap();
    let error = source.sign_with(Algorithm::HS256, keys.clone(), &rotations(), at(0));
    let error = error.unwrap_err();
    assert!(matches!(error, KeysError::Algorithm { .. }), "{error}");
    let variable = KeySource::Env("HALLPASS_KEYS_OF_A_TEST".into());
    let error = variable.sign_with(Algorithm::EdDSA, keys, &rotations(), at(0));
    assert!(matches!(error, Err(KeysError::Algorithm { .. })));
}

#[test]
fn a_key_may_be_pem_and_times_may_be_missing() {
    // RFC 8410 section 10.3 and 10.1
    let private = "-----BEGIN PRIVATE KEY-----\\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\\n-----END PRIVATE KEY-----\\n";
    let public = "-----BEGIN PUBLIC KEY-----\\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\\n-----END PUBLIC KEY-----\\n";
    let refresh = r#"[{"kid":"r","k":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}]"#;
    let text = |pem: &str| {
        format!(
            r#"{{"access":[{{"key":{{"alg":"EdDSA","kid":"a","pem":"{pem}"}}}}],"refresh":{refresh}}}"#
        )
    };
    let keys = Keys::parse(&text(private), at(0)).unwrap();
    assert_eq!(id(&keys, at(0)).as_str(), "a");
    let error = Keys::parse(&text(public), at(0)).unwrap_err();
    assert!(matches!(error, KeysError::Public { .. }), "{error}");
    // What is written comes back, as a JWK.
    let again = keys.to_text(at(0)).unwrap();
    assert_eq!(
        id(&Keys::parse(&again, at(0)).unwrap(), at(0)).as_str(),
        "a"
    );
}

#[test]
fn what_is_no_key_file_is_refused_without_repeating_it() {
    for text in [
        "",
        "{}",
        r#"{"access":"hush"}"#,
        r#"{"access":[],"refresh":[]}"#,
        r#"{"access":[{"key":{"hush":1}}],"refresh":[]}"#,
        r#"{"access":[{"key":{"pem":"hush","alg":"EdDSA"}}],"refresh":[]}"#,
        r#"{"access":[],"refresh":[],"others":[{"hush":[]}]}"#,
    ] {
        let error = Keys::parse(text, at(0)).unwrap_err().to_string();
        assert!(!error.contains("hush"), "{error}");
    }
    let unset = KeySource::Env("HALLPASS_NO_SUCH_VARIABLE".into());
    let error = unset.open(None, None, at(0)).unwrap_err();
    assert!(matches!(error, KeysError::Unset), "{error}");
}

/// A process that was stopped while it had the lock must not stop the others.
#[test]
fn a_lock_that_is_held_for_long_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let (source, path) = file(&folder, "keys.json");
    source.open(None, None, at(0)).unwrap();
    let held = std::fs::File::create(path.with_file_name("keys.json.lock")).unwrap();
    held.lock().unwrap();
    let error = source.change(at(0), Ok).unwrap_err();
    assert!(matches!(error, KeysError::Locked), "{error}");
    drop(held);
    source.change(at(0), Ok).unwrap();
}

#[tokio::test]
async fn a_file_that_was_open_to_others_is_read_once_it_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let (source, path) = file(&folder, "keys.json");
    let (rotations, now) = (rotations(), SystemClock.now());
    let keys = source.open(None, Some(&rotations), now).unwrap();
    let (access, refresh) = keys.rings(&rotations, now).unwrap();
    let (issuer, audience) = ("https://id.example", "https://api.example");
    let issuer = TokenIssuer::builder(issuer.parse().unwrap(), audience.parse().unwrap());
    let issuer = issuer.build(access, refresh);
    let manager = SessionManager::builder(MemoryStore::with_capacity(10), issuer);
    let manager = manager.build().unwrap();
    let keeper = KeyKeeper::new(source, keys, rotations).start(&manager);
    let signs = || manager.issuer().access_keys.current().id().clone();
    let first = signs();

    let other = Keys::generate(None, now).unwrap();
    let beside = path.with_file_name("next.json");
    std::fs::write(&beside, &*other.to_text(now).unwrap()).unwrap();
    std::fs::set_permissions(&beside, Permissions::from_mode(0o644)).unwrap();
    std::fs::rename(&beside, &path).unwrap();
    let refused = keeper.reread().await.unwrap_err();
    assert!(matches!(refused, KeysError::Exposed { .. }), "{refused}");
    // The keeper has looked at it by itself too, and keeps what it has.
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(signs(), first);
    // Neither the length nor the time of the file changes with that.
    std::fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    let taken = async {
        while signs() != id(&other, now) {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let taken = tokio::time::timeout(Duration::from_secs(120), taken).await;
    assert_eq!(taken, Ok(()));
}
