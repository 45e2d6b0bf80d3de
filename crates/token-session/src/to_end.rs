//! Work that must not stop in the middle if its caller goes away.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

use tracing::Instrument as _;

use crate::erased::StoreError;

/// Runs work to its end once it has begun, also if the caller is dropped while it waits: a client that
/// breaks off must keep neither an ending from this node's view nor an event from the log.
///
/// It begins in the caller, since a store in memory is done at once and a task would cost more than that. If
/// it has to wait, it goes on in a task of its own. A panic of the work goes on in the caller.
///
/// # Errors
/// Those of the work, and [`StoreError::Unknown`] if the runtime shuts down before it is done.
pub fn to_end<T, E>(
    work: impl Future<Output = Result<T, E>> + Send + 'static,
) -> impl Future<Output = Result<T, E>> + Send
where
    T: Send + 'static,
    E: From<StoreError> + Send + 'static,
{
    // Behind a pointer at once: the caller's own future need not have the room twice.
    let mut work = Box::pin(work).in_current_span();
    async move {
        let begun = poll_fn(|context| Poll::Ready(Pin::new(&mut work).poll(context)));
        if let Poll::Ready(done) = begun.await {
            return done;
        }
        match tokio::spawn(work).await {
            Ok(done) => done,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(error) => Err(StoreError::Unknown(Box::new(error)).into()),
            },
        }
    }
}
