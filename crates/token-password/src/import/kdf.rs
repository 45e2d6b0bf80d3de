//! PBKDF2 and scrypt with salts and hashes of any length; PHC form has salts of 8 to 48 bytes only.

use std::num::NonZeroU32;

use aws_lc_rs::{constant_time, pbkdf2};
use scrypt::Params;
use zeroize::Zeroizing;

use crate::error::PasswordError;
use crate::phc::Checked;

/// How a hash was made.
pub(super) enum Kdf {
    Pbkdf2 {
        algorithm: pbkdf2::Algorithm,
        iterations: NonZeroU32,
    },
    Scrypt(Params),
}

/// A hash in parts.
pub(super) struct Raw {
    kdf: Kdf,
    salt: Box<[u8]>,
    hash: Box<[u8]>,
}

impl Raw {
    /// `None` if the hash is so short that a guess would do.
    pub(super) fn new(kdf: Kdf, salt: &str, hash: &[u8]) -> Option<Self> {
        (hash.len() >= SHORTEST).then(|| Self {
            kdf,
            salt: salt.as_bytes().into(),
            hash: hash.into(),
        })
    }

    /// Checks a password, in a time that does not depend on what is stored.
    pub(super) fn check(&self, password: &str) -> Result<Checked, PasswordError> {
        let (salt, hash) = (&*self.salt, &*self.hash);
        let right = match &self.kdf {
            Kdf::Pbkdf2 {
                algorithm,
                iterations,
            } => {
                let password = password.as_bytes();
                pbkdf2::verify(*algorithm, *iterations, salt, password, hash).is_ok()
            }
            Kdf::Scrypt(params) => {
                let mut made = Zeroizing::new(vec![0; hash.len()]);
                scrypt::scrypt(password.as_bytes(), salt, params, &mut made)
                    .map_err(|_| PasswordError::Stored)?;
                constant_time::verify_slices_are_equal(&made, hash).is_ok()
            }
        };
        Ok(if right {
            Checked::RightAndOld
        } else {
            Checked::Wrong
        })
    }
}

/// The fewest bytes of a hash, as in PHC form.
const SHORTEST: usize = 10;
