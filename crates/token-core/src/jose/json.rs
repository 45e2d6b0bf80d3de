//! Strict JSON: one value, UTF-8, and no duplicate member at any depth
//! ([RFC 8259](https://www.rfc-editor.org/rfc/rfc8259)).

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::de::StrRead;
use smallvec::SmallVec;
use thiserror::Error;

/// Text that is not strict JSON. Nothing of it is repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum JsonError {
    /// An object with a duplicate member.
    #[error("duplicate member of an object")]
    DuplicateMember,
    /// Another value than an object.
    #[error("not an object")]
    NotAnObject,
    /// Bytes that are not UTF-8.
    #[error("not UTF-8")]
    NotUtf8,
    /// It breaks the grammar, goes on behind its end, or is nested deeper than 127 levels.
    #[error("line {line}, column {column}")]
    Syntax {
        /// From 1.
        line: usize,
        /// From 1; 0 at the beginning of a line.
        column: usize,
    },
}

impl JsonError {
    /// Keeps the place and drops the message, which may quote the text.
    pub(crate) fn of(error: &serde_json::Error) -> Self {
        Self::Syntax {
            line: error.line(),
            column: error.column(),
        }
    }

    /// The same for text before which so many bytes of its first line were read already.
    pub(crate) fn after(bytes: usize, error: &serde_json::Error) -> Self {
        match Self::of(error) {
            Self::Syntax { line: 1, column } => Self::Syntax {
                line: 1,
                column: column + bytes,
            },
            error => error,
        }
    }
}

/// Walks the whole text and refuses a duplicate member of an object, at any depth.
///
/// > When the names within an object are not unique, the behavior of software that receives such an
/// > object is unpredictable.
///
/// RFC 8259 section 4: two readers could see two different tokens.
pub(crate) fn check(text: &str) -> Result<(), JsonError> {
    // The one thing that `Unique` refuses.
    read(text, JsonError::DuplicateMember, |deserializer| {
        Unique::deserialize(deserializer).map(|_| ())
    })
}

/// The members of an object, in their order, duplicates included.
pub(crate) fn members<'a, T: Deserialize<'a>>(
    text: &'a str,
) -> Result<Vec<(Text<'a>, T)>, JsonError> {
    struct Members<T>(PhantomData<T>);
    impl<'de, T: Deserialize<'de>> Visitor<'de> for Members<T> {
        type Value = Vec<(Text<'de>, T)>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut members = Vec::new();
            while let Some(member) = map.next_entry()? {
                members.push(member);
            }
            Ok(members)
        }
    }
    read(text, JsonError::NotAnObject, |deserializer| {
        deserializer.deserialize_map(Members(PhantomData))
    })
}

/// What reads the members of one object, each as it comes.
pub(crate) trait Members<'a> {
    /// The rule that a member breaks.
    type Fault;

    /// Reads the value of one member, or refuses it.
    fn take<A: MapAccess<'a>>(
        &mut self,
        name: &str,
        map: &mut A,
    ) -> Result<(), Refused<Self::Fault, A::Error>>;
}

/// Why an object is refused: one of its members breaks a rule, or it is not strict JSON.
pub(crate) enum Refused<F, E> {
    Rule(F),
    Json(E),
}

impl<F, E> Refused<F, E> {
    /// The rule, with this one for what is not strict JSON.
    pub(crate) fn or_json(self, rule: impl FnOnce(E) -> F) -> F {
        match self {
            Self::Rule(fault) => fault,
            Self::Json(error) => rule(error),
        }
    }
}

impl<F, E> From<E> for Refused<F, E> {
    fn from(error: E) -> Self {
        Self::Json(error)
    }
}

/// Reads one object and nothing behind it.
pub(crate) fn object<'a, M: Members<'a>>(
    json: &'a [u8],
    members: &mut M,
) -> Result<(), Refused<M::Fault, JsonError>> {
    struct Object<'m, M, F> {
        members: &'m mut M,
        fault: Option<F>,
    }
    impl<'a, M: Members<'a>> Visitor<'a> for &mut Object<'_, M, M::Fault> {
        type Value = ();

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<(), A::Error> {
            while let Some(Text(name)) = map.next_key()? {
                match self.members.take(&name, &mut map) {
                    Ok(()) => {}
                    Err(Refused::Json(error)) => return Err(error),
                    Err(Refused::Rule(fault)) => {
                        self.fault = Some(fault);
                        return Err(A::Error::custom("refused"));
                    }
                }
            }
            Ok(())
        }
    }
    let text = std::str::from_utf8(json).map_err(|_| JsonError::NotUtf8)?;
    let mut object = Object {
        members,
        fault: None,
    };
    let read = read(text, JsonError::NotAnObject, |deserializer| {
        deserializer.deserialize_map(&mut object)
    });
    read.map_err(|error| object.fault.map_or(Refused::Json(error), Refused::Rule))
}

