//! Every row of the rotation table in `docs/rotation.md`, at its edges.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

mod support;

use support::{Answer, Counter, World, at, refresh_key, secs};
use token_core::binding::{Binding, Proof, Thumbprint};
use token_core::session::rule::{self, CookieDecision, Decision, SessionToken};
use token_core::session::{self, Change, Committed, Denial, Device, Generation, RotatedBy, StepUp};
use token_core::types::{Bucket, TokenHash};
use token_core::{Authentication, CustomClaims, Policy, RefreshKeyRing, Scope, Session, Transport};

/// Grace 30 s, tolerance 5 s, store margin 10 s: the previous token is replayed up to 35 s after a
/// rotation, and the next rotation comes after 45 s at the earliest.
fn world() -> (World, String) {
    World::new(Policy::default(), Transport::Header)
}

#[test]
fn a_session_opens_as_its_login_says() {
    let mut login = support::login(Transport::Header);
    (login.remember, login.device) = (true, Device::new(Some("a laptop"), None, None));
    let (issuer, mut entropy) = (support::issuer(Policy::default()), Counter::default());
    let (policy, keys) = (&issuer.policy, &issuer.refresh_keys);
    let bucket = Bucket(7);
    let (row, _) = rule::open(login.clone(), bucket, policy, keys, at(0), entropy.draw());
    assert!(row.remember);
    assert_eq!(row.device, login.device);
    // What a list shows is coarse: a multiple of 300 s, and START is 200 s after one.
    assert_eq!(at(0).since(row.last_seen_at), secs(200));
    assert_eq!(row.idle_expires_at, at(90 * 24 * 3600));
}

#[test]
fn the_first_token_rotates_at_once() {
    let (mut world, first) = world();
    let second = world.refresh(&first, at(0));
    assert!(matches!(second, Answer::Rotated(_)));
    assert_eq!(world.row.generation, Generation(1));
    assert_eq!(world.row.rotated_at, at(0));
}

#[test]
fn the_current_token_rotates_once_the_window_and_the_margin_have_passed() {
    let (mut world, first) = world();
    let second = world.refresh(&first, at(0)).token().to_owned();
    let again = world.refresh(&second, at(44));
    assert!(matches!(&again, Answer::Replayed(token) if *token == second));
    assert_eq!(world.rotations, 1);
    let third = world.refresh(&second, at(45));
    assert!(matches!(&third, Answer::Rotated(token) if *token != second));
}

/// A client that refreshes every 40 s gets a new token each second time.
#[test]
fn a_client_that_refreshes_more_often_than_tokens_rotate_still_gets_new_ones() {
    let (mut world, mut token) = world();
    for seconds in (40..=400).step_by(40) {
        token = world.refresh(&token, at(seconds)).token().to_owned();
    }
    // At 40 s, because the first token rotates at once, then at 120 s, 200 s, 280 s and 360 s.
    assert_eq!(world.row.generation, Generation(5));
}

#[test]
fn without_a_margin_the_current_token_rotates_when_the_window_ends() {
    let policy = Policy::builder().store_margin(secs(0)).build().unwrap();
    let (mut world, first) = World::new(policy, Transport::Header);
    let second = world.refresh(&first, at(0)).token().to_owned();
    assert!(matches!(
        world.refresh(&second, at(34)),
        Answer::Replayed(_)
    ));
    assert!(matches!(world.refresh(&second, at(35)), Answer::Rotated(_)));
}

#[test]
fn the_previous_token_gets_the_same_successor_bit_for_bit() {
    let (mut world, first) = world();
    let second = world.refresh(&first, at(100)).token().to_owned();
    for seconds in [100, 101, 135] {
        let replayed = world.refresh(&first, at(seconds));
        assert!(matches!(&replayed, Answer::Replayed(token) if *token == second));
    }
    assert_eq!(world.rotations, 1);
}

#[test]
fn a_replay_moves_no_deadline() {
    let (mut world, first) = world();
    world.refresh(&first, at(100));
    let before = world.row.clone();
    world.refresh(&first, at(120));
    assert_eq!(world.row, before);
}

#[test]
fn a_rotation_moves_the_idle_deadline_and_never_the_absolute_one() {
    let (mut world, first) = world();
    let (idle, absolute) = (world.row.idle_expires_at, world.row.absolute_expires_at);
    world.refresh(&first, at(1000));
    assert_eq!(world.row.idle_expires_at.since(idle), secs(1000));
    assert_eq!(world.row.absolute_expires_at, absolute);
}

