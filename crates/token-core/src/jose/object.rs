//! Writing an object, member by member: the claims of a token, whose names are known.

use serde::Serialize;

/// A JSON object while it is written.
pub(crate) struct Object(Vec<u8>);

impl Object {
    /// An empty one with room for so many bytes.
    pub(crate) fn with_capacity(bytes: usize) -> Self {
        Self(Vec::with_capacity(bytes))
    }

    /// Adds a text.
    pub(crate) fn text(&mut self, name: &'static str, text: &str) {
        if !is_plain(text) {
            return self.value(name, text);
        }
        self.name(name);
        self.0.push(b'"');
        self.0.extend_from_slice(text.as_bytes());
        self.0.push(b'"');
    }

    /// Adds a whole number.
    pub(crate) fn number(&mut self, name: &'static str, number: u64) {
        self.value(name, &number);
    }

    /// Adds whatever serde can write.
    pub(crate) fn value(&mut self, name: &'static str, value: &(impl Serialize + ?Sized)) {
        self.name(name);
        serde_json::to_writer(&mut self.0, value).expect("texts and numbers are always JSON");
    }

    /// Closes it, with members that are written already and whose names are none of those before.
    pub(crate) fn finish(mut self, members: &str) -> Vec<u8> {
        if !members.is_empty() {
            self.0.push(b',');
            self.0.extend_from_slice(members.as_bytes());
        }
        self.0.push(b'}');
        self.0
    }

    fn name(&mut self, name: &'static str) {
        let first = if self.0.is_empty() { b'{' } else { b',' };
        self.0.extend_from_slice(&[first, b'"']);
        self.0.extend_from_slice(name.as_bytes());
        self.0.extend_from_slice(b"\":");
    }
}

/// Whether nothing in the text needs an escape: nearly always, and many bytes are looked at at a time.
pub(crate) fn is_plain(text: &str) -> bool {
    let plain = |byte: u8| byte >= 0x20 && byte != b'"' && byte != b'\\';
    text.bytes().fold(true, |all, byte| all & plain(byte))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_text_is_written_as_serde_json_writes_it(text in any::<String>(), plain in "[ -~]{0,40}") {
            for text in [text, plain] {
                let mut object = Object::with_capacity(0);
                object.text("a", &text);
                object.number("b", 7);
                let expected = format!(r#"{{"a":{},"b":7}}"#, serde_json::to_string(&text).unwrap());
                prop_assert_eq!(String::from_utf8(object.finish("")).unwrap(), expected);
            }
        }
    }
}
