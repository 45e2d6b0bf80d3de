//! Which answer each error of the library gets. If the server is at fault, the error is logged here.

use std::sync::Arc;

use token_core::access::ClaimsError;
use token_core::session::{Denial, IssueError};
use token_core::{PRODUCT, VerifyError};
use token_session::signer::SignerError;
use token_session::{AccessError, LoginError, ManagerError, PermitError, RefreshError, StoreError};
use tracing::{debug, error, warn};

use crate::refusal::{Refusal, TokenFault};
use crate::rejection::Rejection;

impl From<StoreError> for Rejection {
    fn from(error: StoreError) -> Self {
        let evidence = &error as &dyn std::error::Error;
        match error {
            StoreError::Unknown(_) => {
                warn!(
                    target: PRODUCT,
                    error = evidence,
                    "the session store did not confirm a write, which may have been done"
                );
                Self::plain(Refusal::GatewayTimeout)
            }
            _ => Self::unavailable(&error),
        }
    }
}

impl From<SignerError> for Rejection {
    /// The client tries again, and gets the same refresh token.
    fn from(error: SignerError) -> Self {
        warn!(
            target: PRODUCT,
            error = &error as &dyn std::error::Error,
            "a token could not be signed"
        );
        Self::temporarily_unavailable()
    }
}

impl From<LoginError> for Rejection {
    fn from(error: LoginError) -> Self {
        match error {
            LoginError::Signer(error) => error.into(),
            LoginError::Store(error) => error.into(),
            // The password may be another now: the client has to try again, and be checked again.
            LoginError::EpochPassed => {
                debug!(target: PRODUCT, %error, "login refused");
                Self::temporarily_unavailable()
            }
            // Like a name that is not known.
            LoginError::ReservedSubject => {
                debug!(target: PRODUCT, %error, "login refused");
                Self::plain(Refusal::InvalidCredentials)
            }
            error => Self::fault(&error),
        }
    }
}

impl From<RefreshError> for Rejection {
    /// The answer to a refresh, a step-up or a change of password that failed.
    fn from(error: RefreshError) -> Self {
        Self::of_renewal(error, |denial| Refusal::InvalidGrant(denial.reason()))
    }
}

impl From<Denial> for Rejection {
    /// As the refresh route answers a credential that is refused.
    fn from(denial: Denial) -> Self {
        RefreshError::from(denial).into()
    }
}

impl From<PermitError> for Rejection {
    /// 503 if the store cannot be asked, 500 if the claims are too long for a token.
    fn from(error: PermitError) -> Self {
        match error {
            PermitError::Store(error) => error.into(),
            PermitError::Issue(error) => error.into(),
            error => Self::fault(&error),
        }
    }
}

impl From<AccessError> for Rejection {
    /// The answer of a protected resource. Its challenge names no realm, since that is known to an
    /// [`Auth`](crate::Auth) alone.
    fn from(error: AccessError) -> Self {
        Self::of_access(error, None)
    }
}

impl From<ManagerError> for Rejection {
    /// Keys that cannot be put in force, for example.
    fn from(error: ManagerError) -> Self {
        Self::fault(&error)
    }
}

#[cfg(feature = "password")]
impl From<token_password::PasswordError> for Rejection {
    /// A wrong password is none of these.
    fn from(error: token_password::PasswordError) -> Self {
        if error == token_password::PasswordError::Busy {
            // There may be thousands.
            debug!(target: PRODUCT, %error, "a password is not checked");
            return Self::temporarily_unavailable();
        }
        Self::fault(&error)
    }
}

impl From<IssueError> for Rejection {
    fn from(error: IssueError) -> Self {
        RefreshError::from(error).into()
    }
}

impl Rejection {
    /// The answer if the store fails and the client asks again in any case: 503, whether or not anything
    /// was written.
    pub(crate) fn unavailable(error: &StoreError) -> Self {
        let outcome = match error {
            StoreError::Unknown(_) => "unknown",
            _ => "nothing was written",
        };
        let error = error as &dyn std::error::Error;
        warn!(target: PRODUCT, error, outcome, "the session store cannot be reached");
        Self::temporarily_unavailable()
    }

