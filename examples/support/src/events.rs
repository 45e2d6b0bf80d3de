//! A connection that stays open: server-sent events, which end with the session.

use std::convert::Infallible;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, stream};
use hallpass::SessionEnd;

use crate::shutdown;

/// How often something is sent, so that no proxy closes an idle connection.
const ALIVE: Duration = Duration::from_secs(15);

/// The media type of server-sent events
/// (<https://html.spec.whatwg.org/multipage/server-sent-events.html>).
pub const EVENT_STREAM: &str = "text/event-stream";

type Ended = Pin<Box<dyn Future<Output = SessionEnd> + Send>>;

/// Sends `hello`, and `ended` with `revoked` or `expired` when the session ends. It also ends when the
/// server shuts down, which otherwise would wait for it.
///
/// An application would send its own events here. The end of the session is one more branch.
pub fn events(
    ended: impl Future<Output = SessionEnd> + Send + 'static,
) -> impl Stream<Item = Result<Bytes, Infallible>> + Send + 'static {
    let hello = Bytes::from_static(b"event: hello\ndata: you will hear when it ends\n\n");
    let begin: (Option<Bytes>, Option<Ended>) = (Some(hello), Some(Box::pin(ended)));
    stream::unfold(begin, async |(first, ended)| {
        let mut ended = ended?;
        if let Some(first) = first {
            return Some((Ok(first), (None, Some(ended))));
        }
        tokio::select! {
            end = &mut ended => {
                let last: &[u8] = match end {
                    SessionEnd::Expired => b"event: ended\ndata: expired\n\n",
                    // Not the session's end: an `EventSource` connects again, with a new bound cookie.
                    SessionEnd::Unbound => b"retry: 1000\n\n",
                    SessionEnd::Revoked => b"event: ended\ndata: revoked\n\n",
                };
                Some((Ok(Bytes::from_static(last)), (None, None)))
            }
            () = shutdown::begun() => None,
            () = tokio::time::sleep(ALIVE) => {
                Some((Ok(Bytes::from_static(b": still here\n\n")), (None, Some(ended))))
            }
        }
    })
}
