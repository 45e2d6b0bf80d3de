//! The suite that every store must pass, for the stores of this project and for yours.
//!
//! ```
//! # #[cfg(test)]
//! mod contract {
//!     use token_session::MemoryStore;
//!
//!     async fn store() -> MemoryStore {
//!         MemoryStore::new(100_000, &[7; 32])
//!     }
//!
//!     token_session::store_contract!(store);
//! }
//! ```
//!
//! `store` is an async function that opens the store, empty or not; the suite makes up
//! subjects of its own and counts on nobody else using the instants before 1970-02-01. Each
//! test prints the seed of its schedule; `HALLPASS_SEED` repeats one.

#![allow(
    clippy::panic,
    clippy::indexing_slicing,
    clippy::type_complexity,
    clippy::missing_panics_doc,
    reason = "a suite of tests: it fails by panicking"
)]

mod bindings;
mod conditions;
mod driver;
mod feed;
mod races;
mod rows;
mod sequences;
mod visitors;
mod world;

pub use bindings::*;
pub use conditions::*;
pub use driver::*;
pub use feed::FeedModel;
pub use races::*;
pub use rows::*;
pub use sequences::*;
pub use visitors::*;
pub use world::World;

/// Makes one `#[tokio::test]` of each rule of the store contract. Takes the name of an async
/// function without arguments that opens the store.
#[macro_export]
macro_rules! store_contract {
    ($open:path) => {
        $crate::store_contract! { @each $open =>
            a_session_loads_back_whole
            what_becomes_shorter_leaves_nothing_behind
            an_id_is_inserted_once
            a_subject_lists_its_sessions_and_no_other
            private_data_is_written_by_version
            a_session_begins_with_its_private_data_or_not_at_all
            purging_deletes_what_is_due_and_nothing_else
            an_ending_is_told_to_subscribers_and_in_the_log
            a_change_is_told_to_subscribers_and_a_use_is_not
            rights_change_while_the_session_lives
            a_heartbeat_comes_back_behind_the_endings_before_it
            a_rotation_holds_exactly_where_its_condition_does
            a_touch_holds_exactly_where_its_condition_does
            a_binding_holds_exactly_where_its_condition_does
            a_write_holds_exactly_where_its_proof_is_enough
            a_registration_between_verification_and_commit_is_heeded
            an_ending_happens_once
            nothing_revives_an_ended_session
            ending_a_subject_ends_all_but_one
            a_login_whose_epoch_has_passed_opens_nothing
            one_of_many_racing_rotations_wins
            of_many_racing_inserts_of_one_session_one_is_stored
            a_logout_holds_against_racing_writes
            ending_a_subject_holds_against_racing_logins
            a_session_of_nobody_is_stored_and_is_no_login
            random_sequences_end_as_in_memory
            a_failure_at_any_call_forks_and_ends_nothing
        }
    };
    (@each $open:path => $($rule:ident)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $rule() {
                $crate::contract::$rule($crate::contract::World::new($open().await)).await;
            }
        )*
    };
}
