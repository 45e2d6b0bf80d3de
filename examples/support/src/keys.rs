//! The key file: the keys that sign access tokens, and those of refresh tokens.
//!
//! ```json
//! { "access":  { "current": {private JWK}, "next": {private JWK}, "previous": [{public JWK}] },
//!   "refresh": [ { "kid": "…", "k": "…" } ] }
//! ```
//! `next` and `previous` may be missing. Of the refresh keys the first one signs.

use std::fs::{File, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::Rng as _;
use serde::Deserialize;
use serde_json::value::RawValue;
use tempfile::NamedTempFile;
use token_core::error::RefreshKeyError;
use token_core::refresh_token::{RefreshKey, RefreshKeyRing};
use token_core::{Algorithm, KeyId, KeyRing, SigningKey, VerifyingKey};
use token_store::entropy::{EntropySource as _, ThreadEntropy};
use zeroize::Zeroizing;

mod error;

pub use error::KeysError;

/// All keys of a server.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "two rings, taken apart at once")]
pub struct Keys {
    /// Signs access tokens.
    pub access: KeyRing,
    /// Signs and derives refresh tokens.
    pub refresh: RefreshKeyRing,
}

impl Keys {
    /// Reads the file; where there is none, makes keys and writes it first, readable by its
    /// owner alone. Of two servers that start at the same time both get the same keys.
    ///
    /// `algorithm` is for new keys; a file that signs with another one is refused.
    ///
    /// # Errors
    /// [`KeysError`] says what to do.
    pub fn open(path: &Path, algorithm: Option<Algorithm>) -> Result<Self, KeysError> {
        if !path.try_exists().map_err(reading(path))? {
            create(path, algorithm.unwrap_or(Algorithm::EdDSA))?;
        }
        let keys = parse(&read(path)?, path)?;
        let has = keys.access.current().algorithm();
        match algorithm {
            Some(wanted) if wanted != has => Err(KeysError::Algorithm {
                path: path.into(),
                has,
                wanted,
            }),
            _ => Ok(keys),
        }
    }
}

fn create(path: &Path, algorithm: Algorithm) -> Result<(), KeysError> {
    let access = SigningKey::generate(algorithm, ThreadEntropy.draw()).map_err(KeysError::New)?;
    let access = access.to_private_jwk().map_err(KeysError::New)?;
    let mut random = Zeroizing::new([0; 40]);
    rand::rng().fill_bytes(&mut *random);
    let (kid, secret) = random.split_at(8);
    let kid = URL_SAFE_NO_PAD.encode(kid);
    let secret = Zeroizing::new(URL_SAFE_NO_PAD.encode(secret));
    let text = Zeroizing::new(format!(
        "{{\"access\":{{\"current\":{}}},\n\"refresh\":[{{\"kid\":\"{kid}\",\"k\":\"{}\"}}]}}\n",
        *access, *secret
    ));
    write_once(path, text.as_bytes()).map_err(|source| KeysError::Write {
        path: path.into(),
        source,
    })
}

/// Writes a file that nobody sees half-written, unless another process was faster.
fn write_once(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    // Readable by its owner alone from the first moment.
    let mut file = NamedTempFile::new_in(folder)?;
    file.as_file()
        .set_permissions(Permissions::from_mode(0o600))?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    match file.persist_noclobber(path) {
        Ok(_) => File::open(folder)?.sync_all(),
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error.error),
    }
}

fn read(path: &Path) -> Result<Zeroizing<String>, KeysError> {
    let mut file = File::open(path).map_err(reading(path))?;
    let metadata = file.metadata().map_err(reading(path))?;
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(KeysError::Exposed {
            path: path.into(),
            mode,
        });
    }
    let mut text = Zeroizing::new(String::new());
    file.read_to_string(&mut text).map_err(reading(path))?;
    Ok(text)
}

