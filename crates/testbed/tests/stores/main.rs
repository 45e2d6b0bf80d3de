//! What every store must do alike, through the session manager and on real servers: two nodes
//! on one store, with seeds that are printed.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "tests fail loudly"
)]

mod endings;
mod nodes;
mod outcomes;

/// Makes a test of each rule for each store.
macro_rules! on_each_store {
    ($($store:ident)*) => {
        $(
            mod $store {
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn the_same_seeds_give_the_same_outcomes() {
                    crate::outcomes::compare(&crate::nodes::$store().await).await;
                }

                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn ending_a_subject_holds_against_everything_in_flight() {
                    crate::endings::hold(&crate::nodes::$store().await).await;
                }
            }
        )*
    };
}

on_each_store!(memory sqlite postgres redis cluster);
