//! Numbers and texts as bytes in the fields of a row.

use token_core::UnixTime;

/// Bytes of an instant: it ends with the year 9999, before 2^38.
pub(crate) const INSTANT: usize = 5;

/// Appends to a value.
#[derive(Debug, Default)]
pub(crate) struct Writer(Vec<u8>);

impl Writer {
    pub(crate) fn finish(self) -> Vec<u8> {
        self.0
    }

    pub(crate) fn byte(&mut self, value: u8) -> &mut Self {
        self.0.push(value);
        self
    }

    pub(crate) fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend_from_slice(bytes);
        self
    }

    /// Eight bytes, big end first.
    pub(crate) fn number(&mut self, value: u64) -> &mut Self {
        self.raw(&value.to_be_bytes())
    }

    /// Five bytes, big end first.
    pub(crate) fn instant(&mut self, value: UnixTime) -> &mut Self {
        let [_, _, _, bytes @ ..] = value.as_secs().to_be_bytes();
        self.raw(&bytes)
    }

    /// A length in as few bytes as it needs, seven bits in each, little end first.
    pub(crate) fn length(&mut self, value: usize) -> &mut Self {
        let mut rest = value;
        loop {
            let [low, ..] = rest.to_le_bytes();
            rest >>= 7;
            if rest == 0 {
                return self.byte(low);
            }
            self.byte(low | 0x80);
        }
    }

    /// A length, then as many bytes.
    pub(crate) fn text(&mut self, bytes: &[u8]) -> &mut Self {
        self.length(bytes.len()).raw(bytes)
    }

    /// As a text whose length is one more; a length of zero stands for none.
    pub(crate) fn optional(&mut self, bytes: Option<&[u8]>) -> &mut Self {
        match bytes {
            Some(bytes) => self.length(bytes.len() + 1).raw(bytes),
            None => self.length(0),
        }
    }
}

/// Reads a value from its beginning; `None` if it is too short or out of range.
#[derive(Debug)]
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Everything that is left.
    pub(crate) const fn rest(self) -> &'a [u8] {
        self.0
    }

    pub(crate) fn raw(&mut self, length: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(bytes)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.raw(N)?.try_into().ok()
    }

    pub(crate) fn byte(&mut self) -> Option<u8> {
        self.array().map(|[byte]| byte)
    }

    pub(crate) fn number(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }

    pub(crate) fn instant(&mut self) -> Option<UnixTime> {
        let mut bytes = [0; 8];
        bytes
            .last_chunk_mut::<INSTANT>()?
            .copy_from_slice(&self.array::<INSTANT>()?);
        UnixTime::from_secs(u64::from_be_bytes(bytes)).ok()
    }

    pub(crate) fn length(&mut self) -> Option<usize> {
        let mut value = 0_usize;
        for shift in (0..usize::BITS).step_by(7) {
            let byte = self.byte()?;
            value |= usize::from(byte & 0x7F).checked_shl(shift)?;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    pub(crate) fn text(&mut self) -> Option<&'a [u8]> {
        let length = self.length()?;
        self.raw(length)
    }

    /// The outer `None` if it cannot be read, the inner one if there is none.
    #[expect(clippy::option_option, reason = "unreadable is not absent")]
    pub(crate) fn optional(&mut self) -> Option<Option<&'a [u8]>> {
        match self.length()?.checked_sub(1) {
            Some(length) => self.raw(length).map(Some),
            None => Some(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read() {
        let mut writer = Writer::default();
        writer.instant(UnixTime::MAX).number(u64::MAX);
        for length in [0, 127, 128, 300, 70_000] {
            writer.length(length);
        }
        writer.text(b"ab").optional(None).optional(Some(b""));
        let bytes = writer.finish();
        let mut reader = Reader(&bytes);
        assert_eq!(reader.instant(), Some(UnixTime::MAX));
        assert_eq!(reader.number(), Some(u64::MAX));
        for length in [0, 127, 128, 300, 70_000] {
            assert_eq!(reader.length(), Some(length));
        }
        assert_eq!(reader.text(), Some(&b"ab"[..]));
        assert_eq!(reader.optional(), Some(None));
        assert_eq!(reader.optional(), Some(Some(&b""[..])));
        assert!(reader.is_empty() && reader.byte().is_none());
    }

    #[test]
    fn what_is_out_of_range_is_refused() {
        assert_eq!(Reader(&[0xFF; 5]).instant(), None);
        assert_eq!(Reader(&[0xFF; 20]).length(), None);
        assert_eq!(Reader(&[200, 1, 0]).text(), None);
    }
}
