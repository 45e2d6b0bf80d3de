//! The examples of the documentation, compiled by the tests. The program is `main.rs`.
#![doc = include_str!("../../../docs/guide.md")]
#![doc = include_str!("../../../docs/device-binding.md")]
#![doc = include_str!("../../../docs/dpop.md")]
#![doc = include_str!("../../../docs/mobile.md")]
#![doc = include_str!("../../../docs/operations.md")]
#![doc = include_str!("../../../docs/transports.md")]
#![doc = include_str!("../../../docs/visitors.md")]
#![doc = include_str!("../../../crates/hallpass/README.md")]
