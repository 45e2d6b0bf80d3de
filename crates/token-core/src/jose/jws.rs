//! The outer form of a token: JWS compact serialization, and nothing more lenient
//! ([RFC 7515 section 7.1](https://www.rfc-editor.org/rfc/rfc7515#section-7.1)).
//!
//! This module looks at the text and at the header. It knows no keys and no claims:
//! see [`crate::access`] for what a token must be beyond its form.

use std::mem::MaybeUninit;

use crate::jose::base64url;
use crate::jose::error::FormError;

/// The longest token that is looked at, in bytes: the usual limit of a whole header line.
pub(crate) const MAX_LENGTH: usize = 8 * 1024;

/// The longest payload that fits into [`MAX_LENGTH`], in bytes, decoded.
pub(crate) const MAX_PAYLOAD: usize = MAX_LENGTH / 4 * 3;

/// The longest signature of any key, in bytes: RSA with 8,192 bits.
pub(crate) const MAX_SIGNATURE: usize = 1024;

/// One of the three parts of a token.
#[derive(Clone, Copy)]
pub(crate) enum Part {
    Header,
    Payload,
    Signature,
}

impl Part {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Header => "header",
            Self::Payload => "payload",
            Self::Signature => "signature",
        }
    }
}

/// Three non-empty parts over the right alphabet. Nothing is decoded, and nothing is trusted.
#[derive(Clone, Copy)]
pub(crate) struct Compact<'a> {
    /// Header and payload with the dot between them: what is signed.
    pub(crate) signing_input: &'a [u8],
    pub(crate) header: &'a [u8],
    pub(crate) payload: &'a [u8],
    pub(crate) signature: &'a [u8],
}

impl<'a> Compact<'a> {
    /// Splits the text, by size and alphabet first: what fails here costs next to nothing.
    pub(crate) fn parse(text: &'a [u8]) -> Result<Self, FormError> {
        if text.len() > MAX_LENGTH {
            return Err(FormError::TooLong { length: text.len() });
        }
        // > Verify that the JWT contains at least one period ('.') character. [...] If the JWT is a
        // > JWS, follow the steps specified in [JWS] for validating a JWS.
        // RFC 7519 section 7.2; the compact form of a JWS has exactly two (RFC 7515 section 3.1).
        let mut dots = memchr::memchr_iter(b'.', text);
        let (Some(first), Some(second), None) = (dots.next(), dots.next(), dots.next()) else {
            check_alphabet(text)?;
            return Err(FormError::Parts {
                count: memchr::memchr_iter(b'.', text).count() + 1,
            });
        };
        let part = |from, to| text.get(from..to).expect("the dots are in it");
        let (header, payload) = (part(0, first), part(first + 1, second));
        let signature = part(second + 1, text.len());
        let parts = [header, payload, signature];
        // What every good token is, asked with vectors; otherwise it is looked at byte by byte.
        if !parts.iter().all(|part| base64url::is_canonical(part)) {
            check_alphabet(text)?;
        }
        for (part, text) in ["header", "payload", "signature"].into_iter().zip(parts) {
            if text.is_empty() {
                return Err(FormError::Empty { part });
            }
        }
        Ok(Self {
            signing_input: part(0, second),
            header,
            payload,
            signature,
        })
    }

    /// The bytes of one part, in as much of `buffer` as they need.
    pub(crate) fn decode<'b>(
        &self,
        part: Part,
        buffer: &'b mut [MaybeUninit<u8>],
    ) -> Result<&'b mut [u8], FormError> {
        let text = match part {
            Part::Header => self.header,
            Part::Payload => self.payload,
            Part::Signature => self.signature,
        };
        // Only canonical text is decoded, so that no two spellings of one token pass.
        base64url::decode(text, buffer).ok_or(FormError::Encoding {
            part: part.as_str(),
        })
    }
}

/// Refuses a byte that is neither base64url nor the dot, whatever else is wrong.
fn check_alphabet(text: &[u8]) -> Result<(), FormError> {
    // > Legal JWTs, being dot-concatenated base64url strings, contain only the ASCII characters for
    // > letters, numbers, dash, underscore, and period. Content with any other characters -
    // > especially braces and quotation marks - is not a JWT and MUST be rejected.
    // draft-ietf-oauth-rfc8725bis section 3.14: so the JSON serialization never passes. And
    // > Base64 encoding using the URL- and filename-safe character set [...], with all trailing
    // > '=' characters omitted [...] and without the inclusion of any line breaks, whitespace,
    // > or other additional characters.
    // RFC 7515 section 2
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    match text.iter().position(|byte| !allowed(*byte)) {
        Some(position) => Err(FormError::Character { position }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(text: impl AsRef<[u8]>) -> FormError {
        Compact::parse(text.as_ref()).map(|_| ()).unwrap_err()
    }

    #[test]
    fn exactly_three_parts_are_split() {
        let compact = Compact::parse(b"YQ.Yg.Yw").unwrap();
        assert_eq!(compact.signing_input, b"YQ.Yg");
        let parts = [compact.header, compact.payload, compact.signature];
        assert_eq!(parts, [b"YQ", b"Yg", b"Yw"]);
        assert_eq!(fault(""), FormError::Parts { count: 1 });
        assert_eq!(fault("YQ.Yg"), FormError::Parts { count: 2 });
        assert_eq!(fault("YQ.Yg.Yw."), FormError::Parts { count: 4 });
        assert_eq!(fault("YQ.Yg.Yw.ZA.ZQ"), FormError::Parts { count: 5 });
    }

    #[test]
    fn an_empty_part_is_refused() {
        for (text, part) in [
            (".Yg.Yw", "header"),
            ("YQ..Yw", "payload"),
            ("YQ.Yg.", "signature"),
        ] {
            assert_eq!(fault(text), FormError::Empty { part });
        }
    }

    #[test]
    fn size_and_alphabet_come_first() {
        let long = "!".repeat(MAX_LENGTH + 1);
        assert_eq!(
            fault(&long),
            FormError::TooLong {
                length: MAX_LENGTH + 1
            }
        );
        for bad in ["=", "+", "/", " ", "\n", "\0", "~", "é"] {
            let text = format!("YQ.Yg{bad}.Yw");
            assert_eq!(
                fault(&text),
                FormError::Character { position: 5 },
                "{bad:?}"
            );
        }
        assert_eq!(
            fault(b"YQ.Yg\xff.Yw"),
            FormError::Character { position: 5 },
            "not even UTF-8"
        );
    }

    #[test]
    fn base64url_has_one_spelling() {
        let mut buffer = [MaybeUninit::uninit(); 8];
        let compact = Compact::parse(b"YR.YWI.Y").unwrap();
        for (part, fine) in [
            (Part::Header, false),
            (Part::Payload, true),
            (Part::Signature, false),
        ] {
            let decoded = compact.decode(part, &mut buffer);
            assert_eq!(decoded.is_ok(), fine, "{}", part.as_str());
            let part = part.as_str();
            assert!(fine || decoded == Err(FormError::Encoding { part }));
        }
    }
}
