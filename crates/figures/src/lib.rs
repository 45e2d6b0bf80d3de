//! What `cargo xtask bench` measured, as one file, and as the tables and charts of the book. Nothing here
//! measures.
//!
//! - [`run`] is the file: everything that was measured in one run, and its conditions.
//! - [`operations`], [`memory`], [`growth`], [`servers`], [`stores`] and [`builds`] have the figures of one
//!   part each, and its tables. [`middle`] is what is known of one measured number.
//! - [`targets`] compares the figures with what was planned, and [`cost`] draws the chart of [`servers`] that
//!   compares libraries.
//! - [`timeline`] draws latencies over time.
//! - [`chart`] draws, and [`page`] puts it all into the pages.

pub mod builds;
pub mod chart;
pub mod cost;
pub mod growth;
pub mod memory;
pub mod middle;
pub mod number;
pub mod operations;
pub mod page;
pub mod run;
pub mod servers;
pub mod stores;
pub mod targets;
pub mod timeline;
