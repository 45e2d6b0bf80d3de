//! Keys that have the right form and must not be used.

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
pub(super) fn check_ed25519(encoded: &[u8; 32]) -> Result<(), KeyError> {
    let y = Field::from_encoded(encoded);
    if !y.is_canonical() {
        return Err(KeyError::NotOnCurve);
    }
    if SMALL_ORDER.contains(&y.0) {
        return Err(KeyError::SmallOrder);
    }
    // x² = (y² − 1) / (d·y² + 1) has a solution if the product of both sides is a square
    // (RFC 8032 section 5.1.3).
    let square = y.mul(&y);
    let product = square.sub_one().mul(&D.mul(&square).add_one());
    if product.is_square() {
        Ok(())
    } else {
        Err(KeyError::NotOnCurve)
    }
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

/// A number modulo p = 2^255 − 19, in four limbs, the lowest first; below 2^256, not always reduced.
/// Keys are public: nothing here needs constant time.
#[derive(Clone, Copy)]
struct Field([u64; 4]);

impl Field {
    const P: [u64; 4] = [
        0xffff_ffff_ffff_ffed,
        u64::MAX,
        u64::MAX,
        0x7fff_ffff_ffff_ffff,
    ];

    /// The y coordinate, without the bit for the sign of x.
    fn from_encoded(encoded: &[u8; 32]) -> Self {
        let mut limbs = [0; 4];
        for (limb, bytes) in limbs.iter_mut().zip(encoded.chunks_exact(8)) {
            *limb = u64::from_le_bytes(bytes.try_into().expect("chunks of 8"));
        }
        limbs[3] &= u64::MAX >> 1;
        Self(limbs)
    }

    fn is_canonical(&self) -> bool {
        self.0.iter().rev().lt(Self::P.iter().rev())
    }

    fn mul(&self, other: &Self) -> Self {
        let mut wide = [0_u64; 8];
        for (i, a) in self.0.iter().enumerate() {
            let mut carry = 0_u128;
            for (place, b) in wide.iter_mut().skip(i).zip(other.0.iter().chain(&[0])) {
                let sum = u128::from(*place) + u128::from(*a) * u128::from(*b) + carry;
                *place = low(sum);
                carry = sum >> 64;
            }
        }
        // 2^256 = 38 modulo p
        let (lower, upper) = wide.split_at(4);
        let mut limbs = [0; 4];
        let mut carry = 0_u128;
        for ((limb, a), b) in limbs.iter_mut().zip(lower).zip(upper) {
            let sum = u128::from(*a) + u128::from(*b) * 38 + carry;
            *limb = low(sum);
            carry = sum >> 64;
        }
        Self(limbs).add_small(low(carry) * 38)
    }

    fn add_small(self, small: u64) -> Self {
        let mut limbs = self.0;
        let mut carry = small;
        // What overflows comes back as 38, at most once more.
        while carry != 0 {
            for limb in &mut limbs {
                let (sum, over) = limb.overflowing_add(carry);
                *limb = sum;
                carry = over.into();
            }
            carry *= 38;
        }
        Self(limbs)
    }

    fn add_one(self) -> Self {
        self.add_small(1)
    }

    /// Adds p − 1.
    fn sub_one(self) -> Self {
        let mut limbs = self.0;
        let mut carry = 0;
        let minus_one = [Self::P[0] - 1, Self::P[1], Self::P[2], Self::P[3]];
        for (limb, addend) in limbs.iter_mut().zip(minus_one) {
            let sum = u128::from(*limb) + u128::from(addend) + carry;
            *limb = low(sum);
            carry = sum >> 64;
        }
        Self(limbs).add_small(low(carry) * 38)
    }

    /// By Euler's criterion: the power (p − 1) / 2 = 2^254 − 10 is one, or zero for zero.
    fn is_square(&self) -> bool {
        let mut power = Self([1, 0, 0, 0]);
        // In binary: 250 times one, then 0110.
        for bit in (0..254).rev() {
            power = power.mul(&power);
            if !matches!(bit, 0 | 3) {
                power = power.mul(self);
            }
        }
        let reduced = power.reduced();
        reduced == [1, 0, 0, 0] || reduced == [0; 4]
    }

    fn reduced(self) -> [u64; 4] {
        let mut limbs = self.0;
        while !Self(limbs).is_canonical() {
            let mut borrow = false;
            for (limb, p) in limbs.iter_mut().zip(Self::P) {
                let (difference, under) = limb.overflowing_sub(p);
                let (difference, again) = difference.overflowing_sub(borrow.into());
                *limb = difference;
                borrow = under | again;
            }
        }
        limbs
    }
}

/// The lower half.
#[expect(
    clippy::cast_possible_truncation,
    reason = "the lower half is what is asked for"
)]
fn low(wide: u128) -> u64 {
    wide as u64
}

/// The constant of the curve (RFC 8032 section 5.1).
const D: Field = Field([
    0x75eb_4dca_1359_78a3,
    0x0070_0a4d_4141_d8ab,
    0x8cc7_4079_7779_e898,
    0x5203_6cee_2b6f_fe73,
]);

/// The y coordinates of the eight points of small order: 1, 0, p − 1, and two for order eight.
const SMALL_ORDER: [[u64; 4]; 5] = [
    [1, 0, 0, 0],
    [0, 0, 0, 0],
    [
        0xffff_ffff_ffff_ffec,
        u64::MAX,
        u64::MAX,
        0x7fff_ffff_ffff_ffff,
    ],
    [
        0xb027_b2c2_8f95_e826,
        0xf098_eff2_89f4_c345,
        0x3933_c6d3_05ac_dfd5,
        0x05fc_536d_8802_38b1,
    ],
    [
        0x4fd8_4d3d_706a_17c7,
        0x0f67_100d_760b_3cba,
        0xc6cc_392c_fa53_202a,
        0x7a03_ac92_77fd_c74e,
    ],
];
