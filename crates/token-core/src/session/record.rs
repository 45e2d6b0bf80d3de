//! The session, as a store keeps it: who is logged in, since when, and with which credential.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::access::custom::CustomClaims;
use crate::binding::record::Binding;
use crate::session::superseded::EarlierRotations;
use crate::types::count::{Epoch, Generation};
use crate::types::id::SessionId;
use crate::types::invalid::InvalidValue;
use crate::types::name::{ClientId, KeyId, Subject};
use crate::types::scope::Scope;
use crate::types::secret::{Entropy, TokenHash};
use crate::types::stored::{bytes, words};
use crate::types::time::UnixTime;

/// A session as a store keeps it. No secret is in it.
///
/// Stores copy the fields and evaluate the conditions of a [`Change`](crate::session::Change). They never
/// compute a field of their own. A store keeps the application's private data beside it, so that a
/// refresh does not move it.
///
/// With serde it can be kept as one document, if a store has no columns:
///
/// ```
/// # fn f(session: &token_core::Session) -> serde_json::Result<token_core::Session> {
/// let document = serde_json::to_vec(session)?;
/// serde_json::from_slice(&document)
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Names the session; proves nothing.
    pub id: SessionId,
    /// Whose session it is.
    pub subject: Subject,
    /// The subject's [`Epoch`] that the login noted before it checked the password.
    pub subject_epoch: Epoch,
    /// The application that logged in.
    pub client_id: ClientId,
    /// How its credentials travel.
    pub transport: Transport,
    /// What it may do.
    pub scope: Scope,
    /// When the login was.
    pub created_at: UnixTime,
    /// When and how the user proved who they are.
    pub authentication: Authentication,
    /// Counts the credentials: 0 at login, one more at each rotation.
    pub generation: Generation,
    /// The hash of the current credential's secret.
    pub token_hash: TokenHash,
    /// The hash of the credential before it; `None` in generation 0.
    pub previous_hash: Option<TokenHash>,
    /// The random part of the current secret's derivation.
    pub nonce: Nonce,
    /// When the current credential was made: its `iat`.
    pub rotated_at: UnixTime,
    /// What made the current credential.
    pub rotated_by: RotatedBy,
    /// When the credentials before the previous one were superseded, if step-ups followed each other.
    #[serde(default)]
    pub earlier_rotations: EarlierRotations,
    /// The refresh key that derived and signed the current credential.
    pub rotation_kid: KeyId,
    /// The session ends at this instant unless it is used before; moves with use.
    pub idle_expires_at: UnixTime,
    /// The session ends at this instant, used or not; never moves.
    pub absolute_expires_at: UnixTime,
    /// Whether the user asked to be remembered on this device.
    pub remember: bool,
    /// Why and when it was ended. Once set it stays.
    pub revocation: Option<Revocation>,
    /// When it was last used, coarse.
    pub last_seen_at: UnixTime,
    /// The application's own claims, repeated in each access token.
    pub claims: CustomClaims,
    /// Where it was opened, for the user's list of sessions.
    pub device: Device,
    /// From when on the session may be deleted; coarse.
    pub purge_at: UnixTime,
    /// The key without which its credentials are worth nothing, if any.
    #[serde(default, skip_serializing_if = "Binding::is_unbound")]
    pub binding: Binding,
}

impl Session {
    /// A session of generation 0 that ends at the second at which it was created, with nothing else in it.
    ///
    /// A store that keeps fields of its own makes a session of this and of what it read. A field that a
    /// later version adds has a safe value then, and a deadline that is not set is one that has passed.
    pub fn new(
        id: SessionId,
        subject: Subject,
        client_id: ClientId,
        transport: Transport,
        token_hash: TokenHash,
        rotation_kid: KeyId,
        created_at: UnixTime,
    ) -> Self {
        Self {
            id,
            subject,
            subject_epoch: Epoch::default(),
            client_id,
            transport,
            scope: Scope::default(),
            created_at,
            authentication: Authentication {
                time: created_at,
                acr: None,
                amr: Vec::new(),
            },
            generation: Generation::default(),
            token_hash,
            previous_hash: None,
            nonce: Nonce::from_bytes([0; 16]),
            rotated_at: created_at,
            rotated_by: RotatedBy::Refresh,
            earlier_rotations: EarlierRotations::default(),
            rotation_kid,
            idle_expires_at: created_at,
            absolute_expires_at: created_at,
            remember: false,
            revocation: None,
            last_seen_at: created_at,
            claims: CustomClaims::default(),
            device: Device::default(),
            purge_at: created_at,
            binding: Binding::Unbound,
        }
    }
}

