//! Checks the hashes of other systems.

mod forms;
mod kdf;
mod stored;

use argon2::Params;
use aws_lc_rs::digest;
use pbkdf2::Pbkdf2;
use scrypt::Scrypt;
use unicode_normalization::UnicodeNormalization as _;
use zeroize::Zeroizing;

use self::stored::{Hash, Prepare, Stored};
use crate::error::PasswordError;
use crate::phc::{self, Checked};

/// Checks a password; `None` if the text has none of these forms.
/// `own` is what a new hash would be made with.
pub(crate) fn check(
    password: &str,
    stored: &str,
    own: &Params,
) -> Option<Result<Checked, PasswordError>> {
    let stored = read(stored)?;
    let prepared = prepared(password, stored.prepare);
    let checked = match &stored.hash {
        Hash::Argon2(text) => return phc::check(&prepared, text, own),
        // Longer passwords were cut off when they were hashed, and are here.
        Hash::Bcrypt(text) => match bcrypt::verify(&**prepared, text) {
            Ok(true) => Ok(Checked::RightAndOld),
            Ok(false) => Ok(Checked::Wrong),
            Err(_) => Err(PasswordError::Stored),
        },
        Hash::Pbkdf2(text) => phc::verify(&Pbkdf2::default(), &prepared, text, own),
        Hash::Scrypt(text) => phc::verify(&Scrypt::default(), &prepared, text, own),
        Hash::Raw(raw) => raw.check(&prepared),
    };
    // These fill a password up with zeros (HMAC) or repeat it after one (bcrypt), so `a`, `a\0` and `a\0a` have one hash.
    // Nobody types a zero, and a new hash of it would lock the user out.
    let has_zero = prepared.contains('\0');
    // A new hash is one of what was typed. If others that are not the same are right too, the old one stays, or
    // the user could be locked out by what they typed once.
    let one_of_many = match stored.prepare {
        Prepare::Nothing => matches!(stored.hash, Hash::Bcrypt(_)) && password.len() > BCRYPT_READS,
        // Another keyboard may write what is not ASCII in another form of Unicode.
        Prepare::Nfkc => !password.is_ascii(),
        Prepare::Sha256 => false,
    };
    Some(checked.map(|checked| match checked {
        Checked::Right | Checked::RightAndOld if has_zero => Checked::Wrong,
        Checked::RightAndOld if one_of_many => Checked::Right,
        checked => checked,
    }))
}

/// So many bytes of a password are part of a bcrypt hash.
const BCRYPT_READS: usize = 72;

fn read(stored: &str) -> Option<Stored<'_>> {
    let starts = |prefix| stored.starts_with(prefix);
    if ["$2a$", "$2b$", "$2y$"].into_iter().any(starts) {
        Some(Hash::Bcrypt(stored).into())
    } else if starts("$pbkdf2-") {
        Some(Hash::Pbkdf2(stored).into())
    } else if starts("$scrypt$") {
        Some(Hash::Scrypt(stored).into())
    } else {
        forms::read(stored)
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
