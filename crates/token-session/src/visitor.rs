//! Sessions of nobody: what a site remembers of a browser before anyone has logged in.
//! `docs/visitors.md` has the reasons.
//!
//! Such a session is stored like any other, under a subject that no user can have. The manager never
//! takes it for a login: its methods that accept a credential find no session there. What opens, accepts
//! and ends them is in `manager/visitor.rs`.

mod kept;
mod policy;
mod reserved;
mod room;

pub use kept::KeptData;
pub use policy::VisitorPolicy;
pub use reserved::VisitorKind;
pub(crate) use reserved::is_reserved;
pub(crate) use room::Rooms;

use token_core::session::Committed;
use token_core::session::rule::SessionToken;
use token_core::{Session, SessionId, UnixTime};

use crate::erased::StoreError;

/// A session of nobody that is live, with the credential that proves it.
#[derive(Debug)]
pub struct VisitorSession {
    session: Committed<Session>,
    token: SessionToken,
}

impl VisitorSession {
    pub(crate) const fn new(session: Committed<Session>, token: SessionToken) -> Self {
        Self { session, token }
    }

    /// Names the session, and proves nothing.
    pub fn id(&self) -> SessionId {
        self.session.id
    }

    /// When it ends. Using it does not move the deadline.
    pub fn expires_at(&self) -> UnixTime {
        self.session.expires_at()
    }

    /// The session as it is stored. Its subject is reserved, and is nobody's name.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// The value of the browser's cookie.
    pub const fn token(&self) -> &SessionToken {
        &self.token
    }
}

/// Why a session of nobody was not opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VisitorError {
    /// This node has opened as many within one lifetime as the policy allows: try again later.
    #[error("{capacity} sessions of this kind were opened within one lifetime, which is the most")]
    Full {
        /// The most that are opened within one lifetime.
        capacity: u32,
    },
    /// The session could not be stored as it was asked for: a fault of the store, of the source of
    /// entropy or of the keys.
    #[error("a session of nobody could not be opened")]
    Login(#[from] crate::error::LoginError),
    /// The store could not answer; whether it wrote is unknown.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The data has more than [`VisitorPolicy::MAX_DATA`] bytes; nothing was written.
    #[error(
        "the data has {length} bytes, and at most {} are kept",
        VisitorPolicy::MAX_DATA
    )]
    TooLong {
        /// How long, in bytes.
        length: usize,
    },
}
