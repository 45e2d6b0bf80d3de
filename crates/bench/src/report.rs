//! Times an operation and says which of its promises are kept.

use figures::number::number;
use figures::operations::{Line, Measured};

use crate::operation::{Goal, Operation};
use crate::rounds::{self, Effort};

/// Times an operation. `allocations` has those of each way, in order.
pub fn run(operation: Operation, effort: Effort, allocations: Option<&[f64]>) -> Measured {
    let (names, mut ways): (Vec<_>, Vec<_>) = operation
        .ways
        .into_iter()
        .map(|way| (way.who, way.run))
        .unzip();
    let samples = rounds::measure(effort, &mut ways);
    let ours = samples.first().cloned().unwrap_or_default();
    let limit = samples.get(1).cloned().unwrap_or_default();
    let counted = |index: usize| allocations.and_then(|all| all.get(index)).copied();
    let lines = names.iter().zip(&samples).enumerate();
    let lines = lines.map(|(index, (who, samples))| Line {
        who: (*who).to_owned(),
        time: samples.time(),
        of_limit: samples.ratio(&limit),
        of_ours: samples.ratio(&ours),
        allocations: counted(index),
    });
    let judge = |goal: Goal| match goal {
        Goal::Allocations(_) | Goal::AllocationsBeyond(..) => {
            let of = |who: &str| counted(names.iter().position(|name| *name == who)?);
            match goal.allocated(of) {
                Some((count, met)) => (goal.words(), format!("{count:.2}"), Some(met)),
                None => (goal.words(), "not counted".to_owned(), None),
            }
        }
        Goal::Nanoseconds(most) => {
            let time = ours.time();
            let met = time.median <= most;
            (
                goal.words(),
                format!("{} ns", number(time.median)),
                Some(met),
            )
        }
        Goal::Faster(who, _) | Goal::Times(who, _) => {
            let other = names.iter().position(|name| *name == who);
            let other = other.and_then(|index| samples.get(index));
            let ratio = ours.ratio(other.unwrap_or(&ours));
            let met = goal.bound().map(|(_, bound)| ratio.median <= bound);
            (goal.words(), goal.outcome(ratio), met)
        }
    };
    Measured {
        name: operation.name,
        ways: lines.collect(),
        goals: operation.goals.into_iter().map(judge).collect(),
    }
}
