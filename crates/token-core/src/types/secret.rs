//! Values that must never be seen: redacted in `Debug`, wiped on drop, compared in constant time.

use std::fmt;

use aws_lc_rs::{constant_time, digest};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::jose::base64url;
use crate::types::invalid::InvalidValue;
use crate::types::stored::bytes;

/// Defines a credential in the form of a text: redacted in `Debug` and wiped when dropped.
macro_rules! secret_text {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone)]
        pub struct $name($crate::types::secret::SecretText);

        impl $name {
            /// The text for the client. Handle with care.
            pub fn secret(&self) -> &str {
                &self.0.0
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(concat!(stringify!($name), "([redacted])"))
            }
        }
    };
}

pub(crate) use secret_text;

/// A text that is wiped when it is dropped.
///
/// `Zeroizing<String>` writes its zeroes byte by byte, which for a token takes as long as a hash; a
/// slice is filled at once. Make the text in one piece, with room for all of it: a `String` that grows
/// leaves a copy behind.
#[derive(Clone)]
pub(crate) struct SecretText(pub(crate) String);

impl Drop for SecretText {
    fn drop(&mut self) {
        self.0.as_mut_str().zeroize();
    }
}

/// Bytes that are wiped when they are dropped, like [`SecretText`].
pub(crate) struct SecretBytes(pub(crate) Vec<u8>);

impl Drop for SecretBytes {
    fn drop(&mut self) {
        self.0.as_mut_slice().zeroize();
    }
}

/// The secret part of a refresh token (its `jti`) or of a session cookie: 32 bytes that only the
/// client keeps. A store has the [`TokenHash`]. Secrets are compared by their hashes, in constant time.
#[derive(Clone)]
pub(crate) struct TokenSecret([u8; 32]);

impl Drop for TokenSecret {
    fn drop(&mut self) {
        // A slice is filled at once, an array byte by byte.
        self.0.as_mut_slice().zeroize();
    }
}

impl TokenSecret {
    pub(crate) const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes, for deriving and encoding. Handle with care.
    pub(crate) const fn secret(&self) -> &[u8; 32] {
        &self.0
    }

    /// What a store may keep.
    pub(crate) fn hash(&self) -> TokenHash {
        let digest = digest::digest(&digest::SHA256, &self.0);
        TokenHash(digest.as_ref().try_into().expect("SHA-256 has 32 bytes"))
    }
}

impl fmt::Debug for TokenSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenSecret([redacted])")
    }
}

bytes! {
    /// The SHA-256 of a credential's secret: what a store keeps instead of it.
    ///
    /// A secret of 256 random bits needs no slow hash, as there is nothing to guess. Comparing takes
    /// constant time.
    #[derive(Clone, Copy, Serialize, Deserialize)]
    TokenHash, 32
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
/// They must come from the operating system or a generator seeded by it: anyone who can guess them can
/// guess session ids and refresh tokens. The call that takes them uses them up, so the same bytes never
/// serve two operations:
///
/// ```compile_fail,E0382
/// # use token_core::Entropy;
/// let entropy = Entropy::new([1; 64]);
/// let first = entropy;
/// let second = entropy;
/// ```
pub struct Entropy<const N: usize = 64>([u8; N]);

impl Entropy {
    /// Divides the bytes among two operations that need at most 32 each, such as a rotation and an
    /// access token: asking the operating system once more takes as long as a signature.
    pub fn halves(self) -> (Entropy<32>, Entropy<32>) {
        let (first, second) = self.split();
        (Entropy(first), Entropy(second))
    }
}

impl<const N: usize> Entropy<N> {
    /// Makes entropy of random bytes.
    pub const fn new(bytes: [u8; N]) -> Self {
        Self(bytes)
    }

    /// Splits off the first `A` bytes, then the following `B`.
    pub(crate) fn split<const A: usize, const B: usize>(&self) -> ([u8; A], [u8; B]) {
        const {
            assert!(
                A + B <= N,
                "an operation uses no more bytes than it was given"
            );
        };
        let (first, rest) = self.0.split_at(A);
        let first = first.try_into().expect("split at A");
        let second = rest.get(..B).and_then(|bytes| bytes.try_into().ok());
        (first, second.expect("A + B <= N"))
    }
}

impl<const N: usize> Drop for Entropy<N> {
    fn drop(&mut self) {
        self.0.as_mut_slice().zeroize();
    }
}

impl<const N: usize> ZeroizeOnDrop for Entropy<N> {}

impl<const N: usize> fmt::Debug for Entropy<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Entropy([redacted])")
    }
}

/// Decodes base64url without padding into exactly `N` bytes; `kind` names the value in the error.
pub(crate) fn decode_exact<const N: usize>(
    kind: &'static str,
    text: &str,
) -> Result<[u8; N], InvalidValue> {
    let mut bytes = [0; N];
    match base64url::decode(text.as_bytes(), &mut bytes[..]) {
        Some(decoded) if decoded.len() == N => Ok(bytes),
        _ => Err(InvalidValue::Form { kind }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_has_one_spelling() {
        let text = base64url::to_text(&[255; 32]);
        let read = |text| decode_exact::<32>("secret", text);
        assert_eq!(read(&text), Ok([255; 32]));
        let mut trailing = text.clone();
        trailing.replace_range(42.., "9"); // same bytes, other unused bits
        for wrong in [
            "",
            "AA",
            &format!("{text}A"),
            &format!("{text}="),
            &trailing,
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn hashes_and_entropy_are_redacted() {
        let secret = TokenSecret::from_bytes([1; 32]);
        assert_eq!(secret.hash(), secret.hash());
        assert_ne!(secret.hash(), TokenSecret::from_bytes([2; 32]).hash());
        assert_eq!(format!("{secret:?}"), "TokenSecret([redacted])");
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
        let (first, second) = Entropy::new(bytes).halves();
        assert_eq!(first.split::<32, 0>().0, bytes[..32]);
        assert_eq!(second.split::<32, 0>().0, bytes[32..]);
    }
}
