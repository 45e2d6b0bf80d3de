//! Decides when a token is renewed, what an answer means and what a caller gets. The rest of the crate acts on it.
//!
//! Nothing here reads a clock, draws a random number or does I/O: times and random numbers are
//! arguments. [`View`] is what one process knows, [`Record`] is what all processes share, and a
//! [`Write`] is a change of the record. The web client follows the same rules, and both run the same
//! cases (`tests/cases.json`).
//!
//! All times and durations are milliseconds.

mod answer;
#[cfg(test)]
mod cases;
mod clock;
mod record;
mod secret;
mod tokens;
mod view;
mod write;

pub(crate) use answer::Answer;
pub(crate) use clock::{Fraction, Now};
pub(crate) use record::{Record, Retry};
pub use secret::AccessToken;
pub(crate) use secret::RefreshToken;
pub(crate) use tokens::{Body, Tokens};
pub(crate) use view::{Question, Verdict, View};
pub(crate) use write::{Flight, Write};
