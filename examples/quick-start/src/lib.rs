//! The examples of the guide and of the operations page, compiled by the tests. The program is `main.rs`.
#![doc = include_str!("../../../docs/guide.md")]
#![doc = include_str!("../../../docs/operations.md")]
