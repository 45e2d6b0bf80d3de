//! The keys under which a server recognises what it gave to a browser itself.

use std::fmt;
use std::time::Duration;

use aws_lc_rs::hmac;

use crate::binding::dpop::NonceKeys;
use crate::binding::proof::Unproven;
use crate::jose::base64url;
use crate::types::id::SessionId;

/// Bytes of a tag, which says which key made a text.
const TAG: usize = 4;
const MAC: usize = 32;
/// The longest body of all uses, in bytes.
const MAX_BODY: usize = 16;

/// What a text is for. A text that was made for one use is worth nothing for another.
#[derive(Clone, Copy)]
pub(super) enum Use {
    /// The `authorization` of a registration.
    Authorization = 1,
    /// The challenge of a registration.
    Registration = 2,
    /// The challenge of a renewal.
    Renewal = 3,
    /// The value of the bound cookie.
    Value = 4,
}

/// A key of the texts that bind a browser to its session, and of nonces. It comes from the secret of a refresh key, which
/// every node has before it is used.
#[derive(Clone)]
pub(crate) struct BindingKey {
    tag: [u8; TAG],
    mac: hmac::Key,
    nonces: hmac::Key,
}

impl BindingKey {
    /// The key of a secret that is used for nothing else, as `nonces` is.
    pub(crate) fn new(secret: &[u8], nonces: hmac::Key) -> Self {
        let mac = hmac::Key::new(hmac::HMAC_SHA256, secret);
        // What a key makes of no text at all names it and tells nothing of it.
        let name = hmac::sign(&mac, b"");
        let tag = name.as_ref().first_chunk().copied();
        Self {
            tag: tag.expect("HMAC-SHA256 has 32 bytes"),
            mac,
            nonces,
        }
    }

    fn mac(&self, purpose: Use, session: SessionId, body: &[u8]) -> hmac::Context {
        let mut context = hmac::Context::with_key(&self.mac);
        // The first two have a fixed length, and so has the body of each use.
        context.update(&[purpose as u8]);
        context.update(session.as_bytes());
        context.update(body);
        context
    }
}

/// The keys of an issuer: the first makes texts, all are recognised.
///
/// They come and go with the refresh keys ([`RefreshKeyRing`](crate::RefreshKeyRing::binding_keys)): a new
/// one is on every node before the first text of it, and an old one stays longer than any text lives, but not as
/// long as its refresh key, with which anyone could make such texts. Equal are those with the same keys.
#[derive(Clone)]
pub struct BindingKeys(Vec<BindingKey>);

impl BindingKeys {
    /// How long a key is recognised after it has made its last text: longer than any text lives, on nodes whose
    /// clocks differ.
    pub const RECOGNISED: Duration = Duration::from_secs(24 * 60 * 60);

    pub(crate) fn new(keys: impl IntoIterator<Item = BindingKey>) -> Self {
        Self(keys.into_iter().collect())
    }

    /// The keys of the nonces that the issuer gives to clients which prove a key of theirs. Every node has
    /// them, as it has these.
    pub fn nonce_keys(&self) -> NonceKeys {
        NonceKeys::of_keys(self.0.iter().map(|key| key.nonces.clone()))
    }

    /// The text of a body: base64url of the key's tag, the body and the MAC.
    pub(super) fn seal(&self, purpose: Use, session: SessionId, body: &[u8]) -> String {
        let key = self.0.first().expect("a ring is made with a key");
        let mac = key.mac(purpose, session, body).sign();
        let bytes = [&key.tag, body, mac.as_ref()].concat();
        base64url::to_text(&bytes)
    }

    /// The body of a text that one of the keys made for this use and session.
    pub(super) fn open<const BODY: usize>(
        &self,
        purpose: Use,
        session: SessionId,
        text: &str,
    ) -> Result<[u8; BODY], Unproven> {
        const { assert!(BODY <= MAX_BODY, "the buffer has room for it") };
        let mut buffer = [0; TAG + MAX_BODY + MAC];
        let bytes = base64url::decode(text.as_bytes(), &mut buffer[..]);
        let bytes = bytes.ok_or(Unproven::Invalid)?;
        let (tag, rest) = bytes.split_first_chunk::<TAG>().ok_or(Unproven::Invalid)?;
        let (body, mac) = rest.split_first_chunk::<BODY>().ok_or(Unproven::Invalid)?;
        let key = self.0.iter().find(|key| key.tag == *tag);
        let key = key.ok_or(Unproven::UnknownKey)?;
        let expected = key.mac(purpose, session, body).sign();
        aws_lc_rs::constant_time::verify_slices_are_equal(expected.as_ref(), mac)
            .map_err(|_| Unproven::Invalid)?;
        Ok(*body)
    }
}

impl PartialEq for BindingKeys {
    fn eq(&self, other: &Self) -> bool {
        let tags = |keys: &Self| keys.0.iter().map(|key| key.tag).collect::<Vec<_>>();
        tags(self) == tags(other)
    }
}

impl fmt::Debug for BindingKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BindingKeys([redacted])")
    }
}
