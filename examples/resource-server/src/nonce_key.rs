//! The secret of the nonces that this service demands.

use std::fmt;
use std::str::FromStr;

use hallpass::core::binding::dpop::NonceKeys;

/// 32 secret bytes.
#[derive(Clone)]
pub(crate) struct NonceKey([u8; 32]);

impl NonceKey {
    pub(crate) fn keys(&self) -> NonceKeys {
        NonceKeys::new([self.0])
    }
}

impl FromStr for NonceKey {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        let wrong = "a nonce key has 64 hexadecimal digits";
        let digit = |digit: u8| {
            char::from(digit)
                .to_digit(16)
                .and_then(|digit| u8::try_from(digit).ok())
        };
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        let bytes = pairs
            .iter()
            .map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?));
        let bytes: Option<Vec<u8>> = bytes.collect();
        let bytes = bytes.filter(|_| rest.is_empty()).ok_or(wrong)?;
        Ok(Self(bytes.try_into().map_err(|_| wrong)?))
    }
}

impl fmt::Debug for NonceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NonceKey([redacted])")
    }
}
