//! The visitors of a request: kept beside it while it is served, and ended with it.

use std::sync::atomic::Ordering;
use std::sync::{Mutex, PoisonError};

use http::HeaderValue;
use tokio::task::futures::TaskLocalFuture;

use super::browser::Visitor;
use crate::answered::Answered;
use crate::auth::Auth;
use crate::cookies::Kind;
use crate::rejection::Rejection;

tokio::task_local! {
    /// A place in the future of the request, and not among its extensions: it takes no memory of its own,
    /// also if there is no visitor.
    static VISITORS: RequestVisitors;
}

/// The visitors that the handlers of one request have taken: at most one of each [`Auth`].
#[derive(Debug, Default)]
pub struct RequestVisitors(Mutex<Vec<Visitor>>);

/// A future in which handlers can take visitors. Its value, with
/// [`take_value`](TaskLocalFuture::take_value), is what they have taken.
pub type VisitorScope<F> = TaskLocalFuture<RequestVisitors, F>;

/// Lets handlers inside of `serving` take visitors. For adapters.
pub fn visitor_scope<F: Future>(serving: F) -> VisitorScope<F> {
    VISITORS.scope(RequestVisitors::default(), serving)
}

/// The visitor of this request for an [`Auth`]: the one that was taken before, or a new one. `None` outside
/// of a scope.
pub(super) fn visitor_of(auth: &Auth, make: impl FnOnce() -> Visitor) -> Option<Visitor> {
    let find = |visitors: &RequestVisitors| {
        let mut taken = visitors.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = taken.iter().find(|visitor| visitor.0.auth.is(auth));
        found.cloned().unwrap_or_else(|| {
            let visitor = make();
            taken.push(visitor.clone());
            visitor
        })
    };
    VISITORS.try_with(find).ok()
}

/// A login of this request has ended the visitor's session: what was changed is not stored any more. Without
/// effect outside of a scope, and if no visitor was taken.
pub(super) fn end_visitor_of(auth: &Auth) {
    let end = |visitors: &RequestVisitors| {
        let taken = visitors.0.lock().unwrap_or_else(PoisonError::into_inner);
        let ours = taken.iter().filter(|visitor| visitor.0.auth.is(auth));
        ours.for_each(|visitor| visitor.0.ended.store(true, Ordering::Relaxed));
    };
    // A handler that logs in within a task of its own is outside.
    let _ = VISITORS.try_with(end);
}

impl RequestVisitors {
    /// Whether a handler has taken none, so that there is nothing to [`finish`](Self::finish).
    pub fn is_empty(&self) -> bool {
        let taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        taken.is_empty()
    }

    /// Ends the request, which was answered like this: stores what was changed if the server did not
    /// fail, and gives the `Set-Cookie` fields of sessions that were opened. The field is left out if the answer sets
    /// that cookie already.
    ///
    /// What was changed in a request that has logged in is dropped, since the login ends the visitor.
    ///
    /// # Errors
    /// The answer to send instead of the handler's, because its write did not happen; none if the handler's
    /// reports an [effect](Answered::reports_effect).
    pub async fn finish(self, answered: &Answered) -> Result<Vec<HeaderValue>, Rejection> {
        let mut fields = Vec::new();
        let taken = self.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        for visitor in taken {
            let auth = &visitor.0.auth;
            if visitor.0.ended.load(Ordering::Relaxed) {
                visitor.0.data.owner().end_opened(auth).await;
                continue;
            }
            let deleted = auth.config().cookie_names().delete(Kind::Visitor);
            if answered.sets(&deleted) {
                continue;
            }
            answered.settle(auth, visitor.save()).await?;
            fields.extend(visitor.0.data.owner().cookie(auth).await);
        }
        Ok(fields)
    }
}
