//! Checks the hashes of other systems.

mod rewrite;
mod stored;

use aws_lc_rs::digest;
use pbkdf2::Pbkdf2;
use scrypt::Scrypt;
use unicode_normalization::UnicodeNormalization as _;
use zeroize::Zeroizing;

use self::stored::{Kind, Prepare, Stored};
use crate::error::PasswordError;
use crate::phc::{self, Checked};

/// Checks a password; `None` if the text has none of these forms.
pub(crate) fn check(password: &str, stored: &str) -> Option<Result<Checked, PasswordError>> {
    let stored = read(stored)?;
    let prepared = prepared(password, stored.prepare);
    let text = &*stored.text;
    let checked = match stored.kind {
        Kind::Argon2 => phc::check(&prepared, text)?,
        // Longer passwords were cut off when they were hashed, and are here.
        Kind::Bcrypt => match bcrypt::verify(&**prepared, text) {
            Ok(true) => Ok(Checked::RightAndOld),
            Ok(false) => Ok(Checked::Wrong),
            Err(_) => Err(PasswordError::Stored),
        },
        Kind::Pbkdf2 => phc::verify(&Pbkdf2::default(), &prepared, text),
        Kind::Scrypt => phc::verify(&Scrypt::default(), &prepared, text),
    };
    // A new hash is one of what was typed. If others that are not the same are right too, the old one stays, or
    // the user could be locked out by what they typed once.
    let one_of_many = match stored.prepare {
        Prepare::Nothing => stored.kind == Kind::Bcrypt && password.len() > BCRYPT_READS,
        Prepare::Nfkc => *password != **prepared,
        Prepare::Sha256 => false,
    };
    Some(checked.map(|checked| match checked {
        Checked::RightAndOld if one_of_many => Checked::Right,
        checked => checked,
    }))
}

/// So many bytes of a password are part of a bcrypt hash.
const BCRYPT_READS: usize = 72;

fn read(stored: &str) -> Option<Stored<'_>> {
    let plain = [
        ("$2a$", Kind::Bcrypt),
        ("$2b$", Kind::Bcrypt),
        ("$2y$", Kind::Bcrypt),
        ("$pbkdf2-", Kind::Pbkdf2),
        ("$scrypt$", Kind::Scrypt),
    ];
    let found = plain
        .into_iter()
        .find(|(prefix, _)| stored.starts_with(prefix));
    match found {
        Some((_, kind)) => Some(Stored::new(kind, stored)),
        None => rewrite::read(stored),
    }
}

fn prepared(password: &str, prepare: Prepare) -> Zeroizing<String> {
    match prepare {
        Prepare::Nothing => password.to_owned().into(),
        Prepare::Nfkc => password.nfkc().collect::<String>().into(),
        Prepare::Sha256 => {
            let digest = digest::digest(&digest::SHA256, password.as_bytes());
            let digits = digest.as_ref().iter().map(|byte| format!("{byte:02x}"));
            digits.collect::<String>().into()
        }
    }
}
