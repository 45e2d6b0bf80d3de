use std::time::Duration;

use super::*;
use token_core::{Algorithm, Entropy, Policy};

fn at(seconds: u64) -> UnixTime {
    UnixTime::from_secs(1_700_000_000 + seconds).unwrap()
}

fn key(name: &str) -> RefreshKey {
    RefreshKey::new(KeyId::new(name).unwrap(), &[7; 32]).unwrap()
}

/// Lead 300 + 60 + 10, keep 300 + 60 + 10.
fn policy(period: u64) -> RotationPolicy {
    let secs = Duration::from_secs;
    RotationPolicy::access(&Policy::default(), secs(period), secs(300), secs(60)).unwrap()
}

fn filled(policy: &RotationPolicy) -> Schedule<RefreshKey> {
    let schedule = Schedule::new(key("a"), at(0));
    let schedule = schedule.publish(key("b"), policy, at(0)).unwrap();
    schedule.publish(key("c"), policy, at(0)).unwrap()
}

fn signs(schedule: &Schedule<RefreshKey>, seconds: u64) -> &str {
    let current = schedule.current(at(seconds));
    schedule.keys()[current].key.kid().as_str()
}

#[test]
fn two_keys_are_published_ahead_and_sign_in_turn() {
    let policy = policy(1000);
    let schedule = Schedule::new(key("a"), at(0));
    assert_eq!(schedule.step(&policy, at(0)), Step::Publish);
    let schedule = filled(&policy);
    let until = at(1000);
    assert_eq!(schedule.step(&policy, at(0)), Step::Wait { until });
    assert_eq!(signs(&schedule, 999), "a");
    assert_eq!(signs(&schedule, 1000), "b");
    assert_eq!(schedule.step(&policy, at(1000)), Step::Publish);
    let schedule = schedule.publish(key("d"), &policy, at(1000)).unwrap();
    let until = at(1370);
    assert_eq!(schedule.step(&policy, at(1000)), Step::Wait { until });
    let kept = |now| schedule.ring(&policy, now).unwrap().kids().count();
    assert_eq!((kept(at(1369)), kept(at(1370))), (4, 3));
    // It is forgotten when the next one is published.
    let schedule = schedule.publish(key("e"), &policy, at(2000)).unwrap();
    let ids = schedule.keys().iter().map(|planned| planned.key.kid());
    assert_eq!(ids.map(KeyId::as_str).collect::<String>(), "bcde");
}

#[test]
fn a_key_that_was_published_late_signs_late() {
    let policy = policy(1000);
    let schedule = Schedule::new(key("a"), at(0));
    let schedule = schedule.publish(key("b"), &policy, at(5000)).unwrap();
    assert_eq!(signs(&schedule, 5369), "a");
    assert_eq!(signs(&schedule, 5370), "b");
}

#[test]
fn a_next_key_may_sign_early_once_it_is_known() {
    let policy = policy(1000);
    let until = at(370);
    let error = filled(&policy).promote(&policy, at(369)).unwrap_err();
    assert_eq!(error, ScheduleError::Early { until });
    let schedule = filled(&policy).promote(&policy, at(370)).unwrap();
    assert_eq!(signs(&schedule, 370), "b");
    assert_eq!(signs(&schedule, 1369), "b");
    assert_eq!(signs(&schedule, 1370), "c");
    let error = Schedule::new(key("a"), at(0)).promote(&policy, at(0));
    assert_eq!(error.unwrap_err(), ScheduleError::NoNext);
}

#[test]
fn the_next_key_stands_in_for_one_that_leaked() {
    let policy = policy(1000);
    let id = |name| KeyId::new(name).unwrap();
    let (rest, unknown_until) = filled(&policy).remove(&id("a"), &policy, at(370)).unwrap();
    assert_eq!(unknown_until, None);
    assert_eq!(signs(&rest, 370), "b");
    assert_eq!(rest.keys().len(), 2);
    // Too early for all verifiers, but the leaked key has to go.
    let (_, unknown_until) = filled(&policy).remove(&id("a"), &policy, at(369)).unwrap();
    assert_eq!(unknown_until, Some(at(370)));
    // A key that does not sign yet only moves the others up.
    let (rest, _) = filled(&policy).remove(&id("b"), &policy, at(10)).unwrap();
    assert_eq!(signs(&rest, 999), "a");
    assert_eq!(signs(&rest, 1000), "c");

    let error = filled(&policy).remove(&id("x"), &policy, at(0));
    assert_eq!(
        error.unwrap_err(),
        ScheduleError::UnknownKey { id: id("x") }
    );
    let error = Schedule::new(key("a"), at(0)).remove(&id("a"), &policy, at(0));
    assert_eq!(error.unwrap_err(), ScheduleError::NoNext);
}

#[test]
fn a_schedule_has_keys_and_each_once() {
    let none: Vec<Planned<RefreshKey>> = Vec::new();
    assert_eq!(Schedule::from_keys(none).unwrap_err(), ScheduleError::Empty);
    let twice = [
        Schedule::new(key("a"), at(0)),
        Schedule::new(key("a"), at(1)),
    ];
    let twice = twice.iter().flat_map(|one| one.keys().to_vec()).collect();
    let id = KeyId::new("a").unwrap();
    let duplicate = ScheduleError::Keys(KeyRingError::DuplicateId { id });
    assert_eq!(Schedule::from_keys(twice).unwrap_err(), duplicate);
    let again = filled(&policy(1000)).publish(key("a"), &policy(1000), at(0));
    assert_eq!(again.unwrap_err(), duplicate);
}

#[test]
fn a_ring_has_what_the_hour_asks_for() {
    let signing = |byte| SigningKey::generate(Algorithm::EdDSA, Entropy::new([byte; 64])).unwrap();
    let policy = policy(1000);
    let schedule = Schedule::new(signing(1), at(0));
    let schedule = schedule.publish(signing(2), &policy, at(0)).unwrap();
    let schedule = schedule.publish(signing(3), &policy, at(0)).unwrap();
    let ring = schedule.ring(&policy, at(1000)).unwrap();
    assert_eq!(ring.current().id(), signing(2).id());
    let ids = |ring: &KeyRing| -> Vec<KeyId> {
        ring.verifying_keys().map(|key| key.id().clone()).collect()
    };
    let [first, second, third] = [1, 2, 3].map(|byte| signing(byte).id().clone());
    // The one that signs, then the next, then the previous.
    assert_eq!(ids(&ring), [second.clone(), third.clone(), first]);
    let ring = schedule.ring(&policy, at(1370)).unwrap();
    assert_eq!(ids(&ring), [second, third]);
    // Before its time, by a clock that is behind: the first key signs all the same.
    let early = UnixTime::from_secs(1_699_999_999).unwrap();
    assert_eq!(
        schedule.ring(&policy, early).unwrap().current().id(),
        signing(1).id()
    );
}

#[test]
fn periods_that_leave_no_time_are_refused() {
    let secs = Duration::from_secs;
    let access = |period| RotationPolicy::access(&Policy::default(), period, secs(300), secs(60));
    let least = secs(371);
    let period = secs(370);
    assert_eq!(access(period), Err(ScheduleError::Period { period, least }));
    assert!(access(secs(371)).is_ok());
    // A ring has room for 64 keys, and refresh keys are kept for a year.
    let day = secs(86_400);
    assert!(RotationPolicy::refresh(&Policy::default(), day * 6, secs(60)).is_err());
    assert!(RotationPolicy::refresh(&Policy::default(), day * 7, secs(60)).is_ok());
}
