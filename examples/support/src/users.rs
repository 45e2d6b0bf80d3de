//! The users of the example: who they are comes from the flags, their passwords are stored.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use sqlx::SqlitePool;
use thiserror::Error;
use token_core::Subject;
use token_http::Rejection;

use crate::account::Account;
use crate::passwords::{PasswordError, Passwords};

/// Everybody who may log in. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Users {
    accounts: Arc<HashMap<Subject, Account>>,
    passwords: Passwords,
    hashes: Hashes,
}

#[derive(Clone, Debug)]
enum Hashes {
    Memory(Arc<Mutex<HashMap<Subject, String>>>),
    Sqlite(SqlitePool),
}

impl Users {
    /// The shortest password that a user may choose, in characters.
    pub const MIN_PASSWORD: usize = 8;

    /// Keeps the passwords in this process.
    ///
    /// # Errors
    /// [`UsersError::Password`].
    pub async fn in_memory(accounts: Vec<Account>) -> Result<Self, UsersError> {
        Self::new(accounts, Hashes::Memory(Arc::default())).await
    }

    /// Keeps the passwords in a table beside the sessions. One that is there already stays, so
    /// that a changed password survives a restart.
    ///
    /// # Errors
    /// [`UsersError`].
    pub async fn in_sqlite(accounts: Vec<Account>, pool: SqlitePool) -> Result<Self, UsersError> {
        sqlx::query(
            "CREATE TABLE IF NOT EXISTS users (
                name TEXT PRIMARY KEY, password_hash TEXT NOT NULL
            ) STRICT",
        )
        .execute(&pool)
        .await?;
        Self::new(accounts, Hashes::Sqlite(pool)).await
    }

    async fn new(accounts: Vec<Account>, hashes: Hashes) -> Result<Self, UsersError> {
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
        let account = subject.and_then(|subject| self.accounts.get(&subject));
        let hash = match account {
            Some(account) => self.hashes.get(&account.subject).await?,
            None => None,
        };
        let right = self.passwords.verify(password, hash.as_deref()).await?;
        Ok(account.filter(|_| right))
    }

    /// Stores a new password, which the caller has checked against [`Self::MIN_PASSWORD`].
    ///
    /// # Errors
    /// [`UsersError`]: whether it was stored is then unknown.
    pub async fn set_password(&self, subject: &Subject, password: &str) -> Result<(), UsersError> {
        let hash = self.passwords.hash(password).await?;
        self.hashes.replace(subject, hash).await
    }
}

impl Hashes {
    async fn get(&self, subject: &Subject) -> Result<Option<String>, UsersError> {
        Ok(match self {
            Self::Memory(hashes) => lock(hashes).get(subject).cloned(),
            Self::Sqlite(pool) => {
                sqlx::query_scalar("SELECT password_hash FROM users WHERE name = ?")
                    .bind(subject.as_str())
                    .fetch_optional(pool)
                    .await?
            }
        })
    }

    /// Unless there is one; another process may have been faster.
    async fn insert(&self, subject: &Subject, hash: String) -> Result<(), UsersError> {
        match self {
            Self::Memory(hashes) => {
                lock(hashes).entry(subject.clone()).or_insert(hash);
            }
            Self::Sqlite(pool) => {
                sqlx::query(
                    "INSERT INTO users (name, password_hash) VALUES (?, ?)
                     ON CONFLICT (name) DO NOTHING",
                )
                .bind(subject.as_str())
                .bind(hash)
                .execute(pool)
                .await?;
            }
        }
        Ok(())
    }

    async fn replace(&self, subject: &Subject, hash: String) -> Result<(), UsersError> {
        match self {
            Self::Memory(hashes) => {
                lock(hashes).insert(subject.clone(), hash);
            }
            Self::Sqlite(pool) => {
                sqlx::query("UPDATE users SET password_hash = ? WHERE name = ?")
                    .bind(hash)
                    .bind(subject.as_str())
                    .execute(pool)
                    .await?;
            }
        }
        Ok(())
    }
}

/// No code panics while it holds the lock, so what it guards is whole.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A fault of the server while it looked at a user.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum UsersError {
    /// The password could be neither hashed nor checked.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// The database could not be asked.
    #[error("the users cannot be read or written: {0}")]
    Sqlite(#[from] sqlx::Error),
}

impl From<UsersError> for Rejection {
    /// Neither the client nor the password is to blame.
    fn from(error: UsersError) -> Self {
        tracing::error!(
            error = &error as &dyn std::error::Error,
            "a user was not looked up"
        );
        Self::server_error()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};

    fn accounts() -> Vec<Account> {
        vec!["alice:wonderland:notes:read".parse().unwrap()]
    }

    async fn in_a_file(path: &std::path::Path) -> Users {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true);
        let pool = SqlitePoolOptions::new()
            .connect_with(options)
            .await
            .unwrap();
        Users::in_sqlite(accounts(), pool).await.unwrap()
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
        users.set_password(&alice, "looking-glass").await.unwrap();
        let old = users.authenticate("alice", "wonderland").await.unwrap();
        let new = users.authenticate("alice", "looking-glass").await.unwrap();
        assert!(old.is_none() && new.is_some());
    }

    #[tokio::test]
    async fn users_in_memory() {
        check(&Users::in_memory(accounts()).await.unwrap()).await;
    }

    #[tokio::test]
    async fn a_changed_password_survives_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("users.db");
        check(&in_a_file(&path).await).await;
        let users = in_a_file(&path).await;
        let new = users.authenticate("alice", "looking-glass").await.unwrap();
        assert!(new.is_some());
    }
}
