//! Access tokens as they are issued ([RFC 9068](https://www.rfc-editor.org/rfc/rfc9068)).

use crate::jose::base64url;
use crate::jose::jws::{MAX_LENGTH, MAX_SIGNATURE};
use crate::jose::object::Object;
use crate::keys::error::IssueError;
use crate::keys::public::VerifyingKey;
use crate::keys::ring::KeyRing;
use crate::types::name::{Audience, Issuer};
use crate::types::secret::{SecretText, secret_text};

secret_text! {
    /// An access token in compact form. It is a credential: redacted in `Debug`, wiped when dropped,
    /// and read through [`Self::secret`] alone.
    ///
    /// ```compile_fail,E0277
    /// fn answer(token: &token_core::AccessToken) -> String {
    ///     serde_json::to_string(token).unwrap()
    /// }
    /// ```
    /// ```compile_fail,E0277
    /// fn log(token: &token_core::AccessToken) {
    ///     println!("{token}");
    /// }
    /// ```
    AccessToken
}

impl KeyRing {
    /// Signs an access token with the current key.
    pub(crate) fn sign_access(&self, claims: &[u8]) -> Result<AccessToken, IssueError> {
        let unsigned = self.prepare_access(claims)?;
        let mut signature = [0; MAX_SIGNATURE];
        let input = unsigned.signing_input().as_bytes();
        let length = self.current().sign(input, &mut signature)?;
        Ok(unsigned.with(signature.get(..length).unwrap_or_default()))
    }

    /// All of an access token but its signature.
    pub(crate) fn prepare_access(&self, claims: &[u8]) -> Result<UnsignedToken, IssueError> {
        let signature = self.current().verifying_key().signature_length();
        let parts = base64url::encoded_length(claims.len()) + base64url::encoded_length(signature);
        let length = self.header().len() + parts + 2;
        if length > MAX_LENGTH {
            return Err(IssueError::TooLong { length });
        }
        let mut token = SecretText(String::with_capacity(length));
        token.0.push_str(self.header());
        token.0.push('.');
        base64url::encode(claims, &mut token.0);
        Ok(UnsignedToken(token))
    }
}

/// Whether a token with so many bytes of claims is short enough with the longest header and the longest
/// signature that there are.
pub(crate) fn fits_any_key(claims: usize) -> Result<(), IssueError> {
    let parts = [LONGEST_HEADER, claims, MAX_SIGNATURE].map(base64url::encoded_length);
    let length = parts.iter().sum::<usize>() + 2;
    if length > MAX_LENGTH {
        return Err(IssueError::TooLong { length });
    }
    Ok(())
}

/// `{"alg":"…","kid":"…","typ":"at+jwt"}` with an algorithm of 7 bytes and an id of 255.
const LONGEST_HEADER: usize = 34 + 7 + 255;

/// The first two parts of a token, with room for the third.
pub(crate) struct UnsignedToken(SecretText);

impl UnsignedToken {
    /// What is to be signed ([RFC 7515 section 5.1](https://www.rfc-editor.org/rfc/rfc7515#section-5.1)).
    pub(crate) fn signing_input(&self) -> &str {
        &self.0.0
    }

    /// The token, with a signature that was made elsewhere and fits.
    pub(crate) fn signed(
        self,
        signature: &[u8],
        key: &VerifyingKey,
    ) -> Result<AccessToken, IssueError> {
        if key.verify(self.signing_input().as_bytes(), signature) {
            Ok(self.with(signature))
        } else {
            let id = key.id().clone();
            Err(IssueError::Signature { id })
        }
    }

    fn with(mut self, signature: &[u8]) -> AccessToken {
        self.0.0.push('.');
        base64url::encode(signature, &mut self.0.0);
        AccessToken(self.0)
    }
}

/// The claims that every access token of an issuer for an audience begins with.
pub(crate) fn begin(json: &mut Object, issuer: &Issuer, audience: &Audience) {
    json.text("iss", issuer.as_str());
    json.text("aud", audience.as_str());
}

/// What stands between one member of an object and the name of the next.
pub(crate) const BEFORE_NAME: &[u8] = b",\"";

/// The text with which the claims of every such token begin, up to the name of the next claim.
pub(crate) fn beginning(issuer: &Issuer, audience: &Audience) -> Vec<u8> {
    let mut json = Object::with_capacity(64);
    begin(&mut json, issuer, audience);
    let mut text = json.finish("");
    text.pop(); // the brace that closes it
    text.extend_from_slice(BEFORE_NAME);
    text
}
