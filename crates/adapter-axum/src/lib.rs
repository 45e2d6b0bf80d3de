//! Sessions and JSON Web Tokens in axum.
//!
//! Handlers stay ordinary axum handlers, which say in their signature who may call them.
//!
//! ```
//! use adapter_axum::{Access, Any, Answer, Auth, LoginRequest, Rejection, Require, Rule};
//! use axum::extract::{FromRef, State};
//! use axum::routing::{get, post};
//! use axum::Router;
//! use token_session::NewSession;
//!
//! #[derive(Clone, FromRef)]
//! struct App {
//!     auth: Auth,
//! }
//!
//! /// May write notes.
//! enum WriteNotes {}
//! impl Rule for WriteNotes {
//!     const SCOPE: &'static str = "notes:write";
//! }
//!
//! async fn login(login: LoginRequest) -> Result<Answer, Rejection> {
//!     let ticket = login.begin(login.username()).await?;
//!     if login.password() != "wonderland" {
//!         return Err(login.invalid_credentials());
//!     }
//!     let session = NewSession {
//!         scope: "notes:write".parse().expect("a scope"),
//!         ..login.new_session()
//!     };
//!     login.open(ticket, session).await
//! }
//!
//! async fn hello(caller: Any) -> String {
//!     format!("Hello, {}", caller.subject())
//! }
//!
//! async fn write_note(_caller: Require<WriteNotes>) {}
//!
//! # fn app(auth: Auth) -> Router {
//! Router::new()
//!     .route("/auth/login", post(login))
//!     .route("/hello", get(hello))
//!     .route("/notes", post(write_note))
//!     .merge(adapter_axum::routes(&auth))
//!     .layer(adapter_axum::sessions())
//!     .with_state(App { auth })
//! # }
//! ```
//!
//! The manager is taken from the router's state through [`FromRef`](axum::extract::FromRef):
//! a state without [`Auth`] does not compile. An application with several [`Auth`]s keeps each in a
//! type of its own that converts into `Auth`; the last parameter of an extractor, as in
//! `Access<NoClaims, Staff>`, is the type that it asks for.
//!
//! ```compile_fail,E0277
//! use adapter_axum::Access;
//! use axum::{Router, routing::get};
//!
//! async fn hello(caller: Access) -> String {
//!     caller.subject().to_string()
//! }
//!
//! let app: Router = Router::<()>::new().route("/hello", get(hello)).with_state(());
//! ```
//!
//! Applications depend on the crate `hallpass`, in which this one is the module `axum`. The answers are
//! written in `token-http`, once for all frameworks; this crate translates types.

// Says beside each item which feature it needs; docs.rs sets this.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod access;
mod answer;
mod any;
mod either;
#[cfg(feature = "remote")]
mod foreign;
mod from_errors;
mod head;
mod layer;
mod nobody;
mod pending;
mod requests;
mod require;
mod routes;
mod session;
mod untouched;
mod visitor;

pub use access::Access;
pub use answer::{Answer, Rejection};
pub use any::Any;
pub use either::Either;
#[cfg(feature = "remote")]
pub use foreign::Foreign;
pub use layer::{Answering, Sessions, SessionsLayer, sessions};
pub use nobody::OrNobody;
pub use pending::PendingLogin;
pub use requests::{
    CustomLogin, CustomPassword, CustomStepUp, LoginRequest, LogoutRequest, PasswordRequest,
    StepUpRequest,
};
pub use require::Require;
#[cfg(feature = "openapi")]
pub use routes::openapi;
pub use routes::{protected_resource, routes};
pub use session::ServerSession;
#[doc(hidden)]
pub use token_http;
#[cfg(feature = "remote")]
pub use token_http::ForeignAuth;
pub use token_http::{
    Attempt, AttemptKind, AttemptLimit, Auth, AuthConfig, Caller, DataError, Dpop, Origin,
    ProtectedResource, Refusal, Rule,
};
pub use untouched::Untouched;
pub use visitor::{Serving, Visitor, Visitors, VisitorsLayer, visitors};
