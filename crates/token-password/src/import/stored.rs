//! What a hash of another system is made of.

use std::borrow::Cow;

/// A hash, and what is to be done with the password first.
#[derive(Debug)]
pub(super) struct Stored<'a> {
    pub(super) prepare: Prepare,
    pub(super) kind: Kind,
    /// In PHC form, or that of bcrypt.
    pub(super) text: Cow<'a, str>,
}

impl<'a> Stored<'a> {
    pub(super) fn new(kind: Kind, text: impl Into<Cow<'a, str>>) -> Self {
        Self {
            prepare: Prepare::Nothing,
            kind,
            text: text.into(),
        }
    }
}

/// What becomes of a password before it is hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Prepare {
    /// It stays as it was typed.
    Nothing,
    /// It is normalised to the form NFKC (better-auth).
    Nfkc,
    /// Its SHA-256 in hexadecimal takes its place (Django's `bcrypt_sha256`).
    Sha256,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Argon2,
    Bcrypt,
    Pbkdf2,
    Scrypt,
}
