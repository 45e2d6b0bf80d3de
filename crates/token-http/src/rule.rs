//! What a route demands of its caller: scopes, claims, and how fresh and strong the authentication is.

use std::time::Duration;

use serde::de::DeserializeOwned;
use token_core::binding::BindingLevel;
use token_core::{NoClaims, Scope, Session, SessionId, UnixTime};
use token_session::CookieSession;

use crate::auth::Auth;
use crate::caller::Caller;
use crate::refusal::{Refusal, TokenFault};
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

    /// Whether the scope and the claims have to be those that the session has now, and not only those that it
    /// had when the access token was issued. The store is asked at each request with a token, so a change
    /// by [`SessionManager::permit`](token_session::SessionManager::permit) holds at once. So it is with a session
    /// cookie whose session this node only remembers; otherwise the store was asked about it already. A token of
    /// another issuer cannot meet such a rule.
    const CURRENT: bool = false;

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

    /// Whether the rule asks what the session may do now.
    fn is_ruled_by_now(&self) -> bool;

    /// Whether the session may still do what the rule demands.
    ///
    /// # Errors
    /// [`Refusal::InsufficientScope`] and [`Refusal::Forbidden`].
    fn may_still(&self, session: &Session) -> Result<(), Refusal>;
}

impl<F, R> Ruled<R> for F
where
    F: Found,
    F::Claims: DeserializeOwned,
    R: Rule<F::Claims>,
{
    fn meets(&self, now: UnixTime, tolerance: Duration) -> Result<(), Refusal> {
        let caller = self.authenticated();
        permit::<R, F::Claims>(caller.scope, self.claims())?;
        check::<R, F::Claims>(&caller, now, tolerance)
    }

    fn is_ruled_by_now(&self) -> bool {
        R::CURRENT
    }

    fn may_still(&self, session: &Session) -> Result<(), Refusal> {
        match session.claims.read() {
            Ok(claims) => permit::<R, F::Claims>(&session.scope, &claims),
            Err(error) => Err(Refusal::Forbidden.because(error)),
        }
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

    /// What shows the scope and the claims.
    fn shown_by(&self) -> ShownBy<'_>;

    /// Refuses the caller if a rule that asks what the session may do now is not met by it.
    ///
    /// # Errors
    /// [`Refusal::InsufficientScope`] and [`Refusal::Forbidden`]; [`Refusal::InvalidToken`] if the session has
    /// ended, and [`Refusal::TemporarilyUnavailable`] if the store cannot be asked.
    fn require_current<R>(&self) -> impl Future<Output = Result<(), Rejection>> + Send
    where
        Self: Ruled<R> + Sync,
    {
        async move {
            let (auth, session) = match self.shown_by() {
                _ if !self.is_ruled_by_now() => return Ok(()),
                ShownBy::Store => return Ok(()),
                ShownBy::Memory(auth, visit) => (auth, auth.manager().current(visit).await?),
                ShownBy::Token(auth, id) => (auth, auth.manager().session(id).await?),
                ShownBy::Elsewhere => {
                    let fix = "a rule with `CURRENT` asks the store of the sessions: take a caller \
                               whose token this server has issued";
                    return Err(Rejection::misconfigured(fix));
                }
            };
            let still = match session {
                Some(session) => self.may_still(&session),
                None => Err(Refusal::InvalidToken(TokenFault::Revoked).logged()),
            };
            let binding = self.authenticated().binding;
            still.map_err(|refusal| auth.challenge_by(binding, refusal))
        }
    }
}

/// What shows the scope and the claims of a caller.
#[derive(Clone, Copy, Debug)]
pub enum ShownBy<'a> {
    /// A token of another issuer.
    Elsewhere,
    /// The session of this cookie, as this node remembers it.
    Memory(&'a Auth, &'a CookieSession),
    /// The session itself, as the store has it now.
    Store,
    /// A token of this session, as it was when the token was issued.
    Token(&'a Auth, SessionId),
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
    /// Refuses a caller who does not meet a rule. A rule with [`CURRENT`](Rule::CURRENT) asks the store, which
    /// this cannot: take the caller by `Require` there.
    ///
    /// # Errors
    /// [`Refusal::InsufficientScope`], then [`Refusal::Forbidden`], then [`Refusal::Unbound`], then
    /// [`Refusal::InsufficientUserAuthentication`]; [`Refusal::ServerError`] for a rule with `CURRENT`.
    pub fn require<R>(&self, caller: &(impl Caller + Ruled<R>)) -> Result<(), Rejection> {
        if caller.is_ruled_by_now() {
            let fix =
                "a rule with `CURRENT` asks the store: take the caller by `Require`, which does";
            return Err(Rejection::misconfigured(fix));
        }
        self.check_rule::<R>(caller)
    }

    /// Whether the caller meets the rule by what was shown.
    pub(crate) fn check_rule<R>(&self, caller: &(impl Caller + Ruled<R>)) -> Result<(), Rejection> {
        let tolerance = self.manager().policy().tolerance();
        let refusal = caller.meets(self.manager().now(), tolerance);
        refusal.map_err(|refusal| self.challenge_by(caller.binding(), refusal))
    }

    /// The challenge by the scheme of the caller's token.
    fn challenge_by(&self, binding: Option<BindingLevel>, refusal: Refusal) -> Rejection {
        if binding == Some(BindingLevel::Key) {
            self.challenge_bound(refusal)
        } else {
            self.challenge(refusal)
        }
    }
}

/// Whether a caller with this scope and these claims may do what the rule demands.
fn permit<R: Rule<C>, C>(scope: &Scope, claims: &C) -> Result<(), Refusal> {
    // Both are quoted in a header: a text that cannot be quoted does not compile.
    const { assert!(is_list(R::SCOPE), "SCOPE is not a list of scope values") };
    const { assert!(is_list(R::ACR), "ACR is not a list of words") };
    if !words(R::SCOPE).all(|value| scope.contains(value)) {
        let scope = R::SCOPE.into();
        return Err(Refusal::InsufficientScope { scope }.logged());
    }
    // Before the authentication: a step-up would not help.
    if !R::permits(claims) {
        let why = "the claims of the caller do not meet the rule";
        return Err(Refusal::Forbidden.because(why));
    }
    Ok(())
}

fn words(list: &'static str) -> impl Iterator<Item = &'static str> {
    list.split(' ').filter(|word| !word.is_empty())
}

/// What a step-up or another proof would help with.
fn check<R: Rule<C>, C>(
    caller: &Authenticated<'_>,
    now: UnixTime,
    tolerance: Duration,
) -> Result<(), Refusal> {
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
