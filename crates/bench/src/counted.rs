//! Figures of a counting allocator: how often each way of an operation allocates, and how many bytes a
//! session takes in a store.

use std::alloc::System;

use figures::memory::Footprint;
use stats_alloc::{Region, StatsAlloc};

use crate::operation::Operation;

/// How often each way is run, so that caches and buffers that are filled once do not count.
const TIMES: u32 = 1000;

/// How many sessions a store is filled with.
const SESSIONS: u64 = 1_000_000;

/// The allocations of one run of each way, in order.
pub fn allocations(counter: &StatsAlloc<System>, mut operation: Operation) -> Vec<f64> {
    let ways = operation.ways.iter_mut().map(|way| {
        (0..TIMES).for_each(|_| (way.run)());
        let region = Region::new(counter);
        (0..TIMES).for_each(|_| (way.run)());
        let change = region.change();
        let count = u32::try_from(change.allocations + change.reallocations);
        f64::from(count.unwrap_or(u32::MAX)) / f64::from(TIMES)
    });
    ways.collect()
}

/// Fills a store with a million sessions; `create` gets the number of each.
pub fn footprint(who: &str, counter: &StatsAlloc<System>, create: impl FnMut(u64)) -> Footprint {
    let before = (in_use(counter), resident());
    (0..SESSIONS).for_each(create);
    let after = (in_use(counter), resident());
    Footprint {
        who: who.to_owned(),
        sessions: SESSIONS,
        asked: after.0.saturating_sub(before.0) / SESSIONS,
        resident: after.1.saturating_sub(before.1) / SESSIONS,
    }
}

/// Bytes that are allocated at present.
fn in_use(counter: &StatsAlloc<System>) -> u64 {
    let stats = counter.stats();
    // If a reallocation grows, the growth is counted as allocated; if it shrinks, as freed.
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
