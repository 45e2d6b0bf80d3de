use std::borrow::Cow;
use std::ops::Deref;

/// So many texts need no allocation: `amr` has one to three, and `aud` seldom more.
const INLINE: usize = 4;

/// Texts from an array in a token, borrowed where they have no escape: a slice of them. Up to four
/// stand in it without an allocation.
#[derive(Clone, Debug, Default)]
pub struct Texts<'a> {
    /// The first `count` are set, unless there are `more`.
    few: [Cow<'a, str>; INLINE],
    count: usize,
    /// All of them, where there are too many.
    more: Vec<Cow<'a, str>>,
}

impl<'a> Texts<'a> {
    pub(crate) fn push(&mut self, text: Cow<'a, str>) {
        if let Some(place) = self.few.get_mut(self.count) {
            *place = text;
            self.count += 1;
            return;
        }
        if self.more.is_empty() {
            self.more.extend(std::mem::take(&mut self.few));
        }
        self.more.push(text);
    }
}

impl<'a> Deref for Texts<'a> {
    type Target = [Cow<'a, str>];

    fn deref(&self) -> &Self::Target {
        if self.more.is_empty() {
            self.few.get(..self.count).unwrap_or_default()
        } else {
            &self.more
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
    fn they_are_what_was_pushed_however_many() {
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
