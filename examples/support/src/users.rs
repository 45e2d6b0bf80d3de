//! The users of a demo. Their names come from the flags, their passwords are stored.

use std::collections::HashMap;
use std::sync::Arc;

use hallpass::http::Rejection;
use hallpass::password::{PasswordError, Passwords};
use hallpass::{StoreUrl, Subject};
use thiserror::Error;

use crate::account::Account;
use crate::hashes::{Hashes, HashesError};

/// All users who may log in. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Users {
    accounts: Arc<HashMap<Subject, Account>>,
    passwords: Passwords,
    hashes: Hashes,
}

impl Users {
    /// The shortest password that a user may choose, in characters.
    pub const MIN_PASSWORD: usize = 8;

    /// Opens the passwords, which are kept in the store of the sessions. A password that is there
    /// already stays, so that a changed one survives a restart, and the log says so; but not one that
    /// everybody knows, from a time when the store had the demo users.
    ///
    /// The second value is whose sessions have to end, since anyone may have opened them with
    /// such a password.
    ///
    /// # Errors
    /// [`UsersError`].
    pub async fn open(
        accounts: Vec<Account>,
        store: &StoreUrl,
    ) -> Result<(Self, Vec<Subject>), UsersError> {
        let hashes = Hashes::open(store).await?;
        let passwords = Passwords::new().await?;
        // A demo user who may not log in any more.
        let mut exposed: Vec<Subject> = Account::demo().into_iter().map(|a| a.subject).collect();
        exposed.retain(|name| accounts.iter().all(|account| account.subject != *name));
        for account in &accounts {
            let name = &account.subject;
            let Some(stored) = hashes.get(name).await? else {
                let hash = passwords.hash(&account.password).await?;
                hashes.insert(name, hash).await?;
                continue;
            };
            if passwords.verify(&account.password, Some(&stored)).await? {
                continue;
            }
            let mut demo = Account::demo().into_iter();
            let demo = demo.find(|demo| demo.subject == *name);
            let known = match &demo {
                Some(demo) => passwords.verify(&demo.password, Some(&stored)).await?,
                None => false,
            };
            if known {
                let hash = passwords.hash(&account.password).await?;
                let _ = hashes.replace(name, &stored, hash).await?;
                exposed.push(name.clone());
                tracing::warn!(user = %name, "the password of the demo user is replaced by the one of --user");
            } else {
                tracing::warn!(
                    user = %name,
                    "the stored password is another one than the flags say, and stays: the user may \
                     have changed it"
                );
            }
        }
        let named = accounts.into_iter().map(|a| (a.subject.clone(), a));
        let users = Self {
            accounts: Arc::new(named.collect()),
            passwords,
            hashes,
        };
        Ok((users, exposed))
    }

    /// The user of that name, if there is one and the password is right. It takes as long if there is
    /// no such user.
    ///
    /// # Errors
    /// [`UsersError`] if the server cannot check the password.
    pub async fn authenticate(
        &self,
        name: &str,
        password: &str,
    ) -> Result<Option<&Account>, UsersError> {
        let subject = Subject::new(name).ok();
        // Looked up for every name, so that the time does not tell users from strangers.
        let hash = match &subject {
            Some(subject) => self.hashes.get(subject).await?,
            None => None,
        };
        let account = subject.and_then(|subject| self.accounts.get(&subject));
        let right = self.passwords.verify(password, hash.as_deref()).await?;
        Ok(account.filter(|_| right))
    }

    /// Stores a new password if the present one is right.
    ///
    /// If the present one is wrong, the answer to a first request may have been lost: ask
    /// [`has_changed`](Self::has_changed).
    ///
    /// # Errors
    /// [`UsersError`] if it is not known whether the password was stored.
    pub async fn change_password(
        &self,
        subject: &Subject,
        present: &str,
        new: &str,
    ) -> Result<PasswordChange, UsersError> {
        let stored = self.hashes.get(subject).await?;
        let right = self.passwords.verify(present, stored.as_deref()).await?;
        let Some(stored) = stored.filter(|_| right) else {
            return Ok(PasswordChange::WrongPassword);
        };
        if new.chars().count() < Self::MIN_PASSWORD {
            return Ok(PasswordChange::Unacceptable);
        }
        let hash = self.passwords.hash(new).await?;
        // Not if another request has changed it meanwhile: who knew only the password of before must not
        // take back the change.
        Ok(if self.hashes.replace(subject, &stored, hash).await? {
            PasswordChange::Done
        } else {
            PasswordChange::WrongPassword
        })
    }

