//! A short list of texts that seldom needs an allocation.

use std::borrow::Cow;
use std::ops::Deref;

/// So many texts need no allocation: `amr` has one to three, and `aud` seldom more. Each costs 24
/// bytes that are moved with the claims of every token.
const INLINE: usize = 3;

/// Texts from an array in a token, borrowed if they have no escape. Up to three need no allocation.
#[derive(Clone, Debug, Default)]
pub(crate) struct Texts<'a>(Place<'a>);

#[derive(Clone, Debug)]
enum Place<'a> {
    /// The first `count` are set.
    Inline {
        texts: [Cow<'a, str>; INLINE],
        count: usize,
    },
    /// All of them, if there are more.
    Allocated(Vec<Cow<'a, str>>),
}

impl Default for Place<'_> {
    fn default() -> Self {
        let texts = Default::default();
        Self::Inline { texts, count: 0 }
    }
}

impl<'a> Texts<'a> {
    pub(crate) fn push(&mut self, text: Cow<'a, str>) {
        match &mut self.0 {
            Place::Inline { texts, count } => {
                if let Some(place) = texts.get_mut(*count) {
                    *place = text;
                    *count += 1;
                } else {
                    let texts = std::mem::take(texts).into_iter().chain([text]);
                    self.0 = Place::Allocated(texts.collect());
                }
            }
            Place::Allocated(texts) => texts.push(text),
        }
    }
}

impl<'a> Deref for Texts<'a> {
    type Target = [Cow<'a, str>];

    fn deref(&self) -> &Self::Target {
        match &self.0 {
            Place::Inline { texts, count } => texts.get(..*count).unwrap_or_default(),
            Place::Allocated(texts) => texts,
        }
    }
}

impl PartialEq for Texts<'_> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Texts<'_> {}

impl From<Texts<'_>> for Vec<Box<str>> {
    fn from(texts: Texts<'_>) -> Self {
        texts.iter().map(|text| (&**text).into()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_read_back_in_order_however_many_there_are() {
        let mut texts = Texts::default();
        let mut expected: Vec<String> = Vec::new();
        for number in 0..10 {
            assert_eq!(*texts, *expected);
            texts.push(number.to_string().into());
            expected.push(number.to_string());
        }
        let owned: Vec<Box<str>> = texts.clone().into();
        assert_eq!(owned.len(), 10);
        assert_eq!(texts, texts.clone());
    }
}
