//! Sessions and their rotation: what a store keeps, what a presented credential means, what is written,
//! and what leaves the server.
//!
//! An application sets a [`Policy`] and makes a [`TokenIssuer`], and a store writes each [`Change`] and
//! [`Ending`]. What asks and answers in between is in [`rule`]: `SessionManager` of `token-session` calls it, and
//! only who writes another one in its place needs to know it.
//!
//! Read [`Session`], then [`decide`](rule::decide), then [`Change`]: that is the idea, and `docs/rotation.md` has
//! its reasons.

pub(crate) mod bind;
pub(crate) mod change;
pub(crate) mod credentials;
pub(crate) mod denial;
pub(crate) mod issue;
pub(crate) mod permit;
pub(crate) mod policy;
pub(crate) mod record;
pub(crate) mod refresh_token;
pub mod rule;
pub(crate) mod step_up;
pub(crate) mod superseded;

pub use bind::Bind;
pub use change::{Change, Committed, Ending, Rotation, Touch};
pub use credentials::{Credentials, TokenPair};
pub use denial::{Denial, DenialReason};
pub use issue::{TokenIssuer, TokenIssuerBuilder};
pub use permit::{Permit, Rights};
pub use policy::{Policy, PolicyBuilder, PolicyError, Slide};
pub use record::{
    Authentication, Device, Nonce, Revocation, RevokeReason, RotatedBy, Session, Transport,
};
pub use refresh_token::{RefreshClaims, RefreshKey, RefreshKeyRing, RefreshToken};
pub use step_up::StepUp;
pub use superseded::EarlierRotations;

pub use crate::keys::error::IssueError;
pub use crate::types::count::{Epoch, Generation};
