//! Calls to the store: each within its time, and repeated where it failed.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use rand::RngExt as _;
use rand::rand_core::UnwrapErr;
use rand::rngs::SysRng;
use tokio::time::{Instant, sleep, sleep_until};
use tracing::debug;

use super::SessionManager;
use crate::erased::{StoreError, StoreFuture};
use crate::metric::{self, Stopwatch};

/// The pause before the first repetition; before each further one it is four times as long.
const PAUSE: Duration = Duration::from_millis(25);

/// What a call gave.
pub(super) struct Answer<T> {
    pub(super) value: T,
    /// Attempts before it failed; each of them may have done what it was asked.
    pub(super) repeated: bool,
}

impl SessionManager {
    /// Calls the store, and again where it fails: the store contract says that every call may
    /// be repeated after an error. All attempts together have the store's time-out, and what
    /// gave no answer in time is not repeated: the time is over.
    pub(super) async fn call<'a, T>(
        &self,
        name: &'static str,
        call: impl Fn() -> StoreFuture<'a, T>,
    ) -> Result<T, StoreError> {
        Ok(self.call_again(name, call).await?.value)
    }

    /// The same, for calls whose answer depends on whether an attempt before has worked.
    pub(super) async fn call_again<'a, T>(
        &self,
        name: &'static str,
        call: impl Fn() -> StoreFuture<'a, T>,
    ) -> Result<Answer<T>, StoreError> {
        let deadline = Instant::now() + self.inner.store_timeout;
        let mut repeated = false;
        let mut pause = PAUSE;
        for _ in 0..self.inner.store_retries {
            match self.attempt(name, deadline, call()).await {
                Ok(value) => return Ok(Answer { value, repeated }),
                Err(error @ StoreError::Timeout(_)) => return Err(error),
                Err(error) => {
                    // Not all at once: what failed for one has failed for many.
                    let jittered = pause.mul_f64(UnwrapErr(SysRng).random_range(0.5..=1.5));
                    if Instant::now() + jittered >= deadline {
                        return Err(error);
                    }
                    debug!(
                        error = &error as &dyn std::error::Error,
                        call = name,
                        "the store failed; calling again"
                    );
                    sleep(jittered).await;
                    pause *= 4;
                    repeated = true;
                    metric::retry(name);
                }
            }
        }
        let value = self.attempt(name, deadline, call()).await?;
        Ok(Answer { value, repeated })
    }

    /// Waits for one attempt, but not for ever.
    async fn attempt<T>(
        &self,
        name: &'static str,
        deadline: Instant,
        call: StoreFuture<'_, T>,
    ) -> Result<T, StoreError> {
        let watch = Stopwatch::start();
        let result = self.within(deadline, call).await;
        metric::store_call(name, result.as_ref().err(), watch);
        result
    }

    /// The answer to a call, or that there was none in time. A store in this process has its answer
    /// at once and needs no timer: to make one all threads would meet in the runtime's.
    async fn within<T>(
        &self,
        deadline: Instant,
        mut call: StoreFuture<'_, T>,
    ) -> Result<T, StoreError> {
        let mut timer = pin!(None);
        poll_fn(|context| {
            if let Poll::Ready(result) = call.as_mut().poll(context) {
                return Poll::Ready(result);
            }
            if timer.is_none() {
                timer.set(Some(sleep_until(deadline)));
            }
            let timer = timer.as_mut().as_pin_mut().expect("it was just set");
            let late = StoreError::Timeout(self.inner.store_timeout);
            timer.poll(context).map(|()| Err(late))
        })
        .await
    }
}
