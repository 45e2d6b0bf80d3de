//! Every answer of the session and token routes, written once for all frameworks.
//!
//! Applications depend on the crate `hallpass`. An adapter for a framework translates: the request
//! becomes a [`Head`] and bytes, and a [`Response`](http::Response) of the crates `http` and `bytes`
//! comes back, types that belong to no framework. It decides nothing.
//!
//! - [`Auth`] is what an application keeps in its state, [`AuthConfig`] has its settings.
//! - [`Route`] lists the routes that the library serves itself, and answers them.
//! - [`LoginRequest`], [`StepUpRequest`] and [`PasswordRequest`] are for the handlers that only an
//!   application can write, since they check passwords. [`CustomLogin`], [`CustomStepUp`] and [`CustomPassword`] are
//!   for every other proof, and [`LogoutRequest`] for a logout that redirects.
//! - [`Access`], [`ServerSession`] and [`Any`] are callers, and a [`Rule`] is what a route demands of
//!   them.
//! - [`Visitor`] is a browser of which nobody knows whose it is, and a [`PendingLogin`] one of which a proof is
//!   still missing.
//! - [`Rejection`] is the answer to a request that is refused. With [`bearer`], services without
//!   sessions of their own answer alike.
//! - [`adopt`] is for applications that move here: their sessions go on.
//! - `Foreign`, with the feature `remote`, is a caller with a token of another issuer.
//! - `openapi`, with the feature of that name, describes the routes.
//! - `Limits`, with the feature `limits`, counts attempts, and [`AttemptLimit`] is for counting in another way.
//!
//! Cryptography is in `token-core`, sessions are in `token-session`. CORS is up to the application.

// Says beside each item which feature it needs; docs.rs sets this.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod access;
#[doc(hidden)]
pub mod adapter;
pub mod adopt;
mod answer;
mod answered;
mod any;
#[cfg(test)]
mod arbitrary;
mod auth;
#[cfg(feature = "keys")]
mod background;
mod basic;
mod bearer;
mod binding;
mod caller;
mod config;
mod cookies;
mod csrf;
mod custom_login;
mod device;
mod dpop;
mod either;
#[cfg(feature = "remote")]
mod foreign;
mod form;
mod forwarded;
mod head;
mod health;
mod issued;
mod json;
#[cfg(feature = "keys")]
mod key_admin;
mod limit;
#[cfg(feature = "limits")]
mod limits;
mod login;
mod logout_request;
mod mark;
mod media_type;
#[cfg(feature = "openapi")]
pub mod openapi;
mod origin;
mod private_data;
mod redirect;
mod refusal;
mod rejection;
mod renewal;
mod resource;
mod route;
mod rule;
mod secret_text;
mod server_session;
mod token_response;
mod visitor;

pub use access::Access;
pub use answered::{Answered, Effect};
pub use any::Any;
pub use auth::{Auth, BodyError, InMemoryError};
#[cfg(feature = "keys")]
pub use background::{Background, OpenError};
pub use bearer::{TokenScheme, access_token, bearer};
pub use caller::Caller;
pub use config::{AuthConfig, AuthConfigBuilder, ConfigError};
pub use cookies::{is_private, sets_same_cookie};
pub use custom_login::CustomLogin;
pub use dpop::{Dpop, ProofVerifier, Shown};
#[cfg(feature = "remote")]
pub use foreign::{Foreign, ForeignAuth};
pub use head::{Head, MAX_BODY};
pub use issued::Issued;
#[cfg(feature = "keys")]
pub use key_admin::{AdminKey, KeyAdmin};
pub use limit::{Attempt, AttemptKind, AttemptLimit};
#[cfg(feature = "limits")]
pub use limits::Limits;
pub use login::LoginRequest;
pub use logout_request::LogoutRequest;
pub use origin::{Origin, OriginError};
pub use private_data::DataError;
pub use refusal::{Refusal, TokenFault};
pub use rejection::Rejection;
pub use renewal::{CustomPassword, CustomStepUp, PasswordRequest, RenewalTicket, StepUpRequest};
pub use resource::{ProtectedResource, ResourceError};
pub use route::Route;
pub use rule::Rule;
pub use server_session::{ServerSession, SessionSlot};
pub use visitor::{
    Arrival, CompleteLogin, Departure, LocalPath, NotLocal, PendingLogin, ProofAttempt, Proven,
    RequestVisitors, Visitor, VisitorScope, is_nobody, visitor_scope,
};
