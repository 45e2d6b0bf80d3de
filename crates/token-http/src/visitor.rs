//! What a site remembers of a browser before anyone has logged in. `docs/visitors.md` has the reasons.
//!
//! A [`Visitor`] is what a handler holds, and `owner` finds or opens the session behind it. `request` keeps
//! it while the request is served and ends it with the request, `extract` makes it, and `login` is what a
//! login does to it. `nobody` is about callers: whether one who is not valid is served as a guest.

mod browser;
mod extract;
mod login;
mod nobody;
mod owner;
mod request;

pub use browser::Visitor;
pub(crate) use login::LoginVisitor;
pub use nobody::is_nobody;
pub use request::{RequestVisitors, VisitorScope, visitor_scope};
