//! Sessions that are bound to a key which their client keeps: what a copied credential is worth without
//! it.
//!
//! [`Binding`] is what a session's record has, and [`Proof`] is what a request shows. A write to the session
//! holds only if the proof is enough for the record as it is at that moment
//! ([`Binding::check`]). `docs/device-binding.md` has the reasons.
//!
//! A reader who does not bind sessions needs nothing of this: the default of both asks for nothing.

mod challenge;
pub(crate) mod confirmation;
pub(crate) mod device;
pub mod dpop;
pub(crate) mod generation;
pub(crate) mod jws;
pub(crate) mod keys;
pub(crate) mod proof;
pub(crate) mod record;
pub(crate) mod thumbprint;
pub(crate) mod value;

pub use device::{Authorization, Offer, Registration, Renewal};
pub use generation::BindingGeneration;
pub use jws::ProofError;
pub use keys::BindingKeys;
pub use proof::{Proof, Unproven};
pub use record::{AlreadyBound, Binding, BindingLevel, DeviceBinding, DeviceKey, DeviceState};
pub use thumbprint::Thumbprint;
pub use value::BoundValue;
