//! Finds out what form a hash has.

use std::sync::Arc;

use argon2::Params;

use crate::error::PasswordError;
#[cfg(feature = "import")]
use crate::import;
use crate::phc::{self, Checked};

/// A form of password hashes that this crate does not know.
pub trait OtherForm: Send + Sync + 'static {
    /// Whether the password is right; `None` if the stored text is not of this form. Runs on a blocking thread.
    fn verify(&self, password: &str, stored: &str) -> Option<bool>;
}

/// Forms that the application brings.
pub(crate) type Others = Arc<[Box<dyn OtherForm>]>;

/// Checks a password. It takes as long as the stored hash says. `own` is what a new hash would be made with.
pub(crate) fn check(
    password: &str,
    stored: &str,
    others: &Others,
    own: &Params,
) -> Result<Checked, PasswordError> {
    for form in others.iter() {
        match form.verify(password, stored) {
            Some(true) => return Ok(Checked::RightAndOld),
            Some(false) => return Ok(Checked::Wrong),
            None => {}
        }
    }
    if stored.starts_with('!') {
        // Django's mark, and that of Unix, for users who have no password.
        return Ok(Checked::Unusable);
    }
    let checked = phc::check(password, stored, own);
    #[cfg(feature = "import")]
    let checked = checked.or_else(|| import::check(password, stored, own));
    checked.unwrap_or(Err(PasswordError::Stored))
}
