//! Keys that have the right form and must not be used.

use curve25519_dalek::edwards::CompressedEdwardsY;

use crate::keys::error::KeyError;

/// Refuses RSA numbers by size, exponent and origin. Big-endian, without leading zeros.
pub(super) fn check_rsa(modulus: &[u8], exponent: &[u8]) -> Result<(), KeyError> {
    // > A key of size 2048 bits or larger MUST be used with these algorithms.
    // RFC 7518 section 3.3, and section 3.5 with "this algorithm". The upper end bounds what one
    // verification can cost.
    let bits = bit_length(modulus);
    if !(2048..=8192).contains(&bits) {
        return Err(KeyError::RsaSize { bits });
    }
    // FIPS 186-5 appendix A.1.1: an odd exponent over 2^16. Over 33 bits it only costs time.
    let value = exponent.iter().try_fold(0_u64, |value, byte| {
        value.checked_mul(256)?.checked_add((*byte).into())
    });
    if !value.is_some_and(|e| e % 2 == 1 && e > 0x1_0000 && e < 1 << 33) {
        return Err(KeyError::Exponent);
    }
    if remainder(modulus, 2) == 0 || PRIMES.iter().any(|prime| remainder(modulus, *prime) == 0) {
        return Err(KeyError::SmallFactor);
    }
    // CVE-2017-15361: every prime of that generator, so also their product, is a power of 65537
    // modulo each small prime. For a sound modulus that holds by chance once in 2^27 or more.
    if PRIMES
        .iter()
        .all(|prime| is_power_of_65537(remainder(modulus, *prime), *prime))
    {
        return Err(KeyError::Roca);
    }
    Ok(())
}

/// Refuses Ed25519 public keys that are not canonical, not on the curve, or of small order.
///
/// aws-lc decodes the point only at each verification, and accepts one of small order, for which
/// anybody can make a signature.
pub(crate) fn check_ed25519(encoded: &[u8; 32]) -> Result<(), KeyError> {
    let point = CompressedEdwardsY(*encoded).decompress();
    let point = point.ok_or(KeyError::NotOnCurve)?;
    // > 1. [...] If the resulting value is >= p, decoding fails.
    // RFC 8032 section 5.1.3. Here it was taken modulo p, and so has come out as another number. The
    // highest bit is the sign of the other coordinate.
    let y = |mut bytes: [u8; 32]| {
        bytes[31] &= 0x7f;
        bytes
    };
    if y(point.compress().to_bytes()) != y(*encoded) {
        return Err(KeyError::NotOnCurve);
    }
    if point.is_small_order() {
        return Err(KeyError::SmallOrder);
    }
    Ok(())
}

fn bit_length(number: &[u8]) -> usize {
    number.first().map_or(0, |first| {
        number.len() * 8 - usize::try_from(first.leading_zeros()).unwrap_or_default()
    })
}

fn remainder(number: &[u8], divisor: u32) -> u32 {
    number
        .iter()
        .fold(0, |rest, byte| (rest * 256 + u32::from(*byte)) % divisor)
}

fn is_power_of_65537(value: u32, prime: u32) -> bool {
    let generator = 65_537 % prime;
    let mut power = 1;
    loop {
        if power == value {
            return true;
        }
        power = power * generator % prime;
        if power == 1 {
            return false;
        }
    }
}

/// The odd primes whose product divides the `M` of all ROCA key sizes.
const PRIMES: [u32; 38] = [
    3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97,
    101, 103, 107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167,
];
