//! What a route demands of its caller: scopes, claims, and how fresh and strong the authentication is.

use std::time::Duration;

use token_core::binding::BindingLevel;
use token_core::{NoClaims, Scope, UnixTime};

use crate::auth::Auth;
use crate::caller::Caller;
use crate::refusal::Refusal;
use crate::rejection::Rejection;

/// What a route demands of its caller. A constant that is left out demands nothing.
///
/// ```
/// use std::time::Duration;
/// use token_http::Rule;
///
/// /// May write notes.
/// enum WriteNotes {}
/// impl Rule for WriteNotes {
///     const SCOPE: &'static str = "notes:write";
/// }
///
/// /// Has typed the password within the last minute.
/// enum JustAuthenticated {}
/// impl Rule for JustAuthenticated {
///     const MAX_AGE: Option<Duration> = Some(Duration::from_mins(1));
/// }
/// ```
///
/// Adapters have an extractor for it: `Require<WriteNotes>` in a handler's signature.
///
/// `C` is the application's own claims of the caller, of whom a rule can demand something too. A rule that
/// looks at none is for callers without claims, unless it is written for any: `impl<C> Rule<C> for …`.
///
/// ```
/// use token_http::Rule;
///
/// #[derive(serde::Deserialize)]
/// struct Roles {
///     roles: Vec<String>,
/// }
///
/// /// Has the role of a moderator.
/// enum Moderator {}
/// impl Rule<Roles> for Moderator {
///     fn permits(claims: &Roles) -> bool {
///         claims.roles.iter().any(|role| role == "moderator")
///     }
/// }
/// ```
///
/// A handler asks for it with the extractor of a caller who has such claims:
/// `Require<Moderator, Any<Roles>>`. One without claims does not compile.
pub trait Rule<C = NoClaims>: Send + Sync + 'static {
    /// The scope values that the caller must have, separated by one space.
    const SCOPE: &'static str = "";
    /// The greatest age of the authentication, in whole seconds
    /// ([RFC 9470](https://www.rfc-editor.org/rfc/rfc9470)): a client answers the refusal with
    /// a step-up.
    const MAX_AGE: Option<Duration> = None;
    /// The accepted classes of authentication (`acr`), separated by one space.
    const ACR: &'static str = "";
    /// The methods (`amr`) that the authentication must have had, all of them.
    const AMR: &'static [&'static str] = &[];
    /// The key that the request must prove: [`Key`](BindingLevel::Key) for any, [`Device`](BindingLevel::Device)
    /// for a session cookie that is bound to its browser. A caller who does not is refused as
    /// [`Refusal::Unbound`].
    const BINDING: Option<BindingLevel> = None;

    /// Whether the route is for a caller with these claims. One for whom it is not is refused as
    /// [`Refusal::Forbidden`]. By default it is for every caller.
    fn permits(claims: &C) -> bool {
        let _ = claims;
        true
    }
}

/// A caller against whom a rule can be held: one that has the claims which the rule looks at.
#[diagnostic::on_unimplemented(
    message = "the rule `{R}` is not one for the claims of `{Self}`",
    note = "`impl Rule for {R}` is for callers without claims of your own; `impl<C> Rule<C> for {R}` is for all"
)]
pub trait Ruled<R> {
    /// Whether the caller meets the rule.
    ///
    /// # Errors
    /// As [`Auth::require`].
    fn meets(&self, now: UnixTime, tolerance: Duration) -> Result<(), Refusal>;
}

impl<F: Found, R: Rule<F::Claims>> Ruled<R> for F {
    fn meets(&self, now: UnixTime, tolerance: Duration) -> Result<(), Refusal> {
        check::<R, F::Claims>(&self.authenticated(), self.claims(), now, tolerance)
    }
}

/// A caller of whom a route can demand something. For adapters.
pub trait Found {
    /// The application's own claims.
    type Claims;

    /// Those of this caller.
    fn claims(&self) -> &Self::Claims;

    /// What else rules ask about.
    fn authenticated(&self) -> Authenticated<'_>;

    /// Refuses the caller if a rule is not met.
    ///
    /// # Errors
    /// As [`Auth::require`].
    fn require<R>(&self) -> Result<(), Rejection>
    where
        Self: Ruled<R>;
}

