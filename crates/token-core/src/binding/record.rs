//! What a session's record says of its binding, and how a store keeps it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

use crate::binding::generation::BindingGeneration;
use crate::binding::proof::{KEY, Proof, REQUIRED, Unproven};
use crate::binding::thumbprint::Thumbprint;
use crate::jose::base64url;
use crate::jose::json::Text;
use crate::keys::public::VerifyingKey;
use crate::types::invalid::InvalidValue;
use crate::types::stored::words;

/// The key that a session is bound to, if any.
///
/// A store keeps [`to_bytes`](Self::to_bytes), at most 35 bytes, and nothing for a session that is not
/// bound. With serde it is the same in base64url.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "the two standards that there are")]
pub enum Binding {
    /// A key of Device Bound Session Credentials, kept by the browser.
    Device(DeviceBinding),
    /// A key of DPoP ([RFC 9449](https://www.rfc-editor.org/rfc/rfc9449)), kept by the client.
    Key(Thumbprint),
    /// None: the credentials alone are enough.
    #[default]
    Unbound,
}

/// The first byte of the forms for which a request has to prove nothing; the others are in `proof`.
const PENDING: u8 = 0x01;
const OBSERVED: u8 = 0x02;

impl Binding {
    /// Bindings whose bytes are not below these have to be proven; see [`Proof::prefix`].
    pub const DEMANDING: &[u8] = &[0x80];

    /// Whether the proof is enough for a session with this binding.
    ///
    /// # Errors
    /// [`Unproven`] says what is wrong with the proof.
    pub fn check(&self, proof: Proof) -> Result<(), Unproven> {
        match self {
            Self::Device(bound) if bound.state != DeviceState::Required => Ok(()),
            _ => self.prove(proof),
        }
    }

    /// The same as if the key were demanded whatever its state is, to report what a policy would refuse.
    ///
    /// # Errors
    /// As [`check`](Self::check).
    pub fn prove(&self, proof: Proof) -> Result<(), Unproven> {
        let holds = match (self, proof) {
            (Self::Unbound, _) => true,
            (_, Proof::None(why)) => return Err(why),
            (Self::Device(bound), Proof::Device(generation)) => {
                generation == BindingGeneration::ANY || generation == bound.generation
            }
            (Self::Key(bound), Proof::Key(thumbprint)) => *bound == thumbprint,
            (Self::Device(_), Proof::Key(_)) | (Self::Key(_), Proof::Device(_)) => {
                return Err(Unproven::Missing);
            }
        };
        if holds {
            Ok(())
        } else {
            Err(Unproven::Superseded)
        }
    }

    /// The binding once a browser has registered this key; `None` if it is this key already.
    ///
    /// A registration whose answer was lost is made again, maybe with another key, so a key that was never
    /// used can be replaced, and one that was used never.
    ///
    /// # Errors
    /// [`AlreadyBound`] to another key that is in use.
    pub fn registered(&self, key: DeviceKey) -> Result<Option<Self>, AlreadyBound> {
        let generation = match self {
            Self::Unbound => BindingGeneration::ANY,
            Self::Device(bound) if bound.key == key => return Ok(None),
            Self::Device(bound) if bound.state == DeviceState::Pending => bound.generation,
            Self::Device(_) | Self::Key(_) => return Err(AlreadyBound),
        };
        Ok(Some(Self::Device(DeviceBinding {
            key,
            generation: generation.next(),
            state: DeviceState::Pending,
        })))
    }

    /// The binding once the browser has used its key; `None` if that changes nothing. `required` says
    /// whether each request has to prove the key from now on.
    pub const fn confirmed(&self, required: bool) -> Option<Self> {
        let Self::Device(bound) = self else {
            return None;
        };
        let state = match (bound.state, required) {
            (DeviceState::Pending, false) => DeviceState::Observed,
            (DeviceState::Pending | DeviceState::Observed, true) => DeviceState::Required,
            _ => return None,
        };
        Some(Self::Device(DeviceBinding { state, ..*bound }))
    }

    /// What the binding is worth, as lists of sessions show it; `None` also if the key is not confirmed yet.
    pub const fn level(&self) -> Option<BindingLevel> {
        match self {
            Self::Device(bound) => match bound.state {
                DeviceState::Pending => None,
                DeviceState::Observed | DeviceState::Required => Some(BindingLevel::Device),
            },
            Self::Key(_) => Some(BindingLevel::Key),
            Self::Unbound => None,
        }
    }

    /// Whether there is no key at all.
    pub const fn is_unbound(&self) -> bool {
        matches!(self, Self::Unbound)
    }

    /// The bytes for a store; empty if the session is not bound.
    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Device(bound) => {
                let form = match bound.state {
                    DeviceState::Observed => OBSERVED,
                    DeviceState::Pending => PENDING,
                    DeviceState::Required => REQUIRED,
                };
                [&[form, bound.generation.0], bound.key.as_bytes().as_slice()].concat()
            }
            Self::Key(thumbprint) => [&[KEY], thumbprint.as_bytes().as_slice()].concat(),
            Self::Unbound => Vec::new(),
        }
    }

    /// The binding of the bytes that a store kept.
    ///
    /// # Errors
    /// [`InvalidValue`] for bytes that this version does not write.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, InvalidValue> {
        let invalid = InvalidValue::Form { kind: "Binding" };
        let Some((form, rest)) = bytes.split_first() else {
            return Ok(Self::Unbound);
        };
        let state = match *form {
            KEY => {
                let thumbprint = rest.try_into().map_err(|_| invalid)?;
                return Ok(Self::Key(Thumbprint::from_bytes(thumbprint)));
            }
            OBSERVED => DeviceState::Observed,
            PENDING => DeviceState::Pending,
            REQUIRED => DeviceState::Required,
            _ => return Err(invalid),
        };
        let (generation, key) = rest.split_first().ok_or(invalid)?;
        Ok(Self::Device(DeviceBinding {
            key: DeviceKey::from_bytes(key.try_into().map_err(|_| invalid)?)?,
            generation: BindingGeneration(*generation),
            state,
        }))
    }
}

