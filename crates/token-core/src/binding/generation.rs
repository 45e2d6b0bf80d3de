//! Which registration of a session something belongs to.

/// Counts the registrations of a session: 0 at its login, before there is a key. A browser registers once, or
/// once more if the answer was lost; the count stays at 255.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct BindingGeneration(pub u8);

impl BindingGeneration {
    /// Of what was given out at the login. It is good for every registration after it: requests that are
    /// under way while the browser registers its key carry it.
    pub const ANY: Self = Self(0);

    /// The one after it, never [`Self::ANY`].
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}
