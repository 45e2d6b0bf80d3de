//! The hash of a session's id for tables of sessions that are known to exist.

use token_core::SessionId;

/// Eight bytes of the id, all of them random, so they need not be hashed once more.
///
/// Nobody can choose ids that collide in a table. Every id that gets into one was made by this server, of random
/// bytes or, for an adopted session, of the digest of a credential that the old system accepts. An id that a client
/// makes up is only looked up: it finds what random ids have left at its place, like any other.
pub(crate) fn id_hash(id: SessionId) -> u64 {
    let [_bucket, random @ ..] = id.as_bytes();
    let random = random.first_chunk().expect("an id has 18 bytes");
    u64::from_le_bytes(*random)
}
