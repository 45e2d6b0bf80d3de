//! Sessions and JSON Web Tokens in actix-web.
//!
//! Handlers stay ordinary actix handlers, which say in their signature who may call them.
//!
//! ```
//! use actix_web::{App, web};
//! use adapter_actix::{Any, Answer, Auth, LoginRequest, Rejection, Require, Rule};
//! use token_session::NewSession;
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
//! async fn write_note(_caller: Require<WriteNotes>) -> &'static str {
//!     "written"
//! }
//!
//! # fn app(auth: Auth) {
//! App::new()
//!     .wrap(adapter_actix::sessions())
//!     .configure(adapter_actix::routes(&auth))
//!     .route("/auth/login", web::post().to(login))
//!     .route("/hello", web::get().to(hello))
//!     .route("/notes", web::post().to(write_note));
//! # }
//! ```
//!
//! The extractors take [`Auth`] from `app_data`, into which [`routes`] puts it. If it is missing, they
//! answer 500 and log what to do. An application with several [`Auth`]s keeps each in a type of its own
//! that converts into `Auth`; the last parameter of an extractor, as in `Access<NoClaims, Staff>`, is
//! the type that it asks for.
//!
//! Applications depend on the crate `hallpass`, in which this one is the module `actix`. The answers are
//! written in `token-http`, once for all frameworks; this crate translates types.

// Says beside each item which feature it needs; docs.rs sets this.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod access;
mod answer;
mod any;
mod app_data;
mod either;
mod extract;
#[cfg(feature = "remote")]
mod foreign;
mod from_errors;
mod head;
mod middleware;
mod mount;
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
pub use extract::Optional;
#[cfg(feature = "remote")]
pub use foreign::Foreign;
pub use middleware::{Answering, Sessions, SessionsMiddleware, sessions};
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
pub use visitor::{Serving, Visitor, Visitors, VisitorsMiddleware, visitors};
