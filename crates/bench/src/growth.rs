//! How the cost of an operation grows with the number of keys, claims, sessions and threads.

use std::hint::black_box;
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use figures::growth::Curve;
use figures::middle::Middle;
use serde_json::{Map, Value};
use token_core::{Algorithm, CustomClaims, Session, Subject, UntrustedToken, Verifier};
use token_session::store::Created;
use token_session::{MemoryStore, SessionStore as _};

use crate::operations::manager::{PAST_THE_GRACE, at_once, login, manager, refresh_token, runtime};
use crate::rounds::{self, Effort};
use crate::world::{self, Key};

/// Measures every curve.
pub fn measure(effort: Effort) -> Vec<Curve> {
    vec![
        claims(effort),
        length(effort),
        keys(effort),
        sessions_of_one(effort),
        sessions_in_store(effort),
        threads(),
    ]
}

fn curve(name: &str, by: &str, promise: &str, points: Vec<(f64, Middle)>) -> Curve {
    let [name, by, promise] = [name, by, promise].map(str::to_owned);
    Curve {
        name,
        by,
        promise,
        points,
    }
}

fn time(effort: Effort, run: impl FnMut() + 'static) -> Middle {
    let samples = rounds::measure(effort, &mut [Box::new(run)]);
    samples
        .first()
        .map_or(Middle::of(Vec::new()), rounds::Samples::time)
}

/// Verifies one token with these claims in addition to the library's, signed by the last of these keys.
fn verify(effort: Effort, keys: &[Key], claims: &CustomClaims) -> Middle {
    let mut keys = keys.iter();
    let first = keys.next().expect("there is a key");
    let issuer = world::issuer(first);
    let token = world::access_tokens(&issuer, 1, claims).remove(0);
    let mut verifier = Verifier::builder(issuer.issuer.clone(), issuer.audience.clone());
    // If the key that signed comes last, the search takes longest.
    for key in keys {
        verifier = verifier.keys([key.ours.verifying_key()]);
    }
    let verifier = verifier.keys(issuer.access_keys.verifying_keys()).build();
    let verifier = verifier.expect("the keys go together");
    let now = world::now();
    time(effort, move || {
        let token = UntrustedToken::parse(&token).expect("the token is good");
        let token = verifier.check(token, now);
        black_box(&token).as_ref().expect("the token is good");
    })
}

fn claims(effort: Effort) -> Curve {
    let key = [Key::new(Algorithm::HS256)];
    let points = [10, 20, 40, 70, 100].map(|count: u32| {
        let own = (10..count).map(|n| (format!("claim-{n:03}"), Value::from("value")));
        let own = CustomClaims::new(&own.collect::<Map<_, _>>()).expect("they fit");
        (f64::from(count), verify(effort, &key, &own))
    });
    let promise = "linear: HMAC and the JSON reader see each byte once; up to 16 names of the application are compared with each other, more are put into a set";
    curve("verify HS256", "claims", promise, points.to_vec())
}

fn length(effort: Effort) -> Curve {
    let key = [Key::new(Algorithm::HS256)];
    let issuer = world::issuer(key.first().expect("there is one"));
    let points = [0, 512, 1024, 2048, 4000].map(|bytes: u32| {
        let text = "x".repeat(usize::try_from(bytes).unwrap_or_default());
        let own = Map::from_iter([("text".to_owned(), Value::from(text))]);
        let own = CustomClaims::new(&own).expect("they fit");
        let token = world::access_tokens(&issuer, 1, &own).remove(0);
        let length = u32::try_from(token.len()).unwrap_or_default();
        (f64::from(length), verify(effort, &key, &own))
    });
    let promise = "linear: each byte is hashed, decoded and read once";
    curve(
        "verify HS256",
        "bytes of the token",
        promise,
        points.to_vec(),
    )
}

fn keys(effort: Effort) -> Curve {
    let keys: Vec<Key> = (0..64).map(|_| Key::new(Algorithm::EdDSA)).collect();
    let points = [1_u32, 4, 16, 64].map(|count| {
        let some = usize::try_from(count).unwrap_or_default();
        let some = keys.get(..some).unwrap_or_default();
        (
            f64::from(count),
            verify(effort, some, &CustomClaims::default()),
        )
    });
    let promise = "linear, by one comparison of a header a key, which is lost beside the signature";
    curve("verify EdDSA", "keys", promise, points.to_vec())
}

