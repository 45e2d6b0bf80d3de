//! `UntrustedProof → VerifiedProof`: the whole pipeline, each rule beside the sentence it comes from.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{self, SHA256, digest};

use crate::binding::dpop::error::ProofError;
use crate::binding::dpop::header::{self, Key};
use crate::binding::dpop::htu::Target;
use crate::binding::dpop::known::KnownKeys;
use crate::binding::dpop::nonce::NonceKeys;
use crate::binding::dpop::payload::Claims;
use crate::binding::thumbprint::Thumbprint;
use crate::jose::base64url::{self, Room};
use crate::jose::jws::{Compact, MAX_PAYLOAD, Part};
use crate::types::time::UnixTime;

/// How old a proof may be. Clients make one for each request, and their clocks may be a minute behind.
pub const MAX_AGE: Duration = Duration::from_secs(120);

/// How far the clock of a client may be ahead.
pub const MAX_AHEAD: Duration = Duration::from_secs(60);

/// Text that may be a proof: three parts over the right alphabet, at most 8 KiB. Nothing in it is trusted.
#[derive(Clone, Copy)]
pub struct UntrustedProof<'a>(Compact<'a>);

/// What a proof must say, apart from its key.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "what RFC 9449 section 4.3 lists")]
pub struct Expected<'a> {
    /// The method of the request.
    pub method: &'a str,
    /// The address that was asked.
    pub target: Target<'a>,
    /// The access token that came along, if one did.
    pub token: Option<&'a [u8]>,
    /// The keys of nonces, if the server demands one.
    pub nonces: Option<&'a NonceKeys>,
}

impl<'a> UntrustedProof<'a> {
    /// Splits the text that came with a request, or its bytes.
    ///
    /// # Errors
    /// [`ProofError::Form`], before anything is decoded.
    pub fn parse(text: &'a (impl AsRef<[u8]> + ?Sized)) -> Result<Self, ProofError> {
        Ok(Self(Compact::parse(text.as_ref())?))
    }

    /// Accepts the proof, or says which rule it breaks. `now` is the caller's clock.
    ///
    /// After: compare the key with that of the token or the session, and then remember that the proof was
    /// used ([`UsedProofs`](super::UsedProofs)).
    ///
    /// # Errors
    /// [`ProofError`], one variant a rule, for the log. [`ProofError::Nonce`] is the one after which a client
    /// asks again, and it comes last: the proof is good but for its nonce.
    pub fn verify(
        self,
        expected: &Expected<'_>,
        now: UnixTime,
    ) -> Result<VerifiedProof, ProofError> {
        let key = self.read_key()?;
        self.verify_with(&key, expected, now)
    }

    /// The same, without reading the key again if the header is known. That of an accepted proof is known from
    /// then on.
    ///
    /// # Errors
    /// Those of [`verify`](Self::verify).
    pub fn verify_knowing(
        self,
        known: &KnownKeys,
        expected: &Expected<'_>,
        now: UnixTime,
    ) -> Result<VerifiedProof, ProofError> {
        if let Some(key) = known.find(self.0.header) {
            return self.verify_with(&key, expected, now);
        }
        let key = Arc::new(self.read_key()?);
        let verified = self.verify_with(&key, expected, now)?;
        known.keep(self.0.header, &key);
        Ok(verified)
    }

    fn read_key(&self) -> Result<Key, ProofError> {
        let mut buffer = Room::<MAX_PAYLOAD>::new();
        header::read(self.0.decode(Part::Header, buffer.as_mut_slice())?)
    }

    fn verify_with(
        self,
        key: &Key,
        expected: &Expected<'_>,
        now: UnixTime,
    ) -> Result<VerifiedProof, ProofError> {
        let Self(proof) = self;
        let mut signature = Room::<SIGNATURE>::new();
        // > The JWT signature verifies with the public key contained in the jwk JOSE Header Parameter.
        // RFC 9449 section 4.3
        let signature = base64url::decode(proof.signature, signature.as_mut_slice());
        let signature = signature.ok_or(ProofError::Signature)?;
        if !key.verify(proof.signing_input, signature) {
            return Err(ProofError::Signature);
        }
        let mut buffer = Room::<MAX_PAYLOAD>::new();
        let claims = Claims::read(proof.decode(Part::Payload, buffer.as_mut_slice())?)?;
        expected.check(&claims, now)?;
        // Which proof it is: the same `jti` of another key is another one.
        let mut context = digest::Context::new(&SHA256);
        context.update(key.thumbprint.as_bytes());
        context.update(claims.id.as_bytes());
        let hash = context.finish();
        let (id, _) = hash
            .as_ref()
            .split_first_chunk()
            .expect("SHA-256 has 32 bytes");
        Ok(VerifiedProof {
            thumbprint: key.thumbprint,
            id: *id,
            good_until: claims.issued_at + MAX_AGE,
        })
    }
}

/// The bytes of a signature by either algorithm.
const SIGNATURE: usize = 64;

impl Expected<'_> {
    fn check(&self, claims: &Claims<'_>, now: UnixTime) -> Result<(), ProofError> {
        // > The htm claim matches the HTTP method of the current request.
        // RFC 9449 section 4.3. Methods are case-sensitive.
        if claims.method != self.method {
            return Err(ProofError::Method);
        }
        self.target
            .matches(&claims.target)
            .map_err(ProofError::Target)?;
        // > If presented to a protected resource in conjunction with an access token: Ensure that the value
        // > of the ath claim equals the hash of that access token.
        // RFC 9449 section 4.3
        if let Some(token) = self.token {
            let hash = digest(&SHA256, token);
            let mut text = [0; 43];
            let own = base64url::encode_into(hash.as_ref(), &mut text);
            if claims.token_hash.as_deref() != Some(own) {
                return Err(ProofError::TokenHash);
            }
        }
        // > The creation time of the JWT, as determined by either the iat claim or a server managed
        // > timestamp via the nonce claim, is within an acceptable window.
        // RFC 9449 section 4.3
        let issued = claims.issued_at;
        if issued > now + MAX_AHEAD {
            return Err(ProofError::InFuture { now, issued });
        }
        if now > issued + MAX_AGE {
            return Err(ProofError::Expired { now, issued });
        }
        // > If the server provided a nonce value to the client, the nonce claim matches the server-provided
        // > nonce value.
        // RFC 9449 section 4.3
        let nonce = claims.nonce.as_deref().unwrap_or_default();
        match self.nonces {
            Some(keys) if !keys.accept(nonce, now) => Err(ProofError::Nonce),
            _ => Ok(()),
        }
    }
}

impl fmt::Debug for UntrustedProof<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UntrustedProof([redacted])")
    }
}

/// A proof that is what was expected. There is no other way to make one:
///
/// ```compile_fail,E0451
/// # use token_core::UnixTime;
/// use token_core::binding::Thumbprint;
/// use token_core::binding::dpop::VerifiedProof;
///
/// fn forge(thumbprint: Thumbprint, good_until: UnixTime) -> VerifiedProof {
///     VerifiedProof { thumbprint, id: [0; 16], good_until }
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "it says nothing until its key is compared"]
pub struct VerifiedProof {
    thumbprint: Thumbprint,
    id: [u8; 16],
    good_until: UnixTime,
}

impl VerifiedProof {
    /// The key that made it.
    pub const fn thumbprint(&self) -> Thumbprint {
        self.thumbprint
    }

    /// Tells it from every other one.
    pub(super) const fn id(&self) -> [u8; 16] {
        self.id
    }

    /// When it is too old, inclusive.
    pub(super) const fn good_until(&self) -> UnixTime {
        self.good_until
    }
}
