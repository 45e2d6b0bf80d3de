//! What a login does to the visitor's session of the browser that logs in.

use bytes::Bytes;
use http::Response;
use token_session::SessionManager;
use token_session::visitor::VisitorKind;

use super::owner::stays;
use super::request::end_visitor_of;
use crate::auth::Auth;
use crate::cookies::{self, Kind, RequestCookies};
use crate::head::Head;

/// The cookies of nobody that came with a login: of a visitor, and of a pending login.
#[derive(Clone, Debug)]
pub(crate) struct LoginVisitor(RequestCookies);

impl LoginVisitor {
    pub(crate) fn read(auth: &Auth, head: &Head<'_>) -> Self {
        let names = auth.config().cookie_names();
        let kinds = [Kind::PendingLogin, Kind::Visitor];
        let cookies = RequestCookies::read_kinds(&kinds, head.headers, names);
        Self(cookies)
    }

    /// Whether there is one.
    pub(crate) fn any(&self) -> bool {
        self.0.any()
    }

    /// Ends the visitor's session, once the session of the login is stored: somebody else may know its
    /// cookie. If the store cannot be asked it stays until it expires, since the login has worked.
    pub(crate) async fn end(&self, manager: &SessionManager) {
        // Two are no browser's; each costs a call to the store.
        let Ok(Some(cookie)) = self.0.one(Kind::Visitor) else {
            return;
        };
        let ended = async {
            match manager.accept_visitor(VisitorKind::Visitor, cookie).await? {
                Some(visitor) => manager.end_visitor(&visitor).await,
                None => Ok(false),
            }
        };
        if let Err(error) = ended.await {
            stays(&error);
        }
    }

    /// Deletes the cookie with the answer to the login, and drops what the handler has stored for the visitor.
    pub(crate) fn forget(&self, auth: &Auth, answer: &mut Response<Bytes>) {
        end_visitor_of(auth);
        if self.0.all(Kind::Visitor).next().is_some() {
            let names = auth.config().cookie_names();
            cookies::append(answer.headers_mut(), names.delete(Kind::Visitor));
        }
    }
}
