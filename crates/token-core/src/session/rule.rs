//! The verbs of who drives the rule: a session manager, between the requests and the store.
//!
//! In the order of their use: [`open`] makes a session, [`attempt`] and [`decide`] say what a presented
//! refresh token means, [`SessionToken`] the same for a cookie. The store writes what is [`Pending`]; what it
//! has written is [`Granted`]. [`TokenIssuer::issue`](crate::TokenIssuer::issue) makes the credentials of that,
//! which are [`Prepared`] until they are given out. The example of the [crate](crate#example) goes all the way.
//!
//! Everything that an application, a store or a verifier needs is outside.

pub(crate) mod cookie;
pub(crate) mod decision;
pub(crate) mod granted;
pub(crate) mod issue;
pub(crate) mod rotation;

pub use cookie::{CookieDecision, SessionToken};
pub use decision::{Decision, PendingReuse};
pub use granted::{Granted, Pending};
pub use issue::Prepared;
pub use rotation::{Login, attempt, decide, open};
