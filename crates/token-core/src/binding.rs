//! Sessions that are bound to a key which their client keeps: what a copied credential is worth without
//! it.
//!
//! [`Binding`] is what a session's record has, and [`Proof`] is what a request shows. A write to the session
//! holds only if the proof is enough for the record as it is at that moment
//! ([`Binding::check`]). `docs/device-binding.md` has the reasons.
//!
//! A reader who does not bind sessions needs nothing of this: the default of both asks for nothing.

pub(crate) mod confirmation;
pub mod dpop;
pub(crate) mod generation;
pub(crate) mod proof;
pub(crate) mod record;
pub(crate) mod thumbprint;

pub use generation::BindingGeneration;
pub use proof::{Proof, Unproven};
pub use record::{Binding, BindingLevel, DeviceBinding, DeviceKey, DeviceState};
pub use thumbprint::Thumbprint;
