//! The users of the example: who they are comes from the flags, their passwords are stored.

use std::collections::HashMap;
use std::sync::Arc;

use hallpass::Subject;
use hallpass::http::Rejection;
use thiserror::Error;

use crate::account::Account;
use crate::hashes::{Hashes, HashesError};
use crate::passwords::{PasswordError, Passwords};
use crate::store_url::StoreUrl;

/// Everybody who may log in. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Users {
    accounts: Arc<HashMap<Subject, Account>>,
    passwords: Passwords,
    hashes: Hashes,
}

impl Users {
    /// The shortest password that a user may choose, in characters.
    pub const MIN_PASSWORD: usize = 8;

    /// Looks into the store of the sessions for the passwords, which the store has made. One
    /// that is there already stays, so that a changed password survives a restart.
    ///
    /// # Errors
    /// [`UsersError`].
    pub async fn open(accounts: Vec<Account>, store: &StoreUrl) -> Result<Self, UsersError> {
        let hashes = match store {
            StoreUrl::Memory => Hashes::in_memory(),
            #[cfg(feature = "postgres")]
            StoreUrl::Postgres(url) => Hashes::Postgres(
                crate::hashes::PostgresHashes::connect(url)
                    .await
                    .map_err(HashesError::from)?,
            ),
            #[cfg(feature = "redis")]
            StoreUrl::Redis(url) => Hashes::Redis(
                crate::hashes::RedisHashes::connect(url)
                    .await
                    .map_err(HashesError::from)?,
            ),
            #[cfg(feature = "sqlite")]
            StoreUrl::Sqlite(file) => Hashes::Sqlite(
                crate::hashes::SqliteHashes::open(file)
                    .await
                    .map_err(HashesError::from)?,
            ),
        };
        let passwords = Passwords::new().await?;
        for account in &accounts {
            if hashes.get(&account.subject).await?.is_none() {
                let hash = passwords.hash(&account.password).await?;
                hashes.insert(&account.subject, hash).await?;
            }
        }
        let named = accounts.into_iter().map(|a| (a.subject.clone(), a));
        Ok(Self {
            accounts: Arc::new(named.collect()),
            passwords,
            hashes,
        })
    }

    /// The user of that name, if there is one and the password is right. Takes as long where
    /// there is none.
    ///
    /// # Errors
    /// [`UsersError`] is a fault of the server and says nothing of the password.
    pub async fn authenticate(
        &self,
        name: &str,
        password: &str,
    ) -> Result<Option<&Account>, UsersError> {
        let subject = Subject::new(name).ok();
        // Looked for whoever it is: how long that takes must not tell a user from a stranger.
        let hash = match &subject {
            Some(subject) => self.hashes.get(subject).await?,
            None => None,
        };
        let account = subject.and_then(|subject| self.accounts.get(&subject));
        let right = self.passwords.verify(password, hash.as_deref()).await?;
        Ok(account.filter(|_| right))
    }

    /// Stores a new password where the present one is right.
    ///
    /// The answer may be lost on its way to the client, who then asks again with the password that
    /// is the old one by now. So where the new one is in force already, that counts as well: whoever
    /// sends it has proven who they are, and is to get the credential that was missed.
    ///
    /// # Errors
    /// [`UsersError`]: whether it was stored is then unknown.
    pub async fn change_password(
        &self,
        subject: &Subject,
        present: &str,
        new: &str,
    ) -> Result<PasswordChange, UsersError> {
        let name = subject.as_str();
        if self.authenticate(name, present).await?.is_none() {
            let changed = self.authenticate(name, new).await?.is_some();
            return Ok(if changed {
                PasswordChange::Done
            } else {
                PasswordChange::WrongPassword
            });
        }
        if new.chars().count() < Self::MIN_PASSWORD {
            return Ok(PasswordChange::Unacceptable);
        }
        let hash = self.passwords.hash(new).await?;
        self.hashes.replace(subject, hash).await?;
        Ok(PasswordChange::Done)
    }
}

/// What became of a change of password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
#[expect(clippy::exhaustive_enums, reason = "the contract has these outcomes")]
pub enum PasswordChange {
    /// The new one is in force.
    Done,
    /// The new one is shorter than [`Users::MIN_PASSWORD`]; nothing has changed.
    Unacceptable,
    /// The present one is another; nothing has changed.
    WrongPassword,
}

/// A fault of the server while it looked at a user.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum UsersError {
    /// What is stored cannot be read or written.
    #[error(transparent)]
    Hashes(#[from] HashesError),
    /// The password could be neither hashed nor checked.
    #[error(transparent)]
    Password(#[from] PasswordError),
}

impl From<UsersError> for Rejection {
    /// Neither the client nor the password is to blame.
    fn from(error: UsersError) -> Self {
        tracing::error!(
            error = &error as &dyn std::error::Error,
            "a user was not looked up"
        );
        match error {
            UsersError::Hashes(_) => Self::temporarily_unavailable(),
            UsersError::Password(_) => Self::server_error(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accounts() -> Vec<Account> {
        vec!["alice:wonderland:notes:read".parse().unwrap()]
    }

    async fn open(store: &StoreUrl) -> Users {
        Users::open(accounts(), store).await.unwrap()
    }

    async fn check(users: &Users) {
        let alice = users.authenticate("alice", "wonderland").await.unwrap();
        let alice = alice.unwrap().subject.clone();
        for (name, password) in [
            ("alice", "x"),
            ("bob", "wonderland"),
            ("", ""),
            ("a\0b", "x"),
        ] {
            let found = users.authenticate(name, password).await.unwrap();
            assert!(found.is_none(), "{name}");
        }
        let change = async |present, new| users.change_password(&alice, present, new).await;
        for (present, new, expected) in [
            ("guess", "looking-glass", PasswordChange::WrongPassword),
            ("wonderland", "short", PasswordChange::Unacceptable),
            ("wonderland", "looking-glass", PasswordChange::Done),
            // Asked again, because the answer was lost.
            ("wonderland", "looking-glass", PasswordChange::Done),
            ("wonderland", "another-glass", PasswordChange::WrongPassword),
        ] {
            assert_eq!(change(present, new).await.unwrap(), expected);
        }
        let old = users.authenticate("alice", "wonderland").await.unwrap();
        let new = users.authenticate("alice", "looking-glass").await.unwrap();
        assert!(old.is_none() && new.is_some());
    }

    #[tokio::test]
    async fn users_in_memory() {
        check(&open(&StoreUrl::Memory).await).await;
    }

    #[tokio::test]
    #[cfg(feature = "sqlite")]
    async fn a_store_that_is_away_does_not_tell_who_exists() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("users.db");
        std::fs::write(&file, "").unwrap(); // an empty database
        let users = open(&StoreUrl::Sqlite(file)).await;
        let Hashes::Sqlite(pool) = &users.hashes else {
            panic!("they are in a file");
        };
        pool.0.close().await;
        for name in ["alice", "nobody"] {
            let found = users.authenticate(name, "wonderland").await;
            assert!(matches!(found, Err(UsersError::Hashes(_))), "{name}");
        }
    }

    #[tokio::test]
    #[cfg(feature = "sqlite")]
    async fn a_changed_password_survives_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("users.db");
        std::fs::write(&file, "").unwrap(); // an empty database
        let store = StoreUrl::Sqlite(file);
        check(&open(&store).await).await;
        let users = open(&store).await;
        let new = users.authenticate("alice", "looking-glass").await.unwrap();
        assert!(new.is_some());
    }
}
