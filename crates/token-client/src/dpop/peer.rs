//! What is known of one server.

use std::time::UNIX_EPOCH;

use reqwest::StatusCode;
use reqwest::header::{DATE, HeaderMap, HeaderName, WWW_AUTHENTICATE};

use super::proof::Proof;
use crate::clock::millis;

/// The field with the nonce for the proofs to come.
const NONCE: HeaderName = HeaderName::from_static("dpop-nonce");

/// The last nonce of a server, and its clock.
#[derive(Debug, Default)]
pub(super) struct Peer {
    pub(super) nonce: Option<String>,
    /// How far its clock is ahead of this machine's, in milliseconds. It only matters if proofs were refused for it.
    pub(super) ahead: i64,
}

/// Why an answer refuses a proof.
#[derive(Clone, Copy, Debug)]
pub(super) enum ProofFault {
    /// It has no nonce of the server's, or an old one.
    Nonce,
    /// Something else, of which only a wrong clock can be corrected.
    Other,
}

impl ProofFault {
    /// Its name in answers.
    const fn name(self) -> &'static str {
        match self {
            Self::Nonce => "use_dpop_nonce",
            Self::Other => "invalid_dpop_proof",
        }
    }

    fn named(error: &str) -> Option<Self> {
        let mut faults = [Self::Nonce, Self::Other].into_iter();
        faults.find(|fault| fault.name() == error)
    }
}

/// What an answer says to the client about its proofs.
#[derive(Debug)]
pub(crate) struct Said<'a> {
    pub(super) fault: Option<ProofFault>,
    /// The nonce for the proofs to come.
    pub(super) nonce: Option<&'a str>,
    /// When the answer was made by the server's clock, in milliseconds.
    pub(super) date: Option<i64>,
}

impl<'a> Said<'a> {
    /// Reads the answer of a token endpoint, whose body has this `error`.
    pub(crate) fn by_token_endpoint(headers: &'a HeaderMap, error: Option<&str>) -> Self {
        Self::new(headers, error.and_then(ProofFault::named))
    }

    /// Reads the answer of a resource server
    /// ([RFC 9449 section 7.1](https://www.rfc-editor.org/rfc/rfc9449#section-7.1)).
    pub(crate) fn by_resource(status: StatusCode, headers: &'a HeaderMap) -> Self {
        let refused = status == StatusCode::UNAUTHORIZED;
        let mut faults = [ProofFault::Nonce, ProofFault::Other].into_iter();
        let fault = faults.find(|fault| refused && challenge_says(headers, fault.name()));
        Self::new(headers, fault)
    }

    fn new(headers: &'a HeaderMap, fault: Option<ProofFault>) -> Self {
        let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
        let date = text(DATE).and_then(|date| httpdate::parse_http_date(date).ok());
        let since = date.and_then(|date| date.duration_since(UNIX_EPOCH).ok());
        Self {
            fault,
            nonce: text(NONCE),
            date: since.map(millis),
        }
    }
}

/// Whether a challenge names this error.
pub(crate) fn challenge_says(headers: &HeaderMap, error: &str) -> bool {
    let mut challenges = headers.get_all(WWW_AUTHENTICATE).iter();
    challenges.any(|challenge| {
        let challenge = challenge.to_str().unwrap_or_default();
        challenge.contains(&format!("error=\"{error}\""))
            || challenge.contains(&format!("error={error}"))
    })
}

impl Peer {
    /// Takes over what the answer to a request says. Whether that request should be repeated with a new proof: the one
    /// that it had was refused for what is known better now.
    pub(super) fn learn(&mut self, said: &Said<'_>, used: &Proof, wall: i64) -> bool {
        if let Some(nonce) = said.nonce {
            self.nonce = Some(nonce.to_owned());
        }
        match said.fault {
            Some(ProofFault::Nonce) => said.nonce.is_some() && used.nonce.as_deref() != said.nonce,
            Some(ProofFault::Other) => {
                let ahead = said.date.map(|date| date - wall);
                let moved = ahead.filter(|ahead| (ahead - used.ahead).abs() > TOLERANCE);
                self.ahead = moved.unwrap_or(self.ahead);
                moved.is_some()
            }
            None => false,
        }
    }
}

/// Clocks that differ by less are no reason to refuse a proof, in milliseconds.
const TOLERANCE: i64 = 5_000;
