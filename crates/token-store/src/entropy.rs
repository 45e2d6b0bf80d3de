//! Where the driver takes random bytes from.

use rand::Rng;
use token_core::secret::Entropy;
use zeroize::Zeroizing;

/// Gives random bytes. Whoever can guess them can guess session ids and refresh tokens.
pub trait EntropySource: Send + Sync + 'static {
    /// 64 bytes that were never given before.
    fn draw(&self) -> Entropy;
}

/// The thread's generator: ChaCha, seeded and reseeded by the operating system.
#[derive(Clone, Copy, Debug, Default)]
pub struct ThreadEntropy;

impl EntropySource for ThreadEntropy {
    fn draw(&self) -> Entropy {
        let mut bytes = Zeroizing::new([0; 64]);
        rand::rng().fill_bytes(&mut *bytes);
        Entropy::new(*bytes)
    }
}
