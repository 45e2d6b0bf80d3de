//! The values that everything else is made of: identifiers, names, scopes, secrets and points in time.
//!
//! Each is checked when it is made, so a value of such a type needs no check after that.

pub(crate) mod id;
pub(crate) mod name;
pub(crate) mod scope;
pub(crate) mod secret;
pub(crate) mod time;

pub use id::{Bucket, BucketKey, SessionId, TokenId};
pub use name::{Audience, ClientId, InvalidName, Issuer, KeyId, Subject};
pub use scope::Scope;
pub use secret::{Entropy, Malformed, TokenHash, TokenSecret};
pub use time::{TimeOutOfRange, UnixTime};
