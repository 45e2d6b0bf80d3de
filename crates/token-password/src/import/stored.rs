//! What a hash of another system is made of.

use std::borrow::Cow;

use super::kdf::Raw;

/// A hash, and what is to be done with the password first.
pub(super) struct Stored<'a> {
    pub(super) prepare: Prepare,
    pub(super) hash: Hash<'a>,
}

/// The hash itself.
pub(super) enum Hash<'a> {
    /// In PHC form.
    Argon2(Cow<'a, str>),
    Bcrypt(&'a str),
    /// In PHC form.
    Pbkdf2(&'a str),
    /// In PHC form.
    Scrypt(&'a str),
    /// PBKDF2 or scrypt in another form.
    Raw(Raw),
}

impl<'a> From<Hash<'a>> for Stored<'a> {
    fn from(hash: Hash<'a>) -> Self {
        let prepare = Prepare::Nothing;
        Self { prepare, hash }
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
