//! The operations that are measured.

use crate::operation::Make;

#[cfg(feature = "axum")]
pub mod bound;
#[cfg(feature = "axum")]
mod client_key;
pub mod foreign;
pub mod issue;
pub mod manager;
#[cfg(feature = "axum")]
pub mod proven;
#[cfg(feature = "axum")]
pub mod request;
pub mod revocation;
pub mod verify;

/// Every operation, by its name.
pub const ALL: &[(&str, Make)] = &[
    ("verify-hs256", verify::hs256),
    ("verify-eddsa", verify::eddsa),
    ("verify-es256", verify::es256),
    ("verify-rs256", verify::rs256),
    ("seen-eddsa", verify::seen),
    ("verify-foreign", foreign::verify),
    ("seen-foreign", foreign::seen),
    ("revocation", revocation::check),
    ("issue-hs256", issue::hs256),
    ("issue-eddsa", issue::eddsa),
    ("issue-es256", issue::es256),
    ("authenticate", manager::authenticate),
    ("refresh", manager::refresh),
    #[cfg(feature = "axum")]
    ("request-axum", request::axum),
    #[cfg(feature = "axum")]
    ("request-nobody", request::nobody),
    #[cfg(feature = "axum")]
    ("request-bound-cookie", bound::cookie),
    #[cfg(feature = "axum")]
    ("request-dpop", proven::seen),
    #[cfg(feature = "axum")]
    ("request-dpop-unseen", proven::unseen),
];
