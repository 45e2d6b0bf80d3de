//! What every answer of the session and token routes looks like, once, for every framework.
//!
//! Adapters translate: a framework's request becomes a [`Head`] and bytes, and the
//! [`Response`](http::Response) that comes back is theirs to send. They decide nothing.
//!
//! - [`Auth`] is what an application keeps in its state, [`AuthConfig`] what it chooses.
//! - [`Route`] has every route that the library serves itself.
//! - [`LoginRequest`], [`StepUpRequest`] and [`PasswordRequest`] are for the handlers that only
//!   an application can write, since they check passwords. [`CustomLogin`] is for every other
//!   proof, and [`LogoutRequest`] for a logout that redirects.
//! - [`Access`], [`ServerSession`] and [`Any`] say who is calling, [`Rule`] what a route demands
//!   of them.
//! - [`Rejection`] is every answer that is not a success. With [`bearer`], services without
//!   sessions of their own give the same ones.
//! - `openapi`, with the feature of that name, describes all of it.
//!
//! Not here: cryptography and sessions (`token-core`, `token-session`), CORS (the application's
//! middleware), counting attempts (see [`AttemptLimit`]).

// Says beside each item which feature it needs; docs.rs sets this.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod access;
#[doc(hidden)]
pub mod adapter;
mod answer;
mod any;
#[cfg(test)]
mod arbitrary;
mod auth;
mod basic;
mod bearer;
mod config;
mod cookies;
mod csrf;
mod custom_login;
mod device;
mod form;
mod forwarded;
mod head;
mod json;
mod limit;
mod login;
mod logout_request;
mod media_type;
#[cfg(feature = "openapi")]
pub mod openapi;
mod origin;
mod private_data;
mod redirect;
mod refusal;
mod rejection;
mod renewal;
mod route;
mod rule;
mod secret_text;
mod server_session;
mod token_response;

pub use access::{Access, Caller};
pub use any::Any;
pub use auth::{Auth, InMemoryError};
pub use bearer::bearer;
pub use config::{AuthConfig, AuthConfigBuilder, ConfigError};
pub use cookies::{is_private, sets_session_cookie};
pub use custom_login::CustomLogin;
pub use head::{Head, MAX_BODY};
pub use limit::{Attempt, AttemptKind, AttemptLimit};
pub use login::LoginRequest;
pub use logout_request::LogoutRequest;
pub use origin::{Origin, OriginError};
pub use private_data::DataError;
pub use refusal::{Refusal, TokenFault};
pub use rejection::Rejection;
pub use renewal::{PasswordRequest, StepUpRequest};
pub use route::Route;
pub use rule::Rule;
pub use server_session::{ServerSession, SessionSlot};
