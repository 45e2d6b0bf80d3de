//! All keys of a server, and their text in a key file.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::TryRng as _;
use rand::rngs::SysRng;
use serde::Deserialize;
use serde_json::value::RawValue;
use token_core::keys::{KeyError, Recipients};
use token_core::{
    Algorithm, Audience, ClientId, KeyId, KeyRing, PRODUCT, RefreshKey, RefreshKeyRing, SigningKey,
    UnixTime, VerifyingKey,
};
use token_session::entropy::{EntropySource as _, SystemEntropy};
use token_session::schedule::{Planned, Schedule, Step};
use tracing::warn;
use zeroize::Zeroizing;

use crate::error::KeysError;
use crate::others::{self, OtherKeys, algorithm_of};
use crate::rotations::Rotations;

/// All keys of a server: those that sign access tokens, and those that sign and derive refresh tokens, each
/// with its times.
#[derive(Clone)]
pub struct Keys {
    pub(crate) access: Schedule<SigningKey>,
    pub(crate) refresh: Schedule<RefreshKey>,
    /// Access keys of other algorithms.
    pub(crate) others: Vec<OtherKeys>,
    /// The secrets of the refresh keys, as the file has them.
    secrets: Secrets,
}

/// Secrets by the id of their refresh key, in base64url.
type Secrets = BTreeMap<KeyId, Zeroizing<String>>;

impl Keys {
    /// The algorithm of new keys, unless another one is asked for: ES256, which most verifiers read without
    /// further settings.
    pub const DEFAULT_ALGORITHM: Algorithm = Algorithm::ES256;

    /// Makes new keys, which sign at once: access keys for this algorithm, [`DEFAULT_ALGORITHM`](Self::DEFAULT_ALGORITHM)
    /// if it is `None`. RSA takes seconds.
    ///
    /// # Errors
    /// [`KeysError::New`] and [`KeysError::Entropy`] if the system has no entropy for them.
    pub fn generate(algorithm: Option<Algorithm>, now: UnixTime) -> Result<Self, KeysError> {
        let mut secrets = Secrets::new();
        let access = new_access(algorithm.unwrap_or(Self::DEFAULT_ALGORITHM));
        Ok(Self {
            access: Schedule::new(access.map_err(KeysError::New)?, now),
            refresh: Schedule::new(new_refresh(&mut secrets)?, now),
            others: Vec::new(),
            secrets,
        })
    }

    /// The keys that apply now, for a [`TokenIssuer`](token_core::TokenIssuer).
    ///
    /// # Errors
    /// [`KeysError::Schedule`] if the keys cannot be used together.
    pub fn rings(
        &self,
        rotations: &Rotations,
        now: UnixTime,
    ) -> Result<(KeyRing, RefreshKeyRing), KeysError> {
        let mut access = self.access.ring(&rotations.access, now)?;
        for other in &self.others {
            access = other.join(access, rotations, now)?;
        }
        Ok((access, self.refresh.ring(&rotations.refresh, now)?))
    }

    /// Whether a new key is due.
    pub(crate) fn is_due(&self, rotations: &Rotations, now: UnixTime) -> bool {
        let others = self.others.iter().map(|other| &other.access);
        let mut access = std::iter::once(&self.access).chain(others);
        access.any(|access| access.step(&rotations.access, now) == Step::Publish)
            || self.refresh.step(&rotations.refresh, now) == Step::Publish
    }

    /// The algorithm of the key that was added last, which new keys get as well. Some recipients may have keys of
    /// [others](crate::KeySource::sign_also_with).
    pub fn algorithm(&self) -> Algorithm {
        algorithm_of(&self.access).unwrap_or(Self::DEFAULT_ALGORITHM)
    }

    /// Lets keys of this algorithm sign for these, as soon as every verifier knows them.
    pub(crate) fn change_others(
        mut self,
        algorithm: Algorithm,
        recipients: Recipients,
        rotations: &Rotations,
        now: UnixTime,
    ) -> Result<Self, KeysError> {
        let make = new_access;
        others::change(
            &mut self.others,
            algorithm,
            recipients,
            rotations,
            now,
            make,
        )?;
        self.publish(rotations, now)
    }