/// With a hook the row is read first, and `decide` alone judges: its interval must end where that of
/// the optimistic write does.
#[test]
fn decide_and_the_optimistic_write_rotate_from_the_same_second_on() {
    let (mut world, first) = world();
    let second = world.refresh(&first, at(100)).token().to_owned();
    let mut judged = |now| world.peek(&second, None, now);
    assert!(matches!(judged(at(144)), Decision::Replay(_)));
    assert!(matches!(judged(at(145)), Decision::Rotate(..)));
    assert!(matches!(
        world.refresh(&second, at(145)),
        Answer::Rotated(_)
    ));
}

#[test]
fn the_previous_token_after_the_window_ends_the_session() {
    let (mut world, first) = world();
    let second = world.refresh(&first, at(100)).token().to_owned();
    assert_eq!(world.refresh(&first, at(136)).reason(), "reused");
    assert!(world.row.revocation.is_some());
    // The newest token is dead as well, in whatever hands it is.
    assert_eq!(world.refresh(&second, at(136)).reason(), "revoked");
    assert_eq!(world.refresh(&first, at(137)).reason(), "revoked");
    assert_eq!(world.reuses, 1);
}

#[test]
fn anything_older_ends_the_session_whenever_it_comes() {
    let (mut world, first) = world();
    let second = world.refresh(&first, at(0)).token().to_owned();
    world.refresh(&second, at(45));
    assert_eq!(world.refresh(&first, at(45)).reason(), "reused");
}

#[test]
fn grace_zero_means_no_replay_at_all() {
    let policy = Policy::builder().grace(secs(0)).build().unwrap();
    let (mut world, first) = World::new(policy, Transport::Header);
    let second = world.refresh(&first, at(10)).token().to_owned();
    let third = world.refresh(&second, at(10));
    assert!(matches!(third, Answer::Rotated(_)));
    assert_eq!(world.refresh(&second, at(10)).reason(), "reused");
}

#[test]
fn an_ended_session_denies_every_token() {
    let (mut world, first) = world();
    let second = world.refresh(&first, at(0)).token().to_owned();
    world.end(at(1));
    for token in [&first, &second] {
        assert_eq!(world.refresh(token, at(1)).reason(), "revoked");
    }
}

#[test]
fn the_idle_deadline_is_exclusive() {
    let policy = Policy::builder().idle_lifetime(secs(100)).build().unwrap();
    let (mut world, first) = World::new(policy, Transport::Header);
    assert!(matches!(
        world.peek(&first, None, at(99)),
        Decision::Rotate(..)
    ));
    assert_eq!(world.refresh(&first, at(100)).reason(), "expired");
    assert!(world.row.revocation.is_none());
}

#[test]
fn the_absolute_deadline_holds_however_often_it_is_used() {
    let policy = Policy::builder()
        .idle_lifetime(secs(100))
        .absolute_lifetime(secs(250))
        .build()
        .unwrap();
    let (mut world, mut token) = World::new(policy, Transport::Header);
    for seconds in [80, 160, 240] {
        token = world.refresh(&token, at(seconds)).token().to_owned();
    }
    assert_eq!(world.row.idle_expires_at, world.row.absolute_expires_at);
    assert_eq!(world.refresh(&token, at(250)).reason(), "expired");
}

#[test]
fn another_secret_for_a_known_generation_is_refused_and_revokes_nothing() {
    // Within the window of the last rotation, and after it, when nothing but the hash is wrong.
    for (change_current, later) in [(true, 1), (true, 1000), (false, 1), (false, 1000)] {
        let (mut world, first) = world();
        let second = world.refresh(&first, at(0)).token().to_owned();
        // As if the store had lost a write, or the token had been forged with a stolen key.
        let other = TokenHash::from_bytes([0; 32]);
        let token = if change_current {
            world.row.token_hash = other;
            second
        } else {
            world.row.previous_hash = Some(other);
            first
        };
        let answer = world.refresh(&token, at(later));
        assert!(
            matches!(&answer, Answer::Denied(Denial::Mismatch { .. })),
            "{answer:?}"
        );
        assert_eq!(answer.reason(), "malformed");
        assert!(world.row.revocation.is_none());
    }
}

