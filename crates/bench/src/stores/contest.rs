//! Several ways to refresh, in turn.

use figures::middle::Middle;
use figures::stores::{Line, Promise};

use crate::rounds::{self, Samples};

/// One way to refresh sessions, with a number of them stored.
#[expect(missing_debug_implementations, reason = "closures")]
#[expect(clippy::exhaustive_structs, reason = "made here alone")]
pub struct Way<'a> {
    /// The way, as it is called in tables.
    pub who: &'static str,
    /// How many sessions are stored.
    pub sessions: u32,
    /// Refreshes for a while, and returns how many a second.
    pub run: Box<dyn FnMut() -> f64 + 'a>,
}

/// What was measured of each way.
#[derive(Debug)]
pub struct Results(Vec<(&'static str, u32, Samples)>);

/// Runs each way once in every round, each round beginning with the next way.
pub fn run(rounds: usize, ways: Vec<Way<'_>>) -> Results {
    let names: Vec<_> = ways.iter().map(|way| (way.who, way.sessions)).collect();
    let mut runs: Vec<Box<dyn FnMut() -> f64 + '_>> = Vec::new();
    for mut way in ways {
        // As nanoseconds for one refresh, like everything else that goes through `rounds`.
        runs.push(Box::new(move || 1e9 / (way.run)()));
    }
    let samples = rounds::take_turns(rounds, &mut runs);
    let all = names.into_iter().zip(samples);
    Results(all.map(|((who, n), samples)| (who, n, samples)).collect())
}

impl Results {
    /// Each way, compared with `limit` at the same size.
    pub fn lines(&self, limit: &str) -> Vec<Line> {
        let line = |(who, sessions, samples): &(&str, u32, Samples)| {
            let limit = self.of(limit, *sessions).unwrap_or(samples);
            Line {
                who: (*who).to_owned(),
                sessions: *sessions,
                per_second: samples.time().inverse(1e9),
                of_limit: limit.ratio(samples),
            }
        };
        self.0.iter().map(line).collect()
    }

    /// Promises at least this part of the limit, at each size.
    pub fn at_least(&self, who: &str, limit: &str, least: f64) -> Vec<Promise> {
        let of_who = self.0.iter().filter(|(own, ..)| *own == who);
        let promise = |(_, sessions, samples): &(&str, u32, Samples)| {
            let ratio = self.of(limit, *sessions).unwrap_or(samples).ratio(samples);
            Promise {
                words: format!(
                    "≥ {:.0} % of {limit}, {} sessions",
                    least * 100.0,
                    figures::number::number(f64::from(*sessions)),
                ),
                outcome: percent(ratio),
                met: ratio.median >= least,
            }
        };
        of_who.map(promise).collect()
    }

    /// Promises that the largest size costs at most this many times what the smallest does. The limit's
    /// own factor is shown beside it.
    pub fn grows_at_most(&self, who: &str, limit: &str, most: f64) -> Option<Promise> {
        let growth = |who: &str| {
            let mut sizes = self.0.iter().filter(|(own, ..)| *own == who);
            let (_, _, first) = sizes.next()?;
            let (_, _, last) = sizes.next_back()?;
            Some(last.ratio(first))
        };
        let (own, bare) = (growth(who)?, growth(limit)?);
        Some(Promise {
            words: format!("{who}: the largest costs ≤ {most} × the smallest"),
            outcome: format!("{}; {limit}: {}", times(own), times(bare)),
            met: own.median <= most,
        })
    }

    fn of(&self, who: &str, sessions: u32) -> Option<&Samples> {
        let mut all = self.0.iter();
        let found = all.find(|(own, n, _)| *own == who && *n == sessions);
        found.map(|(_, _, samples)| samples)
    }
}

fn percent(ratio: Middle) -> String {
    let [low, median, high] = [ratio.low, ratio.median, ratio.high].map(|value| value * 100.0);
    format!("{median:.0} % ({low:.0} to {high:.0})")
}

fn times(ratio: Middle) -> String {
    let Middle { low, median, high } = ratio;
    format!("{median:.2} × ({low:.2} to {high:.2})")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn way(who: &'static str, sessions: u32, per_second: f64) -> Way<'static> {
        let run = Box::new(move || per_second);
        Way { who, sessions, run }
    }

    #[test]
    fn a_promise_is_judged_by_the_limit_of_its_own_size() {
        let ways = vec![
            way("ours", 10, 700.0),
            way("bare", 10, 1000.0),
            way("ours", 20, 300.0),
            way("bare", 20, 600.0),
        ];
        let results = run(3, ways);
        let promises = results.at_least("ours", "bare", 0.6);
        let met: Vec<_> = promises.iter().map(|promise| promise.met).collect();
        assert_eq!(met, [true, false]);
        let growth = results.grows_at_most("ours", "bare", 1.2);
        assert!(!growth.expect("there are two sizes").met);
        let lines = results.lines("bare");
        assert!((lines[0].per_second.median - 700.0).abs() < 1e-6);
        assert!((lines[2].of_limit.median - 0.5).abs() < 1e-9);
    }
}
