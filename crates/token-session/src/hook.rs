//! Asks the application at each refresh: is the user still allowed, have the roles changed?

use std::future::Future;
use std::pin::Pin;

use token_core::{CustomClaims, Session};

/// Looks the user up again at each refresh.
///
/// With a hook the session is read before it is rotated, which costs a second round trip to
/// the store; without one a refresh costs one. It runs at replays too. A replay writes nothing, so
/// claims that the hook changes then are in the access token alone, until it is asked at the next
/// rotation of the token.
pub trait RefreshHook: Send + Sync + 'static {
    /// Decides on the session as it stands.
    fn on_refresh<'a>(
        &'a self,
        session: &'a Session,
    ) -> Pin<Box<dyn Future<Output = HookAnswer> + Send + 'a>>;
}

/// What the application says to a refresh.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "an application can say no more than this"
)]
pub enum HookAnswer {
    /// Go on, with these claims from now on.
    Change(CustomClaims),
    /// Refuse, and end the session.
    End,
    /// Go on as before.
    Keep,
    /// Refuse this time; the token stays usable.
    Refuse,
}
