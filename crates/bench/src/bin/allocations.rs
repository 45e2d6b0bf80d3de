//! Counts the allocations of every operation, and prints them as JSON.

#![expect(clippy::print_stdout, reason = "what it counted is what it is for")]

use std::alloc::System;
use std::collections::BTreeMap;

use bench::operation::{self, Pool};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static COUNTER: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// How often each is run: caches and buffers that are filled once do not count.
const TIMES: u32 = 1000;

fn main() {
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