#[test]
fn a_session_derived_with_other_bytes_replays_nothing() {
    let (mut world, first) = world();
    world.refresh(&first, at(0));
    world.row.nonce = session::Nonce::from_bytes([9; 16]);
    assert_eq!(world.refresh(&first, at(1)).reason(), "malformed");
}

#[test]
fn a_later_generation_is_refused_as_unknown_and_revokes_nothing() {
    let (mut world, first) = world();
    let before = world.row.clone();
    let second = world.refresh(&first, at(0)).token().to_owned();
    world.row = before; // the store lost the write
    let answer = world.refresh(&second, at(50));
    assert!(matches!(&answer, Answer::Denied(Denial::LostWrite { .. })));
    assert_eq!(answer.reason(), "unknown");
    assert!(world.row.revocation.is_none());
    assert!(matches!(world.refresh(&first, at(51)), Answer::Rotated(_)));
}

#[test]
fn a_later_generation_is_adopted_if_the_policy_says_so() {
    let policy = Policy::builder().adopt_lost_writes().build().unwrap();
    let (mut world, first) = World::new(policy, Transport::Header);
    let before = world.row.clone();
    let second = world.refresh(&first, at(0)).token().to_owned();
    world.row = before;
    let third = world.refresh(&second, at(50)).token().to_owned();
    assert_eq!(world.row.generation, Generation(2));
    // From here on all is as ever.
    assert_eq!(world.refresh(&second, at(60)).token(), third);
    assert_eq!(world.refresh(&first, at(60)).reason(), "reused");
}

#[test]
fn a_step_up_always_renews_and_ends_older_tokens_at_once() {
    let (mut world, first) = world();
    let second = world.refresh(&first, at(0)).token().to_owned();
    let third = world.step_up(&second, at(1));
    assert!(matches!(third, Answer::Rotated(_)));
    assert_eq!(world.row.authentication.time, at(1));
    assert_eq!(world.row.rotated_by, RotatedBy::StepUp);
    // Honest stragglers of either older generation are refused, and the session lives on.
    for (token, seconds) in [(&first, 35), (&second, 36)] {
        assert_eq!(world.refresh(token, at(seconds)).reason(), "revoked");
        assert!(world.row.revocation.is_none());
    }
    // The new one is replayed to a storm and rotates when it is time.
    let third = third.token().to_owned();
    assert!(matches!(world.refresh(&third, at(10)), Answer::Replayed(_)));
    assert!(matches!(world.refresh(&third, at(45)), Answer::Replayed(_)));
    assert!(matches!(world.refresh(&third, at(46)), Answer::Rotated(_)));
}

#[test]
fn a_superseded_token_long_after_a_step_up_ends_the_session() {
    let (mut world, first) = world();
    world.step_up(&first, at(1));
    assert_eq!(world.refresh(&first, at(37)).reason(), "reused");
}

#[test]
fn a_token_superseded_long_before_a_step_up_ends_the_session() {
    // By the refresh at 0 s: 35 s later it may still be on its way, and 36 s later it may not.
    for (seconds, reason) in [(35, "revoked"), (36, "reused")] {
        let (mut world, first) = world();
        let second = world.refresh(&first, at(0)).token().to_owned();
        world.step_up(&second, at(30));
        assert_eq!(world.refresh(&first, at(seconds)).reason(), reason);
    }
    // An hour ago, and shown 10 s after the step-up.
    let (mut world, first) = world();
    let second = world.refresh(&first, at(0)).token().to_owned();
    world.step_up(&second, at(3600));
    assert_eq!(world.refresh(&first, at(3610)).reason(), "reused");
}

/// A page that asks for the password and then for a new one makes two step-ups in a moment.
#[test]
fn each_token_before_several_step_ups_is_judged_by_when_it_was_superseded() {
    let tokens_after = |seconds: u64, which: usize| {
        let (mut world, mut token) = world();
        let mut tokens = vec![token.clone()];
        token = world.refresh(&token, at(100)).token().to_owned(); // supersedes 0
        for seconds in [103, 110, 120] {
            tokens.push(token.clone()); // 1, 2 and 3 are superseded by step-ups
            token = world.step_up(&token, at(seconds)).token().to_owned();
        }
        let reason = world.refresh(&tokens[which], at(seconds)).reason();
        assert_eq!(world.row.revocation.is_some(), reason == "reused");
        reason
    };
    for (which, superseded) in [(0, 100), (1, 103), (2, 110), (3, 120)] {
        assert_eq!(tokens_after(superseded + 35, which), "revoked");
        assert_eq!(tokens_after(superseded + 36, which), "reused");
    }
}

