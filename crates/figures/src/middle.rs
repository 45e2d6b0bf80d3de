//! What is known of one measured number.

use serde::{Deserialize, Serialize};

/// The middle of what was measured.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "three numbers")]
pub struct Middle {
    /// A quarter of the rounds were below.
    pub low: f64,
    /// Half of the rounds were below.
    pub median: f64,
    /// A quarter of the rounds were above.
    pub high: f64,
}

impl Middle {
    /// Of any numbers; all zero if there are none.
    pub fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        let last = values.len().saturating_sub(1);
        let at = |index: usize| values.get(index).copied().unwrap_or_default();
        Self {
            low: at(last / 4),
            median: at(last / 2),
            high: at(last - last / 4),
        }
    }

    /// `dividend` divided by each: from the time of one to a count in a time, and back.
    #[must_use]
    pub fn inverse(self, dividend: f64) -> Self {
        Self {
            low: dividend / self.high,
            median: dividend / self.median,
            high: dividend / self.low,
        }
    }

    /// The median and the middle half, with so many digits after the point, each times a factor.
    #[must_use]
    pub fn spread(self, digits: usize, factor: f64) -> String {
        let [low, median, high] = [self.low, self.median, self.high].map(|value| value * factor);
        format!("{median:.digits$} ({low:.digits$} to {high:.digits$})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-9
    }

    #[test]
    fn the_middle_of_numbers_is_theirs() {
        let middle = Middle::of(vec![5.0, 1.0, 4.0, 2.0, 3.0]);
        assert!(near(middle.low, 2.0) && near(middle.median, 3.0) && near(middle.high, 4.0));
        // Of few, nothing is left out on either side.
        let middle = Middle::of(vec![3.0, 1.0, 2.0]);
        assert!(near(middle.low, 1.0) && near(middle.median, 2.0) && near(middle.high, 3.0));
        assert!(near(Middle::of(Vec::new()).median, 0.0));
    }
}
