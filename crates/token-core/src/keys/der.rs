//! Just enough DER to take RSA numbers and public keys out of their standard wrappings
//! (RFC 8017 appendix A.1, RFC 5280 section 4.1.2.7). Parsing of private keys is aws-lc's.

/// Reads one value after the other.
pub(super) struct Reader<'a>(&'a [u8]);

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OCTET_STRING: u8 = 0x04;
const SEQUENCE: u8 = 0x30;

impl<'a> Reader<'a> {
    /// The content of one value that is everything there is.
    fn whole(der: &'a [u8], tag: u8) -> Option<&'a [u8]> {
        let mut reader = Self(der);
        let content = reader.value(tag)?;
        reader.0.is_empty().then_some(content)
    }

    /// The next value, which must have this tag, with a length in its shortest form.
    fn value(&mut self, tag: u8) -> Option<&'a [u8]> {
        let (found, rest) = self.0.split_first()?;
        let (first, mut rest) = rest.split_first()?;
        let mut length = usize::from(*first);
        if length > 0x80 {
            let (bytes, behind) = rest.split_at_checked(length - 0x80)?;
            if bytes.len() > 2 || bytes.first() == Some(&0) {
                return None;
            }
            length = bytes
                .iter()
                .fold(0, |sum, byte| sum << 8 | usize::from(*byte));
            rest = behind;
            if length < 0x80 {
                return None;
            }
        } else if length == 0x80 {
            return None;
        }
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        (*found == tag).then_some(content)
    }

    /// The next value, a positive integer, without leading zeros.
    fn positive(&mut self) -> Option<&'a [u8]> {
        match self.value(INTEGER)? {
            [0, rest @ ..] if rest.first()? & 0x80 != 0 => Some(rest),
            number => {
                (number.first().is_some_and(|first| matches!(first, 1..0x80))).then_some(number)
            }
        }
    }
}

/// `n` and `e` of an `RSAPublicKey`.
pub(super) fn rsa_public(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut numbers = Reader(Reader::whole(der, SEQUENCE)?);
    let (modulus, exponent) = (numbers.positive()?, numbers.positive()?);
    numbers.0.is_empty().then_some((modulus, exponent))
}

/// The private members of an RSA key, in the order of `RSAPrivateKey`.
pub(super) const RSA_PRIVATE: [&str; 6] = ["d", "p", "q", "dp", "dq", "qi"];

/// `d`, `p`, `q`, `dp`, `dq` and `qi` of an `RSAPrivateKey` within PKCS#8.
pub(super) fn rsa_private(pkcs8: &[u8]) -> Option<Vec<&[u8]>> {
    let mut outer = Reader(Reader::whole(pkcs8, SEQUENCE)?);
    outer.value(INTEGER)?;
    outer.value(SEQUENCE)?;
    let mut numbers = Reader(Reader::whole(outer.value(OCTET_STRING)?, SEQUENCE)?);
    numbers.value(INTEGER)?;
    numbers.positive()?;
    numbers.positive()?;
    RSA_PRIVATE.iter().map(|_| numbers.positive()).collect()
}

/// The bytes of the key in a `SubjectPublicKeyInfo` with exactly this algorithm.
pub(super) fn public_key<'a>(spki: &'a [u8], algorithm: &[u8]) -> Option<&'a [u8]> {
    let mut outer = Reader(Reader::whole(spki, SEQUENCE)?);
    let found = outer.value(SEQUENCE)?;
    let bits = outer.value(BIT_STRING)?;
    let (unused, key) = bits.split_first()?;
    (found == algorithm && *unused == 0 && outer.0.is_empty()).then_some(key)
}

/// Whether it is a key on the curve of Bitcoin. On another curve its numbers would be no point, and the
/// error would say only that.
pub(super) fn is_on_secp256k1(key: &[u8]) -> bool {
    key.windows(SECP256K1.len()).any(|part| part == SECP256K1)
}

/// The object identifier of secp256k1 (SEC 2 appendix A.2.1).
const SECP256K1: &[u8] = b"\x06\x05\x2b\x81\x04\x00\x0a";
/// The algorithm of an RSA key: `rsaEncryption` with NULL (RFC 8017 appendix A.1).
pub(super) const RSA: &[u8] = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00";
/// The algorithm of an Ed25519 key (RFC 8410 section 3).
pub(super) const ED25519: &[u8] = b"\x06\x03\x2b\x65\x70";
/// The algorithm of a key on P-256 (RFC 5480 section 2.1.1).
pub(super) const P256: &[u8] =
    b"\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07";
/// The algorithm of a key on P-384.
pub(super) const P384: &[u8] = b"\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00\x22";
