//! Macros for values that a store keeps as they are: bytes, counters, and enumerations of words.

/// Defines a value of a fixed number of bytes.
macro_rules! bytes {
    ($(#[$doc:meta])* $name:ident, $length:literal) => {
        $(#[$doc])*
        pub struct $name([u8; $length]);

        impl $name {
            /// The value of the bytes that a store kept.
            pub const fn from_bytes(bytes: [u8; $length]) -> Self {
                Self(bytes)
            }

            /// The bytes, for a store.
            pub const fn as_bytes(&self) -> &[u8; $length] {
                &self.0
            }
        }
    };
}

/// Defines a number that begins with 0. Every number is one, so there is nothing to check.
macro_rules! number {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
        )]
        #[serde(transparent)]
        pub struct $name(pub u64);
    };
}

/// Defines a number that counts upwards.
macro_rules! counter {
    ($(#[$doc:meta])* $name:ident) => {
        crate::types::stored::number! { $(#[$doc])* $name }

        impl $name {
            /// The one after it.
            #[must_use]
            pub const fn next(self) -> Self {
                Self(self.0.saturating_add(1))
            }
        }
    };
}

/// Defines an enumeration whose variants are words in stores, tokens and answers.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum $name {
            $($(#[$vdoc])* #[serde(rename = $word)] $variant,)*
        }

        impl $name {
            /// Every value.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The word for it in stores, tokens and answers.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),* }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = InvalidValue;

            fn from_str(word: &str) -> Result<Self, InvalidValue> {
                match word {
                    $($word => Ok(Self::$variant),)*
                    _ => Err(InvalidValue::Word {
                        kind: stringify!($name),
                        known: &[$($word),*],
                    }),
                }
            }
        }
    };
}

pub(crate) use {bytes, counter, number, words};
