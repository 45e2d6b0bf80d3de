//! The driver's source of random bytes.

use rand::Rng as _;
use rand::rand_core::UnwrapErr;
use rand::rngs::SysRng;
use token_core::Entropy;
use zeroize::Zeroizing;

/// Gives random bytes. An attacker who can guess them can guess session ids and refresh tokens.
pub trait EntropySource: Send + Sync + 'static {
    /// 64 bytes that were never given before.
    fn draw(&self) -> Entropy;
}

/// The operating system's generator, asked each time: it holds no state that a fork could repeat or a
/// dump of the process tell.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemEntropy;

impl EntropySource for SystemEntropy {
    fn draw(&self) -> Entropy {
        let mut bytes = Zeroizing::new([0; 64]);
        UnwrapErr(SysRng).fill_bytes(&mut *bytes);
        Entropy::new(*bytes)
    }
}
