//! The driver's source of random bytes.

use std::cell::RefCell;

use rand::Rng as _;
use rand::rand_core::UnwrapErr;
use rand::rngs::SysRng;
use token_core::Entropy;
use zeroize::{Zeroize as _, Zeroizing};

/// How many bytes a thread asks the operating system for at once: 16 draws.
const BATCH: usize = 1024;

/// Gives random bytes. An attacker who can guess them can guess session ids and refresh tokens.
pub trait EntropySource: Send + Sync + 'static {
    /// 64 bytes that were never given before.
    fn draw(&self) -> Entropy;
}

/// The operating system's generator, asked each time: it holds no state that a fork could repeat or a
/// dump of the process tell.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemEntropy;

impl EntropySource for SystemEntropy {
    fn draw(&self) -> Entropy {
        let mut bytes = Zeroizing::new([0; 64]);
        UnwrapErr(SysRng).fill_bytes(&mut *bytes);
        Entropy::new(*bytes)
    }
}

/// The operating system's generator, asked for 16 draws at a time by each thread. Bytes are wiped as they
/// are given.
///
/// - **Fork**: the child of a process finds that it is another one, and draws anew.
/// - **Snapshot of a machine**: if a virtual machine is copied while it runs, both copies have the same bytes,
///   at most 16 draws a thread, and give them to different sessions. Use [`SystemEntropy`] if you start
///   servers from such a snapshot. A copy that is only restored in place of the first does no harm, since
///   nothing else has the bytes.
/// - **Dump of the process**: it shows at most 16 draws a thread that nobody was given yet, beside the keys.
#[derive(Clone, Copy, Debug, Default)]
pub struct BatchedEntropy;

/// Bytes that were drawn ahead.
struct Batch {
    bytes: Zeroizing<[u8; BATCH]>,
    /// How many of them were given, and wiped.
    given: usize,
    /// The process that drew them.
    process: u32,
}

thread_local! {
    static AHEAD: RefCell<Batch> = RefCell::new(Batch {
        bytes: Zeroizing::new([0; BATCH]),
        given: BATCH,
        process: 0,
    });
}

impl Batch {
    fn draw(&mut self, process: u32) -> Zeroizing<[u8; 64]> {
        if self.given == BATCH || self.process != process {
            UnwrapErr(SysRng).fill_bytes(&mut *self.bytes);
            self.given = 0;
            self.process = process;
        }
        let (_, left) = self.bytes.split_at_mut(self.given);
        let next = left.first_chunk_mut::<64>();
        let next = next.expect("a batch is a multiple of a draw");
        let drawn = Zeroizing::new(*next);
        next.zeroize();
        self.given += next.len();
        drawn
    }
}

impl EntropySource for BatchedEntropy {
    fn draw(&self) -> Entropy {
        let process = std::process::id();
        let drawn = AHEAD.try_with(|ahead| ahead.borrow_mut().draw(process));
        // A thread that ends has no batch any more.
        drawn.map_or_else(|_| SystemEntropy.draw(), |drawn| Entropy::new(*drawn))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn batch() -> Batch {
        Batch {
            bytes: Zeroizing::new([0; BATCH]),
            given: BATCH,
            process: 1,
        }
    }

    #[test]
    fn no_draw_is_given_twice_and_what_was_given_is_wiped() {
        let mut batch = batch();
        let mut seen = HashSet::new();
        for draw in 1..=40 {
            assert!(seen.insert(*batch.draw(1)));
            let (given, left) = batch.bytes.split_at(batch.given);
            assert!(given.iter().all(|byte| *byte == 0), "draw {draw}");
            assert!(left.is_empty() || left.iter().any(|byte| *byte != 0));
        }
    }

    #[test]
    fn the_child_of_a_fork_draws_anew() {
        let mut parent = batch();
        let _first = parent.draw(1);
        let mut child = Batch {
            bytes: parent.bytes.clone(),
            ..parent
        };
        assert_ne!(parent.draw(1), child.draw(2));
    }
}
