//! Counts the allocations of every operation, or with `--memory` the bytes of a session in the memory
//! store, and prints them as JSON.

#![expect(clippy::print_stdout, reason = "what it counted is what it is for")]

use std::alloc::System;
use std::collections::BTreeMap;

use bench::operation::manager::at_once;
use bench::operation::{self, Pool};
use bench::world;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use token_core::{Algorithm, CustomClaims};
use token_store::store::Created;
use token_store::{MemoryStore, SessionStore as _};

#[global_allocator]
static COUNTER: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// How often each is run: caches and buffers that are filled once do not count.
const TIMES: u32 = 1000;

/// How many sessions the memory store is filled with.
const SESSIONS: u64 = 1_000_000;

fn main() {
    if std::env::args().nth(1).as_deref() == Some("--memory") {
        return memory();
    }
    let mut counted = BTreeMap::new();
    for (name, make) in operation::ALL {
        let mut operation = make(Pool(64));
        let ways = operation.ways.iter_mut().map(|way| {
            (0..TIMES).for_each(|_| (way.run)());
            let region = Region::new(COUNTER);
            (0..TIMES).for_each(|_| (way.run)());
            let change = region.change();
            let count = u32::try_from(change.allocations + change.reallocations);
            f64::from(count.unwrap_or(u32::MAX)) / f64::from(TIMES)
        });
        counted.insert(*name, ways.collect::<Vec<f64>>());
    }
    let json = serde_json::to_string_pretty(&counted).expect("numbers are JSON");
    println!("{json}");
}

/// Prints how many bytes a session takes in a memory store: as the store asked for them, and as the
/// process grew.
fn memory() {
    let key = world::Key::new(Algorithm::HS256);
    let issuer = world::issuer(&key);
    let store = MemoryStore::new(2_000_000, &world::SECRET);
    let (asked, grown) = (in_use(), resident());
    let each = |number| {
        let granted = world::session(&issuer, number, CustomClaims::default());
        let created = at_once(store.create(granted.session()));
        assert!(matches!(created, Ok(Created::Applied(_))));
    };
    (0..SESSIONS).for_each(each);
    let (asked, grown) = (in_use() - asked, resident() - grown);
    let figures = serde_json::json!({
        "sessions": SESSIONS,
        "bytes_a_session": asked / SESSIONS,
        "resident_bytes_a_session": grown / SESSIONS,
    });
    println!("{figures}");
    drop(store);
}

/// Bytes that are allocated at present.
fn in_use() -> u64 {
    let stats = COUNTER.stats();
    // Growth by reallocation is counted apart, and may be negative.
    let bytes = stats.bytes_allocated - stats.bytes_deallocated;
    u64::try_from(bytes).unwrap_or_default()
}

/// Bytes of memory that the process has.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kilobytes.unwrap_or_default() * 1024
}