    /// The same for an answer that says already whether anything was written.
    pub(crate) fn without_outcome(self) -> Self {
        match self.refusal {
            Refusal::GatewayTimeout => Self::temporarily_unavailable(),
            _ => self,
        }
    }

    /// The answer of a protected resource to a session cookie that was not accepted.
    pub(crate) fn of_cookie(error: RefreshError, realm: Arc<str>) -> Self {
        let rejection = Self::of_renewal(error, |denial| {
            Refusal::InvalidToken(TokenFault::of_reason(denial.reason()))
        });
        match rejection.refusal {
            Refusal::InvalidToken(_) | Refusal::Unbound => {
                Self::resource(rejection.refusal, Some(realm))
            }
            _ => rejection,
        }
    }

    /// The answer of a protected resource to an access token that was not accepted.
    pub(crate) fn of_access(error: AccessError, realm: Option<Arc<str>>) -> Self {
        match error {
            AccessError::Behind => {
                warn!(target: PRODUCT, %error, "an access token could not be checked");
                Self::temporarily_unavailable()
            }
            AccessError::Store(error) => error.into(),
            // Only the server can have signed it, so two of its own types differ.
            AccessError::Invalid(VerifyError::Claims(ClaimsError::Custom { claim })) => {
                warn!(
                    target: PRODUCT,
                    %claim,
                    "an access token is genuine, but its own claims are not of the handler's type; give a new \
                     field `#[serde(default)]`, or write it with a `RefreshHook`"
                );
                Self::resource(Refusal::InvalidToken(TokenFault::Invalid), realm)
            }
            error => {
                debug!(target: PRODUCT, %error, "access token refused");
                Self::resource(Refusal::InvalidToken(fault(&error)), realm)
            }
        }
    }

    /// The answer to a refresh token in a body that was not accepted.
    ///
    /// > The provided authorization grant [...] or refresh token is invalid, expired, revoked, does not match
    /// > the redirection URI used in the authorization request, or was issued to another client.
    ///
    /// RFC 6749 section 5.2: so is one that came without the proof of its key.
    pub(crate) fn of_grant(error: RefreshError) -> Self {
        match error {
            RefreshError::Denied(denial @ Denial::Unbound(_)) => {
                Self::plain(Refusal::InvalidGrant(denial.reason()).because(&denial))
            }
            error => error.into(),
        }
    }

    fn of_renewal(error: RefreshError, denied: impl FnOnce(&Denial) -> Refusal) -> Self {
        match error {
            RefreshError::Denied(Denial::Unbound(why)) => {
                Self::resource(Refusal::Unbound.because(why), None)
            }
            RefreshError::Denied(denial) => Self::plain(denied(&denial).because(&denial)),
            RefreshError::Scope => Self::plain(Refusal::InvalidScope.because(&error)),
            RefreshError::Refused => Self::plain(Refusal::AccessDenied.because(&error)),
            RefreshError::Signer(error) => error.into(),
            RefreshError::SignerAfterWrite(_) => {
                let error = &error as &dyn std::error::Error;
                warn!(target: PRODUCT, error, "sessions were changed, and the answer could not be signed");
                Self::plain(Refusal::GatewayTimeout)
            }
            RefreshError::Store(error) => error.into(),
            RefreshError::Behind => {
                warn!(target: PRODUCT, %error, "a session cookie could not be checked");
                Self::temporarily_unavailable()
            }
            RefreshError::Contended { .. } => {
                warn!(target: PRODUCT, %error, "too many requests renewed one session at the same time");
                Self::temporarily_unavailable()
            }
            // Another node has the key, and this one will have it once it is given all keys.
            RefreshError::Issue(IssueError::KeyMissing { .. }) => {
                error!(target: PRODUCT, %error, "a refresh key is missing on this node");
                Self::temporarily_unavailable()
            }
            error => Self::fault(&error),
        }
    }

    fn fault(error: &(dyn std::error::Error + 'static)) -> Self {
        error!(target: PRODUCT, error, "an error of the server");
        Self::server_error()
    }
}

fn fault(error: &AccessError) -> TokenFault {
    match error {
        AccessError::Revoked { .. } => TokenFault::Revoked,
        AccessError::Invalid(error) if error.is_expired() => TokenFault::Expired,
        _ => TokenFault::Invalid,
    }
}
