//! Tokens that were verified lately: the next request with the same one needs no cryptography.
//!
//! Most clients show one access token many times. A [`CachedVerifier`] keeps what a [`Verifier`]
//! accepted and answers from there for as long as the verifier itself would: before `exp`, within
//! the maximum age, and, since it is replaced together with its verifier, never after the removal of
//! a key. Revocation is not decided here, and therefore asked each time.
//!
//! Only tokens that were verified get in, so garbage cannot push anything out. The whole token is
//! compared, with one of the same length in constant time (lengths are no secret: they follow from the
//! claims); the hash that finds it is keyed, so that nobody can choose tokens that get in each other's
//! way.

use std::any::{Any, TypeId};
use std::fmt;
use std::hash::{BuildHasher as _, Hash as _, Hasher as _, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::de::DeserializeOwned;
use token_core::binding::dpop::VerifiedProof;
use token_core::foreign::{ForeignToken, ForeignVerifier};
use token_core::{UnixTime, UntrustedToken, VerifiedToken, Verifier, VerifyError};
use zeroize::Zeroizing;

use self::shard::{Entry, Shard};

mod shard;

/// Enough that threads seldom meet in one.
const SHARDS: usize = 64;

/// What the tables take for one entry, beside the token and its claims.
const OVERHEAD: usize = 256;

/// So much of a token's end is hashed: 96 bits of a signature, which differ even if nothing else
/// does. All of it would take longer than everything else here.
const HASHED: usize = 16;

/// A [`Verifier`] with the tokens that it accepted lately; or a [`ForeignVerifier`] with those.
///
/// ```
/// use token_session::CachedVerifier;
/// # use token_core::{Algorithm, Audience, Entropy, Issuer, KeyRing, NoClaims, SigningKey, UnixTime, Verifier};
/// # let key = SigningKey::generate(Algorithm::EdDSA, Entropy::new([7; 64]))?;
/// # let ring = KeyRing::new(key);
/// # let (issuer, audience) = (Issuer::new("https://id.example")?, Audience::new("a")?);
/// # let verifier = Verifier::builder(issuer, audience).keys(ring.verifying_keys()).build()?;
/// # let now = UnixTime::from_secs(1_700_000_000)?;
/// let verifier = CachedVerifier::new(verifier, 16 << 20); // 16 MiB
/// assert!(verifier.verify::<NoClaims>("garbage", now).is_err());
/// assert_eq!(verifier.counts().hits, 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct CachedVerifier<V = Verifier> {
    verifier: V,
    /// Empty if nothing is to be kept.
    shards: Box<[Counted]>,
    /// SipHash with a random key.
    hasher: RandomState,
    bytes: usize,
}

type Value = Arc<dyn Any + Send + Sync>;

/// A shard with counters of its own, so that threads do not meet in those either.
struct Counted {
    shard: Shard<Value>,
    hits: AtomicU64,
    misses: AtomicU64,
}

/// How often the cache knew the answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CacheCounts {
    /// Tokens that needed no cryptography.
    pub hits: u64,
    /// Tokens that were verified, or refused.
    pub misses: u64,
    /// How many are kept.
    pub entries: usize,
    /// What they take, in bytes, by the estimate of [`CachedVerifier::new`].
    pub bytes: usize,
}

impl<V> CachedVerifier<V> {
    /// Keeps at most about `bytes` of tokens and claims; with 0 nothing is kept.
    ///
    /// What a token takes is estimated as its own length, as much again for the texts of its claims,
    /// the size of their type, and 256 bytes. If your own claims take much more memory than their
    /// text, as a tree of JSON values does, give less.
    pub fn new(verifier: V, bytes: usize) -> Self {
        let shards = if bytes == 0 { 0 } else { SHARDS };
        let shard = || Counted {
            shard: Shard::new(bytes / SHARDS),
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
        };
        Self {
            verifier,
            shards: std::iter::repeat_with(shard).take(shards).collect(),
            hasher: RandomState::new(),
            bytes,
        }
    }

    /// As much room for another verifier, with nothing in it: for when keys were replaced. It goes
    /// on counting.
    #[must_use]
    pub fn renew(&self, verifier: V) -> Self {
        let renewed = Self::new(verifier, self.bytes);
        for (new, old) in renewed.shards.iter().zip(&self.shards) {
            new.hits
                .store(old.hits.load(Ordering::Relaxed), Ordering::Relaxed);
            new.misses
                .store(old.misses.load(Ordering::Relaxed), Ordering::Relaxed);
        }
        renewed
    }

