//! Values that must never be seen: redacted in `Debug`, wiped on drop, compared in constant time.

use std::fmt;

use aws_lc_rs::{constant_time, digest};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::jose::base64url;

/// The secret part of a refresh token (its `jti`) or of a session cookie: 32 bytes that
/// only the client keeps. A store has the [`TokenHash`].
///
/// ```
/// use token_core::types::TokenSecret;
///
/// let secret = TokenSecret::from_bytes([7; 32]);
/// assert_eq!(format!("{secret:?}"), "TokenSecret([redacted])");
/// ```
///
/// It cannot be printed, and comparing goes through the hash, in constant time:
///
/// ```compile_fail,E0277
/// let secret = token_core::types::TokenSecret::from_bytes([7; 32]);
/// println!("{secret}");
/// ```
/// ```compile_fail,E0369
/// # use token_core::types::TokenSecret;
/// let _ = TokenSecret::from_bytes([7; 32]) == TokenSecret::from_bytes([7; 32]);
/// ```
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct TokenSecret([u8; 32]);

impl TokenSecret {
    /// Takes the bytes over.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Reads 43 characters of base64url without padding.
    ///
    /// # Errors
    /// [`Malformed`] for any other text.
    pub fn from_base64url(text: &str) -> Result<Self, Malformed> {
        let mut bytes = [0; 32];
        decode_exact(text, &mut bytes)?;
        Ok(Self(bytes))
    }

    /// The bytes, for deriving and encoding. Handle with care.
    pub const fn secret(&self) -> &[u8; 32] {
        &self.0
    }

    /// The text that goes into a token or a cookie, wiped when dropped.
    pub fn to_base64url(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(43));
        base64url::encode(&self.0, &mut text);
        text
    }

    /// What a store may keep.
    pub fn hash(&self) -> TokenHash {
        let digest = digest::digest(&digest::SHA256, &self.0);
        TokenHash(digest.as_ref().try_into().expect("SHA-256 has 32 bytes"))
    }
}

impl fmt::Debug for TokenSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenSecret([redacted])")
    }
}

/// The SHA-256 of a [`TokenSecret`]: what a store keeps instead of it.
///
/// A secret of 256 random bits needs no slow hash: there is nothing to guess.
/// Comparing takes constant time.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub struct TokenHash([u8; 32]);

impl TokenHash {
    /// Takes over what a store kept.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes, for a store.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl PartialEq for TokenHash {
    fn eq(&self, other: &Self) -> bool {
        constant_time::verify_slices_are_equal(&self.0, &other.0).is_ok()
    }
}

impl Eq for TokenHash {}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenHash([redacted])")
    }
}

/// 64 random bytes for one operation, from the caller: the core has no source of entropy.
///
/// They must come from the operating system or a generator seeded by it. Whoever can guess
/// them can guess session ids and refresh tokens. It is used up by the call that takes it,
/// so the same bytes never serve twice:
///
/// ```compile_fail,E0382
/// # use token_core::Entropy;
/// let entropy = Entropy::new([1; 64]);
/// let first = entropy;
/// let second = entropy;
/// ```
#[derive(ZeroizeOnDrop)]
pub struct Entropy([u8; 64]);

impl Entropy {
    /// Takes the bytes over.
    pub const fn new(bytes: [u8; 64]) -> Self {
        Self(bytes)
    }

    /// Splits off the first `N` bytes, then the following `M`.
    pub(crate) fn split<const N: usize, const M: usize>(&self) -> ([u8; N], [u8; M]) {
        const { assert!(N + M <= 64, "an operation uses at most 64 bytes") };
        let (first, rest) = self.0.split_at(N);
        let first = first.try_into().expect("split at N");
        let second = rest.get(..M).and_then(|bytes| bytes.try_into().ok());
        (first, second.expect("N + M <= 64"))
    }
}

impl fmt::Debug for Entropy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Entropy([redacted])")
    }
}

/// Decodes base64url without padding that is exactly as long as `out`.
pub(crate) fn decode_exact(text: &str, out: &mut [u8]) -> Result<(), Malformed> {
    let length = out.len();
    match base64url::decode(text.as_bytes(), out) {
        Some(decoded) if decoded.len() == length => Ok(()),
        _ => Err(Malformed),
    }
}

/// Text that is not what it should be, and of which nothing is repeated: it may be a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the text does not have the required form")]
pub struct Malformed;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_has_one_spelling() {
        let text = TokenSecret::from_bytes([255; 32]).to_base64url();
        assert_eq!(
            TokenSecret::from_base64url(&text).unwrap().secret(),
            &[255; 32]
        );
        let mut trailing = text.to_string();
        trailing.replace_range(42.., "9"); // same bytes, other unused bits
        for wrong in [
            "",
            "AA",
            &format!("{}A", *text),
            &format!("{}=", *text),
            &trailing,
        ] {
            assert!(TokenSecret::from_base64url(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn hashes_and_entropy_are_redacted() {
        let secret = TokenSecret::from_bytes([1; 32]);
        assert_eq!(secret.hash(), secret.hash());
        assert_ne!(secret.hash(), TokenSecret::from_bytes([2; 32]).hash());
        assert_eq!(format!("{:?}", secret.hash()), "TokenHash([redacted])");
        assert_eq!(
            format!("{:?}", Entropy::new([3; 64])),
            "Entropy([redacted])"
        );
    }

    #[test]
    fn entropy_is_never_handed_out_twice() {
        let bytes: [u8; 64] = std::array::from_fn(|i| u8::try_from(i).unwrap());
        let (a, b) = Entropy::new(bytes).split::<32, 17>();
        assert_eq!((a[0], a[31], b[0], b[16]), (0, 31, 32, 48));
    }
}
