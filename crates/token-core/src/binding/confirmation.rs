//! The claim `cnf` of an access token: the key to which it is bound
//! ([RFC 9449 section 6.1](https://www.rfc-editor.org/rfc/rfc9449#section-6.1)).

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeMap as _, Serializer};

use crate::binding::thumbprint::Thumbprint;
use crate::jose::base64url;
use crate::jose::json::{Text, Value};
use crate::types::secret::decode_exact;

/// The claim as it is written: exactly `{"jkt":"…"}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Confirmation(pub(crate) Thumbprint);

/// The claim as it is read. Nothing is known of any other object.
pub(crate) enum AnyConfirmation {
    Key(Confirmation),
    Other,
}

impl Serialize for Confirmation {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1))?;
        let mut text = [0; 43];
        map.serialize_entry("jkt", base64url::encode_into(self.0.as_bytes(), &mut text))?;
        map.end()
    }
}

impl<'de> Deserialize<'de> for AnyConfirmation {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = AnyConfirmation;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<AnyConfirmation, A::Error> {
        let key = match map.next_entry::<Text<'de>, Value<'de>>()? {
            Some((Text(name), Value::Text(text))) if name == "jkt" => {
                decode_exact("Thumbprint", &text).ok()
            }
            _ => None,
        };
        let mut alone = true;
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {
            alone = false;
        }
        Ok(match key.filter(|_| alone) {
            Some(key) => AnyConfirmation::Key(Confirmation(Thumbprint::from_bytes(key))),
            None => AnyConfirmation::Other,
        })
    }
}
