//! Sessions and JSON Web Tokens for Rust back ends, on axum and actix-web.
//!
//! A login opens a session. Its credentials are an access token and a refresh token, which in a browser
//! can be in a cookie, or one session cookie, as the client asks. An access token lives five minutes.
//! Whether its session has ended is asked of the store at each request, or, with [`RevocationCheck::Feed`], of a list that each
//! node keeps in memory. A refresh token is replaced each time it is used. If the answer is lost, or if
//! a second tab asks at the same time, the client gets the same successor again; if a stolen token
//! comes back late, the session ends.
//!
//! - [`SessionManager`] opens, renews and ends sessions, in a [`MemoryStore`], in SQLite,
//!   PostgreSQL or Redis, or in a [store of your own](store). A [`StoreUrl`] opens whichever a setting names.
//! - [`Auth`] is the manager with the settings of its routes. It is what an application keeps in
//!   its state. [`Auth::in_memory`] makes one for a first try, and `Auth::open` (feature `keys`) one whose
//!   sessions and keys outlive the process.
//! - The modules `axum` and `actix` have the extractors, the routes and the answers of each
//!   framework, under the same names, except that a caller who may be absent is `Option` on axum and
//!   `Optional` on actix-web.
//! - Finding a user's password hash is the application's business, as is TLS.
//!
//! # Example
//!
//! Log in with `POST /auth/login`, call `GET /hello` with the access token, renew the tokens with
//! `POST /auth/refresh`, and log out with `POST /auth/logout`:
//!
#![cfg_attr(feature = "axum", doc = "```no_run")]
#![cfg_attr(not(feature = "axum"), doc = "```ignore")]
//! use axum::{Router, routing::get, routing::post};
//! use hallpass::axum::{Access, Answer, Auth, LoginRequest, Rejection};
//!
//! async fn login(login: LoginRequest) -> Result<Answer, Rejection> {
//!     let ticket = login.begin(login.username()).await?; // before the password is checked
//!     if login.password() != "wonderland" {
//!         return Err(login.invalid_credentials()); // your check goes here
//!     }
//!     login.open(ticket, login.new_session()).await
//! }
//!
//! async fn hello(caller: Access) -> String {
//!     format!("Hello, {}!\n", caller.subject())
//! }
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let auth = Auth::in_memory("http://127.0.0.1:3000")?;
//!     let app = Router::new()
//!         .route("/auth/login", post(login))
//!         .route("/hello", get(hello))
//!         .merge(hallpass::axum::routes(&auth)) // refresh, logout, sessions, keys, …
//!         .with_state(auth);
//!     let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
//!     Ok(axum::serve(listener, app).await?)
//! }
//! ```
//!
//! # Features
//!
//! None is on by default: sessions are then kept in memory.
//!
#![doc = include_str!("features.md")]
//!
//! # Where to find the rest
//!
//! The root has what most applications name. Everything else is in the crates that this one is
//! made of: [`core`] decides and does nothing else (tokens, keys, the rotation rule), [`session`]
//! drives it (the manager, the stores, events), [`http`] writes the answers. All of them have one
//! version and are released together.
//!
//! Examples in the documentation of these crates name them directly. In an application, `token_core::X`,
//! `token_session::X`, `token_http::X` and `adapter_axum::X` are `hallpass::X` if the root has it, and otherwise
//! `hallpass::core::X`, `hallpass::session::X`, `hallpass::http::X` and `hallpass::axum::X`. `token_keys` is
//! `hallpass::keys`, and `token_password`, `token_remote` and `token_client` are the modules of those names.
//!
//! The guide is `docs/guide.md` in the repository of this crate, with pages on transports, keys, stores and
//! operations beside it.

