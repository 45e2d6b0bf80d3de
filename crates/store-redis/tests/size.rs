//! What a session costs in memory.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use store_redis::RedisStore;
use testbed::redis::Server;
use token_core::session::{
    self, Change, Device, EarlierRotations, Epoch, Login, Nonce, RotatedBy, Rotation, Slide,
};
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
            .filter(|login| u16::from(store.bucket(&login.subject).as_byte()) < buckets);
        let logins = logins.take(usize::try_from(count).unwrap());
        stream::iter(logins.zip(0..))
            .for_each_concurrent(64, |(login, number)| open_and_rotate(&store, login, number))
            .await;
        let each = (server.info("used_memory") - empty) / count;
        println!("{what}: {each} bytes each of {count} sessions, rotated once");
        assert!(each <= LIMIT, "{what}: {each} bytes");
    }
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

async fn open_and_rotate(store: &RedisStore, login: Login, number: u64) {
    let keys = RefreshKey::new(KeyId::new("2026-01").unwrap(), &[3; 32]).unwrap();
    let keys = RefreshKeyRing::new(keys);
    let mut entropy = [0; 64];
    fastrand::Rng::with_seed(number).fill(&mut entropy);
    let bucket = store.bucket(&login.subject);
    let opened = session::open(
        login,
        bucket,
        &Policy::default(),
        &keys,
        now(),
        Entropy::new(entropy),
    );
    let session = &opened.write;
    let created = store.create(session).await.unwrap();
    assert!(matches!(created, Created::Applied(_)));
    let rotation = Change::Rotate(rotation(session, &entropy));
    let rotated = store.commit(&rotation).await.unwrap();
    assert!(matches!(rotated, Commit::Applied(_)));
}

fn rotation(session: &Session, random: &[u8; 64]) -> Rotation {
    let at = session.rotated_at + Duration::from_secs(5 * 60);
    let slide = Slide {
        idle_expires_at: at + Duration::from_secs(30 * 24 * 3600),
        purge_at: session.purge_at,
    };
    Rotation {
        id: session.id,
        from: session.generation,
        from_hash: session.token_hash,
        rotated_before: None,
        to: session.generation.next(),
        to_hash: TokenHash::from_bytes(*random.first_chunk().unwrap()),
        previous_hash: session.token_hash,
        nonce: Nonce::from_bytes(*random.last_chunk().unwrap()),
        kid: session.rotation_kid.clone(),
        at,
        by: RotatedBy::Refresh,
        earlier_rotations: EarlierRotations::NONE,
        slide,
        remember_slide: slide,
        last_seen_at: at,
        authentication: None,
        claims: None,
    }
}

fn now() -> UnixTime {
    UnixTime::from_secs(1_767_225_600).unwrap()
}
