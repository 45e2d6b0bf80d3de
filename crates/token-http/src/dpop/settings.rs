//! Which clients prove a key, and what is demanded of a proof.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use token_core::binding::dpop::{KnownKeys, NotRemembered, ProofOwner, UsedProofs, VerifiedProof};
use token_core::{ClientId, UnixTime};

/// Proofs of possession ([RFC 9449](https://www.rfc-editor.org/rfc/rfc9449)) in the transport `header`:
/// which clients have to send one.
///
/// A login with a proof opens a session that is bound to the client's key. Each refresh, and each request
/// with an access token of it, then needs a proof by the same key, so copied tokens are worth nothing.
///
/// ```
/// use token_http::{AuthConfig, Dpop};
///
/// let dpop = Dpop::optional().require("mobile".parse()?);
/// let config = AuthConfig::builder("https://app.example".parse()?).dpop(dpop).build()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Dpop {
    all: bool,
    clients: Vec<ClientId>,
    nonces: bool,
    nonces_with_tokens: bool,
    base_path: Box<str>,
    capacity: usize,
    per_owner: u32,
}

impl Dpop {
    /// Each login may send a proof, and none has to.
    pub fn optional() -> Self {
        Self {
            all: false,
            clients: Vec::new(),
            nonces: true,
            nonces_with_tokens: false,
            base_path: Box::default(),
            capacity: 1_000_000,
            per_owner: 10_000,
        }
    }

    /// Each login in the transport `header` has to send a proof; without one it is refused with 400
    /// `invalid_dpop_proof`. Sessions that were opened before go on as they are.
    pub fn required() -> Self {
        Self {
            all: true,
            ..Self::optional()
        }
    }

    /// Logins of this client have to send a proof (`dpop_bound_access_tokens` of RFC 9449 section 5.2). Call
    /// it for each client. A login that names no client is one of the manager's default client. Logins of
    /// this client in the transports `cookie` and `session`, in which nothing proves a key, are refused with
    /// 400 `invalid_request`.
    pub fn require(mut self, client: ClientId) -> Self {
        self.clients.push(client);
        self
    }

    /// Whether proofs for a login, a refresh, a step-up and a change of password must have a nonce of the
    /// server's, so that they cannot be made long before. Default true. A client without the current one is
    /// answered with it, and asks again; nothing is counted as an attempt. Nonces are made with the refresh
    /// keys, so all nodes accept them.
    pub fn nonces(mut self, demanded: bool) -> Self {
        self.nonces = demanded;
        self
    }

    /// The same for requests with an access token. Default false: the proof is as old as the request, and
    /// another round trip every five minutes is seldom worth it.
    pub fn nonces_with_tokens(mut self, demanded: bool) -> Self {
        self.nonces_with_tokens = demanded;
        self
    }

    /// Default none. What stands before each path in the address that clients know, if a proxy takes it
    /// off before the request arrives: for example `/app`. What axum's `Router::nest` takes off is known
    /// and does not belong here.
    pub fn base_path(mut self, path: impl Into<Box<str>>) -> Self {
        self.base_path = path.into();
        self
    }

    /// How many used proofs this process remembers, until they are too old two to three minutes later, and
    /// how many of one session, or of one user's logins, that end in the same minute. Default 1,000,000 and
    /// 10,000, both at least 1; each takes about 40 bytes. If there is no room, requests are refused with
    /// 503 rather than a used proof accepted.
    ///
    /// Of one session's refreshes at most [`UsedProofs::RENEWALS`] a minute are remembered, so that old
    /// refresh tokens cannot take the room of others.
    pub fn remember(mut self, capacity: usize, per_owner: u32) -> Self {
        (self.capacity, self.per_owner) = (capacity, per_owner);
        self
    }

    pub(super) const fn demands_nonces(&self) -> bool {
        self.nonces
    }

    pub(super) const fn demands_nonces_with_tokens(&self) -> bool {
        self.nonces_with_tokens
    }

    pub(crate) const fn base(&self) -> &str {
        &self.base_path
    }

    /// Whether logins of this client have to send a proof.
    pub(super) fn demands(&self, client: &ClientId) -> bool {
        self.all || self.names(client)
    }

    /// Whether this client was named, so that it has to prove a key in every login.
    pub(super) fn names(&self, client: &ClientId) -> bool {
        self.clients.contains(client)
    }

    /// Whether there is room for used proofs at all.
    pub(crate) const fn has_room(&self) -> bool {
        self.capacity > 0 && self.per_owner > 0
    }

    /// Whether every login has to.
    pub(crate) const fn is_required(&self) -> bool {
        self.all
    }

    /// An empty memory of so much room.
    pub(crate) fn memory(&self) -> UsedByAll {
        let used = UsedProofs::new(self.capacity, self.per_owner);
        UsedByAll(Arc::new(Memory {
            used: Mutex::new(used),
            keys: KnownKeys::new(KNOWN_KEYS),
        }))
    }
}

/// How many keys of clients are known at once. One that is not is read from the proof.
const KNOWN_KEYS: usize = 4096;

/// The proofs that were used and the keys that were seen, for all requests of one process.
#[derive(Clone)]
pub(crate) struct UsedByAll(Arc<Memory>);

struct Memory {
    used: Mutex<UsedProofs>,
    keys: KnownKeys,
}

impl UsedByAll {
    pub(super) fn keys(&self) -> &KnownKeys {
        &self.0.keys
    }

    pub(super) fn remember(
        &self,
        proof: &VerifiedProof,
        owner: ProofOwner,
        now: UnixTime,
    ) -> Result<(), NotRemembered> {
        // Nothing in it is half done if a thread panics.
        let mut used = self.0.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.remember(proof, owner, now)
    }
}

impl fmt::Debug for UsedByAll {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UsedByAll")
    }
}
