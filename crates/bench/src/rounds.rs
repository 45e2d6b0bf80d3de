//! Times several ways to do the same thing.
//!
//! Every round runs each of them for about the same time, one after the other, beginning with
//! another one each time. A ratio is taken within a round, so that a change of the machine's load between
//! rounds does not matter. Reported are the median of the rounds and the range of their middle half.

use std::time::{Duration, Instant};

use figures::middle::Middle;

/// How much to measure.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "two numbers")]
pub struct Effort {
    /// How many rounds.
    pub rounds: usize,
    /// How long each way runs in a round.
    pub slice: Duration,
}

impl Effort {
    /// For figures that are written down.
    pub const FULL: Self = Self {
        rounds: 60,
        slice: Duration::from_millis(4),
    };
    /// To see if a ratio got much worse.
    pub const QUICK: Self = Self {
        rounds: 25,
        slice: Duration::from_millis(1),
    };
}

/// Nanoseconds of one way, a round each.
#[derive(Clone, Debug, Default)]
pub struct Samples(Vec<f64>);

impl Samples {
    /// One more round.
    pub fn push(&mut self, value: f64) {
        self.0.push(value);
    }

    /// Nanoseconds for one.
    pub fn time(&self) -> Middle {
        Middle::of(self.0.clone())
    }

    /// How many times as long as the other, round by round.
    pub fn ratio(&self, other: &Self) -> Middle {
        Middle::of(self.0.iter().zip(&other.0).map(|(a, b)| a / b).collect())
    }
}

/// Runs each way in every round, as often as it fits into a slice.
pub fn measure(effort: Effort, ways: &mut [Box<dyn FnMut()>]) -> Vec<Samples> {
    let counted = ways.iter_mut().map(|way| {
        let count = calibrate(way, effort.slice);
        Box::new(move || time(way, count) / f64::from(count)) as Box<dyn FnMut() -> f64 + '_>
    });
    take_turns(effort.rounds, &mut counted.collect::<Vec<_>>())
}

/// Runs each way once in every round, beginning with another one each time; each says itself how
/// many nanoseconds one took.
pub fn take_turns(rounds: usize, ways: &mut [Box<dyn FnMut() -> f64 + '_>]) -> Vec<Samples> {
    let mut samples = vec![Samples::default(); ways.len()];
    for round in 0..rounds {
        for turn in 0..ways.len() {
            let index = (round + turn) % ways.len();
            if let (Some(way), Some(samples)) = (ways.get_mut(index), samples.get_mut(index)) {
                samples.push(way());
            }
        }
    }
    samples
}

/// How often it runs within the slice; at least once.
fn calibrate(way: &mut dyn FnMut(), slice: Duration) -> u32 {
    let mut count = 1;
    loop {
        let taken = time(way, count);
        let wanted = slice.as_secs_f64() * 1e9;
        if taken * 2.0 >= wanted || count >= 1 << 24 {
            let fits = (wanted / taken * f64::from(count)).clamp(1.0, f64::from(1 << 24));
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "clamped"
            )]
            return fits as u32;
        }
        count *= 2;
    }
}

/// Nanoseconds of so many.
fn time(way: &mut dyn FnMut(), count: u32) -> f64 {
    let start = Instant::now();
    for _ in 0..count {
        way();
    }
    start.elapsed().as_secs_f64() * 1e9
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-9
    }

    #[test]
    fn ratios_are_taken_within_a_round() {
        // The machine was ten times slower in the second round, for both.
        let ours = Samples(vec![2.0, 20.0, 2.0]);
        let ratio = ours.ratio(&Samples(vec![1.0, 10.0, 1.0]));
        assert!(near(ratio.low, 2.0) && near(ratio.median, 2.0) && near(ratio.high, 2.0));
    }
}
