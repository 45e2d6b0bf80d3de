//! A user who may log in, as the flag `--user` describes one.

use std::fmt;
use std::str::FromStr;

use hallpass::{InvalidValue, Scope, Subject};
use thiserror::Error;
use zeroize::Zeroizing;

/// A user who may log in.
#[derive(Clone)]
#[expect(clippy::exhaustive_structs, reason = "made by parsing")]
pub struct Account {
    /// The user name, which is the subject of the tokens too.
    pub subject: Subject,
    /// The initial password.
    pub password: Zeroizing<String>,
    /// What the user's sessions may do.
    pub scope: Scope,
}

impl Account {
    /// The demo users, whose passwords are public.
    pub(crate) fn demo() -> Vec<Self> {
        let demo = [
            "alice:wonderland:notes:read notes:write reports:read",
            "bob:builder:notes:read",
        ];
        demo.iter()
            .map(|text| text.parse().expect("the demo users are well-formed"))
            .collect()
    }

    /// The user name with a capital letter.
    pub fn display_name(&self) -> String {
        let mut letters = self.subject.as_str().chars();
        let first = letters.next().into_iter().flat_map(char::to_uppercase);
        first.chain(letters).collect()
    }
}

impl FromStr for Account {
    type Err = AccountError;

    fn from_str(text: &str) -> Result<Self, AccountError> {
        // Scopes may contain colons.
        let mut parts = text.splitn(3, ':');
        let name = parts.next().filter(|name| !name.is_empty());
        let password = parts.next().filter(|password| !password.is_empty());
        let (Some(name), Some(password)) = (name, password) else {
            return Err(AccountError::Form);
        };
        let scope = parts.next().unwrap_or_default();
        Ok(Self {
            subject: Subject::new(name).map_err(|_| AccountError::Name)?,
            password: Zeroizing::new(password.into()),
            scope: scope.parse().map_err(AccountError::Scopes)?,
        })
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account")
            .field("subject", &self.subject)
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}

/// A malformed user. The message does not repeat the text, which has a password in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AccountError {
    /// There is no name or no password.
    #[error("write a name, a colon and a password, as in carol:secret or carol:secret:notes:read")]
    Form,
    /// The name cannot be a subject.
    #[error("the name is too long or has a control character")]
    Name,
    /// A scope has characters that RFC 6749 does not allow, or is longer than 1,024 bytes.
    #[error("scopes are words of visible ASCII, separated by one space: {0}")]
    Scopes(InvalidValue),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_may_have_colons_and_passwords_may_not() {
        let alice: Account = "alice:wonderland:notes:read notes:write".parse().unwrap();
        assert_eq!(alice.subject.as_str(), "alice");
        assert_eq!(alice.password.as_str(), "wonderland");
        assert_eq!(alice.scope.as_str(), "notes:read notes:write");
        assert_eq!(alice.display_name(), "Alice");
    }

    #[test]
    fn a_malformed_user_is_refused_without_repeating_the_text() {
        for (text, expected) in [
            ("carol", AccountError::Form),
            ("carol:", AccountError::Form),
            (":secret", AccountError::Form),
            ("ca\trol:secret", AccountError::Name),
            (
                "carol:secret:a\"b",
                AccountError::Scopes(InvalidValue::Character { kind: "Scope" }),
            ),
        ] {
            let error = text.parse::<Account>().unwrap_err();
            assert_eq!(error, expected, "{text}");
        }
        let long = format!("carol:secret:{}", "a".repeat(1025));
        let error = long.parse::<Account>().unwrap_err().to_string();
        assert!(
            error.ends_with("Scope is longer than 1024 bytes"),
            "{error}"
        );
        let carol: Account = "carol:hush".parse().unwrap();
        assert!(!format!("{carol:?}").contains("hush"));
    }
}
