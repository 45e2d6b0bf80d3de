//! What happened to sessions, one event each: for logs, audits and alarms.

use std::fmt;

use token_core::binding::Unproven;
use token_core::session::Denial;
use token_core::{PRODUCT, RevokeReason, SessionId, Subject, UnixTime};
use tracing::{info, warn};

/// Something happened. Carries no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Event {
    /// What happened.
    pub kind: EventKind,
    /// The session; `None` if it concerns this node as a whole.
    pub session: Option<SessionId>,
    /// The subject of the session; `None` if it concerns this node as a whole.
    pub subject: Option<Subject>,
    /// When it happened, by the clock of this node.
    pub at: UnixTime,
}

/// The kinds of events.
///
/// Each event is reported once, by the node on which it happened. What a client repeats
/// happens again: a second refresh of an expired session is a second [`Expired`](Self::Expired).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EventKind {
    /// A session was opened that takes the place of a session or token of another system.
    Adopted {
        /// The name of the reader that has read it.
        reader: &'static str,
    },
    /// A browser has used the key that it registered: the session is bound to it from now on.
    Bound,
    /// A refresh or a use came after a deadline.
    Expired,
    /// The revocation view of this node became incomplete; the policy decides from here on. An
    /// alarm if it stays.
    FeedBehind(Behind),
    /// The revocation view of this node is complete again.
    FeedLive,
    /// A session was opened.
    Login,
    /// A token of a later generation than the store has: it lost a write. An alarm, whether the
    /// token was refused or, if the policy
    /// [adopts lost writes](token_core::session::PolicyBuilder::adopt_lost_writes), believed.
    LostWrite,
    /// A token with our signature and another secret: a stolen key, or a store that lost a
    /// write. An alarm.
    Mismatch,
    /// Expired sessions were deleted.
    Purged {
        /// How many.
        sessions: u64,
    },
    /// A new refresh token was issued.
    Refreshed,
    /// The same refresh token was issued again, within the grace.
    Replayed,
    /// A superseded credential came back, and the session was ended for it. An alarm.
    Reused,
    /// The session was ended.
    Revoked(RevokeReason),
    /// The user authenticated again in the session.
    SteppedUp,
    /// A genuine credential of a session that is bound to a key came without the proof that its client has the
    /// key, and why. It may have been copied; it may also be that a browser has lost the key.
    UnboundCredential(Unproven),
}

/// Why the revocation view is incomplete.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Behind {
    /// More sessions were ended within one access lifetime than it has room for.
    Full,
    /// The connection that notices come on broke, or more came at once than were read.
    Interrupted,
    /// No heartbeat came back, or the store could not be read.
    Silent,
}

impl Behind {
    /// The word in the log.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Interrupted => "interrupted",
            Self::Silent => "silent",
        }
    }
}

impl EventKind {
    /// The word in the log.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Adopted { .. } => "adopted",
            Self::Bound => "bound",
            Self::Expired => "expired",
            Self::FeedBehind(_) => "feed_behind",
            Self::FeedLive => "feed_live",
            Self::Login => "login",
            Self::LostWrite => "lost_write",
            Self::Mismatch => "mismatch",
            Self::Purged { .. } => "purged",
            Self::Refreshed => "refreshed",
            Self::Replayed => "replayed",
            Self::Reused => "reused",
            Self::Revoked(_) => "revoked",
            Self::SteppedUp => "stepped_up",
            Self::UnboundCredential(_) => "unbound_credential",
        }
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Takes events. Called in line with the request: hand slow work to a channel.
pub trait EventSink: Send + Sync + 'static {
    /// Takes one.
    fn take(&self, event: Event);
}

impl<F: Fn(Event) + Send + Sync + 'static> EventSink for F {
    fn take(&self, event: Event) {
        self(event);
    }
}

