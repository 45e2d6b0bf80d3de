//! The hook for limits on attempts. Nothing is counted here.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use token_core::{SessionId, Subject};

/// Counts attempts and says when there were too many. Called in line with the request,
/// before anything that costs; it must not block. A refresh is noted twice: when it comes in, and
/// when its token was found genuine.
///
/// Without one nothing is limited: passwords can be guessed as fast as they can be hashed.
/// Limit per address and per account.
pub trait AttemptLimit: Send + Sync + 'static {
    /// Notes an attempt, or says how long to wait before the next: the answer is then 429
    /// with `Retry-After`, in whole seconds, at least 1.
    ///
    /// # Errors
    /// The time to wait.
    fn attempt(&self, attempt: Attempt<'_>) -> Result<(), Duration>;
}

impl<F> AttemptLimit for F
where
    F: Fn(Attempt<'_>) -> Result<(), Duration> + Send + Sync + 'static,
{
    fn attempt(&self, attempt: Attempt<'_>) -> Result<(), Duration> {
        self(attempt)
    }
}

/// Someone tries something that can be guessed or costs something.
#[derive(Clone, Copy)]
#[expect(clippy::exhaustive_structs, reason = "who, and what")]
pub struct Attempt<'a> {
    /// The client's address, where it is known: on axum, where the server was made with
    /// `into_make_service_with_connect_info::<SocketAddr>()`.
    pub address: Option<IpAddr>,
    /// What is tried.
    pub kind: AttemptKind<'a>,
}

/// What is tried.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub enum AttemptKind<'a> {
    /// A password, for this name as it was sent: it may be none of the application's users.
    Login(&'a str),
    /// A password, in a session of this subject: a step-up or a change of password.
    Reauthenticate(&'a Subject),
    /// What may be a refresh token: nothing has been looked at yet, so only the address counts.
    Refresh,
    /// A refresh token of our own making, noted after [`Refresh`](Self::Refresh) and before the
    /// store is asked. A stranger cannot get here, but whoever holds an old token can: count by
    /// the session first and allow an account more than one session, else the holder of a
    /// spent token keeps the account's other sessions from renewing.
    RefreshOf {
        /// Whose it is.
        subject: &'a Subject,
        /// The session it was issued in, which may have ended.
        session_id: SessionId,
    },
}

impl fmt::Debug for Attempt<'_> {
    /// People type passwords where the name belongs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attempt")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for AttemptKind<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Login(_) => "Login([redacted])",
            Self::Reauthenticate(_) => "Reauthenticate",
            Self::Refresh => "Refresh",
            Self::RefreshOf { .. } => "RefreshOf",
        })
    }
}