#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "actix")]
#[doc(inline)]
pub use adapter_actix as actix;
#[cfg(feature = "axum")]
#[doc(inline)]
pub use adapter_axum as axum;
#[cfg(feature = "redis")]
#[doc(inline)]
pub use store_redis as redis;
#[cfg(feature = "redis")]
pub use store_redis::{RedisStore, RedisStoreError};
#[cfg(feature = "postgres")]
pub use store_sql::postgres::{self, PostgresStore, PostgresStoreError};
#[cfg(feature = "sqlite")]
pub use store_sql::sqlite::{self, SqliteStore, SqliteStoreError};
pub use store_url::{OpenStoreError, StoreUrl, StoreUrlError};
#[cfg(feature = "client")]
#[doc(inline)]
pub use token_client as client;
pub use token_core as core;
pub use token_core::binding::BindingLevel;
#[doc(inline)]
pub use token_core::foreign;
pub use token_core::keys::{JwkSet, KeyError, KeyRingError, Recipients};
pub use token_core::session::{Device, PolicyError, Rights};
pub use token_core::types::InvalidValue;
pub use token_core::{
    AccessClaims, Algorithm, Audience, Authentication, ClientId, CustomClaims, Issuer, KeyId,
    KeyRing, NoClaims, Policy, RefreshKey, RefreshKeyRing, RevokeReason, Scope, Session, SessionId,
    SigningKey, Subject, TokenIssuer, Transport, UnixTime, UntrustedToken, VerifiedToken, Verifier,
    VerifyError, VerifyingKey,
};
pub use token_http as http;
#[cfg(feature = "remote")]
pub use token_http::ForeignAuth;
#[cfg(feature = "limits")]
pub use token_http::Limits;
#[doc(inline)]
pub use token_http::adopt;
#[cfg(feature = "openapi")]
#[doc(inline)]
pub use token_http::openapi;
#[cfg(feature = "keys")]
pub use token_http::{AdminKey, Background, KeyAdmin, OpenError};
pub use token_http::{
    Attempt, AttemptKind, AttemptLimit, Auth, AuthConfig, AuthConfigBuilder, Caller, ConfigError,
    DataError, Dpop, InMemoryError, Origin, OriginError, ProtectedResource, Refusal, RenewalTicket,
    ResourceError, Rule, TokenFault,
};
#[cfg(feature = "keys")]
#[doc(inline)]
pub use token_keys as keys;
#[cfg(feature = "password")]
#[doc(inline)]
pub use token_password as password;
#[cfg(feature = "remote")]
#[doc(inline)]
pub use token_remote as remote;
pub use token_session as session;
pub use token_session::binding::{BindingMode, BindingPolicy};
pub use token_session::event::{Event, EventKind, EventSink};
pub use token_session::hook::{HookAnswer, RefreshHook};
pub use token_session::schedule;
pub use token_session::signer::{Signer, SignerError};
#[cfg(feature = "test-util")]
pub use token_session::store_contract;
#[cfg(feature = "test-util")]
#[doc(inline)]
pub use token_session::test_util;
pub use token_session::visitor::{KeptData, VisitorPolicy};
pub use token_session::{
    AccessError, AnyStore, FeedState, LoginError, LoginTicket, ManagerError, MemoryStore,
    NewSession, PermitError, RefreshError, RevocationCheck, SessionEnd, SessionManager,
    SessionManagerBuilder, SessionStore, StepUp, StoreError, WhenBehind, ephemeral_issuer, to_end,
};

/// The types of the store contract. If you write a store of your own, implement [`SessionStore`], then
/// run the test suite of `store_contract!` on it (feature `test-util`).
pub mod store {
    pub use token_core::session::{
        Bind, Change, Committed, Ending, Epoch, Generation, Nonce, Permit, Revocation, Rights,
        Rotation, Touch,
    };
    pub use token_core::types::{Bucket, InvalidValue};
    pub use token_session::store::{
        BucketKey, Changed, Commit, Created, DataWrite, DataWritten, Ended, Heartbeat, Notice,
        Revoke, SessionData, SessionStore, SubjectEnding,
    };
}
