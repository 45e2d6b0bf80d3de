//! The authenticators of the users, in memory. Yours are in a database.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard};

use hallpass::Subject;
use sha2::{Digest as _, Sha256};
use totp_rs::{Builder, Secret, Totp};

/// After so many wrong codes in a row only a recovery code is accepted. Anyone who knows the password can
/// begin one login after another, and of a million codes three are right at any time.
const MOST_WRONG: u32 = 20;

/// What is stored. Encrypt it: unlike the hash of a password, the secret is all that a code needs.
pub(crate) struct Authenticator {
    pub(crate) totp: Totp,
    /// The period of 30 seconds of the last code that was accepted.
    last_period: u64,
    wrong: u32,
    /// SHA-256 of those that are left. They have 80 random bits, so no slower hash is needed.
    recovery_codes: BTreeSet<[u8; 32]>,
}

impl Authenticator {
    /// A new one, and its recovery codes, which nobody sees again.
    pub(crate) fn new(user: &str) -> (Self, Vec<String>) {
        let code = |_| Secret::generate().to_base32().split_off(16);
        let codes: Vec<String> = (0..8).map(code).collect();
        let totp = Builder::new().with_account_name(user);
        let authenticator = Self {
            totp: totp.with_issuer(Some("Example")).build_noncompliant(),
            last_period: 0,
            wrong: 0,
            recovery_codes: codes
                .iter()
                .map(|code| Sha256::digest(code).into())
                .collect(),
        };
        (authenticator, codes)
    }

    /// Whether this is a code or a recovery code that was not used before. It is used now.
    fn accepts(&mut self, code: &str) -> bool {
        let period = self.totp.check_current(code);
        let new = period.filter(|period| self.wrong < MOST_WRONG && *period > self.last_period);
        self.last_period = new.unwrap_or(self.last_period);
        let hash: [u8; 32] = Sha256::digest(code).into();
        let accepted = new.is_some() || self.recovery_codes.remove(&hash);
        self.wrong = if accepted { 0 } else { self.wrong + 1 };
        accepted
    }
}

/// By the name of the user. The lock keeps two requests from using the same code; in a database a transaction does.
pub(crate) fn users() -> MutexGuard<'static, BTreeMap<String, Authenticator>> {
    static USERS: Mutex<BTreeMap<String, Authenticator>> = Mutex::new(BTreeMap::new());
    USERS.lock().expect("nobody panics with it")
}

/// Whether the user has an authenticator that accepts this code.
pub(crate) fn accepts(user: &Subject, code: &str) -> bool {
    users()
        .get_mut(user.as_str())
        .is_some_and(|one| one.accepts(code))
}
