//! What is wrong with a key, and why credentials could not be made.

use thiserror::Error;

use crate::jose::json::JsonError;
use crate::jose::jws::MAX_LENGTH;
use crate::keys::algorithm::Algorithm;
use crate::types::count::Generation;
use crate::types::id::SessionId;
use crate::types::invalid::InvalidValue;
use crate::types::name::KeyId;

/// The most keys in one ring or set: far more than a sane schedule has at once.
pub(crate) const MAX_KEYS: usize = 64;

/// A key or a JWK set that is not accepted. Each message says what to do; none repeats key material.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The `alg` of a JWK does not go with its `kty` and `crv`.
    #[error(
        "the key is of another kind than {algorithm} needs; give the algorithm it was made for"
    )]
    AlgorithmMismatch {
        /// What the key should serve.
        algorithm: Algorithm,
    },
    /// An RSA or symmetric JWK without `alg`: it could serve several.
    #[error(
        "the JWK has no \"alg\", and its type leaves a choice; add it, or name the one algorithm that keys without it serve"
    )]
    AlgorithmMissing,
    /// Text that begins with a byte order mark.
    #[error("the text begins with a byte order mark; save it as UTF-8 without one")]
    ByteOrderMark,
    /// A certificate instead of a key.
    #[error("this is a certificate; extract its key with `openssl x509 -pubkey -noout`")]
    Certificate,
    /// A public key of which only one coordinate is written.
    #[error(
        "the point of the public key is compressed; write it out with `openssl ec -pubin -conv_form uncompressed`"
    )]
    CompressedPoint,
    /// The set has another key with this `kid` and algorithm, or this key with another algorithm.
    #[error(
        "the set has another key with this \"kid\" and \"alg\", or this key with another \"alg\"; all of them are refused"
    )]
    Duplicate,
    /// The private half is in a KMS or HSM, and cannot be written down.
    #[error(
        "the private half of the key is elsewhere; export it there, or keep only the public one"
    )]
    Elsewhere,
    /// PEM whose line breaks are written as a backslash and an `n`.
    #[error("the line breaks of the PEM are written as \\n; put real ones in their place")]
    EscapedLineBreaks,
    /// A public exponent that is even, under 65,537, or over 33 bits.
    #[error("the RSA public exponent is even, below 65537 or too large; use 65537")]
    Exponent,
    /// Text or bytes that are not such a key.
    #[error("not a key for {algorithm}; give {expected}")]
    Form {
        /// What the key should serve.
        algorithm: Algorithm,
        /// What it should look like.
        expected: &'static str,
    },
    /// aws-lc could not make a key.
    #[error("the key could not be generated")]
    Generation,
    /// The parts of a key contradict each other.
    #[error("the parts of the key do not belong together; export it again")]
    Inconsistent,
    /// A JWK or a set of them that is not strict JSON.
    #[error("not strict JSON: {0}")]
    Json(JsonError),
    /// A JWK member that does not decode, or to the wrong length.
    #[error("the JWK member \"{member}\" is not base64url of the right length")]
    Member {
        /// The name of the member.
        member: &'static str,
    },
    /// A JWK member that is not there.
    #[error("the JWK has no \"{member}\"")]
    Missing {
        /// The name of the member.
        member: &'static str,
    },
    /// A key of an algorithm that was not chosen.
    #[error("the key serves {algorithm}, which is not one of the chosen algorithms")]
    NotChosen {
        /// What it serves.
        algorithm: Algorithm,
    },
    /// Not an object with one array `keys`.
    #[error("the JWK set is not an object with one array \"keys\"")]
    NotASet,
    /// A public key that is no point of its curve.
    #[error("the public key is not a point on its curve; do not use it")]
    NotOnCurve,
    /// A private member in what should be public.
    #[error("this set or key is public, and it has a private key in it; consider that key stolen")]
    Private,
    /// `use`, `key_ops` or `oth` do not fit signatures.
    #[error("\"use\", \"key_ops\" or \"oth\" do not fit a signature key; use \"sig\"")]
    Purpose,
    /// A modulus of the ROCA family (CVE-2017-15361): it can be factored.
    #[error("the RSA key comes from a broken generator (ROCA) and can be factored; make a new one")]
    Roca,
    /// A modulus with too few or too many bits.
    #[error("the RSA modulus has {bits} bits; use 2048 to 8192")]
    RsaSize {
        /// Its size.
        bits: usize,
    },
    /// A key on the curve secp256k1, for ES256K.
    #[error("the key is on the curve secp256k1, which is not offered; make one on P-256")]
    Secp256k1,
    /// A key in PEM instead of a secret: the classic confusion of a public key with one.
    #[error("this secret is a key in PEM, which others may know; use random bytes")]
    SecretIsPem,
    /// A secret that is shorter than the hash.
    #[error(
        "the secret has {bytes} bytes, and {algorithm} needs at least {min}; use random bytes of that length"
    )]
    SecretTooShort {
        /// What the key should serve.
        algorithm: Algorithm,
        /// Its length.
        bytes: usize,
        /// The shortest that is accepted.
        min: usize,
    },
    /// A JWK set that is longer than is read.
    #[error("the JWK set has {length} bytes, and at most 262144 are read")]
    SetTooLong {
        /// Its length, in bytes.
        length: usize,
    },
    /// A modulus with a small prime factor, or an even one.
    #[error("the RSA modulus has a small factor; make a new key")]
    SmallFactor,
    /// An Ed25519 public key under which everybody can sign.
    #[error("the Ed25519 public key has a small order; do not use it")]
    SmallOrder,
    /// A symmetric key in a public set.
    #[error("a symmetric key must never be in a public set; consider it stolen")]
    Symmetric,
    /// A JWK set with more keys than are read.
    #[error("the JWK set has {count} keys, and at most {MAX_KEYS} are read")]
    TooManyKeys {
        /// How many it has.
        count: usize,
    },
    /// A JWK member that is not of the type that it must have.
    #[error("the JWK member \"{member}\" is not of the right type")]
    Type {
        /// The name of the member.
        member: &'static str,
    },
    /// A `kty` or `crv` that is not offered.
    #[error("the \"kty\" or \"crv\" is not one of EC (P-256, P-384), OKP (Ed25519), RSA and oct")]
    UnknownType,
    /// An `alg` that is not offered, or a `kid` that cannot be used.
    #[error(transparent)]
    Value(#[from] InvalidValue),
}

