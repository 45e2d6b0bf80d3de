//! A load test as an operator would do it: many live sessions, logins, refreshes and requests on two nodes, while
//! a node is killed, the store is restarted and expired sessions are deleted. It fails if a session is lost or if
//! an honest client is refused.
//!
//! - [`place`] is the store: filled, restarted, and asked at the end.
//! - [`node`] is a server, a process of its own. [`client`] speaks HTTP with it.
//! - [`crowd`] are the clients, which repeat what was not answered; [`latencies`] has how long they waited.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use figures::number::number;
use figures::timeline;
use token_session::event::{Event, EventKind};
use tokio::runtime::Runtime;
use tokio::sync::oneshot;

use self::crowd::Crowd;
use self::place::Place;
use self::plan::Plan;

pub mod client;
pub mod crowd;
pub mod latencies;
pub mod node;
pub mod place;
pub mod plan;

/// What came of it.
#[derive(Debug)]
#[expect(clippy::exhaustive_structs, reason = "made here alone")]
pub struct Outcome {
    /// A table and what happened, in Markdown.
    pub text: String,
    /// Latencies over time, as a picture.
    pub picture: String,
    /// What should not have happened.
    pub faults: Vec<String>,
}

/// Runs it: a node is killed after a fifth of the time and started again after three tenths, the store is killed and
/// started again after half of it, and expired sessions are deleted from seven tenths on.
///
/// # Panics
/// If a server does not start.
pub fn run(runtime: &Runtime, plan: &Plan) -> Outcome {
    let mut place = Place::start(plan.store);
    let start = Instant::now();
    let tokens = runtime.block_on(place.fill(plan.sessions));
    let filled = start.elapsed();
    let crowd = Arc::new(Crowd::new(&place.url(), tokens));
    let time = Duration::from_secs(plan.seconds.into());
    let start = Instant::now();
    let at = |part: u32| tokio::time::sleep_until((start + time * part / 10).into());
    let mut events = Vec::new();
    let mut happened = |what: &str| events.push((start.elapsed().as_secs_f64(), what.to_owned()));
    let deleted = runtime.block_on(async {
        let all = crowd.begin(plan, start);
        at(2).await;
        happened("a node is killed");
        crowd.node(0).kill();
        at(3).await;
        happened("it starts again");
        crowd.node(0).start();
        at(5).await;
        happened("the store is killed");
        tokio::task::block_in_place(|| place.restart());
        happened("the store answers again");
        at(7).await;
        happened("expired sessions are deleted");
        let deleted = delete_expired(&place, at(9)).await;
        all.await;
        deleted
    });
    let (checked, lost) = runtime.block_on(async {
        let manager = place.builder().await.build();
        crowd
            .lost(manager.expect("the settings are in range"))
            .await
    });
    let counts = &crowd.counts;
    let mut faults = Vec::new();
    let refused = counts.refused.load(Ordering::SeqCst);
    if refused > 0 {
        faults.push(format!("{refused} honest clients were refused with 401"));
    }
    let unanswered = counts.unanswered.load(Ordering::SeqCst);
    if unanswered > 0 {
        faults.push(format!("{unanswered} clients got no answer in a minute"));
    }
    faults.extend(lost.iter().take(5).cloned());
    if lost.len() > 5 {
        faults.push(format!("{} sessions are lost in all", lost.len()));
    }
    for (name, latencies) in crowd.latencies() {
        if latencies.count() == 0 {
            faults.push(format!("there were no {name}"));
        }
    }
    let mut text = format!(
        "{}, {} sessions (filled in {:.0} s), {} s, {} processors; {} clients ask without a pause\n\n\
         | | answered | a second | p50, ms | p99, ms | longest, ms |\n|---|--:|--:|--:|--:|--:|\n",
        plan.store.name(),
        number(f64::from(plan.sessions)),
        filled.as_secs_f64(),
        plan.seconds,
        std::thread::available_parallelism().map_or(1, usize::from),
        plan.clients,
    );
    for (name, latencies) in crowd.latencies() {
        text += &latencies.line(name, time);
    }
    let _ = write!(
        text,
        "\nrepeated because a node or the store did not answer: {}; expired sessions deleted: {deleted}; sessions \
         checked at the end: {}\n",
        counts.repeated.load(Ordering::SeqCst),
        checked,
    );
    for (second, what) in &events {
        let _ = writeln!(text, "- {second:.1} s: {what}");
    }
    let series = crowd.latencies().map(|(name, latencies)| timeline::Series {
        name: format!("{name}, p99"),
        values: latencies.p99s(),
    });
    let title = format!("{}, {} sessions", plan.store.name(), plan.sessions);
    Outcome {
        text,
        picture: timeline::picture(&title, &series, &events),
        faults,
    }
}

/// Deletes expired sessions until then, and returns how many there were.
async fn delete_expired(place: &Place, until: impl Future<Output = ()> + Send) -> u64 {
    let count = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&count);
    let sink = move |event: Event| {
        if let EventKind::Purged { sessions } = event.kind {
            counted.fetch_add(sessions, Ordering::SeqCst);
        }
    };
    let (stop, stopped) = oneshot::channel::<()>();
    let manager = place.builder().await.events(sink).build();
    let manager = manager.expect("the settings are in range");
    let interval = Duration::from_millis(200);
    let stopped = async { drop(stopped.await) };
    let deletion = tokio::spawn(manager.delete_expired_continuously(interval, stopped));
    until.await;
    drop(stop);
    deletion.await.expect("it does not panic");
    count.load(Ordering::SeqCst)
}
