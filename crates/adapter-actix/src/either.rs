//! The extractor of callers of one kind or another.

use actix_web::{FromRequest, HttpRequest, dev};
use token_http::adapter::{either, either_or_none};

use crate::answer::Rejection;
use crate::extract::{Extraction, Optional};

/// A caller of one kind or another, such as one of the application's own or one with a token of another
/// issuer. Each keeps its type, and each may have a rule of its own.
///
/// The first extractor is asked first. If it finds no credential or does not know it, the second is asked,
/// which may again be an `Either`. What the first knows and refuses, such as a token of its own that has
/// expired, stays refused. If both refuse, the answer is that of the one that could say more, and of the
/// first if neither could.
///
/// If a caller may be absent, see [`Optional`](crate::Optional).
///
/// ```
/// use adapter_actix::{Any, Either, Require, Rule};
/// # #[cfg(feature = "remote")]
/// use adapter_actix::Foreign;
/// # #[cfg(not(feature = "remote"))]
/// # use adapter_actix::Access as Foreign;
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

impl<A, B> FromRequest for Either<A, B>
where
    A: FromRequest<Error = Rejection> + 'static,
    B: FromRequest<Error = Rejection> + 'static,
{
    type Error = Rejection;
    type Future = Extraction<Self>;

    fn from_request(request: &HttpRequest, _: &mut dev::Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move { Ok(find(&request).await?) })
    }
}

impl<A, B> FromRequest for Optional<Either<A, B>>
where
    A: FromRequest<Error = Rejection> + 'static,
    B: FromRequest<Error = Rejection> + 'static,
{
    type Error = Rejection;
    type Future = Extraction<Self>;

    fn from_request(request: &HttpRequest, _: &mut dev::Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move { Ok(Self(either_or_none(find(&request).await)?)) })
    }
}

async fn find<A, B>(request: &HttpRequest) -> Result<Either<A, B>, token_http::Rejection>
where
    A: FromRequest<Error = Rejection>,
    B: FromRequest<Error = Rejection>,
{
    let first = A::extract(request).await;
    let first = first.map(Either::First).map_err(|refused| refused.0);
    let second = async {
        let second = B::extract(request).await;
        second.map(Either::Second).map_err(|refused| refused.0)
    };
    either(first, second).await
}