    /// Plans keys of another algorithm, which sign as soon as every verifier knows them.
    pub(crate) fn change_algorithm(
        mut self,
        algorithm: Algorithm,
        rotations: &Rotations,
        now: UnixTime,
    ) -> Result<Self, KeysError> {
        let key = || new_access(algorithm).map_err(KeysError::New);
        let keys = [key()?, key()?];
        self.access = self.access.replace_next(keys, &rotations.access, now)?;
        Ok(self)
    }

    /// Publishes the keys that are due.
    pub(crate) fn publish(
        mut self,
        rotations: &Rotations,
        now: UnixTime,
    ) -> Result<Self, KeysError> {
        let others = self.others.iter_mut().map(|other| &mut other.access);
        for access in std::iter::once(&mut self.access).chain(others) {
            while access.step(&rotations.access, now) == Step::Publish {
                let algorithm = algorithm_of(access).unwrap_or(Self::DEFAULT_ALGORITHM);
                let key = new_access(algorithm).map_err(KeysError::New)?;
                *access = access.clone().publish(key, &rotations.access, now)?;
            }
        }
        while self.refresh.step(&rotations.refresh, now) == Step::Publish {
            let key = new_refresh(&mut self.secrets)?;
            self.refresh = self.refresh.publish(key, &rotations.refresh, now)?;
        }
        Ok(self)
    }

    /// Lets the next access key of each algorithm sign now. One that has no next key yet, or one that a verifier may
    /// not know, holds up no other.
    pub(crate) fn promote(
        mut self,
        rotations: &Rotations,
        now: UnixTime,
    ) -> Result<Self, KeysError> {
        self.access = self.access.promote(&rotations.access, now)?;
        for other in &mut self.others {
            match other.access.clone().promote(&rotations.access, now) {
                Ok(promoted) => other.access = promoted,
                Err(error) => {
                    let algorithm = algorithm_of(&other.access);
                    warn!(target: PRODUCT, ?algorithm, %error, "the other access key stays");
                }
            }
        }
        self.publish(rotations, now)
    }

    /// Lets the next refresh key sign now.
    pub(crate) fn promote_refresh(
        mut self,
        rotations: &Rotations,
        now: UnixTime,
    ) -> Result<Self, KeysError> {
        self.refresh = self.refresh.promote(&rotations.refresh, now)?;
        self.publish(rotations, now)
    }

    /// Removes a key of either kind. If it signs, the next one takes its place.
    pub(crate) fn remove(
        mut self,
        id: &KeyId,
        rotations: &Rotations,
        now: UnixTime,
    ) -> Result<Self, KeysError> {
        if self.refresh.keys().iter().any(|it| it.key.kid() == id) {
            // Only the servers know these keys, so no verifier has to hear of the next one.
            (self.refresh, _) = self.refresh.remove(id, &rotations.refresh, now)?;
            return self.publish(rotations, now);
        }
        let has = |access: &Schedule<SigningKey>| {
            let mut keys = access.keys().iter();
            keys.any(|planned| planned.key.id() == id)
        };
        let mut others = self.others.iter_mut().map(|other| &mut other.access);
        let access = others.find(|access| has(access));
        let access = access.unwrap_or(&mut self.access);
        let (left, unknown_until) = access.clone().remove(id, &rotations.access, now)?;
        if let Some(until) = unknown_until {
            warn!(target: PRODUCT, %until, "verifiers may not know the key that stands in");
        }
        *access = left;
        self.publish(rotations, now)
    }

