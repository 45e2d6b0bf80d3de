//! Passwords: argon2id on blocking threads, at most one hash for each processor at a time. Who comes
//! while too many wait is sent away, and so is who has waited for too long: a flood of logins must not
//! keep everybody else from logging in for minutes.

use std::fmt;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Duration;

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{self, PasswordHasher as _, PasswordVerifier as _};
use thiserror::Error;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task;
use tokio::time::timeout;
use zeroize::Zeroizing;

/// Hashes and checks passwords. Cheap to clone.
#[derive(Clone)]
pub struct Passwords {
    /// Each hash takes 19 MiB and a processor for about 20 ms, so more at once would only wait.
    permits: Arc<Semaphore>,
    /// Places for those who work or wait to.
    places: Arc<Semaphore>,
    /// How long anyone waits.
    patience: Duration,
    /// The hash to check for users that do not exist, so that their answer takes as long.
    dummy: Arc<str>,
}

impl Passwords {
    /// Makes the dummy hash, which takes as long as any other.
    ///
    /// # Errors
    /// [`PasswordError::Hash`] if the system has no memory or no entropy for it.
    pub async fn new() -> Result<Self, PasswordError> {
        let processors = available_parallelism().map_or(1, usize::from);
        let mut passwords = Self {
            permits: Arc::new(Semaphore::new(processors)),
            places: Arc::new(Semaphore::new(processors * (1 + WAITING))),
            patience: PATIENCE,
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
        let permits = self.wait().await.inspect_err(|_| count_busy())?;
        let work = task::spawn_blocking(move || {
            // Released when the work is done, even if nobody waits for it any more.
            let _permits = permits;
            work()
        });
        work.await.map_err(|_| PasswordError::Interrupted)?
    }

    /// Waits for a processor, if there is a place to wait, and not for long.
    async fn wait(&self) -> Result<[OwnedSemaphorePermit; 2], PasswordError> {
        let place = Arc::clone(&self.places).try_acquire_owned();
        let place = place.map_err(|_| PasswordError::Busy)?;
        let permit = Arc::clone(&self.permits).acquire_owned();
        let permit = timeout(self.patience, permit).await;
        let permit = permit.map_err(|_| PasswordError::Busy)?;
        Ok([place, permit.expect("the semaphore is never closed")])
    }
}

/// How many may wait for each processor: for about a second, if a hash takes 20 ms.
const WAITING: usize = 50;

/// How long anyone waits, on a machine that is slow or busy with something else too. A person who
/// waits longer than that tries again, and makes it worse.
const PATIENCE: Duration = Duration::from_secs(3);

/// Counts a password that was not looked at.
fn count_busy() {
    #[cfg(feature = "metrics")]
    metrics::counter!("demo_passwords_busy_total").increment(1);
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
    /// Too many passwords are waiting, or this one has waited for too long.
    #[error("too many passwords are being checked")]
    Busy,
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
    async fn who_comes_to_a_full_queue_or_waits_too_long_is_sent_away() {
        let passwords = Passwords::new().await.unwrap();
        let hash = passwords.hash("wonderland").await.unwrap();
        let passwords = Passwords {
            permits: Arc::new(Semaphore::new(1)),
            places: Arc::new(Semaphore::new(3)),
            patience: Duration::from_millis(300),
            ..passwords
        };
        // One works, for as long as the test wants, and two wait.
        let at_work = passwords.wait().await.unwrap();
        let verify = || {
            let (passwords, hash) = (passwords.clone(), hash.clone());
            tokio::spawn(async move { passwords.verify("wonderland", Some(&hash)).await })
        };
        let waiting = [verify(), verify()];
        task::yield_now().await;
        // Known and unknown users alike, so that the queue does not tell who exists.
        for hash in [Some(&*hash), None] {
            let begun = std::time::Instant::now();
            let sent_away = passwords.verify("wonderland", hash).await;
            assert_eq!(sent_away, Err(PasswordError::Busy));
            assert!(begun.elapsed() < Duration::from_millis(100));
        }
        for verified in waiting {
            assert_eq!(verified.await.unwrap(), Err(PasswordError::Busy));
        }
        // The places are free again.
        drop(at_work);
        assert_eq!(verify().await.unwrap(), Ok(true));
    }

    #[tokio::test]
    async fn a_user_who_does_not_exist_has_no_right_password() {
        let passwords = Passwords::new().await.unwrap();
        let dummy = "no user's password";
        assert!(!passwords.verify(dummy, None).await.unwrap());
    }
}
