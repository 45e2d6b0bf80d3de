//! The extractor of callers of one kind or another.

use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use http::request::Parts;
use token_http::adapter::{either, either_or_none};

use crate::answer::Rejection;

/// A caller of one kind or another, such as one of the application's own or one with a token of another
/// issuer. Each keeps its type, and each may have a rule of its own.
///
/// The first extractor is asked first. If it finds no credential or does not know it, the second is asked,
/// which may again be an `Either`. What the first knows and refuses, such as a token of its own that has
/// expired, stays refused. If both refuse, the answer is that of the one that could say more, and of the
/// first if neither could.
///
/// An `Option` of it is `None` if neither finds a credential; one that is not valid is refused all the same.
///
/// ```
/// use adapter_axum::{Any, Either, Require, Rule};
/// # #[cfg(feature = "remote")]
/// use adapter_axum::Foreign;
/// # #[cfg(not(feature = "remote"))]
/// # use adapter_axum::Access as Foreign;
///
/// /// May read notes.
/// enum ReadNotes {}
/// impl Rule for ReadNotes {
///     const SCOPE: &'static str = "notes:read";
/// }
///
/// async fn notes(caller: Either<Any, Require<ReadNotes, Foreign>>) -> String {
///     match caller {
///         Either::First(user) => format!("notes of {}", user.subject()),
///         Either::Second(program) => format!("notes for {}", program.subject()),
///     }
/// }
/// ```
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_enums, reason = "one of the two")]
pub enum Either<A, B> {
    /// The first extractor has found the caller.
    First(A),
    /// The second extractor has found the caller.
    Second(B),
}

impl<S, A, B> FromRequestParts<S> for Either<A, B>
where
    S: Send + Sync,
    A: FromRequestParts<S, Rejection = Rejection> + Send,
    B: FromRequestParts<S, Rejection = Rejection> + Send,
{
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Rejection> {
        Ok(find(parts, state).await?)
    }
}

impl<S, A, B> OptionalFromRequestParts<S> for Either<A, B>
where
    S: Send + Sync,
    A: FromRequestParts<S, Rejection = Rejection> + Send,
    B: FromRequestParts<S, Rejection = Rejection> + Send,
{
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Option<Self>, Rejection> {
        Ok(either_or_none(find(parts, state).await)?)
    }
}

async fn find<S, A, B>(parts: &mut Parts, state: &S) -> Result<Either<A, B>, token_http::Rejection>
where
    S: Send + Sync,
    A: FromRequestParts<S, Rejection = Rejection> + Send,
    B: FromRequestParts<S, Rejection = Rejection> + Send,
{
    let first = A::from_request_parts(parts, state).await;
    let first = first.map(Either::First).map_err(|refused| refused.0);
    let second = async {
        let second = B::from_request_parts(parts, state).await;
        second.map(Either::Second).map_err(|refused| refused.0)
    };
    either(first, second).await
}