/// The store knows the rotation before those that it has lost, and not theirs.
#[test]
fn a_token_that_was_superseded_while_writes_were_lost_ends_the_session() {
    let policy = Policy::builder().adopt_lost_writes().build().unwrap();
    let (mut world, first) = World::new(policy, Transport::Header);
    let second = world.step_up(&first, at(100)).token().to_owned();
    let kept = world.row.clone();
    let third = world.step_up(&second, at(101)).token().to_owned();
    let fourth = world.step_up(&third, at(102)).token().to_owned();
    world.row = kept;
    world.step_up(&fourth, at(103));
    assert_eq!(world.row.generation, Generation(4));
    assert_eq!(world.refresh(&third, at(104)).reason(), "reused");
}

/// What is remembered has 15 bits for the seconds: nine hours and six minutes.
#[test]
fn a_token_superseded_longer_ago_than_can_be_remembered_ends_the_session() {
    for later in [0x7FFD, 0x7FFE, 0x7FFF, 0x8000, 0x8001, 0x800A, 0x1_0001] {
        let (mut world, first) = world();
        let second = world.step_up(&first, at(100)).token().to_owned();
        world.step_up(&second, at(100 + later));
        assert_eq!(world.refresh(&first, at(100 + later)).reason(), "reused");
    }
}

#[test]
fn a_token_from_before_a_refresh_that_followed_a_step_up_ends_the_session() {
    let (mut world, first) = world();
    let second = world.step_up(&first, at(100)).token().to_owned();
    world.refresh(&second, at(145));
    assert_eq!(world.refresh(&first, at(145)).reason(), "reused");
}

/// In a transport with a cookie a late answer may give a browser the cookie from before the step-up back, and
/// it presents that within an access lifetime: 335 s. Until then, and the margin, nothing rotates again.
#[test]
fn a_refresh_after_a_step_up_waits_for_the_browsers_that_have_the_cookie_before_it() {
    let (mut world, first) = World::new(Policy::default(), Transport::Cookie);
    let second = world.step_up(&first, at(100)).token().to_owned();
    for seconds in [146, 435, 444] {
        let again = world.refresh(&second, at(seconds));
        assert!(matches!(&again, Answer::Replayed(token) if *token == second));
        let decided = world.decide(&second, None, at(seconds));
        assert!(matches!(&decided, Answer::Replayed(token) if *token == second));
        assert_eq!(
            world.refresh(&first, at(seconds.min(435))).reason(),
            "revoked"
        );
    }
    assert!(matches!(
        world.refresh(&second, at(445)),
        Answer::Rotated(_)
    ));
    assert_eq!(world.refresh(&first, at(445)).reason(), "reused");
}

/// With a short idle lifetime a session in use would otherwise end between two rotations.
#[test]
fn a_refresh_that_gets_the_same_token_moves_the_idle_deadline_if_that_is_due() {
    let policy = Policy::builder().idle_lifetime(secs(120)).build().unwrap();
    let (mut world, first) = World::new(policy, Transport::Cookie);
    let second = world.step_up(&first, at(100)).token().to_owned();
    let mut idle = world.row.idle_expires_at;
    for (seconds, moves) in [
        (159, false),
        (160, true),
        (219, false),
        (220, true),
        (280, true),
    ] {
        let again = world.refresh(&second, at(seconds));
        assert!(matches!(&again, Answer::Replayed(token) if *token == second));
        let moved = world.row.idle_expires_at;
        assert_eq!(moved, if moves { at(seconds) + secs(120) } else { idle });
        idle = moved;
    }
    assert_eq!(world.row.generation, Generation(1));
}

#[test]
fn a_step_up_whose_answer_was_lost_may_be_repeated_within_the_grace() {
    let (mut world, first) = world();
    let second = world.step_up(&first, at(100)).token().to_owned();
    let again = world.step_up(&first, at(130));
    assert!(matches!(&again, Answer::Replayed(token) if *token == second));
    assert_eq!(world.step_up(&first, at(136)).reason(), "reused");
}

