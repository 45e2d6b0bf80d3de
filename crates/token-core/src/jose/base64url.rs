//! base64url without padding ([RFC 4648 section 5](https://www.rfc-editor.org/rfc/rfc4648#section-5)),
//! with vector instructions if the machine has them, as a token is mostly this.
//!
//! > [...] decoders MAY chose [sic] to reject an encoding if the pad bits have not been set to zero.
//!
//! RFC 4648 section 3.5. This one does, and refuses padding, so that each value has one spelling.

use std::mem::MaybeUninit;

use base64_simd::{AsOut, URL_SAFE_NO_PAD};

/// Room for what is decoded, which nobody clears before: that would take longer than decoding.
pub(crate) struct Room<const LENGTH: usize>([MaybeUninit<u8>; LENGTH]);

impl<const LENGTH: usize> Room<LENGTH> {
    pub(crate) const fn new() -> Self {
        Self([MaybeUninit::uninit(); LENGTH])
    }

    pub(crate) const fn as_mut_slice(&mut self) -> &mut [MaybeUninit<u8>] {
        &mut self.0
    }
}

/// Whether an encoder could have written the text.
pub(crate) fn is_canonical(text: &[u8]) -> bool {
    URL_SAFE_NO_PAD.check(text).is_ok()
}

/// The bytes of the text, in as much of `buffer` as they need; `None` if it is not canonical or
/// the buffer is too short.
pub(crate) fn decode<'b, B>(text: &[u8], buffer: &'b mut [B]) -> Option<&'b mut [u8]>
where
    [B]: AsOut<[u8]>,
{
    let length = URL_SAFE_NO_PAD.decoded_length(text).ok()?;
    let room = buffer.get_mut(..length)?;
    URL_SAFE_NO_PAD.decode(text, room.as_out()).ok()
}

/// Appends the text of the bytes.
pub(crate) fn encode(bytes: &[u8], text: &mut String) {
    URL_SAFE_NO_PAD.encode_append(bytes, text);
}

/// The text of the bytes.
pub(crate) fn to_text(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode_to_string(bytes)
}

/// Writes the text of the bytes into as much of `buffer` as it needs.
///
/// # Panics
/// If the buffer is too short.
pub(crate) fn encode_into<'b>(bytes: &[u8], buffer: &'b mut [u8]) -> &'b str {
    URL_SAFE_NO_PAD.encode_as_str(bytes, buffer.as_out())
}

/// The length of so many bytes in base64url.
pub(crate) const fn encoded_length(bytes: usize) -> usize {
    (bytes * 4).div_ceil(3)
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD as REFERENCE;
    use proptest::prelude::*;

    use super::*;

    /// What the reference says of the text.
    fn reference(text: &[u8]) -> Option<Vec<u8>> {
        REFERENCE.decode(text).ok()
    }

    proptest! {
        #[test]
        fn bytes_are_written_and_read_as_by_another(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut text = String::new();
            encode(&bytes, &mut text);
            prop_assert_eq!(&text, &REFERENCE.encode(&bytes));
            let mut buffer = [0_u8; 200];
            let text = text.as_bytes();
            prop_assert!(is_canonical(text));
            prop_assert!(decode(text, &mut buffer).is_some_and(|decoded| *decoded == *bytes));
            let mut room = Room::<200>::new();
            let decoded = decode(text, room.as_mut_slice());
            prop_assert!(decoded.is_some_and(|decoded| *decoded == *bytes));
            let mut short = vec![0_u8; bytes.len().saturating_sub(1)];
            prop_assert_eq!(decode(text, &mut short).is_some(), bytes.is_empty());
        }

        /// Of any length, so that every tail is met, and wrong at any place.
        #[test]
        fn texts_are_refused_as_by_another(
            mut text in prop::collection::vec(prop::sample::select(&b"AQgwz0189-_"[..]), 0..150),
            wrong in prop::option::of((any::<prop::sample::Index>(), any::<u8>())),
        ) {
            if let (Some((index, byte)), false) = (wrong, text.is_empty()) {
                let index = index.index(text.len());
                text[index] = byte;
            }
            let mut buffer = [0_u8; 150];
            let decoded = decode(&text, &mut buffer).map(|decoded| decoded.to_vec());
            prop_assert_eq!(decoded, reference(&text));
            prop_assert_eq!(is_canonical(&text), reference(&text).is_some());
        }
    }

    #[test]
    fn every_character_that_does_not_belong_is_refused_everywhere() {
        let mut buffer = [0_u8; 64];
        for position in 0..64 {
            for byte in 0..=255_u8 {
                let mut text = [b'A'; 64];
                text[position] = byte;
                let good = byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
                let decoded = decode(&text, &mut buffer);
                assert_eq!(decoded.is_some(), good, "{position}: {byte}");
                assert_eq!(is_canonical(&text), good, "{position}: {byte}");
            }
        }
    }
}
