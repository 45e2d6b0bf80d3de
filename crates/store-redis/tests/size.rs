//! What a session costs in memory.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test"
)]

use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use store_redis::RedisStore;
use testbed::redis::Server;
use token_core::binding::{Binding, BindingGeneration, DeviceBinding, DeviceKey, DeviceState};
use token_core::session::rule::{self, Login};
use token_core::session::{Change, Device, Epoch, Nonce, Rotation};
use token_core::types::TokenHash;
use token_core::{
    Authentication, ClientId, CustomClaims, Entropy, KeyId, Policy, RefreshKey, RefreshKeyRing,
    Session, Subject, Transport, UnixTime,
};
use token_session::SessionStore;
use token_session::store::{Commit, Created};

/// Bytes of `used_memory` for each of a million sessions.
const LIMIT: u64 = 433;

/// Sixteen thousand in 4 of the 256 buckets are as dense as a million in all. Where
/// `HALLPASS_SIZE_SESSIONS` is set, as many as it says, in all buckets.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_of_a_million_takes_at_most_433_bytes() {
    let asked = std::env::var("HALLPASS_SIZE_SESSIONS").ok();
    let (count, buckets) = match asked {
        Some(count) => (count.parse().unwrap(), 256),
        None => (16_000, 4),
    };
    for (what, open) in [
        ("plain", plain as fn(u64) -> Login),
        ("in a browser", in_a_browser),
    ] {
        let server = Server::start(&[]);
        let store = RedisStore::connect(&server.url()).await.unwrap();
        let empty = server.info("used_memory");
        let logins = (0..)
            .map(open)
            .filter(|login| u16::from(store.bucket(&login.subject).0) < buckets);
        let logins = logins.take(usize::try_from(count).unwrap());
        stream::iter(logins.zip(0..))
            .for_each_concurrent(64, |(login, number)| open_and_rotate(&store, login, number))
            .await;
        let each = (server.info("used_memory") - empty) / count;
        println!("{what}: {each} bytes each of {count} sessions, rotated once");
        assert!(each <= LIMIT, "{what}: {each} bytes");
    }
}

/// By the bytes of the row itself. What Redis asks of its allocator comes in steps of 64 bytes, so such a
/// session takes as much as before, or 64 bytes more.
#[tokio::test]
async fn a_key_of_the_browser_takes_at_most_48_bytes_and_none_takes_nothing() {
    let device = DeviceBinding {
        key: DeviceKey::from_bytes([3; 33]).unwrap(),
        generation: BindingGeneration(255),
        state: DeviceState::Required,
    };
    let mut lengths = Vec::new();
    for binding in [Binding::Unbound, Binding::Device(device)] {
        let server = Server::start(&["--rdbcompression", "no"]);
        let store = RedisStore::connect(&server.url()).await.unwrap();
        let mut session = opened(&store, in_a_browser(1), 1);
        session.binding = binding;
        let _ = store.create(&session, None).await.unwrap();
        let mut connection = server.connection().unwrap();
        let keys: Vec<Vec<u8>> = redis::cmd("KEYS").arg("*").query(&mut connection).unwrap();
        let row = keys
            .iter()
            .find(|key| key.ends_with(session.id.as_bytes()))
            .unwrap();
        let dump: Vec<u8> = redis::cmd("DUMP").arg(row).query(&mut connection).unwrap();
        lengths.push(dump.len());
        let fields: Vec<Vec<u8>> = redis::cmd("HKEYS").arg(row).query(&mut connection).unwrap();
        let bound = fields.iter().any(|field| *field == b"9");
        assert_eq!(bound, !binding.is_unbound());
    }
    println!("{lengths:?} bytes");
    assert!(lengths[1] - lengths[0] <= 48, "{lengths:?}");
}

fn plain(number: u64) -> Login {
    let now = now();
    Login {
        subject: Subject::new(format!("user-{number:07}")).unwrap(),
        epoch: Epoch::default(),
        client_id: ClientId::new("default").unwrap(),
        transport: Transport::Header,
        scope: "notes:read".parse().unwrap(),
        authentication: Authentication::password(now),
        remember: false,
        claims: CustomClaims::default(),
        device: Device::default(),
    }
}

fn in_a_browser(number: u64) -> Login {
    let (high, low) = (
        number.wrapping_mul(0x9E37_79B9_7F4A_7C15),
        number & 0xFFFF_FFFF,
    );
    let subject = format!(
        "{:08x}-{:04x}-4000-8000-{low:012x}",
        high >> 32,
        high & 0xFFFF
    );
    let agent = format!(
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 \
         (KHTML, like Gecko) Chrome/{}.0.0.0 Safari/537.36",
        120 + number % 20
    );
    Login {
        subject: Subject::new(subject).unwrap(),
        scope: "notes:read notes:write".parse().unwrap(),
        device: Device::new(None, Some(&agent), Some("203.0.113.0/24")),
        ..plain(number)
    }
}

/// A session as a login makes it.
fn opened(store: &RedisStore, login: Login, number: u64) -> Session {
    let keys = RefreshKey::new(KeyId::new("2026-01").unwrap(), &[3; 32]).unwrap();
    let keys = RefreshKeyRing::new(keys);
    let bucket = store.bucket(&login.subject);
    let entropy = Entropy::new(entropy(number));
    rule::open(login, bucket, &Policy::default(), &keys, now(), entropy).0
}

fn entropy(number: u64) -> [u8; 64] {
    let mut entropy = [0; 64];
    fastrand::Rng::with_seed(number).fill(&mut entropy);
    entropy
}

async fn open_and_rotate(store: &RedisStore, login: Login, number: u64) {
    let session = &opened(store, login, number);
    let created = store.create(session, None).await.unwrap();
    assert!(matches!(created, Created::Applied(_)));
    let rotation = Change::Rotate(rotation(session, &entropy(number)));
    let rotated = store.commit(&rotation).await.unwrap();
    assert!(matches!(rotated, Commit::Applied(_)));
}

fn rotation(session: &Session, random: &[u8; 64]) -> Rotation {
    let at = session.rotated_at + Duration::from_secs(5 * 60);
    let hash = TokenHash::from_bytes(*random.first_chunk().unwrap());
    let nonce = Nonce::from_bytes(*random.last_chunk().unwrap());
    let mut rotation = Rotation::new(session, hash, nonce, at);
    rotation.slide.idle_expires_at = at + Duration::from_secs(30 * 24 * 3600);
    rotation
}

fn now() -> UnixTime {
    UnixTime::from_secs(1_767_225_600).unwrap()
}
