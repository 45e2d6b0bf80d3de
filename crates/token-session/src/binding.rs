//! Whether sessions are bound to the browser that opened them (Device Bound Session Credentials), and for
//! how long a copied cookie works then. `docs/device-binding.md` has the reasons.

use std::str::FromStr;
use std::time::Duration;

use token_core::binding::BoundValue;

/// What is done with the keys that browsers keep for their sessions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "a policy says one of these")]
pub enum BindingMode {
    /// Browsers register keys, and what would be refused is reported. Nothing is refused.
    #[default]
    Observe,
    /// Browsers are not asked for a key.
    Off,
    /// Browsers register keys. A session whose browser has used its key needs the proof from then on; one
    /// whose browser cannot do so is served as before.
    Require,
}

impl FromStr for BindingMode {
    type Err = &'static str;

    /// Reads a setting: `off`, `observe` or `require`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "off" => Ok(Self::Off),
            "observe" => Ok(Self::Observe),
            "require" => Ok(Self::Require),
            _ => Err("write off, observe or require"),
        }
    }
}

/// Whether sessions are bound to their browsers, and how long a bound cookie lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct BindingPolicy {
    pub(crate) mode: BindingMode,
    pub(crate) lifetime: Duration,
}

impl BindingPolicy {
    /// The shortest life of a bound cookie. Browsers make six signatures in nine minutes at most for a site,
    /// two at the login, and renew two minutes before the end.
    pub const MIN_LIFETIME: Duration = Duration::from_secs(5 * 60);
    /// The longest.
    pub const MAX_LIFETIME: Duration = BoundValue::MAX_LIFETIME;

    /// With bound cookies that live for 10 minutes.
    pub const fn new(mode: BindingMode) -> Self {
        Self {
            mode,
            lifetime: Duration::from_secs(10 * 60),
        }
    }

    /// How long a bound cookie lives; 5 minutes to 1 hour, whole seconds. A copy of all cookies works for so
    /// long and a minute more.
    ///
    /// With less than nine minutes, a user who logs in three times in a row is refused for some minutes: by
    /// then the browser has made all its signatures.
    pub const fn with_lifetime(self, lifetime: Duration) -> Self {
        Self { lifetime, ..self }
    }

    /// What is done with the keys of browsers.
    pub const fn mode(&self) -> BindingMode {
        self.mode
    }

    /// How long a bound cookie lives.
    pub const fn lifetime(&self) -> Duration {
        self.lifetime
    }
}

impl Default for BindingPolicy {
    fn default() -> Self {
        Self::new(BindingMode::default())
    }
}