/// A password whose answer was lost, and then a one-time code with the same older token.
#[test]
fn a_step_up_by_another_proof_is_not_taken_for_a_repeated_one() {
    let (mut world, first) = world();
    let lost = world.step_up(&first, at(100)).token().to_owned();
    let otp = Authentication {
        amr: vec!["pwd".into(), "otp".into()],
        ..Authentication::password(at(110))
    };
    let third = world.decide(&first, Some(&otp.clone().into()), at(110));
    assert!(matches!(&third, Answer::Rotated(token) if *token != lost));
    assert_eq!(world.row.authentication, otp);
    assert_eq!(world.row.generation, Generation(2));
    assert_eq!(world.refresh(&lost, at(111)).reason(), "revoked");
    let again = world.decide(&lost, Some(&otp.into()), at(112));
    assert!(matches!(&again, Answer::Replayed(token) if token == third.token()));
}

/// An answer was lost, and then the same older token comes with the same proof for another scope.
#[test]
fn a_step_up_that_asks_for_more_is_not_taken_for_a_repeated_one() {
    let (mut world, first) = world();
    let to = |scope: &str, seconds| StepUp {
        rights: scope.parse::<Scope>().unwrap().into(),
        ..Authentication::password(at(seconds)).into()
    };
    let lost = world.decide(&first, Some(&to("a", 100)), at(100));
    let again = world.decide(&first, Some(&to("a", 110)), at(110));
    assert!(matches!(&again, Answer::Replayed(token) if token == lost.token()));
    let other = world.decide(&first, Some(&to("b", 120)), at(120));
    assert!(matches!(&other, Answer::Rotated(token) if token != lost.token()));
    assert_eq!(world.row.scope.as_str(), "b");
}

