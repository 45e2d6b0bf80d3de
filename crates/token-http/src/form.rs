//! Forms, in which no parameter may repeat.

use std::collections::HashMap;
use std::fmt;

use zeroize::Zeroizing;

use crate::refusal::Refusal;

/// The parameters of an `application/x-www-form-urlencoded` body or a query.
pub(crate) struct Form(HashMap<String, Zeroizing<String>>);

impl Form {
    /// Reads the parameters.
    ///
    /// > Request and response parameters MUST NOT be included more than once.
    ///
    /// [RFC 6749 section 3.2](https://www.rfc-editor.org/rfc/rfc6749#section-3.2).
    ///
    /// # Errors
    /// [`Refusal::InvalidRequest`] if one is.
    pub(crate) fn parse(body: &[u8]) -> Result<Self, Refusal> {
        let mut parameters = HashMap::new();
        for (name, value) in form_urlencoded::parse(body) {
            let value = Zeroizing::new(value.into_owned());
            if parameters.insert(name.into_owned(), value).is_some() {
                return Err(Refusal::InvalidRequest.because("a parameter is repeated"));
            }
        }
        Ok(Self(parameters))
    }

    /// > Parameters sent without a value MUST be treated as if they were omitted from the request.
    ///
    /// RFC 6749 section 3.2
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        let value = self.0.get(name).map(|value| value.as_str());
        value.filter(|value| !value.is_empty())
    }

    /// The names that were sent.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

impl fmt::Debug for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Form([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_decoded_and_empty_ones_omitted() {
        let form = Form::parse(b"a=b+c%21&empty=&bare&x=%ff").unwrap();
        assert_eq!(form.value("a"), Some("b c!"));
        assert_eq!(form.value("empty"), None);
        assert_eq!(form.value("bare"), None);
        assert_eq!(form.value("x"), Some("\u{fffd}"));
        assert_eq!(form.names().count(), 4);
    }

    #[test]
    fn a_repeated_parameter_is_refused() {
        for body in [&b"a=1&a=1"[..], b"a=1&%61=2", b"a&a", b"x=1&a=&a="] {
            assert!(Form::parse(body).is_err());
        }
    }
}
