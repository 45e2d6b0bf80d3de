//! Checking a token allocates nothing, whatever a usual token carries.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail the test")]

mod forge;

use std::alloc::System;

use forge::{Claims, now, verifier};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use token_core::UntrustedToken;

#[global_allocator]
static COUNTER: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Alone in its file: the counter counts all threads.
#[test]
fn a_token_without_escapes_is_checked_without_an_allocation() {
    let usual = Claims::good()
        .and("amr", r#"["pwd","otp","mfa"]"#)
        .and("acr", r#""urn:example:silver""#)
        .and("name", r#""Alice""#);
    let usual = (0..15).fold(usual, |claims, n| claims.and(&format!("claim{n}"), n));
    let several = usual.clone().without("aud");
    let several = several.and("aud", format!(r#"["a","b","{}"]"#, forge::AUDIENCE));
    let verifier = verifier();
    for claims in [usual, several] {
        let token = claims.token();
        let verify = || {
            let untrusted = UntrustedToken::parse(&token).unwrap();
            verifier.check(untrusted, now()).unwrap();
        };
        verify();
        let region = Region::new(COUNTER);
        verify();
        let change = region.change();
        assert_eq!(
            (change.allocations, change.reallocations),
            (0, 0),
            "{token}"
        );
    }
}
