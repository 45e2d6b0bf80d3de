//! Signatures that are made elsewhere: the seam for a KMS or an HSM.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;

use token_core::VerifyingKey;

/// Signs access tokens with keys that never come into this process.
///
/// It is asked for keys that were made with
/// [`SigningKey::elsewhere`](token_core::SigningKey::elsewhere), once a token pair, and waited
/// for as long as for the store. Every signature is verified with the public half before it is
/// handed out, so a wrong implementation costs logins and refreshes (503), and never a token
/// that nobody accepts. What it costs otherwise: anyone who can call the service that is
/// behind it can be anybody. Refresh tokens are not concerned; their keys are in this process.
///
/// ```
/// use token_session::signer::{Signer, SignerError, SignerFuture};
/// use token_core::VerifyingKey;
///
/// struct Kms(/* its client */);
///
/// impl Signer for Kms {
///     fn sign<'a>(&'a self, key: &'a VerifyingKey, message: &'a [u8]) -> SignerFuture<'a> {
///         Box::pin(async move {
///             let signature = ask(key.id().as_str(), key.algorithm().as_str(), message).await;
///             signature.map_err(SignerError::new)
///         })
///     }
/// }
/// # async fn ask(_: &str, _: &str, _: &[u8]) -> Result<Vec<u8>, std::io::Error> { Ok(vec![]) }
/// ```
pub trait Signer: Send + Sync + 'static {
    /// Signs `message`, as it is and not a hash of it, with the private half of `key` and its
    /// algorithm, in the form of
    /// [RFC 7518 section 3](https://www.rfc-editor.org/rfc/rfc7518#section-3). Of ECDSA that is
    /// R and S beside each other; many services give DER.
    fn sign<'a>(&'a self, key: &'a VerifyingKey, message: &'a [u8]) -> SignerFuture<'a>;
}

/// A signature that is being made.
pub type SignerFuture<'a> = Pin<Box<dyn Future<Output = Result<Vec<u8>, SignerError>> + Send + 'a>>;

/// Why there is no signature, in the words of the service, for the log.
#[derive(Debug)]
pub struct SignerError(Box<dyn Error + Send + Sync>);

impl SignerError {
    /// Keeps the service's own error.
    pub fn new(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self(source.into())
    }
}

impl fmt::Display for SignerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the signer gave no signature")
    }
}

impl Error for SignerError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.0)
    }
}
