//! What proves a session of another system.

use std::fmt;

use aws_lc_rs::{digest, hmac};

use crate::session::refresh_token::RefreshKey;
use crate::types::secret::TokenSecret;

/// What proves a session of another system, in a form of which there is only one: the decoded bytes and
/// not one of several spellings, what was signed and not the signature. A second spelling would be a
/// second session, also after a logout of the first.
#[derive(Clone, Copy)]
#[expect(
    clippy::exhaustive_structs,
    reason = "a credential and where it is from"
)]
pub struct OldCredential<'a> {
    /// The system that it is from. Equal bytes of two systems have nothing to do with each other.
    pub system: &'a str,
    /// Its bytes, a secret; and whose it is, if that system may give it to two users after each other.
    pub bytes: &'a [u8],
}

impl fmt::Debug for OldCredential<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OldCredential")
            .field("system", &self.system)
            .finish_non_exhaustive()
    }
}

impl OldCredential<'_> {
    /// The first secret of the session that takes the old one's place: the same for each request with the same
    /// old credential, and nobody can compute it without the key.
    pub(super) fn secret(&self, key: &RefreshKey) -> TokenSecret {
        let mut context = hmac::Context::with_key(&key.adoption);
        self.parts(|part| context.update(part));
        let tag = context.sign();
        let secret = tag.as_ref().try_into().expect("HMAC-SHA256 has 32 bytes");
        TokenSecret::from_bytes(secret)
    }

    /// What is not the bucket of the session's id.
    pub(super) fn id(&self) -> [u8; 17] {
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(b"hallpass adopted session v1");
        self.parts(|part| context.update(part));
        let digest = context.finish();
        let (id, _) = digest
            .as_ref()
            .split_first_chunk()
            .expect("SHA-256 has 32 bytes");
        *id
    }

    /// Its bytes, so that no other credential has the same.
    fn parts(&self, mut update: impl FnMut(&[u8])) {
        // The one part of any length beside the last is preceded by its length.
        update(&(self.system.len() as u64).to_be_bytes());
        update(self.system.as_bytes());
        update(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_bytes_are_not_printed() {
        let (system, bytes) = ("x", b"hidden".as_slice());
        let old = OldCredential { system, bytes };
        assert!(!format!("{old:?}").contains("hidden"));
    }
}
