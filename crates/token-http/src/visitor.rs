//! What a site remembers of a browser before anyone has logged in. `docs/visitors.md` has the reasons.
//!
//! A [`Visitor`] is what a handler holds, and `owner` finds or opens the session behind it. `request` keeps
//! it while the request is served and ends it with the request, `extract` makes it, and `login` is what a
//! login does to it. `nobody` is about callers: whether one who is not valid is served as a guest.
//!
//! `departure` is a login at another site, and `pending` one of which a proof is still missing.

mod browser;
mod departure;
mod extract;
mod local_path;
mod login;
mod nobody;
mod owner;
mod pending;
mod request;

pub use browser::Visitor;
pub use departure::{Arrival, Departure};
pub use local_path::{LocalPath, NotLocal};
pub(crate) use login::LoginVisitor;
pub use nobody::is_nobody;
pub use pending::{CompleteLogin, PendingLogin, ProofAttempt, Proven};
pub use request::{RequestVisitors, VisitorScope, visitor_scope};