/// What rules ask about, of any kind of caller.
#[derive(Debug)]
pub struct Authenticated<'a> {
    pub(crate) scope: &'a Scope,
    /// The key that the request has proven.
    pub(crate) binding: Option<BindingLevel>,
    /// When the caller last authenticated, if that is known.
    pub(crate) auth_time: Option<UnixTime>,
    pub(crate) acr: Option<&'a str>,
    pub(crate) amr: &'a [Box<str>],
}

impl<'a> Authenticated<'a> {
    pub(crate) fn of(caller: &'a impl Caller) -> Self {
        Self {
            scope: caller.scope(),
            binding: caller.binding(),
            auth_time: Some(caller.auth_time()),
            acr: caller.acr(),
            amr: caller.amr(),
        }
    }
}

impl Auth {
    /// Refuses a caller who does not meet a rule.
    ///
    /// # Errors
    /// [`Refusal::InsufficientScope`], then [`Refusal::Forbidden`], then [`Refusal::Unbound`], then
    /// [`Refusal::InsufficientUserAuthentication`].
    pub fn require<R>(&self, caller: &(impl Caller + Ruled<R>)) -> Result<(), Rejection> {
        let tolerance = self.manager().policy().tolerance();
        let refusal = caller.meets(self.manager().now(), tolerance);
        refusal.map_err(|refusal| {
            if caller.binding() == Some(BindingLevel::Key) {
                self.challenge_bound(refusal)
            } else {
                self.challenge(refusal)
            }
        })
    }
}

fn check<R: Rule<C>, C>(
    caller: &Authenticated<'_>,
    claims: &C,
    now: UnixTime,
    tolerance: Duration,
) -> Result<(), Refusal> {
    // Both are quoted in a header: a text that cannot be quoted does not compile.
    const { assert!(is_list(R::SCOPE), "SCOPE is not a list of scope values") };
    const { assert!(is_list(R::ACR), "ACR is not a list of words") };
    let words = |list: &'static str| list.split(' ').filter(|word| !word.is_empty());
    if !words(R::SCOPE).all(|value| caller.scope.contains(value)) {
        let scope = R::SCOPE.into();
        return Err(Refusal::InsufficientScope { scope }.logged());
    }
    // Before the authentication: a step-up would not help.
    if !R::permits(claims) {
        return Err(Refusal::Forbidden.because("the claims of the caller do not meet the rule"));
    }
    let proven = match R::BINDING {
        None => true,
        Some(BindingLevel::Key) => caller.binding.is_some(),
        Some(BindingLevel::Device) => caller.binding == Some(BindingLevel::Device),
    };
    if !proven {
        return Err(Refusal::Unbound.because("the route demands a session that is bound to a key"));
    }
    // A clock that was ahead by more than clocks may differ says nothing of how long ago it was. The
    // step-up that is demanded then puts it right.
    let auth_time = caller.auth_time.filter(|time| *time <= now + tolerance);
    let fresh = |max_age| auth_time.is_some_and(|time| now.since(time) <= max_age);
    let fresh = R::MAX_AGE.is_none_or(fresh);
    let class = R::ACR.is_empty() || words(R::ACR).any(|acr| caller.acr == Some(acr));
    let methods = R::AMR
        .iter()
        .all(|method| caller.amr.iter().any(|own| **own == **method));
    if fresh && class && methods {
        Ok(())
    } else {
        let why = match (fresh, class) {
            (false, _) => "the authentication is too old for this route",
            (true, false) => "the authentication is of another class than this route demands",
            (true, true) => "the authentication lacks a method that this route demands",
        };
        let refusal = Refusal::InsufficientUserAuthentication {
            max_age: R::MAX_AGE,
            acr_values: R::ACR.into(),
        };
        Err(refusal.because(why))
    }
}

/// Words of `%x21 / %x23-5B / %x5D-7E`, separated by one space
/// ([RFC 6749 section 3.3](https://www.rfc-editor.org/rfc/rfc6749#section-3.3)); or nothing.
const fn is_list(text: &str) -> bool {
    let mut rest = text.as_bytes();
    let mut after_space = !rest.is_empty();
    while let [first, tail @ ..] = rest {
        let space = *first == b' ';
        let quotable = first.is_ascii_graphic() && *first != b'"' && *first != b'\\';
        if !(quotable || space && !after_space) {
            return false;
        }
        after_space = space;
        rest = tail;
    }
    !after_space
}
