//! The values that everything else is made of: identifiers, names, scopes, secrets and points in time.
//!
//! Each is checked when it is made, so a value of such a type needs no check after that.

pub(crate) mod count;
pub(crate) mod id;
pub(crate) mod invalid;
pub(crate) mod name;
pub(crate) mod scope;
pub(crate) mod secret;
pub(crate) mod stored;
pub(crate) mod time;

pub use id::{Bucket, SessionId, TokenId};
pub use invalid::InvalidValue;
pub use name::{Audience, ClientId, Issuer, KeyId, Subject};
pub use scope::Scope;
pub use secret::{Entropy, TokenHash};
pub use time::UnixTime;