/// Why credentials could not be made. It is always a fault on the server's side.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum IssueError {
    /// The store has another credential than the one that was to be handed out.
    #[error("session {session} holds another credential in generation {}", generation.0)]
    CredentialMismatch {
        /// The session.
        session: SessionId,
        /// The generation that the store has.
        generation: Generation,
    },
    /// The private half of the key is in a KMS or HSM.
    #[error("the private half of the key is elsewhere; prepare the tokens, and have them signed")]
    Elsewhere,
    /// A session names a refresh key that is not in the key ring.
    #[error(
        "the refresh key {kid} is not in the key ring of this node; give every node the same keys"
    )]
    KeyMissing {
        /// The identifier of the key.
        kid: KeyId,
    },
    /// The session of an access token has ended.
    #[error("the session {session} has ended; there is no token for it")]
    NotLive {
        /// The session.
        session: SessionId,
    },
    /// aws-lc refused to sign, for lack of memory for instance.
    #[error("the signature could not be made")]
    Sign,
    /// What a KMS or HSM answered is not this key's signature of these tokens.
    #[error(
        "the signature does not fit the key {id}; check that the signer has the same key, and gives R and S without DER"
    )]
    Signature {
        /// The identifier of the key.
        id: KeyId,
    },
    /// The token would be refused for its length.
    #[error(
        "the token has {length} bytes, and at most {MAX_LENGTH} are accepted; use fewer claims"
    )]
    TooLong {
        /// Its length, in bytes.
        length: usize,
    },
}