    /// The verifier behind it.
    pub const fn verifier(&self) -> &V {
        &self.verifier
    }

    /// How well it does. Counts since it was made.
    pub fn counts(&self) -> CacheCounts {
        let mut counts = CacheCounts::default();
        for counted in &self.shards {
            let (bytes, entries) = counted.shard.size();
            counts.bytes += bytes;
            counts.entries += entries;
            counts.hits += counted.hits.load(Ordering::Relaxed);
            counts.misses += counted.misses.load(Ordering::Relaxed);
        }
        counts
    }

    /// What this very token says, from what is kept or, if it is new, from `ask`, which also tells
    /// until when it says so, exclusive.
    fn find<T: Send + Sync + 'static>(
        &self,
        token: &[u8],
        now: UnixTime,
        ask: impl FnOnce(UntrustedToken<'_>) -> Result<(T, UnixTime), VerifyError>,
    ) -> Result<Arc<T>, VerifyError> {
        let hash = self.hash(token, TypeId::of::<T>());
        let Some(counted) = self.shard(hash) else {
            return Ok(Arc::new(ask(UntrustedToken::parse(token)?)?.0));
        };
        let known = counted.shard.get(hash, token, now);
        if let Some(Ok(known)) = known.map(Arc::downcast) {
            counted.hits.fetch_add(1, Ordering::Relaxed);
            return Ok(known);
        }
        counted.misses.fetch_add(1, Ordering::Relaxed);
        let (verified, until) = ask(UntrustedToken::parse(token)?)?;
        let verified = Arc::new(verified);
        let entry = Entry {
            token: Zeroizing::new(token.into()),
            value: Arc::clone(&verified) as Value,
            // A clock that is set back asks again.
            from: now,
            until,
            cost: 2 * token.len() + size_of::<T>() + OVERHEAD,
        };
        counted.shard.insert(hash, entry);
        Ok(verified)
    }

    /// One token read as two types is two entries.
    fn hash(&self, token: &[u8], claims: TypeId) -> u64 {
        let (_, end) = token.split_at(token.len().saturating_sub(HASHED));
        let mut hasher = self.hasher.build_hasher();
        hasher.write(end);
        claims.hash(&mut hasher);
        hasher.finish()
    }

    fn shard(&self, hash: u64) -> Option<&Counted> {
        // The map within takes its place from the low bits.
        let index = usize::try_from(hash >> 32).unwrap_or_default();
        self.shards.get(index.checked_rem(self.shards.len())?)
    }
}

impl CachedVerifier {
    /// Accepts a token as [`Verifier::verify`] does: its text, or the bytes that came with a request.
    /// If it is known, nothing is allocated, and nothing is checked but that it is the same and that
    /// it has not expired.
    ///
    /// # Errors
    /// As [`UntrustedToken::parse`] and [`Verifier::verify`].
    pub fn verify<C: DeserializeOwned + Send + Sync + 'static>(
        &self,
        token: impl AsRef<[u8]>,
        now: UnixTime,
    ) -> Result<Arc<VerifiedToken<C>>, VerifyError> {
        self.verify_with(token, None, now)
    }

    /// The same for a token that came with a proof, or without one. It is asked for each time: that a token
    /// is known says nothing about who presents it, so [`VerifiedToken::check_proof`] decides here.
    ///
    /// # Errors
    /// As [`UntrustedToken::parse`], [`Verifier::verify`] and [`VerifiedToken::check_proof`].
    pub fn verify_with<C: DeserializeOwned + Send + Sync + 'static>(
        &self,
        token: impl AsRef<[u8]>,
        proof: Option<&VerifiedProof>,
        now: UnixTime,
    ) -> Result<Arc<VerifiedToken<C>>, VerifyError> {
        let token = self.verify_unproven(token, now)?;
        token.check_proof(proof)?;
        Ok(token)
    }

    /// The same whether or not the token is bound to a key, as [`Verifier::verify_unproven`].
    ///
    /// # Errors
    /// As [`UntrustedToken::parse`] and [`Verifier::verify_unproven`].
    pub fn verify_unproven<C: DeserializeOwned + Send + Sync + 'static>(
        &self,
        token: impl AsRef<[u8]>,
        now: UnixTime,
    ) -> Result<Arc<VerifiedToken<C>>, VerifyError> {
        self.find(token.as_ref(), now, |token| {
            let verified: VerifiedToken<C> = self.verifier.verify_unproven(token, now)?;
            let until = self.verifier.believed_until(verified.claims());
            Ok((verified, until))
        })
    }
}

