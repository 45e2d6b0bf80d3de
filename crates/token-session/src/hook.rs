//! Asks the application at each refresh: is the user still allowed, have the roles changed?

use std::future::Future;
use std::pin::Pin;

use token_core::Session;
use token_core::session::Rights;

/// Looks the user up again at each refresh.
///
/// With a hook the session is read before it is rotated, which costs a second round trip to
/// the store; without one a refresh costs one. It runs at replays too. A replay does not change what the
/// session may do, so what the hook changes then is in the access token alone, until it is asked at the
/// next rotation of the token.
///
/// An old token of another system that is not exchanged gets an access token for each request, and the hook is
/// asked as at a replay ([`adopt`](crate::adopt)); not at the first one, which opens the session like a login.
///
/// Sessions in the transport `session` are not refreshed, so the hook is not asked about them.
/// [`SessionManager::permit`](crate::SessionManager::permit) changes any session, and at once.
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
    /// Go on, with this scope and these claims from now on. If the request asks for a scope that is wider
    /// than the new one, it is refused, and the token stays usable.
    ///
    /// A `Scope` or `CustomClaims` alone is turned into [`Rights`] with `into()`.
    Change(Rights),
    /// Refuse, and end the session.
    End,
    /// Go on as before.
    Keep,
    /// Refuse this time; the token stays usable.
    Refuse,
}
