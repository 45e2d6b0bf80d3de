//! A session as a hash in Redis.
//!
//! Redis keeps a hash in one compact block (a listpack) as long as no value exceeds 64 bytes,
//! and in a hash table of three times the size from then on. So the parts that change
//! together are packed into one value, and long values are cut into pieces: `4`, `41`, `42` …
//!
//! | field | holds | changes |
//! |---|---|---|
//! | 1, state | layout (1 byte), flags (1), generation (8), `rotated_at` (5), idle deadline (5), absolute deadline (5), `purge_at` (5), `last_seen_at` (5), nonce (16), epoch (8, or nothing for epoch 0) | at each write |
//! | 2, hashes | token hash (32), previous hash (32, or nothing in generation 0) | at a rotation |
//! | 3, key id | | at a rotation |
//! | 4, constant | length of the subject (1), subject, `created_at` (5), client id, scope, device | never |
//! | 5, authentication | absent: by password, at `created_at` | at a step-up |
//! | 6, claims | the application's; absent or a text of no bytes: none | as the scope |
//! | 7, ended | instant (5) and reason of the ending; absent: not ended | once |
//! | 8, earlier rotations | 64 bits (8); absent or no bytes: none | at a rotation |
//! | 9, binding | [`Binding::to_bytes`](token_core::binding::Binding::to_bytes); absent: none | when a key is registered or confirmed |
//! | A, scope | in the place of the one in 4; absent: that one | when a hook, a step-up or an administrator changes it |
//!
//! Fields are numbers because those take the least room in a listpack.
//! The scripts in `lua/` know the names and the offsets in the state. Instants are seconds since 1970, big end
//! first, so is every number of a fixed size.

mod read;
mod write;

use thiserror::Error;

pub(crate) use read::decode;
pub(crate) use write::{bind, decimal, encode, ended, instant, permit, rotation, touch};

/// The layout that this version writes and reads.
const LAYOUT: u8 = 1;
/// The fields by name, and what errors call them.
const STATE: Field = Field("1", "1, state");
const HASHES: Field = Field("2", "2, hashes");
const KEY_ID: Field = Field("3", "3, key id");
const CONSTANT: Field = Field("4", "4, constant");
const AUTHENTICATION: Field = Field("5", "5, authentication");
const CLAIMS: Field = Field("6", "6, claims");
const ENDED: Field = Field("7", "7, ended");
const EARLIER_ROTATIONS: Field = Field("8", "8, earlier rotations");
const BINDING: Field = Field("9", "9, binding");
const SCOPE: Field = Field("A", "A, scope");

const REMEMBER: u8 = 4;
const STEP_UP: u8 = 8;

/// The longest value that Redis keeps compact (`hash-max-listpack-value`).
const PIECE: usize = 64;
/// A value of more pieces than this is kept whole: it is not compact either way.
const MOST_PIECES: usize = 100;

/// What is wrong with a row that another program or a person has written.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RowFault {
    /// A value does not hold what it should.
    #[error("its field `{field}` does not hold what it should")]
    Field {
        /// The field, by its name and number.
        field: &'static str,
    },
    /// It was written in another layout, by a later version of this crate.
    #[error("it has layout {found}, and this version knows layout {LAYOUT}")]
    Layout {
        /// The layout that it has.
        found: u8,
    },
    /// A field is missing.
    #[error("its field `{field}` is missing")]
    Missing {
        /// The field, by its name and number.
        field: &'static str,
    },
}

/// A field of a row: its name, and what errors call it.
#[derive(Clone, Copy)]
struct Field(&'static str, &'static str);

impl Field {
    /// The name of a piece of its value, counted from 0.
    fn piece(self, number: usize) -> String {
        match number {
            0 => self.0.to_owned(),
            _ => format!("{}{number}", self.0),
        }
    }
}
