//! How access tokens of ended sessions are refused.

use std::str::FromStr;

/// How access tokens of ended sessions are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[expect(clippy::exhaustive_enums, reason = "the view, the store, or neither")]
pub enum RevocationCheck {
    /// By the view in memory, fed by the store: no store call per request.
    Feed(WhenBehind),
    /// Not at all: an access token is accepted until it expires.
    None,
    /// By the store, at each request.
    #[default]
    Store,
}

/// What to do with an access token while the view may be incomplete.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[expect(clippy::exhaustive_enums, reason = "believe the token, ask, or refuse")]
pub enum WhenBehind {
    /// Accept it: an ended session may be used until its access token expires.
    Accept,
    /// Ask the store, as long as the view is behind.
    #[default]
    AskStore,
    /// Answer 503 until the view has caught up.
    Refuse,
}

impl FromStr for WhenBehind {
    type Err = &'static str;

    /// Reads a setting: `accept`, `ask` or `refuse`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "accept" => Ok(Self::Accept),
            "ask" => Ok(Self::AskStore),
            "refuse" => Ok(Self::Refuse),
            _ => Err("write accept, ask or refuse"),
        }
    }
}

/// What is known of the revocation view's completeness.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "complete, not, or not asked for")]
pub enum FeedState {
    /// Something may be missing: [`WhenBehind`] decides.
    Behind,
    /// It is complete as of a moment ago.
    Live,
    /// Access tokens are not checked by the view.
    Off,
}

impl FeedState {
    /// The word for people and programs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Behind => "behind",
            Self::Live => "live",
            Self::Off => "off",
        }
    }
}