impl Serialize for Binding {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&base64url::to_text(&self.to_bytes()))
    }
}

impl<'de> Deserialize<'de> for Binding {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Text::deserialize(deserializer)?;
        let mut buffer = vec![0; text.0.len()];
        let bytes = base64url::decode(text.0.as_bytes(), &mut buffer[..]);
        let bytes = bytes.ok_or(InvalidValue::Form { kind: "Binding" });
        bytes
            .and_then(|bytes| Self::from_bytes(bytes))
            .map_err(serde::de::Error::custom)
    }
}

/// A session is bound to another key, which is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the session is bound to another key")]
pub struct AlreadyBound;

/// A key of Device Bound Session Credentials that was registered for a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "what the bytes in a store have")]
pub struct DeviceBinding {
    /// The key.
    pub key: DeviceKey,
    /// Which registration of the session it was.
    pub generation: BindingGeneration,
    /// What is demanded.
    pub state: DeviceState,
}

words! {
    /// How far the registration of a key has come.
    #[expect(clippy::exhaustive_enums, reason = "the bytes in a store have these")]
    DeviceState {
        /// The browser has used the key, and nothing is demanded: the policy was to observe.
        Observed = "observed",
        /// The key was registered, and the browser has not used it yet: its answer may be lost, so nothing
        /// is demanded, and another registration may replace it.
        Pending = "pending",
        /// The browser has used the key, and each request that renews or uses the session must prove it.
        Required = "required",
    }
}

words! {
    /// What a session is bound to.
    #[expect(clippy::exhaustive_enums, reason = "the two standards that there are")]
    BindingLevel {
        /// A key that the browser was asked to keep in hardware. Nothing proves that it does.
        Device = "device",
        /// A key that the client keeps.
        Key = "key",
    }
}

/// A public key on P-256, as a compressed point.
///
/// It is checked when a browser registers it, and trusted in a store.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct DeviceKey([u8; 33]);

impl DeviceKey {
    /// The key of the bytes that a store kept.
    ///
    /// # Errors
    /// [`InvalidValue`] unless they begin as a compressed point does. Whether it is on the curve is found
    /// out when a signature is verified.
    pub const fn from_bytes(bytes: [u8; 33]) -> Result<Self, InvalidValue> {
        match bytes {
            [2 | 3, ..] => Ok(Self(bytes)),
            _ => Err(InvalidValue::Form { kind: "DeviceKey" }),
        }
    }

    /// The bytes, for a store.
    pub const fn as_bytes(&self) -> &[u8; 33] {
        &self.0
    }

    /// A key that was checked; `None` if it is on another curve.
    pub(crate) fn of(key: &VerifyingKey) -> Option<Self> {
        key.p256_point().map(Self)
    }
}

impl fmt::Debug for DeviceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DeviceKey({})", base64url::to_text(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn device(state: DeviceState, generation: u8) -> Binding {
        Binding::Device(DeviceBinding {
            key: DeviceKey([2; 33]),
            generation: BindingGeneration(generation),
            state,
        })
    }

    fn any_binding() -> impl Strategy<Value = Binding> {
        let states = prop::sample::select(DeviceState::ALL);
        prop_oneof![
            Just(Binding::Unbound),
            any::<[u8; 32]>().prop_map(|bytes| Binding::Key(Thumbprint::from_bytes(bytes))),
            (states, 0..4_u8).prop_map(|(state, generation)| device(state, generation)),
        ]
    }

    fn any_proof() -> impl Strategy<Value = Proof> {
        prop_oneof![
            Just(Proof::default()),
            any::<[u8; 32]>().prop_map(|bytes| Proof::Key(Thumbprint::from_bytes(bytes))),
            (0..4_u8).prop_map(|number| Proof::Device(BindingGeneration(number))),
        ]
    }

    proptest! {
        #[test]
        fn a_binding_comes_back_from_a_store(binding in any_binding()) {
            let bytes = binding.to_bytes();
            prop_assert!(bytes.len() <= 35);
            prop_assert_eq!(Binding::from_bytes(&bytes), Ok(binding));
            let json = serde_json::to_string(&binding).unwrap();
            prop_assert_eq!(serde_json::from_str::<Binding>(&json).unwrap(), binding);
        }

        /// What stores do in their own language.
        #[test]
        fn a_proof_is_enough_exactly_if_the_bytes_say_so(binding in any_binding(), proof in any_proof()) {
            for proof in [proof, Proof::Key(Thumbprint::from_bytes(match binding {
                Binding::Key(thumbprint) => *thumbprint.as_bytes(),
                _ => [0; 32],
            }))] {
                let (bytes, prefix) = (binding.to_bytes(), proof.prefix());
                let holds = *bytes < *Binding::DEMANDING || bytes.starts_with(&prefix);
                prop_assert_eq!(binding.check(proof).is_ok(), holds, "{:?}", proof);
            }
        }
    }

    #[test]
    fn bytes_of_a_later_version_are_refused() {
        for bytes in [&[0x03; 35][..], &[0x81; 3], &[0x82; 32], &[0x81; 35], &[0]] {
            assert!(Binding::from_bytes(bytes).is_err(), "{bytes:?}");
        }
    }

    #[test]
    fn a_binding_fits_where_the_memory_store_has_room() {
        assert!(size_of::<Binding>() <= 35, "{}", size_of::<Binding>());
    }
}
