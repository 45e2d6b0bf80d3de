//! The hook for limits on attempts. `limits` is one that counts them, and an application can write its own.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use token_core::{SessionId, Subject};

/// Counts attempts and says if there were too many. It is called during the request, before anything
/// expensive, and must not block. A refresh is reported twice: when it comes in, and when its token
/// has been verified.
///
/// Without a limit, passwords can be guessed as fast as they can be hashed. Limit by address and
/// by account.
pub trait AttemptLimit: Send + Sync + 'static {
    /// Counts an attempt, or says how long to wait before the next one. Then the answer is 429 with
    /// `Retry-After`, in whole seconds, at least 1.
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

/// A request for something that can be guessed or that is expensive.
#[derive(Clone, Copy)]
#[expect(clippy::exhaustive_structs, reason = "who, and what")]
pub struct Attempt<'a> {
    /// The client's address, if it is known. On axum it is known if the router is served with
    /// `into_make_service_with_connect_info::<SocketAddr>()`.
    pub address: Option<IpAddr>,
    /// What is tried.
    pub kind: AttemptKind<'a>,
}

/// What is tried.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub enum AttemptKind<'a> {
    /// A question of a resource server whether a token is active, before its key is compared. Each
    /// may cost a call to the store.
    Introspect,
    /// A password, for this name as it was sent. There may be no such user.
    Login(&'a str),
    /// A logout, before its credentials are looked at. Each may cost some calls to the store, and a
    /// stranger can send as many as they like.
    Logout,
    /// A password, in a session of this subject: a step-up or a change of password.
    Reauthenticate(&'a Subject),
    /// Something that may be a refresh token. It has not been verified, so only the address counts.
    Refresh,
    /// A refresh token that this server issued, reported after [`Refresh`](Self::Refresh) and before
    /// the store is asked. A stranger cannot get here, but the holder of an old token can: count by
    /// session first, and allow an account more than one session. Otherwise the holder of an old
    /// token keeps the account's other sessions from renewing.
    RefreshOf {
        /// The subject of the token.
        subject: &'a Subject,
        /// The session that the token was issued in, which may have ended.
        session_id: SessionId,
    },
    /// A token that is to be revoked. It has not been verified, so only the address counts.
    Revoke,
    /// A session of nobody that is to be opened, because something is to be stored for a visitor. Anyone
    /// can ask for one, so count by address.
    Visitor,
}

impl fmt::Debug for Attempt<'_> {
    /// The name is left out: people type passwords into its field.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attempt")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for AttemptKind<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Introspect => "Introspect",
            Self::Login(_) => "Login([redacted])",
            Self::Logout => "Logout",
            Self::Reauthenticate(_) => "Reauthenticate",
            Self::Refresh => "Refresh",
            Self::RefreshOf { .. } => "RefreshOf",
            Self::Revoke => "Revoke",
            Self::Visitor => "Visitor",
        })
    }
}