impl CachedVerifier<ForeignVerifier> {
    /// The same for a token of another issuer: accepts it as [`ForeignVerifier::verify`] does.
    ///
    /// # Errors
    /// As [`UntrustedToken::parse`] and [`ForeignVerifier::verify`].
    pub fn verify<C: DeserializeOwned + Send + Sync + 'static>(
        &self,
        token: impl AsRef<[u8]>,
        now: UnixTime,
    ) -> Result<Arc<ForeignToken<C>>, VerifyError> {
        self.find(token.as_ref(), now, |token| {
            let verified: ForeignToken<C> = self.verifier.verify(token, now)?;
            let until = self.verifier.believed_until(verified.claims());
            Ok((verified, until))
        })
    }
}

impl<V: fmt::Debug> fmt::Debug for CachedVerifier<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CachedVerifier")
            .field("verifier", &self.verifier)
            .field("counts", &self.counts())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde::Deserialize;

    use super::*;
    use token_core::session::rule::{self, Login};
    use token_core::session::{Committed, Credentials, Device, Epoch};
    use token_core::types::Bucket;
    use token_core::{
        Algorithm, Authentication, CustomClaims, Entropy, KeyRing, NoClaims, RefreshKey,
        RefreshKeyRing, SigningKey, TokenIssuer, Transport,
    };

    const LIFE: Duration = Duration::from_mins(5);

    fn now() -> UnixTime {
        UnixTime::from_secs(1_700_000_000).unwrap()
    }

    fn ring() -> KeyRing {
        let key = SigningKey::from_secret(&[42; 32], Algorithm::HS256).unwrap();
        KeyRing::new(key)
    }

    fn cached(bytes: usize, max_age: Duration) -> CachedVerifier {
        let verifier = Verifier::builder("i".parse().unwrap(), "a".parse().unwrap());
        let verifier = verifier
            .keys(ring().verifying_keys())
            .max_age(max_age)
            .build()
            .unwrap();
        CachedVerifier::new(verifier, bytes)
    }

    /// A token of a session of its own.
    fn token(number: u8) -> String {
        let refresh_key = RefreshKey::new("r1".parse().unwrap(), &[7; 32]).unwrap();
        let issuer = TokenIssuer::builder("i".parse().unwrap(), "a".parse().unwrap())
            .build(ring(), RefreshKeyRing::new(refresh_key));
        let login = Login {
            subject: "alice".parse().unwrap(),
            epoch: Epoch::default(),
            client_id: "web".parse().unwrap(),
            transport: Transport::Header,
            scope: "notes:read".parse().unwrap(),
            authentication: Authentication::password(now()),
            remember: false,
            claims: CustomClaims::from_json(r#"{"name":"Alice"}"#).unwrap(),
            device: Device::default(),
        };
        let random = || Entropy::new([number; 64]);
        let (policy, keys, bucket) = (&issuer.policy, &issuer.refresh_keys, Bucket(0));
        let (session, pending) = rule::open(login, bucket, policy, keys, now(), random());
        let granted = pending.committed(Committed::assertion(session)).unwrap();
        let scope = granted.session().scope.clone();
        let issued = issuer.issue(&granted, &scope, now(), random()).unwrap();
        let Credentials::Tokens(pair) = issued.give_out(&granted).unwrap() else {
            panic!("the transport is `header`");
        };
        pair.access_token.secret().to_owned()
    }

    #[derive(Debug, PartialEq, Deserialize)]
    struct Profile {
        name: Box<str>,
    }

    #[test]
    fn a_token_is_verified_once_and_then_known() {
        let cache = cached(1 << 20, LIFE);
        let token = token(1);
        let first = cache.verify::<NoClaims>(&token, now()).unwrap();
        let second = cache.verify::<NoClaims>(&token, now()).unwrap();
        assert!(Arc::ptr_eq(&first, &second));
        let counts = cache.counts();
        assert_eq!((counts.hits, counts.misses, counts.entries), (1, 1, 1));
    }

    #[test]
    fn a_cached_token_is_not_answered_after_its_end_or_before_it_was_seen() {
        let second = Duration::from_secs(1);
        for (max_age, last) in [
            (Duration::from_hours(1), Duration::from_secs(299)),
            (second * 60, second * 60),
        ] {
            let cache = cached(1 << 20, max_age);
            let token = token(1);
            let known = |at: UnixTime| {
                let before = cache.counts().hits;
                let same = cache
                    .verifier()
                    .verify::<NoClaims>(UntrustedToken::parse(&token).unwrap(), at);
                let answer = cache.verify::<NoClaims>(&token, at);
                assert_eq!(
                    answer.as_deref().map_err(Clone::clone),
                    same.as_ref().map_err(Clone::clone)
                );
                cache.counts().hits > before
            };
            assert!(!known(now()));
            assert!(known(now() + last));
            assert!(!known(now() + last + second));
            assert!(!known(now() - second), "the clock was set back");
        }
    }

    #[test]
    fn a_token_that_differs_in_one_character_is_not_known() {
        let cache = cached(1 << 20, LIFE);
        let token = token(1);
        cache.verify::<NoClaims>(&token, now()).unwrap();
        for position in 0..token.len() {
            let mut other = token.clone().into_bytes();
            other[position] = if other[position] == b'A' { b'B' } else { b'A' };
            let other = String::from_utf8(other).unwrap();
            assert!(
                cache.verify::<NoClaims>(&other, now()).is_err(),
                "{position}"
            );
        }
        assert!(cache.verify::<NoClaims>(&token[1..], now()).is_err());
        assert_eq!(cache.counts().hits, 0);
    }

    #[test]
    fn each_type_of_claims_has_its_own_cache_entry() {
        let cache = cached(1 << 20, LIFE);
        let token = token(1);
        cache.verify::<NoClaims>(&token, now()).unwrap();
        for _ in 0..2 {
            let profile = cache.verify::<Profile>(&token, now()).unwrap();
            assert_eq!(&*profile.claims().custom.name, "Alice");
            cache.verify::<NoClaims>(&token, now()).unwrap();
        }
        assert_eq!((cache.counts().hits, cache.counts().misses), (3, 2));
    }

    #[test]
    fn another_verifier_begins_with_an_empty_cache_and_keeps_the_counts() {
        let cache = cached(1 << 20, LIFE);
        let token = token(1);
        for _ in 0..2 {
            cache.verify::<NoClaims>(&token, now()).unwrap();
        }
        let key = SigningKey::from_secret(&[43; 32], Algorithm::HS256).unwrap();
        let verifier = Verifier::builder("i".parse().unwrap(), "a".parse().unwrap());
        let verifier = verifier.keys([key.verifying_key()]).build().unwrap();
        let cache = cache.renew(verifier);
        assert!(
            cache.verify::<NoClaims>(&token, now()).is_err(),
            "its key was removed"
        );
        let counts = cache.counts();
        assert_eq!((counts.hits, counts.misses, counts.entries), (1, 2, 0));
    }

    #[test]
    fn a_cache_of_zero_bytes_keeps_nothing() {
        let cache = cached(0, LIFE);
        let token = token(1);
        for _ in 0..2 {
            cache.verify::<NoClaims>(&token, now()).unwrap();
        }
        assert_eq!(cache.counts(), CacheCounts::default());
    }

    #[test]
    fn a_full_shard_evicts_what_was_not_asked_for() {
        // One shard has room for three.
        let shard = Shard::new(3 * 100);
        let entry = |hash: u64| Entry {
            token: Zeroizing::new(hash.to_le_bytes().into()),
            value: hash,
            from: now(),
            until: now() + LIFE,
            cost: 100,
        };
        let known = |hash: u64| shard.get(hash, &hash.to_le_bytes(), now()).is_some();
        shard.insert(0, entry(0));
        for hash in 1..1000 {
            assert!(known(0), "what is asked for stays");
            shard.insert(hash, entry(hash));
            assert!(shard.size().0 <= 300);
        }
        assert!(known(999) && !known(500));
        shard.insert(
            7,
            Entry {
                cost: 301,
                ..entry(7)
            },
        );
        assert!(!known(7), "what is too big is not kept");
    }

    #[test]
    fn refused_tokens_evict_nothing() {
        let cache = cached(1 << 20, LIFE);
        let token = token(1);
        cache.verify::<NoClaims>(&token, now()).unwrap();
        for number in 0..10_000 {
            let garbage = format!("{token}{number}");
            assert!(cache.verify::<NoClaims>(&garbage, now()).is_err());
        }
        assert_eq!(cache.counts().entries, 1);
        cache.verify::<NoClaims>(&token, now()).unwrap();
        assert_eq!(cache.counts().hits, 1);
    }
}
