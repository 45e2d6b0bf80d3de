//! Nonces that the server gives out, so that a proof cannot be made long before it is used
//! ([RFC 9449 section 8](https://www.rfc-editor.org/rfc/rfc9449#section-8)). Nothing is stored: a nonce is a
//! MAC of the time.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::{constant_time, hmac};

use crate::jose::base64url;
use crate::types::time::UnixTime;

/// How long one nonce is the current one. It is accepted in the slot before and after too, since clocks of
/// nodes differ and clients keep the one of their last refresh, which is about so old.
const SLOT: Duration = Duration::from_secs(5 * 60);

/// The keys of nonces: the first makes them, and each accepts its own. All nodes of one server have the same
/// ones, another server has others. Clones share them.
#[derive(Clone)]
pub struct NonceKeys(Arc<[hmac::Key]>);

impl NonceKeys {
    /// Keys made of secrets of 32 bytes, the current one first.
    pub fn new(secrets: impl IntoIterator<Item = [u8; 32]>) -> Self {
        let key = |secret: [u8; 32]| hmac::Key::new(hmac::HMAC_SHA256, &secret);
        Self(secrets.into_iter().map(key).collect())
    }

    pub(crate) fn of_keys(keys: impl IntoIterator<Item = hmac::Key>) -> Self {
        Self(keys.into_iter().collect())
    }

    /// The nonce to give out now; `None` if there is no key.
    pub fn current(&self, now: UnixTime) -> Option<Nonce> {
        Some(make(self.0.first()?, slot(now)))
    }

    /// Whether a nonce is one of the previous, the current or the next slot.
    pub fn accept(&self, nonce: &str, now: UnixTime) -> bool {
        let slot = slot(now);
        // The usual one first.
        let slots = [slot, slot.saturating_sub(1), slot.saturating_add(1)];
        self.0.iter().any(|key| {
            slots.iter().any(|slot| {
                let own = make(key, *slot);
                constant_time::verify_slices_are_equal(&own.0, nonce.as_bytes()).is_ok()
            })
        })
    }
}

impl fmt::Debug for NonceKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NonceKeys([redacted])")
    }
}

/// A nonce for the client's next proof. It is no secret, and not that of a rotation, which a session's record has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nonce([u8; LENGTH]);

/// 128 bits in base64url.
const LENGTH: usize = 22;

impl Nonce {
    /// The value of the field `DPoP-Nonce`.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("base64url is ASCII")
    }
}

fn slot(now: UnixTime) -> u64 {
    now.as_secs() / SLOT.as_secs()
}

fn make(key: &hmac::Key, slot: u64) -> Nonce {
    let tag = hmac::sign(key, &slot.to_be_bytes());
    let half = tag.as_ref().get(..16).expect("HMAC-SHA256 has 32 bytes");
    let mut text = [0; LENGTH];
    base64url::encode_into(half, &mut text);
    Nonce(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nonce_is_good_for_its_slot_and_the_one_after() {
        let keys = NonceKeys::new([[1; 32]]);
        let start = UnixTime::EPOCH + SLOT * 1000;
        let nonce = keys.current(start).unwrap();
        assert_eq!(
            nonce,
            keys.current(start + SLOT - Duration::from_secs(1)).unwrap()
        );
        for (at, good) in [
            // The clock of the node that gave it out was ahead.
            (start - Duration::from_secs(1), true),
            (start - SLOT - Duration::from_secs(1), false),
            (start, true),
            (start + 2 * SLOT - Duration::from_secs(1), true),
            (start + 2 * SLOT, false),
        ] {
            assert_eq!(keys.accept(nonce.as_str(), at), good, "{at}");
        }
        for other in ["", "AAAAAAAAAAAAAAAAAAAAAA", &nonce.as_str()[1..]] {
            assert!(!keys.accept(other, start), "{other}");
        }
        assert_eq!(format!("{keys:?}"), "NonceKeys([redacted])");
    }

    #[test]
    fn keys_can_be_replaced() {
        let (old, new) = ([1; 32], [2; 32]);
        let nonce = NonceKeys::new([old]).current(UnixTime::EPOCH).unwrap();
        assert!(NonceKeys::new([new, old]).accept(nonce.as_str(), UnixTime::EPOCH));
        assert!(!NonceKeys::new([new]).accept(nonce.as_str(), UnixTime::EPOCH));
        assert_eq!(NonceKeys::new([]).current(UnixTime::EPOCH), None);
    }
}
