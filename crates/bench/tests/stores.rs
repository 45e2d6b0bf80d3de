//! That what is measured is the real thing: sessions that were filled in bulk are the store's own,
//! and the bare ways write what they should. Each of them fails loudly where it does not.

use bench::stores::{Effort, postgres, redis, sqlite};
use figures::stores::Measured;
use tokio::runtime::{Builder, Runtime};

fn runtime() -> Runtime {
    Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime starts")
}

/// A few sessions, for a moment.
fn effort() -> Effort {
    Effort {
        sessions: vec![300, 600],
        rounds: 1,
        seconds: 1,
        purged: 1500,
        calm: 1,
    }
}

/// Every way did something at every size.
fn assert_measured(measured: &Measured, ways: usize) {
    let counted: Vec<_> = measured.lines.iter().map(|line| line.sessions).collect();
    let expected: Vec<_> = [300, 600].map(|size| vec![size; ways]).concat();
    assert_eq!(counted, expected, "{}", measured.name);
    for line in &measured.lines {
        assert!(
            line.per_second.median > 0.0,
            "{}: {}",
            measured.name,
            line.who
        );
    }
}

#[test]
fn sessions_copied_into_postgres_are_refreshed_and_outlive_a_purge() {
    for measured in postgres::measure(&runtime(), &effort()) {
        assert_measured(&measured, 6);
        assert!(!measured.promises.is_empty());
        assert!(measured.sharing.is_some_and(|both| both.alone.median > 0.0));
    }
}

#[test]
fn the_bare_script_rotates_a_row_of_redis() {
    let measured = redis::measure(&runtime(), &effort());
    assert_measured(&measured, 5);
}

#[test]
fn sessions_filled_into_sqlite_are_refreshed_and_outlive_a_purge() {
    for measured in sqlite::measure(&runtime(), &effort()) {
        assert_measured(&measured, 4);
        assert!(!measured.promises.is_empty());
        assert!(measured.sharing.is_some_and(|both| both.alone.median > 0.0));
    }
}
