//! What can go wrong, by what the caller does about it.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use thiserror::Error;

use crate::store::StoreError;

/// Why there is no access token.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TokenError {
    /// There is no session, or it has ended: log in again. Nothing is asked until then.
    #[error("log in: the session has ended ({reason})")]
    LoginRequired {
        /// `none` if nobody has logged in at this server, `logout`, `expired` if the tokens could not be renewed at all, or what
        /// the server said, such as `revoked`.
        reason: Box<str>,
    },
    /// The server says that the request is wrong, so the client is set up wrongly. The session has not ended, and the
    /// next attempt is made at `retry_at` all the same.
    #[error("the token could not be renewed: the server answered {status} {}; correct the client's settings", error.as_deref().unwrap_or_default())]
    Misconfigured {
        /// The HTTP status.
        status: u16,
        /// The member `error` of the answer.
        error: Option<Box<str>>,
        /// When the next attempt is due, by this machine's clock.
        retry_at: SystemTime,
    },
    /// The store of the tokens cannot be used. Correct that and ask again; the session has not ended.
    #[error("the tokens cannot be read or kept")]
    Storage(#[source] Arc<StoreError>),
    /// The server could not be asked, or has no time. Ask again at `retry_at`; the session has not ended.
    #[error("the token could not be renewed now{}; try again later", status_text(*status))]
    Unavailable {
        /// The HTTP status of the last attempt; `None` if no answer came.
        status: Option<u16>,
        /// When the next attempt is due, by this machine's clock.
        retry_at: SystemTime,
    },
}

/// Why a login failed. What was kept before is still there.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LoginError {
    /// The answer is no token response. Look whether the address is right.
    #[error("{address} did not answer with tokens; is it the right address?")]
    Answer {
        /// What was asked.
        address: Box<str>,
    },
    /// The name or the password is wrong. Ask for them again.
    #[error("the name or the password is wrong")]
    InvalidCredentials,
    /// The client was built with [`dpop`](crate::ClientBuilder::dpop), and the server has not bound the tokens to its
    /// key. They are revoked. Switch DPoP on at the server, or off here.
    #[error("the server does not bind tokens to keys; switch DPoP on there, or off in this client")]
    NotBound,
    /// The server refuses the request as it is. Correct the settings or what is sent.
    #[error("the server answered {status} {}", error.as_deref().unwrap_or_default())]
    Refused {
        /// The HTTP status.
        status: u16,
        /// The member `error` of the answer.
        error: Option<Box<str>>,
    },
    /// The tokens cannot be kept, and are revoked as far as the server can be reached. Correct that and log in again.
    /// With [`StoreError::OtherServer`] nothing was sent.
    #[error("the tokens cannot be kept")]
    Storage(#[from] StoreError),
    /// There were too many attempts. Wait before the next one.
    #[error("too many attempts; wait {} seconds", retry_after.as_secs())]
    TooManyAttempts {
        /// How long; 0 if the server does not say.
        retry_after: Duration,
    },
    /// The server could not be asked, or has no time. Try again later.
    #[error("the server cannot be asked now{}", status_text(*status))]
    Unavailable {
        /// The HTTP status; `None` if no answer came.
        status: Option<u16>,
        /// Why no answer came.
        source: Option<reqwest::Error>,
    },
    /// The tokens are bound to a key that this client does not have. Let it log in itself.
    #[error("the tokens are bound to a key that this client does not have")]
    UnknownKey,
}

/// Why a logout is not complete.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LogoutError {
    /// The tokens are still in the store. Correct that and log out again; the server was told, if it could be.
    #[error("the tokens cannot be removed")]
    Storage(#[from] StoreError),
    /// The tokens are forgotten here, but the server was not told: the session lives there until it expires. Let the
    /// user end it from another device if that matters.
    #[error("the server could not be told{}; the session lives there until it expires", status_text(*status))]
    Unavailable {
        /// The HTTP status; `None` if no answer came.
        status: Option<u16>,
        /// Why no answer came.
        source: Option<reqwest::Error>,
    },
}

fn status_text(status: Option<u16>) -> String {
    status.map_or_else(String::new, |status| format!(" (status {status})"))
}
