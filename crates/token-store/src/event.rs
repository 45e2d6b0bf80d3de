//! What happened to sessions, one event each: for logs, audits and alarms.

use std::fmt;

use token_core::denial::Denial;
use token_core::session::RevokeReason;
use token_core::{Session, SessionId, Subject, UnixTime};
use tracing::{info, warn};

/// Something happened to a session. Carries no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Event {
    /// What.
    pub kind: EventKind,
    /// To which session.
    pub session: SessionId,
    /// Whose session it is.
    pub subject: Subject,
    /// When, by the clock of this node.
    pub at: UnixTime,
}

impl Event {
    pub(crate) fn of(kind: EventKind, session: &Session, at: UnixTime) -> Self {
        Self {
            kind,
            session: session.id,
            subject: session.subject.clone(),
            at,
        }
    }
}

/// The kinds of events.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EventKind {
    /// A refresh or a use came after a deadline.
    Expired,
    /// A session was opened.
    Login,
    /// A token with our signature and another secret: a stolen key, or a store that lost a
    /// write. An alarm.
    Mismatch,
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
}

impl EventKind {
    /// The word in the log.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::Login => "login",
            Self::Mismatch => "mismatch",
            Self::Refreshed => "refreshed",
            Self::Replayed => "replayed",
            Self::Reused => "reused",
            Self::Revoked(_) => "revoked",
            Self::SteppedUp => "stepped_up",
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

/// Writes the event's line to the log: alarms as warnings, all else as information.
pub(crate) fn log(event: &Event) {
    let Event {
        kind,
        session,
        subject,
        ..
    } = event;
    match kind {
        EventKind::Revoked(reason) => info!(event = %kind, %session, %subject, %reason),
        EventKind::Mismatch | EventKind::Reused => warn!(event = %kind, %session, %subject),
        _ => info!(event = %kind, %session, %subject),
    }
}

/// The event that a denial is worth, if any.
pub(crate) fn of_denial(denial: &Denial) -> Option<EventKind> {
    match denial {
        Denial::Expired { .. } => Some(EventKind::Expired),
        Denial::Mismatch { .. } => Some(EventKind::Mismatch),
        Denial::Reused(_) => Some(EventKind::Reused),
        _ => None,
    }
}
