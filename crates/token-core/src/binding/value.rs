//! The bound value: what a browser is given after it has used its key, for some minutes.

use std::time::Duration;

use crate::binding::generation::BindingGeneration;
use crate::binding::keys::{BindingKeys, Use};
use crate::binding::proof::Unproven;
use crate::types::id::SessionId;
use crate::types::secret::{SecretText, secret_text};
use crate::types::time::UnixTime;

secret_text! {
    /// The value of the bound cookie. It says itself for which registration of the session it was made and
    /// until when it is good, under a MAC, so that any number of values is good at the same time and
    /// recognising one costs no call to the store.
    BoundValue
}

impl BoundValue {
    /// How much longer a value is good than its cookie lives. A value that a browser still sends and the server
    /// refuses would not be renewed, because the browser trusts the `Max-Age` of its cookie.
    pub const MARGIN: Duration = Duration::from_secs(60);

    /// The longest that the cookie of a value may live. A value that ends later was not made here.
    pub const MAX_LIFETIME: Duration = Duration::from_secs(60 * 60);
}

/// The most that the clock of the node which made a value may be ahead.
const AHEAD: Duration = Duration::from_secs(60);

/// The registration and the end of a value.
const BODY: usize = 1 + 5;

impl BindingKeys {
    /// A value for the session's bound cookie, which is to live for `lifetime` from `now`, at most
    /// [`BoundValue::MAX_LIFETIME`].
    pub fn value(
        &self,
        session: SessionId,
        generation: BindingGeneration,
        lifetime: Duration,
        now: UnixTime,
    ) -> BoundValue {
        let lifetime = lifetime.min(BoundValue::MAX_LIFETIME);
        let [_, _, _, ends @ ..] = (now + lifetime + BoundValue::MARGIN)
            .as_secs()
            .to_be_bytes();
        let body = [&[generation.0], ends.as_slice()].concat();
        BoundValue(SecretText(self.seal(Use::Value, session, &body)))
    }

    /// For which registration of the session the value was made, and when it ends.
    ///
    /// # Errors
    /// [`Unproven`] if it was not made here for this session, or has ended at `now`.
    pub fn read_value(
        &self,
        value: &str,
        session: SessionId,
        now: UnixTime,
    ) -> Result<(BindingGeneration, UnixTime), Unproven> {
        let body: [u8; BODY] = self.open(Use::Value, session, value)?;
        let [generation, ends @ ..] = body;
        let ends = ends
            .iter()
            .fold(0, |ends, byte| ends << 8 | u64::from(*byte));
        let ends = UnixTime::from_secs(ends).map_err(|_| Unproven::Invalid)?;
        if now >= ends {
            return Err(Unproven::Expired);
        }
        if ends > now + BoundValue::MAX_LIFETIME + BoundValue::MARGIN + AHEAD {
            return Err(Unproven::Invalid);
        }
        Ok((BindingGeneration(generation), ends))
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::hmac;

    use super::*;
    use crate::binding::keys::BindingKey;

    fn keys(secrets: &[u8]) -> BindingKeys {
        let nonces = |byte| hmac::Key::new(hmac::HMAC_SHA256, &[byte; 32]);
        BindingKeys::new(
            secrets
                .iter()
                .map(|byte| BindingKey::new(&[*byte; 32], nonces(*byte))),
        )
    }

    const SESSION: SessionId = SessionId::from_bytes([7; 18]);
    const LIFETIME: Duration = Duration::from_secs(600);

    fn at(seconds: u64) -> UnixTime {
        UnixTime::from_secs(1_700_000_000 + seconds).unwrap()
    }

    #[test]
    fn a_value_is_good_until_a_minute_after_its_cookie() {
        let keys = keys(&[1]);
        let generation = BindingGeneration(3);
        let value = keys.value(SESSION, generation, LIFETIME, at(0));
        let read = |now| keys.read_value(value.secret(), SESSION, now);
        assert_eq!(read(at(0)), Ok((generation, at(660))));
        assert_eq!(read(at(659)), Ok((generation, at(660))));
        assert_eq!(read(at(660)), Err(Unproven::Expired));
        assert_eq!(format!("{value:?}"), "BoundValue([redacted])");
    }

    /// A thief of a key says when his values end.
    #[test]
    fn a_value_that_ends_later_than_any_that_is_made_here_is_refused() {
        let keys = keys(&[1]);
        let long = keys.value(
            SESSION,
            BindingGeneration::ANY,
            BoundValue::MAX_LIFETIME,
            at(61),
        );
        let read = |now| keys.read_value(long.secret(), SESSION, now).map(|_| ());
        assert_eq!(read(at(0)), Err(Unproven::Invalid));
        assert_eq!(read(at(1)), Ok(()));
    }

    #[test]
    fn a_value_of_another_session_or_with_a_changed_bit_is_refused() {
        let keys = keys(&[1]);
        let value = keys.value(SESSION, BindingGeneration::ANY, LIFETIME, at(0));
        let other = SessionId::from_bytes([8; 18]);
        let refused = keys.read_value(value.secret(), other, at(0));
        assert_eq!(refused, Err(Unproven::Invalid));
        let text = value.secret().as_bytes();
        for place in 0..text.len() {
            for bit in 0..6 {
                const ALPHABET: &[u8] =
                    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
                let mut changed = text.to_vec();
                let digit = ALPHABET
                    .iter()
                    .position(|byte| *byte == text[place])
                    .unwrap();
                changed[place] = ALPHABET[digit ^ (1 << bit)];
                let changed = String::from_utf8(changed).unwrap();
                assert!(
                    keys.read_value(&changed, SESSION, at(0)).is_err(),
                    "{place}, {bit}"
                );
            }
        }
        for text in ["", "A", &"A".repeat(60), &"A".repeat(200), "ä"] {
            assert!(keys.read_value(text, SESSION, at(0)).is_err(), "{text}");
        }
    }

    #[test]
    fn a_new_key_is_recognised_before_it_makes_values_and_an_old_one_after() {
        let (before, announced, after, gone) =
            (keys(&[1]), keys(&[1, 2]), keys(&[2, 1]), keys(&[2]));
        let read = |keys: &BindingKeys, value: &BoundValue| {
            keys.read_value(value.secret(), SESSION, at(0)).map(|_| ())
        };
        let make =
            |keys: &BindingKeys| keys.value(SESSION, BindingGeneration::ANY, LIFETIME, at(0));
        let (old, new) = (make(&before), make(&after));
        for keys in [&before, &announced, &after] {
            assert_eq!(read(keys, &old), Ok(()));
        }
        assert_eq!(read(&announced, &new), Ok(()));
        assert_eq!(read(&before, &new), Err(Unproven::UnknownKey));
        assert_eq!(read(&gone, &old), Err(Unproven::UnknownKey));
    }
}
