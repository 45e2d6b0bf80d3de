//! What reads sessions and tokens of the old system.

use std::borrow::Cow;
use std::error::Error;
use std::future::Future;
use std::pin::Pin;

use token_session::adopt::OldSession;

use super::cookie::OldCookie;
use super::request::OldRequest;

/// Why an old session could not be read: the old store cannot be asked, for example. The request is answered
/// with 503 and keeps its cookie.
pub type ReadError = Box<dyn Error + Send + Sync>;

/// Reads sessions or tokens of the system that the application used before.
///
/// It is asked for a request that has one of its cookies, or a token that is not ours, and no cookie of ours;
/// and no more once the period of the policy has ended.
///
/// What a wrong implementation costs: it says who somebody is. Verify what the old system has signed, in
/// constant time. Check all that the old one would have checked: its end, and what a change of password
/// had changed ("session auth hash"). What it takes for live although the old system had ended it comes
/// back to life.
///
/// ```
/// use token_core::Subject;
/// use token_http::adopt::{OldCookie, OldRequest, OldSession, ReadError, Reader, Reading};
/// use token_session::NewSession;
///
/// struct OldShop;
///
/// impl Reader for OldShop {
///     fn name(&self) -> &'static str {
///         "old-shop"
///     }
///
///     fn cookies(&self) -> Vec<OldCookie> {
///         vec![OldCookie::new("shop_sid")]
///     }
///
///     async fn read(&self, request: &OldRequest) -> Result<Reading, ReadError> {
///         let Some(sid) = request.cookie("shop_sid") else {
///             return Ok(Reading::Absent);
///         };
/// #       async fn look_up(_: &str) -> Result<Option<(String, u64)>, std::io::Error> { Ok(None) }
///         let Some((user, ends_at)) = look_up(sid).await? else {
///             return Ok(Reading::Dead("no such session".into()));
///         };
///         let session = NewSession::default();
///         let session = OldSession::new(Subject::new(user)?, sid, session);
///         Ok(Reading::Live(session.ends_at(token_core::UnixTime::from_secs(ends_at)?)))
///     }
/// }
/// ```
pub trait Reader: Send + Sync + 'static {
    /// What it is called in events and in the log. It is part of the identity of each session that it has
    /// read: under another name they would be adopted again, also after a logout.
    fn name(&self) -> &'static str;

    /// The cookies that it reads. They are deleted once their session is adopted, or has ended.
    fn cookies(&self) -> Vec<OldCookie>;

    /// Whether it reads the token in `Authorization: Bearer`, or in the body of a refresh. Default: no. One that
    /// reads cookies reads no tokens: that takes a second reader with a name of its own.
    fn reads_bearer(&self) -> bool {
        false
    }

    /// Reads what a request has of the old system.
    fn read(&self, request: &OldRequest)
    -> impl Future<Output = Result<Reading, ReadError>> + Send;
}

/// What a reader has found in a request.
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "a reader says one of these")]
#[expect(clippy::large_enum_variant, reason = "used up at once")]
pub enum Reading {
    /// Nothing that it could read.
    Absent,
    /// A session that has ended, and why: for the log. Its cookie is deleted.
    Dead(Cow<'static, str>),
    /// A live session.
    Live(OldSession),
    /// Something that is not under the keys of this reader, not in its form, or of nobody that the application
    /// knows, and why: for the log. Its cookie stays in the browser, so that a wrong setting logs nobody out.
    Unknown(Cow<'static, str>),
}

impl Reading {
    pub(super) fn live(self) -> Option<OldSession> {
        match self {
            Self::Live(old) => Some(old),
            Self::Absent | Self::Dead(_) | Self::Unknown(_) => None,
        }
    }
}

/// What a reader answers.
type Answer<'a> = Pin<Box<dyn Future<Output = Result<Reading, ReadError>> + Send + 'a>>;

/// A [`Reader`] of any type.
pub(super) trait ErasedReader: Send + Sync {
    fn name(&self) -> &'static str;
    fn reads_bearer(&self) -> bool;
    fn read<'a>(&'a self, request: &'a OldRequest) -> Answer<'a>;
}

impl<R: Reader> ErasedReader for R {
    fn name(&self) -> &'static str {
        R::name(self)
    }

    fn reads_bearer(&self) -> bool {
        R::reads_bearer(self)
    }

    fn read<'a>(&'a self, request: &'a OldRequest) -> Answer<'a> {
        Box::pin(R::read(self, request))
    }
}
