//! Counts the allocations of every operation, or with `--memory` the bytes of a session in the
//! memory store of tower-sessions, and prints them as JSON.

use std::alloc::System;
use std::collections::BTreeMap;
use std::sync::Arc;

use bench::counted;
use bench::operation::Pool;
use bench::operations::manager::at_once;
use figures::memory::Footprint;
use in_memory::{PEER, User};
use serde::Serialize;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use tower_sessions::{MemoryStore, Session};

#[global_allocator]
static COUNTER: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn main() {
    let json = if std::env::args().nth(1).as_deref() == Some("--memory") {
        serde_json::to_string_pretty(&[
            memory("a user's id", |number| User::new(number).id),
            memory("a user with id and name", User::new),
        ])
    } else {
        let counted = in_memory::ALL
            .iter()
            .map(|(name, make)| (*name, counted::allocations(COUNTER, make(Pool(64)))));
        serde_json::to_string_pretty(&counted.collect::<BTreeMap<_, _>>())
    };
    println!("{}", json.expect("numbers are JSON"));
}

/// Sessions that hold one value each.
fn memory<T: Serialize>(what: &str, value: impl Fn(u64) -> T) -> Footprint {
    let store = Arc::new(MemoryStore::default());
    let who = format!("{PEER}, {what}");
    counted::footprint(&who, COUNTER, |number| {
        let session = Session::new(None, Arc::clone(&store), None);
        at_once(session.insert("user", value(number))).expect("it is JSON");
        at_once(session.save()).expect("the store answers");
    })
}
