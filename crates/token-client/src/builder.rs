//! What a client is told.

use std::path::PathBuf;

use reqwest::header::HeaderValue;
use reqwest::redirect::Policy;
use reqwest::{Certificate, Url};

use crate::address;
#[cfg(any(feature = "reqwest-middleware", feature = "tower"))]
use crate::attach::Destinations;
use crate::build_error::BuildError;
use crate::client::Client;
use crate::dpop::Peers;
use crate::endpoint::{Endpoint, TIMEOUT};
use crate::shared::Shared;
use crate::store::{FileStore, MemoryStore, Store};

/// Collects what a [`Client`] needs.
#[derive(Clone, Debug)]
#[must_use]
pub struct ClientBuilder {
    base: Box<str>,
    client_id: Option<Box<str>>,
    dpop: bool,
    place: Place,
    insecure: bool,
    #[cfg(any(feature = "reqwest-middleware", feature = "tower"))]
    origins: Vec<Box<str>>,
    roots: Option<Vec<u8>>,
    user_agent: Box<str>,
}

impl Client {
    /// Starts with the address below which the server has its routes, such as `https://app.example/auth`.
    pub fn builder(base: impl Into<Box<str>>) -> ClientBuilder {
        ClientBuilder {
            base: base.into(),
            client_id: None,
            dpop: false,
            place: Place::Memory,
            insecure: false,
            #[cfg(any(feature = "reqwest-middleware", feature = "tower"))]
            origins: Vec::new(),
            roots: None,
            user_agent: concat!("token-client/", env!("CARGO_PKG_VERSION")).into(),
        }
    }
}

impl ClientBuilder {
    /// Names the client to the server, as `client_id` in each request for tokens. Default: none.
    pub fn client_id(mut self, id: impl Into<Box<str>>) -> Self {
        self.client_id = Some(id.into());
        self
    }

    /// Makes a key at each login, to which the server binds the session
    /// ([RFC 9449](https://www.rfc-editor.org/rfc/rfc9449)): the tokens are then worth nothing to somebody who has
    /// copied them without the key. Default: off.
    ///
    /// The key (P-256) is kept where the tokens are, so a copy of the whole file or of the keyring's entry has both. A
    /// session that was opened with a key is continued with it, whatever is said here.
    pub fn dpop(mut self) -> Self {
        self.dpop = true;
        self
    }

    /// Keeps the tokens in this file, which is created with mode 0600 and may be shared by any number of processes
    /// of one machine. Default: in memory.
    ///
    /// A file is for the tokens of one server: clients of another address find no login in it, and a login there is an
    /// error until the tokens are removed by a logout of their own client. So let the name of the file, like the names
    /// of the keyring's entry, contain the server's if users can choose it.
    ///
    /// The tokens are not encrypted in it. Beside it there are `FILE.lock` and `FILE.renewal`, which are never deleted,
    /// and for moments `FILE.new`. The folder must be on a local disk, since locks of network disks may not hold.
    pub fn file(mut self, path: impl Into<PathBuf>) -> Self {
        self.place = Place::File(path.into());
        self
    }

    /// Keeps the tokens in the keyring of the system, under these names: the Secret Service on Linux, the Keychain of
    /// macOS, the Credential Manager of Windows. `locks` is where `LOCKS.lock` and `LOCKS.renewal` are created, since
    /// a keyring cannot be locked for others; it must be the same in every process that shares the tokens.
    ///
    /// While the keyring is locked, logins, logouts and renewals wait until it is unlocked, and so does a first
    /// `access_token`, for 10 s at most.
    ///
    /// Windows keeps at most 2,560 bytes, which is enough for tokens without many claims of the application.
    #[cfg(feature = "keyring")]
    pub fn keyring(
        mut self,
        service: impl Into<Box<str>>,
        user: impl Into<Box<str>>,
        locks: impl Into<PathBuf>,
    ) -> Self {
        self.place = Place::Keyring {
            service: service.into(),
            user: user.into(),
            locks: locks.into(),
        };
        self
    }

    /// Sends tokens over plain HTTP, beyond this machine too: everybody on the way can read them, and be the user.
    /// For closed networks.
    pub fn danger_accept_http(mut self) -> Self {
        self.insecure = true;
        self
    }

    /// Lets the middlewares of this crate send tokens to this origin too, such as `https://api.example`; call it for each.
    /// Default: only to the origin of the client's own address. Scheme, host and port are compared.
    #[cfg(any(feature = "reqwest-middleware", feature = "tower"))]
    pub fn origin(mut self, origin: impl Into<Box<str>>) -> Self {
        self.origins.push(origin.into());
        self
    }

    /// Trusts these certificate authorities (PEM, one or more) and no others: for a server whose certificate is of an
    /// authority of your own. Default: those of the system.
    pub fn trust_only(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.roots = Some(pem.into());
        self
    }

    /// Names the program to the server, which shows it in a user's list of sessions: `notes/1.4`. Default: the name and
    /// version of this crate.
    pub fn user_agent(mut self, name: impl Into<Box<str>>) -> Self {
        self.user_agent = name.into();
        self
    }

    /// Checks everything. It asks nothing and reads nothing yet.
    ///
    /// # Errors
    /// [`BuildError`], with a sentence that says what to do.
    pub fn build(self) -> Result<Client, BuildError> {
        let base = address::parse(&self.base, self.insecure)?;
        #[cfg(any(feature = "reqwest-middleware", feature = "tower"))]
        let destinations = {
            let origins = self.origins.iter();
            let origins = origins.map(|origin| address::parse(origin, self.insecure));
            Destinations::new(&base, &origins.collect::<Result<Vec<_>, _>>()?)
        };
        let store = match self.place {
            Place::File(path) => Store::File(FileStore::new(path)),
            #[cfg(feature = "keyring")]
            Place::Keyring {
                service,
                user,
                locks,
            } => Store::Keyring(crate::store::KeyringStore::new(service, user, &locks)),
            Place::Memory => Store::Memory(MemoryStore::default()),
        };
        let endpoint = Endpoint {
            http: http(&self.user_agent, self.roots.as_deref(), &base)?,
            base,
            client_id: self.client_id,
            dpop: self.dpop,
            peers: Peers::default(),
            #[cfg(any(feature = "reqwest-middleware", feature = "tower"))]
            destinations,
        };
        Ok(Client::new(Shared::new(endpoint, store)))
    }
}

/// Where tokens are kept.
#[derive(Clone, Debug)]
enum Place {
    File(PathBuf),
    #[cfg(feature = "keyring")]
    Keyring {
        service: Box<str>,
        user: Box<str>,
        locks: PathBuf,
    },
    Memory,
}

/// A client for the server at `base` alone.
fn http(user_agent: &str, roots: Option<&[u8]>, base: &Url) -> Result<reqwest::Client, BuildError> {
    let name = HeaderValue::from_str(user_agent).map_err(|_| BuildError::UserAgent)?;
    let mut client = reqwest::Client::builder()
        .redirect(Policy::none())
        .timeout(TIMEOUT)
        .user_agent(name);
    if address::is_plain_loopback(base) {
        // `HTTP_PROXY` would take the tokens off this machine in the clear.
        client = client.no_proxy();
    }
    if let Some(pem) = roots {
        let roots = Certificate::from_pem_bundle(pem).unwrap_or_default();
        if roots.is_empty() {
            return Err(BuildError::NoCertificate);
        }
        client = client.tls_certs_only(roots);
    }
    client.build().map_err(BuildError::Client)
}
