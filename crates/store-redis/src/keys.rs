//! What the keys in Redis are called.

use std::fmt;

use aws_lc_rs::hmac;
use token_core::types::Bucket;
use token_core::{SessionId, Subject};
use token_session::store::BucketKey;

/// Names keys. All of one bucket share the hash tag `{bucket}`, and with it a hash slot.
///
/// Nothing stands between the prefix and the tag, or between the tag and a session's id: with the
/// default prefix the key of a session has 30 bytes. With one more, Redis needs the next larger size
/// of its allocator for each, which costs 15 bytes a session in all.
///
/// | key | type | holds |
/// |---|---|---|
/// | `…:key` | string | the secret behind buckets and groups |
/// | `…{bb}<id>` | hash | a session |
/// | `…{bb}d<id>` | string | its private data, if there is any |
/// | `…{bb}e` | hash | subject → the epoch, if it was ever raised, and how it was; `\0` → the store's identity |
/// | `…{bb}i<gg>` | hash | id → tag of the subject: the sessions of one group of subjects |
/// | `…{bb}l` | sorted set | ids by the instant of their ending |
#[derive(Clone)]
pub(crate) struct Keys {
    prefix: Box<str>,
    secret: [u8; 32],
    buckets: BucketKey,
    groups: hmac::Key,
}

/// The place in which the sessions of a subject are indexed.
pub(crate) struct Place {
    /// The bucket of the subject.
    pub(crate) bucket: Bucket,
    /// One of 64 groups of subjects in that bucket: they share an index, because a key for
    /// each subject would cost half as much memory again as its session.
    pub(crate) group: u8,
    /// Tells subjects of a group apart at first sight; equal subjects have equal tags.
    pub(crate) tag: [u8; 2],
}

impl Keys {
    pub(crate) fn new(prefix: &str, secret: &[u8; 32]) -> Self {
        Self {
            prefix: prefix.into(),
            secret: *secret,
            buckets: BucketKey::new(secret),
            groups: hmac::Key::new(hmac::HMAC_SHA256, secret),
        }
    }

    pub(crate) fn bucket(&self, subject: &Subject) -> Bucket {
        self.buckets.bucket(subject)
    }

    pub(crate) fn place(&self, subject: &Subject) -> Place {
        // Keyed, so that nobody can choose names that all fall into one group. The label
        // keeps it apart from the hash behind the bucket; no subject has a control character.
        let mut context = hmac::Context::with_key(&self.groups);
        context.update(b"group\0");
        context.update(subject.as_str().as_bytes());
        let hash = context.sign();
        let (group, tag) = hash
            .as_ref()
            .split_first()
            .expect("HMAC-SHA256 has 32 bytes");
        Place {
            bucket: self.bucket(subject),
            group: *group % 64,
            tag: *tag.first_chunk().expect("HMAC-SHA256 has 32 bytes"),
        }
    }

    /// What stands in each bucket that belongs to a store with this secret, and says nothing about it.
    pub(crate) fn identity(&self) -> [u8; 8] {
        let hash = hmac::sign(&self.groups, b"identity\0");
        let identity = hash.as_ref().first_chunk();
        *identity.expect("HMAC-SHA256 has 32 bytes")
    }

    /// The key of the secret that [`Keys`] are made of.
    pub(crate) fn secret_key(prefix: &str) -> String {
        format!("{prefix}:key")
    }

    pub(crate) const fn secret(&self) -> &[u8; 32] {
        &self.secret
    }

    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The channel on which endings, step-ups, registrations and heartbeats are published.
    pub(crate) fn channel(&self) -> String {
        format!("{}:ended", self.prefix)
    }

    pub(crate) fn row(&self, id: SessionId) -> Vec<u8> {
        [self.rows(id.bucket()).as_slice(), id.as_bytes()].concat()
    }

    pub(crate) fn data(&self, id: SessionId) -> Vec<u8> {
        [self.data_of(id.bucket()).as_slice(), id.as_bytes()].concat()
    }

    /// What the keys of all rows of a bucket begin with.
    pub(crate) fn rows(&self, bucket: Bucket) -> Vec<u8> {
        self.of(bucket, "")
    }

    /// What the keys of all private data of a bucket begin with.
    pub(crate) fn data_of(&self, bucket: Bucket) -> Vec<u8> {
        self.of(bucket, "d")
    }

    /// What the keys of all indexes of a bucket begin with.
    pub(crate) fn indexes(&self, bucket: Bucket) -> Vec<u8> {
        self.of(bucket, "i")
    }

    pub(crate) fn index(&self, place: &Place) -> Vec<u8> {
        self.index_of(place.bucket, place.group)
    }

    pub(crate) fn index_of(&self, bucket: Bucket, group: u8) -> Vec<u8> {
        self.of(bucket, &format!("i{group:02x}"))
    }

    pub(crate) fn epochs(&self, bucket: Bucket) -> Vec<u8> {
        self.of(bucket, "e")
    }

    pub(crate) fn log(&self, bucket: Bucket) -> Vec<u8> {
        self.of(bucket, "l")
    }

    fn of(&self, bucket: Bucket, kind: &str) -> Vec<u8> {
        format!("{}{{{:02x}}}{kind}", self.prefix, bucket.0).into_bytes()
    }
}

/// A key as a person can give it to `redis-cli`, between double quotes.
pub(crate) fn show(key: &[u8]) -> String {
    key.escape_ascii().to_string()
}

/// The type that a key has by its name.
pub(crate) fn type_of(key: &[u8]) -> &'static str {
    // A prefix has no brace. Only the key of a session is as long as an id after it.
    let mut name = key.iter().skip_while(|byte| **byte != b'}').skip(1);
    match (name.clone().count(), name.next()) {
        (SessionId::LENGTH, _) | (_, Some(b'e' | b'i')) => "hash",
        (_, Some(b'l')) => "zset",
        _ => "string",
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys({:?}, [redacted])", self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_keys_of_a_subject_share_a_hash_tag() {
        let keys = Keys::new("hallpass", &[1; 32]);
        let place = keys.place(&Subject::new("alice").unwrap());
        let mut id = [b'}'; 18];
        id[0] = place.bucket.0;
        let id = SessionId::from_bytes(id);
        let tag = format!("hallpass{{{:02x}}}", place.bucket.0);
        for (key, kind) in [
            (keys.row(id), "hash"),
            (keys.data(id), "string"),
            (keys.index(&place), "hash"),
            (keys.epochs(place.bucket), "hash"),
            (keys.log(place.bucket), "zset"),
        ] {
            assert!(key.starts_with(tag.as_bytes()), "{}", show(&key));
            assert_eq!(type_of(&key), kind);
        }
        assert_eq!(type_of(Keys::secret_key("hallpass").as_bytes()), "string");
        assert_eq!(format!("{keys:?}"), "Keys(\"hallpass\", [redacted])");
    }

    #[test]
    fn a_key_is_shown_as_redis_cli_takes_it() {
        assert_eq!(show(b"t{0f}s\x0f\"\xff"), r#"t{0f}s\x0f\"\xff"#);
    }
}