fn reading(path: &Path) -> impl Fn(io::Error) -> KeysError {
    |source| KeysError::Read {
        path: path.into(),
        source,
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire<'a> {
    #[serde(borrow)]
    access: WireRing<'a>,
    #[serde(borrow)]
    refresh: Vec<WireSecret<'a>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireRing<'a> {
    #[serde(borrow)]
    current: &'a RawValue,
    #[serde(borrow)]
    next: Option<&'a RawValue>,
    #[serde(borrow, default)]
    previous: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireSecret<'a> {
    kid: KeyId,
    k: &'a str,
}

fn parse(text: &str, path: &Path) -> Result<Keys, KeysError> {
    let form = || KeysError::Form { path: path.into() };
    let key = |error| KeysError::Key {
        path: path.into(),
        error,
    };
    let ring = |error| KeysError::Ring {
        path: path.into(),
        error,
    };
    // The error of serde_json may repeat what it read, which is secret here.
    let wire: Wire<'_> = serde_json::from_str(text).map_err(|_| form())?;
    let mut access = KeyRing::new(SigningKey::from_jwk(wire.access.current.get()).map_err(key)?);
    if let Some(next) = wire.access.next {
        let next = SigningKey::from_jwk(next.get()).map_err(key)?;
        access = access.with_next(next).map_err(ring)?;
    }
    for previous in wire.access.previous {
        let previous = VerifyingKey::from_jwk(previous.get()).map_err(key)?;
        access = access.with_previous(previous).map_err(ring)?;
    }
    let mut secrets = wire.refresh.into_iter().map(|WireSecret { kid, k }| {
        let secret = Zeroizing::new(URL_SAFE_NO_PAD.decode(k).map_err(|_| form())?);
        RefreshKey::new(kid, &secret).map_err(refresh(path))
    });
    let mut ring = RefreshKeyRing::new(secrets.next().ok_or_else(form)??);
    for secret in secrets {
        ring = ring.with_other(secret?).map_err(refresh(path))?;
    }
    Ok(Keys {
        access,
        refresh: ring,
    })
}

fn refresh(path: &Path) -> impl Fn(RefreshKeyError) -> KeysError {
    |error| KeysError::Refresh {
        path: path.into(),
        error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_keys_are_for_their_owner_alone_and_come_back() {
        let folder = tempfile::tempdir().unwrap();
        for algorithm in [Algorithm::EdDSA, Algorithm::ES256, Algorithm::HS256] {
            let path = folder.path().join(algorithm.as_str());
            let made = Keys::open(&path, Some(algorithm)).unwrap();
            let mode = path.metadata().unwrap().permissions().mode() & 0o777;
            assert_eq!(mode, 0o600);
            let read = Keys::open(&path, None).unwrap();
            assert_eq!(read.access.current().id(), made.access.current().id());
            assert_eq!(read.access.current().algorithm(), algorithm);
        }
    }

    #[test]
    fn two_servers_that_start_together_have_the_same_keys() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.json");
        let ids: Vec<_> = std::thread::scope(|scope| {
            let open = || {
                Keys::open(&path, None)
                    .unwrap()
                    .access
                    .current()
                    .id()
                    .clone()
            };
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(open)).collect();
            threads.into_iter().map(|t| t.join().unwrap()).collect()
        });
        assert!(ids.windows(2).all(|pair| pair[0] == pair[1]), "{ids:?}");
    }

    #[test]
    fn a_file_that_others_may_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.json");
        Keys::open(&path, None).unwrap();
        for mode in [0o604, 0o640, 0o620, 0o602, 0o644] {
            std::fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            let error = Keys::open(&path, None).unwrap_err();
            assert!(matches!(error, KeysError::Exposed { .. }), "{error}");
        }
    }

    #[test]
    fn another_algorithm_than_the_file_has_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.json");
        Keys::open(&path, None).unwrap();
        let error = Keys::open(&path, Some(Algorithm::ES256)).unwrap_err();
        assert!(matches!(error, KeysError::Algorithm { .. }), "{error}");
    }

    #[test]
    fn what_is_no_key_file_is_refused_without_repeating_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.json");
        for text in [
            "",
            "{}",
            r#"{"access":"hush"}"#,
            r#"{"access":{"current":{"hush":1}},"refresh":[]}"#,
        ] {
            write_once(&path, text.as_bytes()).unwrap();
            let error = Keys::open(&path, None).unwrap_err().to_string();
            assert!(!error.contains("hush"), "{error}");
            std::fs::remove_file(&path).unwrap();
        }
    }
}
