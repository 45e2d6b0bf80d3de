//! Argon2 in PHC form: new hashes, and those that have been made with it anywhere.

use std::borrow::Cow;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{Error, PasswordHasher as _, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};

use crate::error::PasswordError;

/// What became of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Checked {
    Wrong,
    Right,
    /// It is right, and its hash is not what would be made today.
    RightAndOld,
    /// The user has no password.
    Unusable,
}

/// A new hash, with argon2id.
pub(crate) fn hash(password: &str, params: &Params) -> Result<String, PasswordError> {
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone());
    let hash = argon2.hash_password(password.as_bytes());
    let hash: PasswordHash = hash.map_err(|_| PasswordError::Hash)?;
    Ok(hash.to_string())
}

/// Checks a password; `None` if the text is not of argon2. `own` is what a new hash would be made with.
pub(crate) fn check(
    password: &str,
    stored: &str,
    own: &Params,
) -> Option<Result<Checked, PasswordError>> {
    let rest = stored.strip_prefix("$argon2")?;
    let stored = with_version(stored, rest);
    Some(verify(&Argon2::default(), password, &stored, own))
}

/// Checks a password against a hash in PHC form, with the parameters that stand in it.
pub(crate) fn verify(
    verifier: &impl PasswordVerifier<PasswordHash>,
    password: &str,
    stored: &str,
    own: &Params,
) -> Result<Checked, PasswordError> {
    let hash = PasswordHash::new(stored).map_err(|_| PasswordError::Stored)?;
    if hash.salt.is_none() || hash.hash.is_none() {
        // The settings alone.
        return Err(PasswordError::Stored);
    }
    match verifier.verify_password(password.as_bytes(), &hash) {
        Ok(()) if is_current(&hash, own) => Ok(Checked::Right),
        Ok(()) => Ok(Checked::RightAndOld),
        Err(Error::PasswordInvalid) => Ok(Checked::Wrong),
        Err(Error::OutOfMemory) => Err(PasswordError::Hash),
        Err(_) => Err(PasswordError::Stored),
    }
}

/// Whether a hash is at least as strong as a new one: with no less memory, and no less work in all. More memory in fewer
/// passes is not weaker, so a new hash must not take its place.
fn is_current(hash: &PasswordHash, own: &Params) -> bool {
    let work = |params: &Params| u64::from(params.m_cost()) * u64::from(params.t_cost());
    let strong = |params: Params| params.m_cost() >= own.m_cost() && work(&params) >= work(own);
    hash.algorithm == Algorithm::Argon2id.ident()
        && hash.version == Some(Version::V0x13.into())
        && Params::try_from(hash).is_ok_and(strong)
}

/// The hash with its version: one that names none is of the first, 16. `rest` is what follows `$argon2`:
/// `id$m=…` or `id$v=19$m=…`.
fn with_version<'a>(stored: &'a str, rest: &str) -> Cow<'a, str> {
    match rest.split_once('$') {
        Some((kind, rest)) if !rest.starts_with("v=") => {
            format!("$argon2{kind}$v=16${rest}").into()
        }
        _ => stored.into(),
    }
}
