//! How long clients waited, in each second.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use figures::number::number;

/// Buckets between 10 µs and some minutes, each 2^(1/8) times as long as the one before.
const BUCKETS: usize = 200;
const PER_DOUBLING: f64 = 8.0;
const SHORTEST: f64 = 0.01;

type Counts = [u32; BUCKETS];

/// Counts of latencies, for each second in which a client began to wait.
#[derive(Debug, Default)]
pub struct Latencies(Mutex<Vec<Counts>>);

impl Latencies {
    /// One more client was answered now, that had begun to wait at `begun`; `start` is the first second's begin.
    pub fn add(&self, start: Instant, begun: Instant) {
        let second = begun.saturating_duration_since(start).as_secs();
        let second = usize::try_from(second).unwrap_or_default();
        let bucket = bucket(begun.elapsed().as_secs_f64() * 1e3);
        let mut all = self.lock();
        while all.len() <= second {
            all.push([0; BUCKETS]);
        }
        if let Some(count) = all
            .get_mut(second)
            .and_then(|counts| counts.get_mut(bucket))
        {
            *count += 1;
        }
    }

    /// How many clients were answered.
    pub fn count(&self) -> u64 {
        total(&self.sum())
    }

    /// The 99th percentile of each second, in milliseconds.
    pub fn p99s(&self) -> Vec<Option<f64>> {
        let all = self.lock();
        let each = all.iter().map(|counts| {
            let counts = counts.map(u64::from);
            (total(&counts) > 0).then(|| percentile(&counts, 99))
        });
        each.collect()
    }

    /// A line of the table.
    pub fn line(&self, name: &str, time: Duration) -> String {
        let sum = self.sum();
        let count = u32::try_from(total(&sum)).unwrap_or(u32::MAX);
        let [median, p99, longest] = [50, 99, 100].map(|part| percentile(&sum, part));
        format!(
            "| {name} | {} | {} | {median:.2} | {p99:.2} | {longest:.0} |\n",
            number(f64::from(count).round()),
            number(f64::from(count) / time.as_secs_f64()),
        )
    }

    fn sum(&self) -> [u64; BUCKETS] {
        let mut sum = [0; BUCKETS];
        for counts in self.lock().iter() {
            for (sum, count) in sum.iter_mut().zip(counts.iter()) {
                *sum += u64::from(*count);
            }
        }
        sum
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Counts>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn total(counts: &[u64; BUCKETS]) -> u64 {
    counts.iter().sum()
}

fn bucket(milliseconds: f64) -> usize {
    let place = (milliseconds / SHORTEST).max(1.0).log2() * PER_DOUBLING;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is not negative, and small"
    )]
    let place = place as usize;
    place.min(BUCKETS - 1)
}

/// The upper end of the bucket that so many of a hundred do not exceed.
fn percentile(counts: &[u64; BUCKETS], part: u64) -> f64 {
    let wanted = (total(counts) * part).div_ceil(100).max(1);
    let mut seen = 0;
    for (count, end) in counts.iter().zip(1_u32..) {
        seen += count;
        if seen >= wanted {
            return SHORTEST * (f64::from(end) / PER_DOUBLING).exp2();
        }
    }
    0.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_that_of_its_second() {
        let latencies = Latencies::default();
        let Some(start) = Instant::now().checked_sub(Duration::from_millis(1500)) else {
            return;
        };
        latencies.add(start, start + Duration::from_millis(1400));
        assert_eq!(latencies.count(), 1);
        let p99s = latencies.p99s();
        assert_eq!((p99s.len(), p99s[0]), (2, None));
        // One that began 100 ms before now, in buckets of 9 %.
        assert!(p99s[1].is_some_and(|p99| p99 >= 100.0));
    }

    #[test]
    fn buckets_grow_by_an_eighth_of_a_doubling() {
        assert_eq!(bucket(0.0), 0);
        assert_eq!(bucket(0.02), 8);
        assert_eq!(bucket(1e9), BUCKETS - 1);
        let mut counts = [0; BUCKETS];
        counts[bucket(1.0)] = 99;
        counts[bucket(500.0)] = 1;
        assert!(percentile(&counts, 99) < 1.2 && percentile(&counts, 100) > 500.0);
    }
}
