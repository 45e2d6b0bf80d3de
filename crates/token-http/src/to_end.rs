//! Work that must not stop in the middle if the client goes away.

use tracing::Instrument as _;

use crate::rejection::Rejection;

/// Runs work to its end in a task of its own. If the client closes the connection, the framework drops
/// the handler where it waits; the work goes on.
///
/// # Errors
/// Those of the work, and [`Refusal::TemporarilyUnavailable`](crate::Refusal::TemporarilyUnavailable)
/// if the runtime shuts down before it is done.
pub async fn to_end<T, E>(work: impl Future<Output = Result<T, E>> + Send + 'static) -> Result<T, E>
where
    T: Send + 'static,
    E: From<Rejection> + Send + 'static,
{
    match tokio::spawn(work.in_current_span()).await {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(Rejection::temporarily_unavailable().into()),
        },
    }
}