fn sessions_of_one(effort: Effort) -> Curve {
    let key = Key::new(Algorithm::HS256);
    let issuer = world::issuer(&key);
    let points = [1_u32, 10, 100, 1000, 10_000].map(|count| {
        // All of one subject are in one shard of 64.
        let store = MemoryStore::new(1_000_000, &world::SECRET);
        let subject = Subject::new("alice").expect("a name");
        for number in 0..count {
            let granted = world::session(&issuer, u64::from(number), CustomClaims::default());
            let mut session = Session::clone(granted.session());
            session.subject = subject.clone();
            session.id = world::session_id(store.bucket(&subject), u64::from(number));
            let created = at_once(store.create(&session, None));
            assert!(matches!(created, Ok(Created::Applied(_))), "{created:?}");
        }
        let list = time(effort, move || {
            black_box(at_once(store.list(&subject)).expect("it answers"));
        });
        (f64::from(count), list)
    });
    let promise = "n log n: every session is copied out, and they are sorted by age";
    curve(
        "list on memory",
        "sessions of one subject",
        promise,
        points.to_vec(),
    )
}

fn sessions_in_store(effort: Effort) -> Curve {
    let key = Key::new(Algorithm::HS256);
    let points = [10_000_u32, 100_000, 1_000_000].map(|count| {
        let (manager, clock) = manager(&key, 2_000_000);
        let runtime = runtime();
        let mut tokens: Vec<String> = runtime.block_on(async {
            let mut tokens = Vec::new();
            for number in 0..u64::from(count) {
                let issued = login(&manager, number).await;
                // The same number is refreshed at each size, spread over all sessions.
                if number % (u64::from(count) / 10_000) == 0 {
                    tokens.push(refresh_token(&issued));
                }
            }
            tokens
        });
        let mut turn = 0;
        let refresh = time(effort, move || {
            let _inside = runtime.enter();
            if turn == 0 {
                clock.advance(PAST_THE_GRACE);
            }
            if let Some(token) = tokens.get_mut(turn) {
                let issued = at_once(manager.refresh(token, None));
                *token = refresh_token(&issued.expect("the token is good"));
            }
            turn = (turn + 1) % tokens.len();
        });
        (f64::from(count), refresh)
    });
    let promise = "constant, but for the processor's caches: hash tables";
    curve(
        "refresh on memory",
        "sessions in the store",
        promise,
        points.to_vec(),
    )
}

/// Nanoseconds of wall time a refresh, by how many threads refresh their own sessions.
fn threads() -> Curve {
    let points = [1_u32, 2].map(|count| {
        let rounds = (0..15).map(|_| refreshes_by(count)).collect();
        (f64::from(count), Middle::of(rounds))
    });
    let promise = "half with two processors: threads meet only in a shard";
    curve(
        "refresh on memory, wall time",
        "threads",
        promise,
        points.to_vec(),
    )
}

fn refreshes_by(count: u32) -> f64 {
    const EACH: u32 = 4000;
    let (manager, clock) = manager(&Key::new(Algorithm::HS256), 100_000);
    let manager = Arc::new(manager);
    let runtime = Arc::new(runtime());
    let mut work: Vec<Vec<String>> = Vec::new();
    for thread in 0..count {
        let own = (0..EACH).map(|n| u64::from(thread * EACH + n));
        let own = own.map(|n| refresh_token(&runtime.block_on(login(&manager, n))));
        work.push(own.collect());
    }
    clock.advance(PAST_THE_GRACE);
    let start = Instant::now();
    thread::scope(|scope| {
        for tokens in work {
            let (manager, runtime) = (Arc::clone(&manager), Arc::clone(&runtime));
            scope.spawn(move || {
                let _inside = runtime.enter();
                for token in tokens {
                    let issued = at_once(manager.refresh(&token, None));
                    let _ = black_box(issued.expect("the token is good"));
                }
            });
        }
    });
    start.elapsed().as_secs_f64() * 1e9 / f64::from(EACH * count)
}