    /// Reads the text of a key file.
    ///
    /// # Errors
    /// [`KeysError`] says what to do. It repeats nothing of the text.
    pub fn parse(text: &str, now: UnixTime) -> Result<Self, KeysError> {
        // An error of serde_json may repeat what it read, which is secret here.
        let wire: Wire<'_> = serde_json::from_str(text).map_err(|_| KeysError::Form)?;
        let others = wire.others.into_iter().map(|wire| {
            Ok(OtherKeys {
                recipients: Recipients {
                    clients: wire.clients,
                    audiences: wire.audiences,
                },
                access: access(wire.access, now)?,
            })
        });
        let mut secrets = Secrets::new();
        let refresh = wire.refresh.into_iter().map(|wire| {
            let secret = URL_SAFE_NO_PAD.decode(wire.k);
            let secret = Zeroizing::new(secret.map_err(|_| KeysError::Form)?);
            secrets.insert(wire.kid.clone(), wire.k.to_owned().into());
            Ok::<_, KeysError>(Planned {
                key: RefreshKey::new(wire.kid, &secret).map_err(KeysError::Key)?,
                published_at: wire.published_at,
                signs_from: wire.signs_from,
            })
        });
        let others = others.collect::<Result<Vec<_>, KeysError>>()?;
        others::check(&others)?;
        Ok(Self {
            access: access(wire.access, now)?,
            refresh: Schedule::from_keys(refresh.collect::<Result<_, _>>()?)?,
            others,
            secrets,
        })
    }

    /// The text of a key file. Keys that sign no more lose their private half.
    ///
    /// # Errors
    /// [`KeysError::Key`] if a key that is to sign is not there as a whole.
    pub fn to_text(&self, now: UnixTime) -> Result<Zeroizing<String>, KeysError> {
        let mut text = Zeroizing::new(String::with_capacity(64 * 1024));
        text.push('{');
        write_access(&mut text, &self.access, now)?;
        text.push_str(",\n\"refresh\":[");
        for (index, planned) in self.refresh.keys().iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            let kid = planned.key.kid();
            let secret = self.secrets.get(kid).map_or("", |secret| secret);
            text.extend([comma, "\n{", &*times(planned)]);
            text.extend(["\"kid\":\"", kid.as_str(), "\",\"k\":\"", secret, "\"}"]);
        }
        text.push(']');
        // Programs from before there were others read every file without them.
        for (index, other) in self.others.iter().enumerate() {
            let before = if index == 0 { ",\n\"others\":[" } else { "," };
            let Recipients { clients, audiences } = &other.recipients;
            let recipients = serde_json::json!({"clients": clients, "audiences": audiences});
            let recipients = recipients.to_string();
            text.extend([before, "\n", recipients.trim_end_matches('}'), ",\n"]);
            write_access(&mut text, &other.access, now)?;
            text.push('}');
        }
        text.push_str(if self.others.is_empty() {
            "}\n"
        } else {
            "]}\n"
        });
        Ok(text)
    }
}

/// The member `access`. Keys that sign no more lose their private half.
fn write_access(
    text: &mut String,
    access: &Schedule<SigningKey>,
    now: UnixTime,
) -> Result<(), KeysError> {
    text.push_str("\"access\":[");
    for (index, planned) in access.keys().iter().enumerate() {
        let next = access.keys().get(index + 1);
        // A server whose clock is behind may still sign with it, or the clock here is ahead.
        let done = next.is_some_and(|next| next.signs_from + WRONG_CLOCK < now);
        let public = planned.key.verifying_key().to_jwk().filter(|_| done);
        let jwk = match public {
            Some(jwk) => Zeroizing::new(jwk),
            None => planned.key.to_private_jwk().map_err(KeysError::Key)?,
        };
        let comma = if index == 0 { "" } else { "," };
        text.extend([comma, "\n{", &*times(planned), "\"key\":", &**jwk, "}"]);
    }
    text.push(']');
    Ok(())
}