/// Writes the event's line to the log: a warning if somebody should look into it, else information.
pub(crate) fn log(kind: &EventKind, of: Option<(SessionId, &Subject)>) {
    let Some((session, subject)) = of else {
        return match kind {
            EventKind::FeedBehind(why) => {
                warn!(target: PRODUCT, event = %kind, why = why.as_str());
            }
            EventKind::Purged { sessions } => info!(target: PRODUCT, event = %kind, sessions),
            _ => info!(target: PRODUCT, event = %kind),
        };
    };
    match kind {
        EventKind::Adopted { reader } => {
            info!(target: PRODUCT, event = %kind, %session, %subject, reader);
        }
        EventKind::Revoked(reason) => {
            info!(target: PRODUCT, event = %kind, %session, %subject, %reason);
        }
        EventKind::UnboundCredential(why) => {
            warn!(target: PRODUCT, event = %kind, %session, %subject, why = why.as_str());
        }
        EventKind::LostWrite | EventKind::Mismatch | EventKind::Reused => {
            warn!(target: PRODUCT, event = %kind, %session, %subject);
        }
        _ => info!(target: PRODUCT, event = %kind, %session, %subject),
    }
}

/// The event that a denial is worth, if any. That of a reuse is reported with the ending.
pub(crate) fn of_denial(denial: &Denial) -> Option<EventKind> {
    match denial {
        Denial::Expired { .. } => Some(EventKind::Expired),
        Denial::LostWrite { .. } => Some(EventKind::LostWrite),
        Denial::Mismatch { .. } => Some(EventKind::Mismatch),
        Denial::Unbound(why) => Some(EventKind::UnboundCredential(*why)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex, PoisonError};

    use super::*;

    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl Write for Log {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// The line of an event in the log, without the time.
    fn line(kind: &EventKind, of: Option<(SessionId, &Subject)>) -> String {
        let written = Log::default();
        let shared = written.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .without_time()
            .with_writer(move || shared.clone())
            .finish();
        tracing::subscriber::with_default(subscriber, || log(kind, of));
        let bytes = written.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&bytes).trim().to_owned()
    }

    /// An example of each kind, and its line. A kind without one does not compile.
    fn expected(kind: &EventKind) -> &'static str {
        match kind {
            EventKind::Adopted { .. } => {
                "INFO hallpass: event=adopted session=SESSION subject=alice reader=\"old\""
            }
            EventKind::Bound => "INFO hallpass: event=bound session=SESSION subject=alice",
            EventKind::Expired => "INFO hallpass: event=expired session=SESSION subject=alice",
            EventKind::FeedBehind(_) => "WARN hallpass: event=feed_behind why=\"silent\"",
            EventKind::FeedLive => "INFO hallpass: event=feed_live",
            EventKind::Login => "INFO hallpass: event=login session=SESSION subject=alice",
            EventKind::LostWrite => "WARN hallpass: event=lost_write session=SESSION subject=alice",
            EventKind::Mismatch => "WARN hallpass: event=mismatch session=SESSION subject=alice",
            EventKind::Purged { .. } => "INFO hallpass: event=purged sessions=7",
            EventKind::Refreshed => "INFO hallpass: event=refreshed session=SESSION subject=alice",
            EventKind::Replayed => "INFO hallpass: event=replayed session=SESSION subject=alice",
            EventKind::Reused => "WARN hallpass: event=reused session=SESSION subject=alice",
            EventKind::Revoked(_) => {
                "INFO hallpass: event=revoked session=SESSION subject=alice reason=admin"
            }
            EventKind::SteppedUp => "INFO hallpass: event=stepped_up session=SESSION subject=alice",
            EventKind::UnboundCredential(_) => {
                "WARN hallpass: event=unbound_credential session=SESSION subject=alice why=\"missing\""
            }
        }
    }

    #[test]
    fn each_event_is_one_line_with_names_and_nothing_else() {
        let session = SessionId::from_bytes([9; SessionId::LENGTH]);
        let subject = Subject::new("alice").expect("a name");
        for kind in [
            EventKind::Adopted { reader: "old" },
            EventKind::Bound,
            EventKind::Expired,
            EventKind::FeedBehind(Behind::Silent),
            EventKind::FeedLive,
            EventKind::Login,
            EventKind::LostWrite,
            EventKind::Mismatch,
            EventKind::Purged { sessions: 7 },
            EventKind::Refreshed,
            EventKind::Replayed,
            EventKind::Reused,
            EventKind::Revoked(RevokeReason::Admin),
            EventKind::SteppedUp,
            EventKind::UnboundCredential(Unproven::Missing),
        ] {
            let expected = expected(&kind).replace("SESSION", &session.to_string());
            let of = expected.contains("session=").then_some((session, &subject));
            assert_eq!(line(&kind, of), expected);
        }
    }
}