    /// Whether the new password is stored already. The answer to a change may be lost, and then the
    /// client asks again with what is now the old password. It knows the new one, and should get the
    /// credential that it missed.
    ///
    /// This tries a second password, so it counts as an attempt of its own.
    ///
    /// # Errors
    /// [`UsersError`] if the server cannot check the password.
    pub async fn has_changed(&self, subject: &Subject, new: &str) -> Result<bool, UsersError> {
        let user = self.authenticate(subject.as_str(), new).await?;
        Ok(user.is_some())
    }
}

/// The result of a change of password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
#[expect(clippy::exhaustive_enums, reason = "the contract has these outcomes")]
pub enum PasswordChange {
    /// The new password is stored.
    Done,
    /// The new password is shorter than [`Users::MIN_PASSWORD`]; nothing has changed.
    Unacceptable,
    /// The present password is wrong; nothing has changed.
    WrongPassword,
}

/// An error of the server while it checked or stored a password.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum UsersError {
    /// The stored hashes cannot be read or written.
    #[error(transparent)]
    Hashes(#[from] HashesError),
    /// The password could not be hashed.
    #[error(transparent)]
    Password(#[from] PasswordError),
}

impl From<UsersError> for Rejection {
    /// An error of the server, not of the client.
    fn from(error: UsersError) -> Self {
        if matches!(error, UsersError::Password(PasswordError::Busy)) {
            // Counted by the library, and not a line each: there may be thousands.
            tracing::debug!(%error, "a password is not checked");
            return Self::temporarily_unavailable();
        }
        tracing::error!(
            error = &error as &dyn std::error::Error,
            "a user's password cannot be checked or stored"
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
        Users::open(accounts(), store).await.unwrap().0
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
            // The same again, because the answer was lost.
            ("wonderland", "looking-glass", PasswordChange::WrongPassword),
            ("wonderland", "another-glass", PasswordChange::WrongPassword),
        ] {
            assert_eq!(change(present, new).await.unwrap(), expected);
        }
        assert!(users.has_changed(&alice, "looking-glass").await.unwrap());
        assert!(!users.has_changed(&alice, "another-glass").await.unwrap());
        // Of two at once one is stored.
        let change = async |new| change("looking-glass", new).await.unwrap();
        let (one, two) = tokio::join!(change("one-more-glass"), change("two-more-glasses"));
        let stored = match (one, two) {
            (PasswordChange::Done, PasswordChange::WrongPassword) => "one-more-glass",
            (PasswordChange::WrongPassword, PasswordChange::Done) => "two-more-glasses",
            both => panic!("{both:?}"),
        };
        let back = users.change_password(&alice, stored, "looking-glass");
        assert_eq!(back.await.unwrap(), PasswordChange::Done);
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
    async fn a_password_that_everybody_knows_does_not_stay() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("users.db");
        std::fs::write(&file, "").unwrap(); // an empty database
        let store = StoreUrl::Sqlite(file);
        let (demo, exposed) = Users::open(Account::demo(), &store).await.unwrap();
        assert!(exposed.is_empty());
        let alice = demo.authenticate("alice", "wonderland").await.unwrap();
        assert!(alice.is_some());
        let own = |text: &str| vec![text.parse().unwrap()];
        let (users, exposed) = Users::open(own("alice:looking-glass"), &store)
            .await
            .unwrap();
        // Anyone may have logged in as alice; and bob may not any more.
        let mut exposed: Vec<&str> = exposed.iter().map(Subject::as_str).collect();
        exposed.sort_unstable();
        assert_eq!(exposed, ["alice", "bob"]);
        let is_right = async |users: &Users, password| {
            users
                .authenticate("alice", password)
                .await
                .unwrap()
                .is_some()
        };
        assert!(!is_right(&users, "wonderland").await);
        assert!(is_right(&users, "looking-glass").await);
        // Any other password may be the user's own, and stays.
        let (users, exposed) = Users::open(own("alice:another-glass"), &store)
            .await
            .unwrap();
        assert!(exposed.iter().all(|name| name.as_str() != "alice"));
        assert!(is_right(&users, "looking-glass").await);
        assert!(!is_right(&users, "another-glass").await);
    }

    #[tokio::test]
    #[cfg(feature = "sqlite")]
    async fn a_failing_store_does_not_tell_who_exists() {
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