/// Access keys as a file has them. Those that are to sign must be there as a whole.
fn access(wire: Vec<WireAccess<'_>>, now: UnixTime) -> Result<Schedule<SigningKey>, KeysError> {
    let planned = wire.into_iter().map(|wire| {
        Ok(Planned {
            key: access_key(wire.key)?,
            published_at: wire.published_at,
            signs_from: wire.signs_from,
        })
    });
    let access = Schedule::from_keys(planned.collect::<Result<_, KeysError>>()?)?;
    let mut signing = access.keys().iter().skip(access.current(now));
    match signing.find(|planned| planned.key.is_elsewhere()) {
        Some(planned) => Err(KeysError::Public {
            id: planned.key.id().clone(),
        }),
        None => Ok(access),
    }
}

/// How far off a clock may be before what cannot be made again is lost by it.
const WRONG_CLOCK: std::time::Duration = std::time::Duration::from_secs(24 * 60 * 60);

fn times<K>(planned: &Planned<K>) -> String {
    let (published, signs) = (planned.published_at.as_secs(), planned.signs_from.as_secs());
    format!("\"published_at\":{published},\"signs_from\":{signs},")
}

fn new_access(algorithm: Algorithm) -> Result<SigningKey, KeyError> {
    SigningKey::generate(algorithm, SystemEntropy.draw())
}

fn new_refresh(secrets: &mut Secrets) -> Result<RefreshKey, KeysError> {
    let mut random = Zeroizing::new([0; 40]);
    SysRng
        .try_fill_bytes(&mut *random)
        .map_err(|_| KeysError::Entropy)?;
    let (kid, secret) = random.split_at(8);
    let kid = KeyId::new(URL_SAFE_NO_PAD.encode(kid)).expect("base64url is a name");
    secrets.insert(kid.clone(), URL_SAFE_NO_PAD.encode(secret).into());
    Ok(RefreshKey::new(kid, secret).expect("32 bytes"))
}

/// A JWK or PEM, private or public.
fn access_key(json: &RawValue) -> Result<SigningKey, KeysError> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Wrapped {
        alg: String,
        pem: String,
        kid: Option<KeyId>,
    }
    if let Ok(Wrapped { alg, pem, kid }) = serde_json::from_str(json.get()) {
        let pem = Zeroizing::new(pem);
        let algorithm = alg.parse().map_err(|_| KeysError::Form)?;
        let key = match VerifyingKey::from_pem(&pem, algorithm) {
            Ok(public) => SigningKey::elsewhere(public),
            Err(_) => SigningKey::from_pem(&pem, algorithm),
        };
        let key = key.map_err(KeysError::Key)?;
        return Ok(match kid {
            Some(kid) => key.with_id(kid),
            None => key,
        });
    }
    let key = match VerifyingKey::from_jwk(json.get()) {
        Ok(public) => SigningKey::elsewhere(public),
        Err(_) => SigningKey::from_jwk(json.get()),
    };
    key.map_err(KeysError::Key)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire<'a> {
    #[serde(borrow)]
    access: Vec<WireAccess<'a>>,
    #[serde(borrow)]
    refresh: Vec<WireRefresh<'a>>,
    #[serde(borrow, default)]
    others: Vec<WireOthers<'a>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireOthers<'a> {
    #[serde(default)]
    clients: Vec<ClientId>,
    #[serde(default)]
    audiences: Vec<Audience>,
    #[serde(borrow)]
    access: Vec<WireAccess<'a>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireAccess<'a> {
    #[serde(default = "epoch")]
    published_at: UnixTime,
    #[serde(default = "epoch")]
    signs_from: UnixTime,
    #[serde(borrow)]
    key: &'a RawValue,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireRefresh<'a> {
    #[serde(default = "epoch")]
    published_at: UnixTime,
    #[serde(default = "epoch")]
    signs_from: UnixTime,
    kid: KeyId,
    k: &'a str,
}

const fn epoch() -> UnixTime {
    UnixTime::EPOCH
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys")
            .field("access", &self.access)
            .field("refresh", &self.refresh)
            .field("others", &self.others)
            .finish_non_exhaustive()
    }
}
