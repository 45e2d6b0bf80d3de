//! Sessions and tokens of the system that an application used before: they go on here, so nobody is
//! logged out when it moves in.
//!
//! - [`Reader`] reads what the old system has left with the client. [`JwtReader`] reads tokens, and with the
//!   features of their names `TowerSessionsReader` and `ActixSessionReader` read the sessions of those crates.
//! - [`Adoption`] is a reader with the choices that the application makes about it. It is given to
//!   [`AuthConfigBuilder::adopt`](crate::AuthConfigBuilder::adopt). Until when is in the policy
//!   ([`adopts_until`](token_core::session::PolicyBuilder::adopts_until)).
//!
//! An old cookie becomes a session of transport `session`, and the new cookie goes out with the answer. An old
//! token in `Authorization: Bearer` is good for the request that it came with, until it is exchanged at the
//! refresh route for a pair of tokens. A request that has a cookie of ours, valid or not, adopts nothing.

#[cfg(feature = "adopt-actix-session")]
mod actix_session;
mod adoption;
mod cookie;
mod deletion;
mod jwt;
mod process;
mod reader;
mod renewal;
mod request;
#[cfg(feature = "adopt-tower-sessions")]
mod tower_sessions;
mod user;

#[cfg(feature = "adopt-actix-session")]
pub use actix_session::{ActixSessionReader, InCookie, OldState, ShortKey, StateSource};
pub use adoption::Adoption;
pub use cookie::OldCookie;
pub use jwt::{JwtKeyError, JwtReader};
pub(crate) use process::{Adopted, AdoptedSlot};
pub use reader::{ReadError, Reader, Reading};
pub(crate) use renewal::FirstCredential;
pub use request::OldRequest;
#[cfg(feature = "adopt-tower-sessions")]
pub use tower_sessions::{AxumLogin, TowerSessionsReader};
pub use user::OldUser;

pub use token_session::adopt::OldSession;
