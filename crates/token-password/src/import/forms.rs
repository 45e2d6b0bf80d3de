//! The forms of Django, Werkzeug and better-auth.

use aws_lc_rs::pbkdf2;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use scrypt::Params;

use super::kdf::{Kdf, Raw};
use super::stored::{Hash, Prepare, Stored};

pub(super) fn read(stored: &str) -> Option<Stored<'_>> {
    django(stored)
        .or_else(|| werkzeug(stored))
        .or_else(|| better_auth(stored))
}

/// <https://docs.djangoproject.com/en/5.2/topics/auth/passwords/>: the algorithm, then its own form.
fn django(stored: &str) -> Option<Stored<'_>> {
    let (algorithm, rest) = stored.split_once('$')?;
    match algorithm {
        // `argon2$argon2id$…` is `$argon2id$…`.
        "argon2" => Some(Hash::Argon2(format!("${rest}").into()).into()),
        "bcrypt" => Some(Hash::Bcrypt(rest).into()),
        "bcrypt_sha256" => Some(Stored {
            prepare: Prepare::Sha256,
            hash: Hash::Bcrypt(rest),
        }),
        "pbkdf2_sha256" => {
            let [iterations, salt, hash] = parts(rest)?;
            let hash = STANDARD.decode(hash).ok()?;
            pbkdf2("sha256", iterations, salt, &hash)
        }
        "scrypt" => {
            let [n, salt, r, p, hash] = parts(rest)?;
            let hash = STANDARD.decode(hash).ok()?;
            scrypt([n, r, p], salt, &hash)
        }
        _ => None,
    }
}

/// <https://werkzeug.palletsprojects.com/en/stable/utils/>: `method$salt$hash`, the hash in hexadecimal.
fn werkzeug(stored: &str) -> Option<Stored<'_>> {
    let [method, salt, hash] = parts(stored)?;
    let hash = bytes(hash)?;
    let mut method = method.split(':');
    match method.next()? {
        "scrypt" => {
            let numbers = [method.next()?, method.next()?, method.next()?];
            scrypt(numbers, salt, &hash)
        }
        "pbkdf2" => {
            let (digest, iterations) = (method.next()?, method.next()?);
            pbkdf2(digest, iterations, salt, &hash)
        }
        _ => None,
    }
}

/// `salt:hash` in hexadecimal; the salt is that text and not its bytes.
fn better_auth(stored: &str) -> Option<Stored<'_>> {
    let (salt, hash) = stored.split_once(':')?;
    let hash = bytes(hash)?;
    if salt.len() != 32 || bytes(salt).is_none() || hash.len() != 64 {
        return None;
    }
    Some(Stored {
        prepare: Prepare::Nfkc,
        ..scrypt(["16384", "16", "1"], salt, &hash)?
    })
}

/// `salt` is taken as it is written.
fn scrypt([n, r, p]: [&str; 3], salt: &str, hash: &[u8]) -> Option<Stored<'static>> {
    let n: u64 = n.parse().ok()?;
    let (r, p): (u32, u32) = (r.parse().ok()?, p.parse().ok()?);
    let log_n = n.is_power_of_two().then(|| n.trailing_zeros())?;
    let params = Params::new(u8::try_from(log_n).ok()?, r, p).ok()?;
    let raw = Raw::new(Kdf::Scrypt(params), salt, hash)?;
    Some(Hash::Raw(raw).into())
}

fn pbkdf2(digest: &str, iterations: &str, salt: &str, hash: &[u8]) -> Option<Stored<'static>> {
    let algorithm = match digest {
        "sha256" => pbkdf2::PBKDF2_HMAC_SHA256,
        "sha512" => pbkdf2::PBKDF2_HMAC_SHA512,
        _ => return None,
    };
    let kdf = Kdf::Pbkdf2 {
        algorithm,
        iterations: iterations.parse().ok()?,
    };
    Some(Hash::Raw(Raw::new(kdf, salt, hash)?).into())
}

/// The parts between `$`, exactly so many.
fn parts<const N: usize>(text: &str) -> Option<[&str; N]> {
    let mut parts = text.split('$');
    let mut all = [""; N];
    for part in &mut all {
        *part = parts.next()?;
    }
    parts.next().is_none().then_some(all)
}

/// The bytes of hexadecimal digits.
fn bytes(hex: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u32>> = hex.chars().map(|digit| digit.to_digit(16)).collect();
    let digits = digits.filter(|digits| !digits.is_empty() && digits.len().is_multiple_of(2))?;
    let pairs = digits.chunks_exact(2);
    let bytes = pairs.map(|pair| u8::try_from(pair.iter().fold(0, |all, digit| all * 16 + digit)));
    bytes.collect::<Result<_, _>>().ok()
}
