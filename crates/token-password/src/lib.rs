//! Checks passwords and hashes new ones with argon2id, on blocking threads and with a bounded queue; reads the
//! hashes that other systems have left, and replaces them at the next login.
//!
//! ```
//! # use std::convert::Infallible;
//! use token_password::Passwords;
//!
//! # async fn hash_of(_: &str) -> Option<String> { None }
//! # async fn replace(_: &str, _: &str, _: &str) -> Result<(), Infallible> { Ok(()) }
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let passwords = Passwords::new().await?; // once, at the start
//!
//! // In the handler of the login:
//! let (name, password) = ("alice", "wonderland");
//! let stored = hash_of(name).await; // of your table; `None` if there is no such user
//! let stored = stored.as_deref();
//! let right = passwords
//!     .verify_and_upgrade(password, stored, async |new| {
//!         // UPDATE users SET hash = new WHERE name = … AND hash = stored
//!         replace(name, stored.unwrap_or_default(), new).await
//!     })
//!     .await?;
//! # assert!(!right);
//! # Ok(())
//! # }
//! ```
//!
//! # What is read
//!
//! | stored | from |
//! |---|---|
//! | `$argon2id$…`, `$argon2i$…`, `$argon2d$…`, also without `v=` | argon2 in PHC form |
//! | `$2a$…`, `$2b$…`, `$2y$…` | bcrypt: Python, PHP, npm, Rails, Supabase |
//! | `$scrypt$ln=…`, `$pbkdf2-sha256$i=…`, `$pbkdf2-sha512$i=…` | PHC form |
//! | `pbkdf2_sha256$…`, `scrypt$…`, `bcrypt$…`, `bcrypt_sha256$…`, `argon2$…` | Django |
//! | `scrypt:32768:8:1$…`, `pbkdf2:sha256:…$…` | Werkzeug (Flask) |
//! | 32 hexadecimal digits, `:`, 128 more | better-auth |
//! | `!…` | users without a password: always wrong |
//! | anything else | your own [`OtherForm`] |
//!
//! A password with a NUL is wrong for each of these but argon2: with bcrypt, PBKDF2 and scrypt it has the hash of others.
//! Hashes of users of better-auth stay if the password is not ASCII: better-auth accepts it in several spellings, a new
//! hash would accept one.
//!
//! All but argon2 and [`OtherForm`] need the feature `import`.
//!
//! Applications depend on the crate `hallpass`, in which this one is the module `password` (feature
//! `password`, and `password-import` for the hashes of other systems).

mod error;
mod form;
#[cfg(feature = "import")]
mod import;
mod passwords;
mod phc;

pub use error::PasswordError;
pub use form::OtherForm;
pub use passwords::{Passwords, PasswordsBuilder};
