//! Device Bound Session Credentials: a browser registers a key for its session, and later shows that it
//! still has the key ([draft](https://w3c.github.io/webappsec-dbsc/)).

use crate::binding::jws::{ProofError, ProofJws};
use crate::binding::keys::{BindingKeys, Use};
use crate::binding::record::DeviceKey;
use crate::types::id::SessionId;
use crate::types::secret::{SecretText, secret_text};
use crate::types::time::UnixTime;

/// The `typ` of the proofs.
const TYPE: &str = "dbsc+jwt";

secret_text! {
    /// The `authorization` of a registration. Who has it within the next minutes can bind the session to a
    /// key of their own, so it is in the answer to a login and nowhere else.
    Authorization
}

/// What a browser is offered, so that it registers a key.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Offer {
    /// What the browser has to sign.
    pub challenge: Box<str>,
    /// What it has to send along.
    pub authorization: Authorization,
}

/// A genuine registration: a key, and the session whose login was answered to its browser.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Registration {
    /// The session.
    pub session: SessionId,
    /// The browser's key.
    pub key: DeviceKey,
}

/// A proof that answers a challenge of its session. Its signature is not verified.
#[must_use]
pub struct Renewal<'a>(ProofJws<'a>);

impl Renewal<'_> {
    /// Whether the session's key has signed it.
    ///
    /// # Errors
    /// [`ProofError::Signature`].
    pub fn verify(&self, key: &DeviceKey) -> Result<(), ProofError> {
        self.0.verify(key)
    }
}

impl std::fmt::Debug for Renewal<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Renewal([redacted])")
    }
}

impl BindingKeys {
    /// What the answer to a login offers to the browser.
    ///
    /// A session cookie alone must not be enough to register a key: then a thief could be the first. So this
    /// goes out with the answer to a login or a step-up, and never because a cookie was shown.
    pub fn offer(&self, session: SessionId, now: UnixTime) -> Offer {
        let authorization = self.challenge(Use::Authorization, session, now);
        let authorization = Authorization(SecretText(format!("{session}.{authorization}")));
        let challenge = self.challenge(Use::Registration, session, now);
        Offer {
            challenge: challenge.into(),
            authorization,
        }
    }

    /// Reads a registration. No I/O: a text that was not authorised here costs nobody anything.
    ///
    /// # Errors
    /// [`ProofError`], cheapest checks first.
    pub fn registration(&self, proof: &str, now: UnixTime) -> Result<Registration, ProofError> {
        let jws = ProofJws::parse(proof, TYPE)?;
        if !jws.has_key() {
            return Err(ProofError::KeyPlace);
        }
        let authorization = jws.claim("authorization")?;
        let claim = ProofError::Claim {
            name: "authorization",
        };
        let (session, seal) = authorization.split_once('.').ok_or(claim.clone())?;
        let session: SessionId = session.parse().map_err(|_| claim)?;
        let challenge = jws.claim("jti")?;
        for (purpose, text) in [(Use::Authorization, seal), (Use::Registration, &challenge)] {
            self.check_challenge(purpose, session, text, now)
                .map_err(ProofError::Challenge)?;
        }
        let key = jws.key()?;
        jws.verify(&key)?;
        Ok(Registration { session, key })
    }

    /// The challenge that a browser has to sign to renew.
    pub fn renewal_challenge(&self, session: SessionId, now: UnixTime) -> String {
        self.challenge(Use::Renewal, session, now)
    }

    /// Reads a renewal, up to its signature: the session's key is asked for only if the proof is worth it.
    ///
    /// # Errors
    /// [`ProofError`], cheapest checks first. A key in the header is refused: it is known.
    pub fn renewal<'a>(
        &self,
        proof: &'a str,
        session: SessionId,
        now: UnixTime,
    ) -> Result<Renewal<'a>, ProofError> {
        let jws = ProofJws::parse(proof, TYPE)?;
        if jws.has_key() {
            return Err(ProofError::KeyPlace);
        }
        let challenge = jws.claim("jti")?;
        self.check_challenge(Use::Renewal, session, &challenge, now)
            .map_err(ProofError::Challenge)?;
        Ok(Renewal(jws))
    }
}
