//! Sessions and their rotation: what a store keeps, what a presented credential means, what is written,
//! and what leaves the server.
//!
//! Read [`Session`], then [`decide`], then [`Change`]: that is the idea, and `docs/rotation.md` has its
//! reasons.

pub(crate) mod adopt;
pub(crate) mod bind;
pub(crate) mod change;
pub(crate) mod cookie;
pub(crate) mod credentials;
pub(crate) mod decision;
pub(crate) mod denial;
pub(crate) mod issue;
pub(crate) mod permit;
pub(crate) mod policy;
pub(crate) mod record;
pub(crate) mod refresh_token;
pub(crate) mod rotation;
pub(crate) mod step_up;
pub(crate) mod superseded;

pub use adopt::{OldCredential, adopt, adopted};
pub use bind::Bind;
pub use change::{Change, Committed, Ending, Granted, Pending, Rotation, Touch};
pub use cookie::{CookieDecision, SessionToken};
pub use credentials::{Credentials, TokenPair, Uncommitted, UnsignedPair};
pub use decision::{Decision, PendingReuse};
pub use denial::{Denial, DenialReason};
pub use issue::{TokenIssuer, TokenIssuerBuilder};
pub use permit::{Permit, Rights};
pub use policy::{Policy, PolicyBuilder, PolicyError, Slide};
pub use record::{
    Authentication, Device, Nonce, Revocation, RevokeReason, RotatedBy, Session, Transport,
};
pub use refresh_token::{
    RefreshClaims, RefreshKey, RefreshKeyRing, RefreshToken, RefreshTokenError,
};
pub use rotation::{Login, Purpose, attempt, decide, open};
pub use step_up::StepUp;
pub use superseded::EarlierRotations;

pub use crate::keys::error::IssueError;
pub use crate::types::count::{Epoch, Generation};
