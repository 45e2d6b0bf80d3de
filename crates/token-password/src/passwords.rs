//! Passwords on blocking threads, at most one hash for each processor at a time. Who comes while too many wait
//! is sent away, and so is who has waited for too long: a flood of logins must not keep everybody else from
//! logging in for minutes.

use std::error::Error;
use std::fmt;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Duration;

use argon2::Params;
use token_core::PRODUCT;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task;
use tokio::time::timeout;
use tracing::warn;
use zeroize::Zeroizing;

use crate::error::PasswordError;
use crate::form::{OtherForm, Others, check};
use crate::phc::{self, Checked};

/// Hashes and checks passwords. Cheap to clone; clones share the queue.
#[derive(Clone)]
pub struct Passwords {
    /// Each hash takes a processor (for about 20 ms by default), so more at once would only wait.
    permits: Arc<Semaphore>,
    /// Places for those who work or wait to.
    places: Arc<Semaphore>,
    /// How long anyone waits.
    patience: Duration,
    /// The hash to check for users that do not exist, so that their answer takes as long.
    dummy: Arc<str>,
    others: Others,
    /// What new hashes are made with.
    params: Params,
}

/// Settings of [`Passwords`].
#[must_use]
#[derive(Default)]
pub struct PasswordsBuilder {
    others: Vec<Box<dyn OtherForm>>,
    cost: Option<[u32; 2]>,
}

impl PasswordsBuilder {
    /// Also checks hashes of this form. Forms are asked in the order in which they were added, before those that
    /// are known here.
    pub fn form(mut self, form: impl OtherForm) -> Self {
        self.others.push(Box::new(form));
        self
    }

    /// What a new hash costs: the memory in KiB, at least 8, and the passes over it, at least 1, in one lane of argon2id.
    /// Default: 19,456 (19 MiB) and 2, the least that OWASP recommends. For each processor one hash may be made at a time.
    ///
    /// A login of a user who does not exist takes as long as a new hash. So if hashes of more work are stored, say so here,
    /// or the time of a login tells who exists. Weaker ones are replaced at the next login.
    pub fn cost(mut self, memory_kib: u32, passes: u32) -> Self {
        self.cost = Some([memory_kib, passes]);
        self
    }

    /// Makes the hash that is checked for users who do not exist, which takes as long as any new one.
    ///
    /// # Errors
    /// [`PasswordError::Cost`] if the cost is out of range, [`PasswordError::Hash`] if the system has no memory or no
    /// entropy for it.
    pub async fn build(self) -> Result<Passwords, PasswordError> {
        let params = match self.cost {
            Some([memory, passes]) => Params::new(memory, passes, 1, None),
            None => Ok(Params::default()),
        };
        let processors = available_parallelism().map_or(1, usize::from);
        let mut passwords = Passwords {
            permits: Arc::new(Semaphore::new(processors)),
            places: Arc::new(Semaphore::new(processors * (1 + WAITING))),
            patience: PATIENCE,
            dummy: "".into(),
            others: self.others.into(),
            params: params.map_err(|_| PasswordError::Cost)?,
        };
        passwords.dummy = passwords.hash("no user's password").await?.into();
        count_sent_away(0);
        Ok(passwords)
    }
}

impl Passwords {
    /// Without forms of the application's own.
    ///
    /// # Errors
    /// [`PasswordError::Hash`] if the system has no memory or no entropy for a first hash.
    pub async fn new() -> Result<Self, PasswordError> {
        Self::builder().build().await
    }

    /// Starts with the settings.
    pub fn builder() -> PasswordsBuilder {
        PasswordsBuilder::default()
    }

    /// The hash of a new password in PHC form, with a salt of its own: argon2id
    /// ([RFC 9106](https://www.rfc-editor.org/rfc/rfc9106)) with the [cost](PasswordsBuilder::cost) of these settings.
    ///
    /// # Errors
    /// [`PasswordError::Busy`] if too many wait, and [`PasswordError::Hash`] if the system has no memory or no
    /// entropy for it.
    pub async fn hash(&self, password: &str) -> Result<String, PasswordError> {
        let password = Zeroizing::new(password.to_owned());
        let params = self.params.clone();
        self.work(move || phc::hash(&password, &params)).await
    }

    /// Whether a password matches a hash. `None` is for a user that does not exist: always false, after the
    /// work of a new hash. Nothing is written: see [`verify_and_upgrade`](Self::verify_and_upgrade).
    ///
    /// # Errors
    /// [`PasswordError::Stored`] if the stored text is not a hash of a known form, [`PasswordError::Busy`] if too
    /// many wait, [`PasswordError::Hash`] if the system has no memory for it.
    pub async fn verify(&self, password: &str, hash: Option<&str>) -> Result<bool, PasswordError> {
        let checked = self.check(password, hash).await?;
        Ok(matches!(checked, Checked::Right | Checked::RightAndOld))
    }