#[test]
fn a_step_up_that_asks_for_other_claims_is_not_taken_for_a_repeated_one() {
    let (mut world, first) = world();
    let to = |claims: &str, seconds| StepUp {
        rights: CustomClaims::from_json(claims).unwrap().into(),
        ..Authentication::password(at(seconds)).into()
    };
    let lost = world.decide(&first, Some(&to(r#"{"a":1}"#, 100)), at(100));
    let again = world.decide(&first, Some(&to(r#"{"a":1}"#, 110)), at(110));
    assert!(matches!(&again, Answer::Replayed(token) if token == lost.token()));
    let other = world.decide(&first, Some(&to(r#"{"a":2}"#, 120)), at(120));
    assert!(matches!(&other, Answer::Rotated(token) if token != lost.token()));
}

#[test]
fn a_step_up_after_a_lost_refresh_goes_on_from_the_token_in_force() {
    let (mut world, first) = world();
    let lost = world.refresh(&first, at(100)).token().to_owned();
    let third = world.step_up(&first, at(110)).token().to_owned();
    assert_eq!(world.row.generation, Generation(2));
    assert_eq!(world.refresh(&lost, at(111)).reason(), "revoked");
    assert!(matches!(world.refresh(&third, at(155)), Answer::Rotated(_)));
}

/// When it was used last is written by the next rotation.
#[test]
fn a_refresh_that_gets_the_same_token_writes_nothing_if_the_deadline_cannot_move() {
    let policy = Policy::builder().absolute_lifetime(secs(24 * 3600));
    let (mut world, first) = World::new(policy.build().unwrap(), Transport::Header);
    let second = world.refresh(&first, at(99)).token().to_owned();
    // START is 200 s after a multiple of 300 s, so other five minutes have begun.
    let decision = world.peek(&second, None, at(140));
    assert!(matches!(decision, Decision::Replay(_)));
}

#[test]
fn a_copy_without_the_key_of_a_bound_session_neither_keeps_it_alive_nor_ends_it() {
    let (mut world, first) = world();
    let second = world.refresh(&first, at(0)).token().to_owned();
    let lost = world.row.clone();
    let third = world.refresh(&second, at(100)).token().to_owned();
    let key = Thumbprint::from_bytes([1; 32]);
    let decide = |row: &Session, token: &str, proof, seconds| {
        let (mut world, _) = self::world();
        let mut claims = world.claims(token);
        world.row = row.clone();
        world.row.binding = Binding::Key(key);
        claims.proof = proof;
        world.peek_at(&claims, None, at(seconds))
    };
    let other = Thumbprint::from_bytes([2; 32]);
    for (row, token, seconds) in [
        (&world.row, &first, 101),
        (&world.row, &second, 101),
        (&world.row, &second, 200),
        (&world.row, &third, 200),
        (&lost, &third, 101),
    ] {
        for proof in [Proof::default(), Proof::Key(other)] {
            let decision = decide(row, token, proof, seconds);
            assert!(matches!(decision, Decision::Deny(Denial::Unbound(_))));
        }
        let decision = decide(row, token, Proof::Key(key), seconds);
        assert!(!matches!(decision, Decision::Deny(Denial::Unbound(_))));
    }
}

#[test]
fn a_clock_behind_the_last_rotation_counts_as_age_zero() {
    let (mut world, first) = world();
    let second = world.refresh(&first, at(100)).token().to_owned();
    // A node whose clock is 5 s behind.
    assert_eq!(world.refresh(&first, at(95)).token(), second);
    assert_eq!(world.refresh(&second, at(95)).token(), second);
}

#[test]
fn replays_converge_across_a_change_of_keys() {
    let (mut world, first) = world();
    let second = world.refresh(&first, at(0)).token().to_owned();
    world.issuer.refresh_keys = RefreshKeyRing::new(refresh_key("r2"))
        .with_other(refresh_key("r1"))
        .unwrap();
    assert_eq!(world.refresh(&first, at(10)).token(), second);
    let third = world.refresh(&second, at(45)).token().to_owned();
    assert_eq!(world.row.rotation_kid.as_str(), "r2");
    assert_eq!(world.refresh(&second, at(50)).token(), third);
}

#[test]
fn a_missing_rotation_key_is_the_servers_fault() {
    let (mut world, first) = world();
    world.refresh(&first, at(0));
    world.row.rotation_kid = "r9".parse().unwrap();
    let claims = world.claims(&first);
    let row = Committed::assertion(world.row.clone());
    let entropy = world.entropy.draw();
    let issuer = &world.issuer;
    let (policy, keys) = (&issuer.policy, &issuer.refresh_keys);
    let decision = rule::decide(&claims, &row, None, policy, keys, at(1), entropy);
    assert!(decision.unwrap_err().to_string().contains("r9"));
}

#[test]
fn the_loser_of_a_race_decides_again_and_replays() {
    let (mut world, first) = world();
    let claims = world.claims(&first);
    let (one, two) = (world.entropy.draw(), world.entropy.draw());
    let issuer = world.issuer.clone();
    let attempt = |entropy| {
        rule::attempt(
            &claims,
            &issuer.policy,
            &issuer.refresh_keys,
            at(5),
            entropy,
        )
        .unwrap()
    };
    let ((first_write, winner), (second_write, loser)) = (attempt(one), attempt(two));
    let committed: Session = Change::Rotate(first_write).apply(&world.row).unwrap();
    assert!(Change::Rotate(second_write).apply(&committed).is_none());
    world.row = committed.clone();
    let granted = winner
        .committed(Committed::assertion(committed.clone()))
        .unwrap();
    let winners = world.text(&granted, at(5));
    assert_eq!(world.decide(&first, None, at(5)).token(), winners);
    // A token that the store did not write cannot be handed out.
    assert!(loser.committed(Committed::assertion(committed)).is_err());
}

#[test]
fn reused_is_not_answered_before_the_session_is_ended() {
    let (mut world, first) = world();
    world.refresh(&first, at(0));
    let Decision::Revoke(reuse) = world.peek(&first, None, at(100)) else {
        panic!("the previous token after the window");
    };
    let live = Committed::assertion(world.row.clone());
    let reuse = reuse.committed(&live).unwrap_err();
    let ended = Committed::assertion(reuse.ending.apply(&world.row).unwrap());
    assert!(matches!(reuse.committed(&ended), Ok(Denial::Reused { .. })));
}

mod session_cookie {
    use super::*;

    fn world() -> (World, String) {
        World::new(Policy::default(), Transport::Session)
    }

    fn decide(world: &World, cookie: &str, seconds: u64) -> CookieDecision {
        let row = Committed::assertion(world.row.clone());
        let issuer = &world.issuer;
        let token = cookie.parse::<SessionToken>().unwrap();
        token.decide(&row, &issuer.policy, &issuer.refresh_keys, at(seconds))
    }

    fn step_up(world: &mut World, cookie: &str, seconds: u64) -> Answer {
        let row = Committed::assertion(world.row.clone());
        let (token, entropy) = (
            cookie.parse::<SessionToken>().unwrap(),
            world.entropy.draw(),
        );
        let (policy, keys) = (
            world.issuer.policy.clone(),
            world.issuer.refresh_keys.clone(),
        );
        let authentication = Authentication::password(at(seconds));
        let decision = token
            .decide_step_up(
                &row,
                &authentication.into(),
                &policy,
                &keys,
                at(seconds),
                entropy,
            )
            .unwrap();
        world.carry_out(decision, at(seconds))
    }

    #[test]
    fn a_cookie_slides_at_most_once_in_a_touch_interval() {
        let (mut world, cookie) = world();
        assert!(matches!(
            decide(&world, &cookie, 59),
            CookieDecision::Accept(None)
        ));
        let CookieDecision::Accept(Some(touch)) = decide(&world, &cookie, 60) else {
            panic!("a minute has passed");
        };
        let before = world.row.idle_expires_at;
        world.row = Change::Touch(touch).apply(&world.row).unwrap();
        assert_eq!(world.row.idle_expires_at.since(before), secs(60));
        assert!(matches!(
            decide(&world, &cookie, 100),
            CookieDecision::Accept(None)
        ));
    }

    /// Then the deadline moves no more, and the list of sessions still says when it was used.
    #[test]
    fn a_cookie_that_lives_as_long_as_its_session_is_seen_every_five_minutes() {
        let policy = Policy::builder().absolute_lifetime(secs(24 * 3600));
        let (mut world, cookie) = World::new(policy.build().unwrap(), Transport::Session);
        assert_eq!(world.row.idle_expires_at, world.row.absolute_expires_at);
        // START is 200 s after a multiple of 300 s.
        assert!(matches!(
            decide(&world, &cookie, 99),
            CookieDecision::Accept(None)
        ));
        let CookieDecision::Accept(Some(touch)) = decide(&world, &cookie, 150) else {
            panic!("it is the next five minutes");
        };
        world.row = Change::Touch(touch).apply(&world.row).unwrap();
        assert_eq!(world.row.last_seen_at, at(100));
        assert!(matches!(
            decide(&world, &cookie, 399),
            CookieDecision::Accept(None)
        ));
    }

    /// The proof of the request goes into the write, which does not happen without it.
    #[test]
    fn the_use_of_a_bound_cookie_moves_its_deadline() {
        let (mut world, cookie) = world();
        let key = Thumbprint::from_bytes([1; 32]);
        world.row.binding = Binding::Key(key);
        let row = Committed::assertion(world.row.clone());
        let mut token = cookie.parse::<SessionToken>().unwrap();
        token.proof = Proof::Key(key);
        let issuer = &world.issuer;
        let decision = token.decide(&row, &issuer.policy, &issuer.refresh_keys, at(60));
        let CookieDecision::Accept(Some(touch)) = decision else {
            panic!("a minute has passed");
        };
        assert!(Change::Touch(touch).apply(&world.row).is_some());
        assert!(matches!(
            decide(&world, &cookie, 60),
            CookieDecision::Deny(Denial::Unbound(_))
        ));
    }

    #[test]
    fn a_touch_never_revives_or_shortens() {
        let (mut world, cookie) = world();
        let CookieDecision::Accept(Some(early)) = decide(&world, &cookie, 60) else {
            panic!()
        };
        let CookieDecision::Accept(Some(late)) = decide(&world, &cookie, 90) else {
            panic!()
        };
        let slid = Change::Touch(late.clone()).apply(&world.row).unwrap();
        assert!(Change::Touch(early).apply(&slid).is_none());
        world.end(at(91));
        assert!(Change::Touch(late).apply(&world.row).is_none());
    }

    #[test]
    fn a_cookie_keeps_its_value_until_a_step_up_renews_it() {
        let (mut world, old) = world();
        let new = step_up(&mut world, &old, 10).token().to_owned();
        assert_ne!(new, old);
        assert!(matches!(
            decide(&world, &new, 11),
            CookieDecision::Accept(_)
        ));
        // A request that was in flight with the old one is refused, and nothing ends; nor when a
        // late answer gave the browser the old one back, for an access lifetime and a window.
        for seconds in [11, 345] {
            assert!(matches!(
                decide(&world, &old, seconds),
                CookieDecision::Deny(Denial::Superseded { .. })
            ));
            assert_eq!(step_up(&mut world, &old, seconds).token(), new);
        }
        // Later than that it was stolen.
        let CookieDecision::Revoke(reuse) = decide(&world, &old, 346) else {
            panic!("an old cookie came back");
        };
        world.end(at(346));
        let row = Committed::assertion(world.row.clone());
        let Ok(Denial::Reused {
            presented, stored, ..
        }) = reuse.committed(&row)
        else {
            panic!("the session is ended");
        };
        let evidence = (presented.0, stored.0);
        assert_eq!(evidence, (0, 1));
    }

    #[test]
    fn an_unknown_secret_revokes_nothing_and_learns_nothing() {
        let (mut world, cookie) = world();
        let mut forged = cookie
            .parse::<SessionToken>()
            .unwrap()
            .to_secret_text()
            .to_string();
        forged.replace_range(40..44, "AAAA");
        let malformed = |decision| matches!(decision, CookieDecision::Deny(Denial::Malformed));
        assert!(malformed(decide(&world, &forged, 1)));
        // Nor what became of the session.
        let year = 366 * 24 * 3600;
        assert!(malformed(decide(&world, &forged, year)));
        world.end(at(2));
        assert!(malformed(decide(&world, &forged, 3)));
        assert!(matches!(
            decide(&world, &cookie, 3),
            CookieDecision::Deny(Denial::Revoked(_))
        ));
    }

    /// Id and secret stand in the payload of a refresh token, for its holder to read.
    #[test]
    fn a_session_of_another_transport_has_no_cookie() {
        let (mut world, cookie) = world();
        world.row.transport = Transport::Header;
        assert!(matches!(
            decide(&world, &cookie, 1),
            CookieDecision::Deny(Denial::Malformed)
        ));
        assert_eq!(step_up(&mut world, &cookie, 1).reason(), "malformed");
        let token = cookie.parse::<SessionToken>().unwrap();
        assert!(!token.belongs_to(&world.row));
    }

    #[test]
    fn an_expired_session_is_refused_from_its_last_second_on() {
        let (world, cookie) = world();
        let month = 30 * 24 * 3600;
        assert!(matches!(
            decide(&world, &cookie, month),
            CookieDecision::Deny(Denial::Expired { .. })
        ));
    }
}

mod refresh_cookie {
    use super::*;

    fn world() -> (World, String) {
        World::new(Policy::default(), Transport::Cookie)
    }

    /// An answer that was sent before a step-up and stored after it gives the browser the old
    /// cookie back. It presents that one before its access token of 300 s expires.
    #[test]
    fn the_one_before_a_step_up_is_refused_for_an_access_lifetime_and_a_window() {
        let (mut world, first) = world();
        let old = world.refresh(&first, at(0)).token().to_owned();
        let new = world.step_up(&old, at(100)).token().to_owned();
        for seconds in [100, 136, 435] {
            assert_eq!(world.refresh(&old, at(seconds)).reason(), "revoked");
            // The password comes along with a step-up, so it gets the same new one again.
            assert_eq!(world.step_up(&old, at(seconds)).token(), new);
        }
        assert!(world.row.revocation.is_none());
        assert_eq!(world.refresh(&old, at(436)).reason(), "reused");
    }

    #[test]
    fn the_one_before_two_step_ups_is_judged_like_the_one_before_the_last() {
        for (seconds, reason) in [(435, "revoked"), (436, "reused")] {
            let (mut world, first) = world();
            let second = world.step_up(&first, at(100)).token().to_owned();
            world.step_up(&second, at(107));
            assert_eq!(world.refresh(&first, at(seconds)).reason(), reason);
        }
    }

    #[test]
    fn the_one_before_a_refresh_ends_the_session_after_the_window() {
        let (mut world, first) = world();
        world.refresh(&first, at(100));
        assert_eq!(world.refresh(&first, at(136)).reason(), "reused");
    }

    #[test]
    fn a_step_up_does_not_lengthen_the_bound_of_a_token_that_a_refresh_superseded() {
        let (mut world, first) = world();
        let second = world.refresh(&first, at(100)).token().to_owned();
        world.step_up(&second, at(110));
        assert_eq!(world.refresh(&first, at(136)).reason(), "reused");
    }

    #[test]
    fn a_longer_access_lifetime_lengthens_the_bound() {
        let policy = Policy::builder().access_lifetime(secs(600));
        let (mut world, old) = World::new(policy.build().unwrap(), Transport::Cookie);
        world.step_up(&old, at(100));
        assert_eq!(world.refresh(&old, at(735)).reason(), "revoked");
        assert_eq!(world.refresh(&old, at(736)).reason(), "reused");
    }
}
