//! The application's own claims, as access tokens carry them.

use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::access::error::ClaimsError;
use crate::access::read::{self, NoneKnown};
use crate::jose::json;

/// Claims of the application's own, which access tokens carry beside those of the library:
/// a JSON object, checked once. At most 4,096 bytes. They are public: anyone who has a token can read them.
///
/// ```
/// use serde::Serialize;
/// use token_core::CustomClaims;
///
/// #[derive(Serialize)]
/// struct Profile {
///     name: &'static str,
/// }
///
/// let claims = CustomClaims::new(&Profile { name: "Alice" })?;
/// assert_eq!(claims.as_str(), r#"{"name":"Alice"}"#);
/// assert!(CustomClaims::from_json(r#"{"sub":"mallory"}"#).is_err());
/// # Ok::<(), token_core::access::ClaimsError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CustomClaims(Option<Box<str>>); // `None` is `NONE`, without an allocation

/// No claims.
const NONE: &str = "{}";

impl CustomClaims {
    const MAX_LENGTH: usize = 4096;

    /// Writes a value as claims.
    ///
    /// # Errors
    /// [`ClaimsError`]; [`ClaimsError::Serialize`] if the value cannot be JSON.
    pub fn new(claims: &impl Serialize) -> Result<Self, ClaimsError> {
        let json = serde_json::to_string(claims).map_err(|_| ClaimsError::Serialize)?;
        Self::from_json(&json)
    }

    /// Checks a JSON text and keeps it as it is.
    ///
    /// # Errors
    /// [`ClaimsError`] if it is too long, is not an object, has a duplicate member at any depth, or a name
    /// that has a meaning in tokens.
    pub fn from_json(json: &str) -> Result<Self, ClaimsError> {
        let json = json.trim_matches([' ', '\t', '\r', '\n']); // the whitespace of RFC 8259
        if json.len() > Self::MAX_LENGTH {
            return Err(ClaimsError::TooLong { length: json.len() });
        }
        json::check(json).map_err(ClaimsError::Json)?;
        for (name, _) in json::members::<IgnoredAny>(json).map_err(ClaimsError::Json)? {
            if let Some(name) = RESERVED.iter().find(|reserved| **reserved == name.0) {
                return Err(ClaimsError::Reserved { claim: name });
            }
        }
        Ok(Self((json != NONE).then(|| json.into())))
    }

    /// The JSON object.
    pub fn as_str(&self) -> &str {
        self.0.as_deref().unwrap_or(NONE)
    }

    /// Reads them as the application's type, as an access token that has them would be read.
    ///
    /// # Errors
    /// [`ClaimsError::Custom`] if they are not what the type expects.
    pub fn read<'a, C: Deserialize<'a>>(&'a self) -> Result<C, ClaimsError> {
        read::read(self.as_str().as_bytes(), 0, &mut NoneKnown)
    }

    /// The text between the braces.
    pub(crate) fn members(&self) -> &str {
        let inner = self
            .as_str()
            .strip_prefix('{')
            .and_then(|rest| rest.strip_suffix('}'));
        inner
            .unwrap_or_default()
            .trim_matches([' ', '\t', '\r', '\n'])
    }
}

impl<'de> Deserialize<'de> for CustomClaims {
    /// From the text that a store kept, checked again.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Box::<str>::deserialize(deserializer)?;
        Self::from_json(&text).map_err(serde::de::Error::custom)
    }
}

impl Serialize for CustomClaims {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// Names with a meaning in access or refresh tokens: RFC 7519, 9068, 7800, 8693, and this library's.
const RESERVED: [&str; 18] = [
    "acr",
    "act",
    "amr",
    "aud",
    "auth_time",
    "client_id",
    "cnf",
    "exp",
    "gen",
    "iat",
    "iss",
    "jti",
    "may_act",
    "nbf",
    "scope",
    "sid",
    "sub",
    "typ",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_are_a_strict_object_without_reserved_names() {
        for fine in ["{}", " { } ", r#"{"name":"Zoë","deep":{"iss":1}}"#] {
            assert!(CustomClaims::from_json(fine).is_ok(), "{fine}");
        }
        for name in RESERVED {
            let fault = CustomClaims::from_json(&format!(r#"{{"{name}":1}}"#)).unwrap_err();
            assert_eq!(fault, ClaimsError::Reserved { claim: name });
        }
        let escaped = CustomClaims::from_json(r#"{"s\u0075b":"mallory"}"#).unwrap_err();
        assert_eq!(escaped, ClaimsError::Reserved { claim: "sub" });
        for broken in [
            "",
            "[]",
            "1",
            "{",
            r#"{"a":1,"a":2}"#,
            "{} {}",
            r#"{"a":{"b":1,"b":2}}"#,
        ] {
            let fault = CustomClaims::from_json(broken);
            assert!(matches!(fault, Err(ClaimsError::Json(_))), "{broken}");
        }
        let long = format!(r#"{{"a":"{}"}}"#, "x".repeat(CustomClaims::MAX_LENGTH));
        assert!(matches!(
            CustomClaims::from_json(&long),
            Err(ClaimsError::TooLong { .. })
        ));
    }

    #[test]
    fn claims_are_empty_if_they_have_no_member() {
        let members = |json| CustomClaims::from_json(json).unwrap().members().to_owned();
        assert_eq!(CustomClaims::default().members(), "");
        assert_eq!(members("{ \n}"), "");
        assert_eq!(members(r#"{"a":{}}"#), r#""a":{}"#);
        assert!(CustomClaims::new(&"text").is_err());
    }
}
