//! A caller of one kind or another: which extractor is asked, and whose refusal is the answer.

use crate::refusal::{Refusal, TokenFault};
use crate::rejection::{Rejection, optional};

/// Asks the second extractor if the first knows nothing of the credential. For adapters, whose `Either` says
/// the rest.
///
/// # Errors
/// That of the extractor that could say more about the credential; of the first if neither could.
pub async fn either<T>(
    first: Result<T, Rejection>,
    second: impl Future<Output = Result<T, Rejection>>,
) -> Result<T, Rejection> {
    let refused = match first {
        Err(refused) if knowledge(&refused) < Knowledge::Own => refused,
        first => return first,
    };
    second.await.map_err(|other| {
        if knowledge(&other) > knowledge(&refused) {
            other
        } else {
            refused
        }
    })
}

/// Lets a request pass in which neither extractor has found a credential.
///
/// # Errors
/// Every other refusal.
pub fn either_or_none<T>(found: Result<T, Rejection>) -> Result<Option<T>, Rejection> {
    optional(match found {
        Err(refused) if knowledge(&refused) == Knowledge::Absent => Ok(None),
        found => found.map(Some),
    })
}

/// What an extractor that refuses a request knows of its credential.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Knowledge {
    /// There is none.
    Absent,
    /// It is somebody else's, or nobody's.
    Strange,
    /// It is one of its own, or has a fault for everybody.
    Own,
}

fn knowledge(refused: &Rejection) -> Knowledge {
    match refused.refusal() {
        Refusal::Unauthorized => Knowledge::Absent,
        Refusal::InvalidToken(TokenFault::Invalid) => Knowledge::Strange,
        _ => Knowledge::Own,
    }
}