/// When and how the user proved who they are
/// ([RFC 9068 section 2.2.1](https://www.rfc-editor.org/rfc/rfc9068#section-2.2.1)).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Authentication {
    /// The `auth_time` claim.
    pub time: UnixTime,
    /// The `acr` claim: the class of the authentication, in the application's words.
    pub acr: Option<Box<str>>,
    /// The `amr` claim: the methods used, such as `pwd` and `otp`
    /// ([RFC 8176](https://www.rfc-editor.org/rfc/rfc8176)).
    pub amr: Vec<Box<str>>,
}

impl Authentication {
    /// An authentication by password at `now`.
    pub fn password(now: UnixTime) -> Self {
        Self {
            time: now,
            acr: None,
            amr: vec!["pwd".into()],
        }
    }
}

/// Where a session was opened, as its user's list of sessions shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Device {
    /// What a person calls it: "Firefox on Linux".
    pub label: Option<Box<str>>,
    /// The `User-Agent` that logged in.
    pub user_agent: Option<Box<str>>,
    /// The network it came from: an address with the host part cut off.
    pub ip_prefix: Option<Box<str>>,
}

impl Device {
    /// The longest label and prefix, in bytes.
    const MAX_LABEL: usize = 64;
    /// The longest `User-Agent` that is kept, in bytes; longer ones are cut.
    const MAX_USER_AGENT: usize = 256;

    /// Cuts each text to its longest length.
    pub fn new(label: Option<&str>, user_agent: Option<&str>, ip_prefix: Option<&str>) -> Self {
        Self {
            label: label.map(|text| cut(text, Self::MAX_LABEL)),
            user_agent: user_agent.map(|text| cut(text, Self::MAX_USER_AGENT)),
            ip_prefix: ip_prefix.map(|text| cut(text, Self::MAX_LABEL)),
        }
    }
}

/// Why and when a session was ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Revocation {
    /// When it was ended.
    pub at: UnixTime,
    /// Why it was ended.
    pub reason: RevokeReason,
}

bytes! {
    /// 16 random bytes in the derivation of a credential. They are worth nothing without the credential
    /// before it and the rotation key.
    #[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
    #[serde(transparent)]
    Nonce, 16
}

impl Nonce {
    /// A new one from the caller's entropy.
    pub(crate) fn new<const N: usize>(entropy: Entropy<N>) -> Self {
        let (nonce, []) = entropy.split::<16, 0>();
        drop(entropy);
        Self(nonce)
    }
}

impl fmt::Debug for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Nonce([redacted])")
    }
}

words! {
    /// How the credentials of a session travel.
    #[expect(clippy::exhaustive_enums, reason = "the contract has these three")]
    Transport {
        /// Access token in the header, refresh token in a cookie that scripts cannot read.
        Cookie = "cookie",
        /// Both tokens in the body of the answer; the client keeps them.
        Header = "header",
        /// One opaque cookie and no token at all.
        Session = "session",
    }
}

words! {
    /// What made the current credential of a session.
    #[expect(clippy::exhaustive_enums, reason = "a credential has no other origin")]
    RotatedBy {
        /// The login, or the rotation of a refresh: older tokens are replayed within the grace.
        Refresh = "refresh",
        /// A step-up or a change of password: older tokens were meant to end at once.
        StepUp = "step_up",
    }
}

words! {
    /// Why a session was ended.
    #[non_exhaustive]
    RevokeReason {
        /// The application ended it, for example an administrator's button.
        Admin = "admin",
        /// The user logged out of it, or ended it in the list.
        Logout = "logout",
        /// All sessions of the subject were ended.
        LogoutAll = "logout_all",
        /// The user ended all sessions but the current one.
        LogoutOthers = "logout_others",
        /// The password was changed in another session.
        PasswordChanged = "password_changed",
        /// The application's hook refused a refresh for good.
        Refused = "refused",
        /// A login replaced the session whose cookie came with it.
        Replaced = "replaced",
        /// A superseded credential came back: it was stolen.
        Reused = "reused",
    }
}

/// The longest prefix of at most `max` bytes, without control characters.
fn cut(text: &str, max: usize) -> Box<str> {
    let mut kept = String::with_capacity(text.len().min(max));
    for c in text.chars().filter(|c| !c.is_control()) {
        if kept.len() + c.len_utf8() > max {
            break;
        }
        kept.push(c);
    }
    kept.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_reads_back() {
        for reason in RevokeReason::ALL {
            assert_eq!(reason.as_str().parse::<RevokeReason>().unwrap(), *reason);
        }
        for transport in Transport::ALL {
            assert_eq!(
                transport.to_string().parse::<Transport>().unwrap(),
                *transport
            );
        }
        assert!("Header".parse::<Transport>().is_err());
    }

    #[test]
    fn device_texts_are_cut_at_a_character() {
        let device = Device::new(Some(&"ä".repeat(40)), Some("a\r\nb"), None);
        assert_eq!(device.label.unwrap().len(), 64);
        assert_eq!(device.user_agent.as_deref(), Some("ab"));
    }
}
