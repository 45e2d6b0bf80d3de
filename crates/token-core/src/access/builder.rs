//! Building a [`Verifier`], with every value checked.

use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;

use crate::access::bounds::Bounds;
use crate::access::sign::beginning;
use crate::access::verify::{Inner, Prepared, Verifier};
use crate::keys::public::VerifyingKey;
use crate::keys::ring::{self, KeyRingError};
use crate::types::name::{Audience, Issuer};

/// Collects what a [`Verifier`] needs.
///
/// ```
/// use std::time::Duration;
/// use token_core::Entropy;
/// use token_core::{Algorithm, Audience, Issuer, KeyRing, SigningKey, Verifier};
///
/// let ring = KeyRing::new(SigningKey::generate(Algorithm::EdDSA, Entropy::new([7; 64]))?);
/// let builder = || {
///     Ok::<_, Box<dyn std::error::Error>>(
///         Verifier::builder(
///             Issuer::new("https://id.example")?,
///             Audience::new("https://api.example")?,
///         )
///         .keys(ring.verifying_keys()),
///     )
/// };
/// assert!(builder()?.build().is_ok());
/// assert_eq!(
///     builder()?.leeway(Duration::from_secs(86_400)).build().unwrap_err().to_string(),
///     "a leeway of 86400 s would accept tokens from the future; use at most 60 s",
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct VerifierBuilder {
    issuer: Issuer,
    audience: Audience,
    keys: Vec<VerifyingKey>,
    leeway: Duration,
    max_age: Duration,
}

impl VerifierBuilder {
    /// Adds keys: those of an issuer's own [`KeyRing`](crate::KeyRing), those of a
    /// [`JwkSet`](crate::keys::JwkSet), or any others. Keys of different algorithms may share an id;
    /// the token's `kid` and `alg` together say which one is meant.
    pub fn keys<'a>(mut self, keys: impl IntoIterator<Item = &'a VerifyingKey>) -> Self {
        for key in keys {
            // Two sources of keys may have some in common.
            if !self.keys.iter().any(|other| key.is_same(other)) {
                self.keys.push(key.clone());
            }
        }
        self
    }

    /// How far the issuer's clock may be ahead, in whole seconds: `iat` and `nbf` may be that far in the
    /// future. `exp` stays exclusive to the second.
    /// Default 5 seconds, the difference of clocks that NTP keeps, with room; at most 60 seconds.
    pub fn leeway(mut self, leeway: Duration) -> Self {
        self.leeway = leeway;
        self
    }

    /// How long after its `iat` a token is believed, whatever its `exp`, in whole seconds.
    /// Default 24 hours, the longest that an access token sensibly lives; 1 second to 31 days.
    pub fn max_age(mut self, max_age: Duration) -> Self {
        self.max_age = max_age;
        self
    }

    /// Checks everything together.
    ///
    /// # Errors
    /// [`VerifierError`], with a sentence that says what to do.
    pub fn build(self) -> Result<Verifier, VerifierError> {
        if self.keys.is_empty() {
            return Err(VerifierError::NoKeys);
        }
        let bounds = bounds(self.leeway, self.max_age)?;
        ring::check_together(self.keys.iter())?;
        let prepare = |key: VerifyingKey| Prepared {
            header: key.token_header().into(),
            key,
        };
        Ok(Verifier(Arc::new(Inner {
            beginning: beginning(&self.issuer, &self.audience).into(),
            issuer: self.issuer,
            audience: self.audience,
            keys: self.keys.into_iter().map(prepare).collect(),
            bounds,
        })))
    }
}

impl Verifier {
    /// Starts with what every verifier must know: whose tokens, and meant for whom.
    ///
    /// There is no way to leave the audience out:
    ///
    /// ```compile_fail,E0061
    /// let issuer = token_core::Issuer::new("https://id.example").unwrap();
    /// token_core::Verifier::builder(issuer);
    /// ```
    pub fn builder(issuer: Issuer, audience: Audience) -> VerifierBuilder {
        VerifierBuilder {
            issuer,
            audience,
            keys: Vec::new(),
            leeway: Duration::from_secs(5),
            max_age: Duration::from_secs(24 * 3600),
        }
    }
}

/// The two bounds of time, if they are sane.
pub(crate) fn bounds(leeway: Duration, max_age: Duration) -> Result<Bounds, VerifierError> {
    // > Implementers MAY provide for some small leeway, usually no more than a few minutes, to
    // > account for clock skew.
    // RFC 7519 section 4.1.5
    if leeway > MAX_LEEWAY {
        return Err(VerifierError::Leeway { leeway });
    }
    if max_age < Duration::from_secs(1) || max_age > MAX_AGE {
        return Err(VerifierError::MaxAge { max_age });
    }
    Ok(Bounds { leeway, max_age })
}

const MAX_LEEWAY: Duration = Duration::from_secs(60);
const MAX_AGE: Duration = Duration::from_secs(31 * 24 * 3600);

/// A configuration that cannot be safe.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum VerifierError {
    /// Keys that do not go together.
    #[error(transparent)]
    Keys(#[from] KeyRingError),
    /// A leeway that is too long.
    #[error("a leeway of {} s would accept tokens from the future; use at most 60 s", leeway.as_secs())]
    Leeway {
        /// What was asked for.
        leeway: Duration,
    },
    /// A maximum age that is too short or too long.
    #[error("a maximum age of {} s is not between one second and 31 days", max_age.as_secs())]
    MaxAge {
        /// What was asked for.
        max_age: Duration,
    },
    /// A profile of foreign tokens that accepts no `typ`, and not its absence either.
    #[error("the profile accepts no `typ`; name one with `types`, or call `untyped`")]
    NoType,
    /// An issuer for several tenants, of which none was chosen.
    #[error(
        "the issuer is a template; name the tenants with `tenant`, or accept all with `any_tenant`, and name their claim in the profile"
    )]
    NoTenant,
    /// A profile that requires a claim it does not know, or has more names than are kept apart.
    #[error(
        "the profile requires a claim that is none of `auth_time`, `client_id`, `jti`, `scope` and `sid`, or has over 64 names for one"
    )]
    Profile,
    /// No key.
    #[error(
        "there is no key to verify with; add the issuer's keys, or look why its set has no usable one"
    )]
    NoKeys,
}
