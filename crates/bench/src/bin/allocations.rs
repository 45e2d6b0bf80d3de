//! Counts the allocations of every operation, or with `--memory` the bytes of a session in the memory
//! store, and prints them as JSON.

#![expect(clippy::print_stdout, reason = "what it counted is what it is for")]

use std::alloc::System;
use std::collections::BTreeMap;

use bench::counted;
use bench::operation::{OURS, Pool};
use bench::operations;
use bench::operations::manager::at_once;
use bench::world;
use figures::memory::Footprint;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use token_core::{Algorithm, CustomClaims};
use token_session::store::Created;
use token_session::{MemoryStore, SessionStore as _};

#[global_allocator]
static COUNTER: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn main() {
    let json = if std::env::args().nth(1).as_deref() == Some("--memory") {
        serde_json::to_string_pretty(&[memory()])
    } else {
        let counted = operations::ALL
            .iter()
            .map(|(name, make)| (*name, counted::allocations(COUNTER, make(Pool(64)))));
        serde_json::to_string_pretty(&counted.collect::<BTreeMap<_, _>>())
    };
    println!("{}", json.expect("numbers are JSON"));
}

/// Sessions of as many subjects, without claims and device.
fn memory() -> Footprint {
    let key = world::Key::new(Algorithm::HS256);
    let issuer = world::issuer(&key);
    let store = MemoryStore::new(2_000_000, &world::SECRET);
    counted::footprint(OURS, COUNTER, |number| {
        let granted = world::session(&issuer, number, CustomClaims::default());
        let created = at_once(store.create(granted.session(), None));
        assert!(matches!(created, Ok(Created::Applied(_))));
    })
}
