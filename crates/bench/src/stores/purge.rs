//! Refreshes at a steady rate while expired sessions are deleted.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use figures::stores::Promise;
use token_core::Algorithm;
use token_session::SessionStore;
use token_session::event::{Event, EventKind};
use tokio::sync::oneshot;

use super::clients::{self, Clients, Sending};
use super::{CLIENTS, Effort, fixture};
use token_session::test_util::TestClock;

/// The time between two refreshes: 200 a second.
const EACH: Duration = Duration::from_millis(5);
/// An age at which no row is kept any longer.
pub const LONG_AGO: Duration = Duration::from_hours(24 * 500);
/// How many times longer the p99 of refreshes may be while sessions are purged.
const MOST: f64 = 3.0;
/// How long a purge may take before it counts as stuck.
const PATIENCE: Duration = Duration::from_mins(10);

/// Refreshes live sessions before, during and after a purge of expired ones.
///
/// # Panics
/// If nothing is purged.
pub async fn under_load(
    store: impl SessionStore,
    clients: &Arc<Clients>,
    clock: &TestClock,
    effort: &Effort,
) -> (Promise, String) {
    let purged = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&purged);
    let sink = move |event: Event| {
        if let EventKind::Purged { sessions } = event.kind {
            count.fetch_add(sessions, Ordering::SeqCst);
        }
    };
    let manager = clients::manager(store, fixture::issuer(Algorithm::HS256), clock);
    let manager = manager.events(sink).build();
    let manager = manager.expect("the settings are in range");
    let sending = Sending::new(manager.clone());

    let calm = Duration::from_secs(effort.calm.into());
    let at_rest = || {
        let start = Instant::now();
        clients.refresh_steadily(&sending, EACH, move || start.elapsed() > calm)
    };
    // So that every connection is open.
    clients
        .refresh_for(&manager, CLIENTS, Duration::from_secs(1))
        .await;
    let (mut without, mut failed) = at_rest().await;

    let (stop, stopped) = oneshot::channel::<()>();
    let house = manager
        .clone()
        .delete_expired_continuously(Duration::from_millis(200), async { drop(stopped.await) });
    let house = tokio::spawn(house);
    let start = Instant::now();
    let done = || purged.load(Ordering::SeqCst) >= u64::from(effort.purged);
    let ended = || done() || start.elapsed() > PATIENCE;
    let (with, more) = clients.refresh_steadily(&sending, EACH, ended).await;
    let took = start.elapsed();
    failed.extend(more);
    assert!(done(), "the purge does not end");
    drop(stop);
    house.await.expect("it does not panic");

    let (again, more) = at_rest().await;
    without.extend(again);
    failed.extend(more);
    let refreshed = with.len();
    let ([_, calm], [median, busy]) = (middle(without), middle(with));
    let promise = Promise {
        words: format!(
            "purging {} while 200 a second are refreshed: none fails, p99 ≤ {MOST} × that without",
            figures::number::number(f64::from(effort.purged)),
        ),
        outcome: format!(
            "{} failed, p99 {busy:.2} ms against {calm:.2} ms: {:.1} ×",
            failed.len(),
            busy / calm
        ),
        met: failed.is_empty() && busy <= MOST * calm,
    };
    let note = format!(
        "the purge took {:.0} s, in which {refreshed} sessions were refreshed, half of them within {median:.2} ms{}",
        took.as_secs_f64(),
        failed
            .first()
            .map_or_else(String::new, |error| format!("; the first error: {error}")),
    );
    (promise, note)
}

/// The median and the 99th percentile.
fn middle(mut times: Vec<f64>) -> [f64; 2] {
    times.sort_by(f64::total_cmp);
    [50, 99].map(|part| {
        let place = times.len().saturating_sub(1) * part / 100;
        times.get(place).copied().unwrap_or_default()
    })
}
