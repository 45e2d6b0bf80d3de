//! The guide's examples, compiled by the tests. The program is `main.rs`.
#![doc = include_str!("../../../docs/guide.md")]
