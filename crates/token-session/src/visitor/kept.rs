//! What a login takes over from a visitor's session.

use std::fmt;

use super::policy::VisitorPolicy;

/// The private data with which a session begins: what the application copies from a visitor's session.
/// Nothing by default.
#[derive(Clone, Default)]
pub struct KeptData(Option<Box<str>>);

impl KeptData {
    /// The data as the text of a JSON object, or `None` if it has more than
    /// [`VisitorPolicy::MAX_DATA`] bytes.
    pub fn new(json: impl Into<Box<str>>) -> Option<Self> {
        let json = json.into();
        (json.len() <= VisitorPolicy::MAX_DATA).then_some(Self(Some(json)))
    }

    pub(crate) fn into_json(self) -> Option<Box<str>> {
        self.0
    }
}

impl fmt::Debug for KeptData {
    /// The content is the application's and may be private.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeptData([redacted])")
    }
}
