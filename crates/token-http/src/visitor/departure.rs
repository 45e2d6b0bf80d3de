//! One-time values for a login at another site: `state`, `nonce` and the PKCE verifier
//! ([RFC 6749 section 10.12](https://www.rfc-editor.org/rfc/rfc6749#section-10.12),
//! [RFC 7636](https://www.rfc-editor.org/rfc/rfc7636)).
//!
//! They are derived from the secret in the visitor's cookie and a number. The store has the number, so it
//! has no secret, and another browser cannot have the values.

use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::{digest, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use token_core::UnixTime;
use zeroize::Zeroizing;

use super::browser::Visitor;
use super::local_path::LocalPath;
use crate::mark::Mark;
use crate::private_data::DataError;
use crate::refusal::Refusal;
use crate::rejection::Rejection;

/// The member of the data in which departures wait for their return.
const DEPARTURES: &str = "departures";

/// How many logins at other sites may wait in one browser, such as in several tabs. If there is one more,
/// the oldest is forgotten.
const MOST: usize = 3;

/// How long a user may take at the other site, in seconds.
const LIFETIME: u64 = 10 * 60;

/// What is stored: no secret.
#[derive(Default, Serialize, Deserialize)]
struct Departures {
    /// How many there have been.
    count: u64,
    waiting: Vec<Waiting>,
    mark: Mark,
}

#[derive(Clone, Serialize, Deserialize)]
struct Waiting {
    number: u64,
    next: LocalPath,
    until: UnixTime,
}

/// The values to send with a browser that goes to another site to log in.
#[must_use = "the browser is not on its way yet"]
pub struct Departure {
    secrets: Secrets,
}

/// A browser that is back from another site, where it was sent by this one.
#[must_use = "nobody is logged in yet"]
pub struct Arrival {
    secrets: Secrets,
    next: LocalPath,
}

impl Departure {
    /// The `state` of the authorization request: 43 characters of base64url.
    pub fn state(&self) -> &str {
        &self.secrets.state
    }

    /// The `nonce` of the authorization request, which the ID token must have
    /// ([OpenID Connect Core section 3.1.2.1](https://openid.net/specs/openid-connect-core-1_0.html#AuthRequest)).
    pub fn nonce(&self) -> &str {
        &self.secrets.nonce
    }

    /// The `code_challenge` of the authorization request; its method is `S256`.
    pub fn code_challenge(&self) -> String {
        let digest = digest::digest(&digest::SHA256, self.secrets.verifier.as_bytes());
        URL_SAFE_NO_PAD.encode(digest)
    }
}

impl Arrival {
    /// The nonce that the ID token must have.
    pub fn nonce(&self) -> &str {
        &self.secrets.nonce
    }

    /// The `code_verifier` of the token request. A secret.
    pub fn code_verifier(&self) -> &str {
        &self.secrets.verifier
    }

    /// Where the browser wanted to go.
    pub const fn next(&self) -> &LocalPath {
        &self.next
    }
}

impl fmt::Debug for Departure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Departure").finish_non_exhaustive()
    }
}

impl fmt::Debug for Arrival {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Arrival")
            .field("next", &self.next)
            .finish_non_exhaustive()
    }
}

/// The values of one departure.
struct Secrets {
    state: Zeroizing<String>,
    nonce: Zeroizing<String>,
    verifier: Zeroizing<String>,
}

impl Secrets {
    fn derive(cookie: &str, number: u64) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, cookie.as_bytes());
        let value = |name: &str| {
            let tag = hmac::sign(&key, format!("{name} {number}").as_bytes());
            Zeroizing::new(URL_SAFE_NO_PAD.encode(tag))
        };
        Self {
            state: value("state"),
            nonce: value("nonce"),
            verifier: value("verifier"),
        }
    }
}

impl Visitor {
    /// Begins a login at another site: gives the one-time values of the authorization request, and
    /// remembers where the browser goes after it. It is written now. At most 3 wait in one browser, each
    /// for 10 minutes.
    ///
    /// # Errors
    /// As [`update`](Self::update).
    pub async fn depart(&self, next: LocalPath) -> Result<Departure, DataError> {
        let until = self.now() + std::time::Duration::from_secs(LIFETIME);
        let mut number = 0;
        let add = |departures: Option<Departures>| {
            let mut departures = departures.unwrap_or_default();
            departures.mark = Mark::new();
            number = departures.count;
            departures.count += 1;
            let surplus = (departures.waiting.len() + 1).saturating_sub(MOST);
            departures.waiting.drain(..surplus);
            let next = next.clone();
            departures.waiting.push(Waiting {
                number,
                next,
                until,
            });
            departures
        };
        self.update(DEPARTURES, add).await?;
        // It may have been ended by a login in another tab since it was opened to store this.
        let cookie = self.secret().await?.ok_or(DataError::Conflict)?;
        let secrets = Secrets::derive(&cookie, number);
        Ok(Departure { secrets })
    }

    /// Ends a login at another site: finds the values that belong to the `state` that came back. Each
    /// state is accepted once, in the browser that it was made for.
    ///
    /// # Errors
    /// [`Refusal::Csrf`] if this browser does not wait for it (any more), and those of
    /// [`update`](Self::update).
    pub async fn arrive(&self, state: &str) -> Result<Arrival, Rejection> {
        let refused = || {
            let why = "the `state` is none for which this browser waits";
            self.refuse(Refusal::Csrf.because(why))
        };
        // Before anything is written: without a session there is nothing to wait for.
        let waiting: Option<Departures> = self.get(DEPARTURES).await?;
        let cookie = self.secret().await?.filter(|_| waiting.is_some());
        let cookie = cookie.ok_or_else(refused)?;
        let is_meant = |number: u64| {
            let secrets = Secrets::derive(&cookie, number);
            verify_slices_are_equal(secrets.state.as_bytes(), state.as_bytes()).is_ok()
        };
        let waiting = waiting.unwrap_or_default().waiting;
        let found = waiting.into_iter().find(|one| is_meant(one.number));
        let number = found.ok_or_else(refused)?.number;
        let mut found = None;
        let take = |departures: Option<Departures>| {
            let mut departures = departures.unwrap_or_default();
            let place = departures
                .waiting
                .iter()
                .position(|one| one.number == number);
            found = place.map(|place| departures.waiting.remove(place));
            departures.mark = Mark::new();
            departures
        };
        self.update(DEPARTURES, take).await?;
        // Another request may have been faster, and it may be too late.
        let now = self.now();
        let found = found.filter(|one| now < one.until).ok_or_else(refused)?;
        Ok(Arrival {
            secrets: Secrets::derive(&cookie, number),
            next: found.next,
        })
    }
}
