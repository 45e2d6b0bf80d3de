//! Sessions and access tokens that are bound to a key of the client's
//! ([RFC 9449](https://www.rfc-editor.org/rfc/rfc9449)): which proof came with a request, and whether it is
//! good for it. Nothing here is used unless the application switches it on with
//! [`AuthConfigBuilder::dpop`](crate::AuthConfigBuilder::dpop).

mod check;
pub(crate) mod fields;
mod resource;
mod settings;
mod shown;

pub use resource::ProofVerifier;
pub use settings::Dpop;
pub(crate) use settings::UsedByAll;
pub use shown::Shown;
