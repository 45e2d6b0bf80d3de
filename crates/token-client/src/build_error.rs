//! Why a client cannot be built.

use thiserror::Error;

/// Settings that do not work.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BuildError {
    /// It is not an address. Write it with its scheme.
    #[error("{0:?} is not a URL; write it as https://HOST/PATH")]
    Address(Box<str>),
    /// The HTTP client cannot be made, for lack of root certificates for instance.
    #[error("the HTTP client cannot be made")]
    Client(#[source] reqwest::Error),
    /// The address has more than a scheme, a host, a port and a path.
    #[error("the address of {0} has a user name, a query or a fragment; leave them out")]
    Extra(Box<str>),
    /// Everybody on the way could read the tokens.
    #[error("{0} is not encrypted; use https, or let it be on this machine")]
    Insecure(Box<str>),
    /// What should be a certificate authority is none.
    #[error("there is no certificate; give one or more in PEM")]
    NoCertificate,
    /// The name of the program has a character that no header can carry.
    #[error("the user agent has a character that no header can carry; use visible ASCII")]
    UserAgent,
}
