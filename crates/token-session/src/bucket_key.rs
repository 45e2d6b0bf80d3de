//! The key by which a store puts subjects into buckets.

use std::fmt;

use aws_lc_rs::hmac;
use token_core::Subject;
use token_core::types::Bucket;

/// The key behind [`Bucket`]s. It belongs to the data: a store makes it once, keeps it with
/// the sessions, and never changes it. Without a key anyone could choose names that all
/// fall into one bucket.
#[derive(Clone)]
pub struct BucketKey(hmac::Key);

impl BucketKey {
    /// Makes a key of the 32 random bytes that a store keeps.
    pub fn new(bytes: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, bytes))
    }

    /// The bucket of a subject.
    pub fn bucket(&self, subject: &Subject) -> Bucket {
        let tag = hmac::sign(&self.0, subject.as_str().as_bytes());
        let [first, ..] = tag.as_ref() else {
            unreachable!("HMAC-SHA256 has 32 bytes")
        };
        Bucket(*first)
    }
}

impl fmt::Debug for BucketKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BucketKey([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bucket_of_a_subject_depends_on_the_key_alone() {
        let alice = Subject::new("alice").unwrap();
        let buckets: Vec<Bucket> = (0..9)
            .map(|byte| BucketKey::new(&[byte; 32]).bucket(&alice))
            .collect();
        assert!(buckets.iter().any(|bucket| *bucket != buckets[0]));
        assert_eq!(BucketKey::new(&[0; 32]).bucket(&alice), buckets[0]);
    }
}
