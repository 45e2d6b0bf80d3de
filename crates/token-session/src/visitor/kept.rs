//! What a login takes over from a visitor's session.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::value::RawValue;

use super::policy::VisitorPolicy;

/// The private data with which a session begins: what the application copies from a visitor's session.
/// Nothing by default.
#[derive(Clone, Default)]
pub struct KeptData(Option<Box<str>>);

impl KeptData {
    /// The data as the text of a JSON object; `None` if it is none, or has more than
    /// [`VisitorPolicy::MAX_DATA`] bytes.
    pub fn new(json: impl Into<Box<str>>) -> Option<Self> {
        let json = json.into();
        let fits = json.len() <= VisitorPolicy::MAX_DATA;
        let is_object = || serde_json::from_str::<BTreeMap<String, &RawValue>>(&json).is_ok();
        (fits && is_object()).then_some(Self(Some(json)))
    }

    pub(crate) fn as_json(&self) -> Option<&str> {
        self.0.as_deref()
    }
}

impl fmt::Debug for KeptData {
    /// The content is the application's and may be private.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeptData([redacted])")
    }
}
