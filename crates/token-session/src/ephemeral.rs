//! Keys for trying things out.

use rand::Rng as _;
use rand::rand_core::UnwrapErr;
use rand::rngs::SysRng;
use token_core::keys::KeyError;
use token_core::{
    Algorithm, Audience, Issuer, KeyId, KeyRing, Policy, RefreshKey, RefreshKeyRing, SigningKey,
    TokenIssuer,
};
use zeroize::Zeroizing;

use crate::entropy::{EntropySource, SystemEntropy};

/// An issuer whose keys live as long as the process: for a first try and for tests.
///
/// When the process ends, everybody is logged out, and two processes do not know each other's
/// tokens. An application keeps its keys, for example in a file with `token-keys`.
///
/// # Errors
/// [`KeyError`] if no key can be generated.
pub fn ephemeral_issuer(
    issuer: Issuer,
    audience: Audience,
    policy: Policy,
) -> Result<TokenIssuer, KeyError> {
    let mut secret = Zeroizing::new([0; 32]);
    UnwrapErr(SysRng).fill_bytes(&mut *secret);
    let kid = KeyId::new("ephemeral").expect("a name");
    let refresh = RefreshKey::new(kid, &*secret).expect("32 bytes");
    let access = SigningKey::generate(Algorithm::EdDSA, SystemEntropy.draw())?;
    Ok(TokenIssuer::builder(issuer, audience)
        .policy(policy)
        .build(KeyRing::new(access), RefreshKeyRing::new(refresh)))
}
