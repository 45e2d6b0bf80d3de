//! The forms of Django, Werkzeug and better-auth, written in PHC form.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};

use super::stored::{Kind, Prepare, Stored};

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
        "argon2" => Some(Stored::new(Kind::Argon2, format!("${rest}"))),
        "bcrypt" => Some(Stored::new(Kind::Bcrypt, rest)),
        "bcrypt_sha256" => Some(Stored {
            prepare: Prepare::Sha256,
            ..Stored::new(Kind::Bcrypt, rest)
        }),
        "pbkdf2_sha256" => {
            let [iterations, salt, hash] = parts(rest)?;
            let hash = STANDARD.decode(hash).ok()?;
            let text = pbkdf2("sha256", iterations, salt, &hash)?;
            Some(Stored::new(Kind::Pbkdf2, text))
        }
        "scrypt" => {
            let [n, salt, r, p, hash] = parts(rest)?;
            let hash = STANDARD.decode(hash).ok()?;
            Some(Stored::new(Kind::Scrypt, scrypt([n, r, p], salt, &hash)?))
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
            Some(Stored::new(Kind::Scrypt, scrypt(numbers, salt, &hash)?))
        }
        "pbkdf2" => {
            let (digest, iterations) = (method.next()?, method.next()?);
            let text = pbkdf2(digest, iterations, salt, &hash)?;
            Some(Stored::new(Kind::Pbkdf2, text))
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
        ..Stored::new(Kind::Scrypt, scrypt(["16384", "16", "1"], salt, &hash)?)
    })
}

/// The PHC form; `salt` is taken as it is written.
fn scrypt([n, r, p]: [&str; 3], salt: &str, hash: &[u8]) -> Option<String> {
    let n: u64 = n.parse().ok()?;
    let (r, p): (u32, u32) = (r.parse().ok()?, p.parse().ok()?);
    let ln = n.is_power_of_two().then(|| n.trailing_zeros())?;
    let (salt, hash) = (STANDARD_NO_PAD.encode(salt), STANDARD_NO_PAD.encode(hash));
    Some(format!("$scrypt$ln={ln},r={r},p={p}${salt}${hash}"))
}

fn pbkdf2(digest: &str, iterations: &str, salt: &str, hash: &[u8]) -> Option<String> {
    if !["sha256", "sha512"].contains(&digest) {
        return None;
    }
    let (iterations, length): (u32, _) = (iterations.parse().ok()?, hash.len());
    let (salt, hash) = (STANDARD_NO_PAD.encode(salt), STANDARD_NO_PAD.encode(hash));
    Some(format!(
        "$pbkdf2-{digest}$i={iterations},l={length}${salt}${hash}"
    ))
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