/// Reads one value and nothing behind it; `refused` is what it means if the reader refuses it.
fn read<'a, T>(
    text: &'a str,
    refused: JsonError,
    value: impl FnOnce(&mut serde_json::Deserializer<StrRead<'a>>) -> serde_json::Result<T>,
) -> Result<T, JsonError> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let read = value(&mut deserializer).and_then(|value| deserializer.end().map(|()| value));
    read.map_err(|error| {
        if error.is_data() {
            refused
        } else {
            JsonError::of(&error)
        }
    })
}

/// A text, borrowed if it has no escape.
#[derive(Deserialize)]
#[serde(transparent)]
pub(crate) struct Text<'a>(#[serde(borrow)] pub(crate) Cow<'a, str>);

/// The parts of a visitor that take every number, boolean and null for the same.
macro_rules! scalars {
    ($value:expr) => {
        fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
            Ok($value)
        }

        fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
            Ok($value)
        }

        fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
            Ok($value)
        }

        fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
            Ok($value)
        }

        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok($value)
        }
    };
}

/// The texts of an array. Up to three need no allocation: `amr` has one to three, and `aud` seldom more.
/// Room for more would be moved with the claims of every token.
pub(crate) type Texts<'a> = SmallVec<[Cow<'a, str>; 3]>;

/// A value as far as tokens and keys need to tell: its type is judged by the reader, who names
/// the rule, and not by serde, whose message would quote it.
pub(crate) enum Value<'a> {
    /// A string.
    Text(Cow<'a, str>),
    /// An array of nothing but strings.
    Texts(Texts<'a>),
    /// Anything else.
    Other,
}

impl Value<'_> {
    /// Whether it is this text, or a list that has it.
    pub(crate) fn names(&self, text: &str) -> bool {
        match self {
            Self::Text(own) => own == text,
            Self::Texts(texts) => texts.iter().any(|own| own == text),
            Self::Other => false,
        }
    }
}

impl<'de> Deserialize<'de> for Value<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Value<'de>, E> {
        Ok(Value::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value<'de>, E> {
        Ok(Value::Text(Cow::Owned(text.to_owned())))
    }

    scalars!(Value::Other);

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value<'de>, A::Error> {
        let mut texts = Texts::default();
        while let Some(value) = seq.next_element()? {
            let Value::Text(text) = value else {
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                return Ok(Value::Other);
            };
            texts.push(text);
        }
        Ok(Value::Texts(texts))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value<'de>, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Value::Other)
    }
}

/// Any value in which no object has a duplicate member.
struct Unique;

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(UniqueVisitor)
    }
}

struct UniqueVisitor;

impl<'de> Visitor<'de> for UniqueVisitor {
    type Value = Unique;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_str<E>(self, _: &str) -> Result<Unique, E> {
        Ok(Unique)
    }

    scalars!(Unique);

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Unique, A::Error> {
        while seq.next_element::<Unique>()?.is_some() {}
        Ok(Unique)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Unique, A::Error> {
        let mut names = HashSet::new();
        while let Some(name) = map.next_key::<Text<'de>>()? {
            if !names.insert(name.0) {
                return Err(A::Error::custom("duplicate member"));
            }
            map.next_value::<Unique>()?;
        }
        Ok(Unique)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duplicate_member_is_refused_at_any_depth() {
        for fine in [
            "{}",
            r#"{"a":1,"b":{"a":1}}"#,
            r#"[{"a":1},{"a":-1.5e3}]"#,
            "null",
        ] {
            assert_eq!(check(fine), Ok(()), "{fine}");
        }
        for twice in [
            r#"{"a":1,"a":1}"#,
            r#"{"a":1,"\u0061":1}"#,
            r#"{"x":{"a":true,"b":null,"a":1}}"#,
            r#"[[{"a":{"b":[{"c":1,"c":2}]}}]]"#,
        ] {
            assert_eq!(check(twice), Err(JsonError::DuplicateMember), "{twice}");
        }
    }

    #[test]
    fn a_text_that_is_not_one_json_value_is_refused() {
        for broken in [
            "",
            "{",
            "{} {}",
            "[1,]",
            "{'a':1}",
            "NaN",
            "01",
            "\"\\ud800\"",
            "// x\n1",
        ] {
            let fault = check(broken);
            assert!(matches!(fault, Err(JsonError::Syntax { .. })), "{broken}");
        }
        // Depth is bounded: no text can exhaust the stack.
        let deep = "[".repeat(100_000);
        assert!(check(&deep).is_err());
    }
}