    /// The same in the handler of a login: if the password is right and its hash is not what
    /// [`hash`](Self::hash) would make today, `write` gets the new hash. Replace the old one only if it is still
    /// the one that was read, since the user may change the password at the same time. If `write` fails, the log
    /// says so, the login goes on, and the next one tries again.
    ///
    /// It stays if other passwords are right with it too: those that bcrypt cuts off after 72 bytes, and passwords of
    /// better-auth that are not ASCII, since their letters have several forms of which another keyboard may write the other.
    ///
    /// An old hash may take another time than a new one, so that until all are replaced the time may
    /// tell who has not logged in since the move. A stronger one stays and always takes longer: see
    /// [`PasswordsBuilder::cost`].
    ///
    /// # Errors
    /// As [`verify`](Self::verify).
    pub async fn verify_and_upgrade<E: Error + 'static>(
        &self,
        password: &str,
        hash: Option<&str>,
        write: impl AsyncFnOnce(&str) -> Result<(), E>,
    ) -> Result<bool, PasswordError> {
        match self.check(password, hash).await? {
            Checked::Wrong | Checked::Unusable => return Ok(false),
            Checked::Right => return Ok(true),
            Checked::RightAndOld => {}
        }
        let stays = "an old password hash stays until the next login";
        match self.hash(password).await {
            Ok(new) => {
                if let Err(error) = write(&new).await {
                    let error = &error as &dyn Error;
                    warn!(target: PRODUCT, error, "{stays}");
                }
            }
            Err(error) => {
                let error = &error as &dyn Error;
                warn!(target: PRODUCT, error, "{stays}");
            }
        }
        Ok(true)
    }

    async fn check(&self, password: &str, hash: Option<&str>) -> Result<Checked, PasswordError> {
        let password = Zeroizing::new(password.to_owned());
        let exists = hash.is_some();
        let hash = Zeroizing::new(hash.unwrap_or(&self.dummy).to_owned());
        let others = Arc::clone(&self.others);
        let dummy = Arc::clone(&self.dummy);
        let own = self.params.clone();
        self.work(move || match check(&password, &hash, &others, &own)? {
            // It takes as long as for the others.
            Checked::Unusable => check(&password, &dummy, &others, &own).map(|_| Checked::Wrong),
            checked => Ok(if exists { checked } else { Checked::Wrong }),
        })
        .await
    }

    async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, PasswordError> + Send + 'static,
    ) -> Result<T, PasswordError> {
        let permits = self.wait().await?;
        let work = task::spawn_blocking(move || {
            // Released when the work is done, even if nobody waits for it any more.
            let _permits = permits;
            work()
        });
        work.await
            .unwrap_or_else(|error| match error.try_into_panic() {
                Ok(panic) => resume_unwind(panic),
                Err(_) => Err(PasswordError::Interrupted),
            })
    }

    /// Waits for a processor, if there is a place to wait, and not for long.
    async fn wait(&self) -> Result<[OwnedSemaphorePermit; 2], PasswordError> {
        let place = Arc::clone(&self.places).try_acquire_owned();
        let place = place.map_err(|_| sent_away())?;
        let permit = Arc::clone(&self.permits).acquire_owned();
        let permit = timeout(self.patience, permit).await;
        let permit = permit.map_err(|_| sent_away())?;
        Ok([place, permit.expect("the semaphore is never closed")])
    }
}

fn sent_away() -> PasswordError {
    count_sent_away(1);
    PasswordError::Busy
}

#[cfg_attr(
    not(feature = "metrics"),
    expect(unused_variables, reason = "nothing counts")
)]
fn count_sent_away(more: u64) {
    #[cfg(feature = "metrics")]
    {
        let name = "hallpass_passwords_busy_total";
        let what = "Passwords that were not checked, since too many wait or one waited too long";
        metrics::describe_counter!(name, what);
        metrics::counter!(name).increment(more);
    }
}

/// How many may wait for each processor: for about a second, if a hash takes 20 ms.
const WAITING: usize = 50;

/// How long anyone waits, on a machine that is slow or busy with something else too. A person who
/// waits longer than that tries again, and makes it worse.
const PATIENCE: Duration = Duration::from_secs(3);

impl fmt::Debug for Passwords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Passwords").finish_non_exhaustive()
    }
}

impl fmt::Debug for PasswordsBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PasswordsBuilder").finish_non_exhaustive()
    }
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
            let sent_away = passwords.verify("wonderland", hash).await;
            assert_eq!(sent_away, Err(PasswordError::Busy));
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
