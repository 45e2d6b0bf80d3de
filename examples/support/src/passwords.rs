//! Passwords: argon2id on blocking threads, at most one hash for each processor at a time.

use std::fmt;
use std::sync::Arc;
use std::thread::available_parallelism;

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{self, PasswordHasher as _, PasswordVerifier as _};
use thiserror::Error;
use tokio::sync::Semaphore;
use tokio::task;
use zeroize::Zeroizing;

/// Hashes and checks passwords. Cheap to clone.
#[derive(Clone)]
pub struct Passwords {
    /// Each hash takes 19 MiB and a processor for about 20 ms, so more at once would only wait.
    permits: Arc<Semaphore>,
    /// The hash to check for users that do not exist, so that their answer takes as long.
    dummy: Arc<str>,
}

impl Passwords {
    /// Makes the dummy hash, which takes as long as any other.
    ///
    /// # Errors
    /// [`PasswordError::Hash`] if the system has no memory or no entropy for it.
    pub async fn new() -> Result<Self, PasswordError> {
        let mut passwords = Self {
            permits: Arc::new(Semaphore::new(
                available_parallelism().map_or(1, usize::from),
            )),
            dummy: "".into(),
        };
        passwords.dummy = passwords.hash("no user's password").await?.into();
        Ok(passwords)
    }

    /// The hash of a new password in PHC form, with a salt of its own.
    ///
    /// # Errors
    /// [`PasswordError::Hash`] if the system has no memory or no entropy for it.
    pub async fn hash(&self, password: &str) -> Result<String, PasswordError> {
        let password = Zeroizing::new(password.to_owned());
        self.work(move || {
            // Argon2id with 19 MiB and 2 passes, the least that OWASP recommends.
            let hash: PasswordHash = Argon2::default().hash_password(password.as_bytes())?;
            Ok(hash.to_string())
        })
        .await
    }

    /// Whether a password matches a hash. `None` is for a user that does not exist: always false,
    /// after the same work.
    ///
    /// # Errors
    /// [`PasswordError::Stored`] if the stored text is not a hash, [`PasswordError::Hash`] if the
    /// system has no memory for it.
    pub async fn verify(&self, password: &str, hash: Option<&str>) -> Result<bool, PasswordError> {
        let password = Zeroizing::new(password.to_owned());
        let exists = hash.is_some();
        let hash = hash.unwrap_or(&self.dummy).to_owned();
        self.work(move || {
            let hash = PasswordHash::new(&hash).map_err(|_| PasswordError::Stored)?;
            match Argon2::default().verify_password(password.as_bytes(), &hash) {
                Ok(()) => Ok(exists),
                Err(password_hash::Error::PasswordInvalid) => Ok(false),
                Err(error) => Err(error.into()),
            }
        })
        .await
    }

    async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, PasswordError> + Send + 'static,
    ) -> Result<T, PasswordError> {
        let permits = Arc::clone(&self.permits);
        let permit = permits.acquire_owned().await;
        let permit = permit.expect("the semaphore is never closed");
        let work = task::spawn_blocking(move || {
            // Released when the work is done, even if nobody waits for it any more.
            let _permit = permit;
            work()
        });
        work.await.map_err(|_| PasswordError::Interrupted)?
    }
}

impl fmt::Debug for Passwords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passwords")
    }
}

/// A password that could not be hashed: an error of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PasswordError {
    /// The algorithm failed.
    #[error("argon2 failed: {0}")]
    Hash(#[from] password_hash::Error),
    /// The server is shutting down.
    #[error("the work was interrupted")]
    Interrupted,
    /// What is stored is not a hash in PHC form.
    #[error("the stored text is not a password hash")]
    Stored,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_password_itself_is_right() {
        let passwords = Passwords::new().await.unwrap();
        let hash = passwords.hash("wonderland").await.unwrap();
        assert!(
            hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
            "{hash}"
        );
        assert!(passwords.verify("wonderland", Some(&hash)).await.unwrap());
        assert!(!passwords.verify("Wonderland", Some(&hash)).await.unwrap());
        let stored = passwords.verify("x", Some("plain")).await;
        assert_eq!(stored, Err(PasswordError::Stored));
    }

    #[tokio::test]
    async fn a_user_who_does_not_exist_has_no_right_password() {
        let passwords = Passwords::new().await.unwrap();
        let dummy = "no user's password";
        assert!(!passwords.verify(dummy, None).await.unwrap());
    }
}
