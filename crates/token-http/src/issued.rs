//! The credentials of a login as values, for an answer of the application's own. The library's own answers are
//! made in `token_response`.

use std::fmt;

use bytes::Bytes;
use http::Response;
use http::header::CONTENT_TYPE;
use token_core::session::TokenPair;
use token_core::{Scope, Session};

/// A session that was opened, with its credentials: for a login whose answer has another shape than that of
/// [`CustomLogin::open`](crate::CustomLogin::open).
#[must_use = "the client has no other way to its credentials"]
pub struct Issued {
    issued: token_session::Issued,
    answer: Response<Bytes>,
}

impl Issued {
    pub(crate) const fn new(issued: token_session::Issued, answer: Response<Bytes>) -> Self {
        Self { issued, answer }
    }

    /// The session.
    pub fn session(&self) -> &Session {
        self.issued.session()
    }

    /// The scope of the access token.
    pub fn scope(&self) -> &Scope {
        self.issued.scope()
    }

    /// The two tokens; `None` in transport `session`. In transport `cookie` the refresh token is for the
    /// cookie alone: put it into no body.
    pub const fn tokens(&self) -> Option<&TokenPair> {
        self.issued.tokens()
    }

    /// The header fields that the answer has to have, by name and value: the cookies, that nothing may be
    /// cached, and what the browser or the client is offered. They are secrets. A name may come more than
    /// once: append the fields.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        let fields = self.answer.headers().iter();
        let fields = fields.filter(|(name, _)| **name != CONTENT_TYPE);
        fields.map(|(name, value)| {
            let value = value.to_str().expect("what we write is visible ASCII");
            (name.as_str(), value)
        })
    }

    /// The answer that [`open`](crate::CustomLogin::open) would have given.
    pub fn into_answer(self) -> Response<Bytes> {
        self.answer
    }
}

impl fmt::Debug for Issued {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issued")
            .field("session", &self.session().id)
            .finish_non_exhaustive()
    }
}
