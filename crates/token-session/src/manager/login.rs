//! Opens sessions.

use serde::{Deserialize, Serialize};
use token_core::binding::{Binding, Thumbprint};
use token_core::session::rule::{self, Login};
use token_core::session::{Device, Epoch};
use token_core::{Authentication, ClientId, CustomClaims, Scope, Subject, Transport, UnixTime};

use super::{Issued, SessionManager};
use crate::erased::StoreError;
use crate::error::LoginError;
use crate::event::EventKind;
use crate::store::Created;
use crate::to_end::to_end;
use crate::visitor::{KeptData, is_reserved};

/// A login that has begun: the subject's epoch, noted before the password is checked.
///
/// If all sessions of the subject are ended while the password is checked (a change of
/// password in another window, say), the login opens nothing.
///
/// With serde it can be kept while a second proof is missing. Keep it on the server: it says who logs in.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[must_use = "a login is not done before `SessionManager::login`"]
pub struct LoginTicket {
    subject: Subject,
    epoch: Epoch,
}

/// What an application says of a session that it opens. The default: transport `header`, no
/// scope, not remembered, authenticated by password just now.
#[derive(Clone, Debug, Default)]
#[expect(
    clippy::exhaustive_structs,
    reason = "made with `..Default::default()`"
)]
pub struct NewSession {
    /// The application that asks; `None`: the manager's default.
    pub client_id: Option<ClientId>,
    /// How the credentials shall travel; `None`: `header`.
    pub transport: Option<Transport>,
    /// What the session may do.
    pub scope: Scope,
    /// When and how the user proved who they are; `None`: by password, now.
    pub authentication: Option<Authentication>,
    /// Whether to live by the remembered idle lifetime.
    pub remember: bool,
    /// The application's own claims for each access token.
    pub claims: CustomClaims,
    /// The device that the login came from.
    pub device: Device,
    /// The key of the client to which the session is bound from the start, if there is one
    /// ([RFC 9449](https://www.rfc-editor.org/rfc/rfc9449)). The request has to have proven it.
    pub key: Option<Thumbprint>,
    /// The private data with which the session begins, copied from a visitor's. It was stored by somebody
    /// who had not proven who they are: copy a basket, and nothing that grants a right.
    pub kept: KeptData,
}

impl LoginTicket {
    /// Who logs in.
    pub const fn subject(&self) -> &Subject {
        &self.subject
    }
}

impl SessionManager {
    /// Begins a login: call it *before* the password is checked.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be asked.
    pub async fn begin_login(&self, subject: Subject) -> Result<LoginTicket, StoreError> {
        let epoch = self
            .call("epoch", || self.inner.store.epoch(&subject))
            .await?;
        Ok(LoginTicket { subject, epoch })
    }

    /// Opens a session, once the password was checked, and issues its first credentials.
    ///
    /// # Errors
    /// [`LoginError::EpochPassed`] if all sessions of the subject were ended since the
    /// ticket was made, [`LoginError::Store`] if the store cannot be asked (whether the
    /// session was opened is then unknown, but nobody has its credentials),
    /// [`LoginError::ReservedSubject`] if the subject is kept for sessions of nobody,
    /// [`LoginError::Issue`] and [`LoginError::Signer`] if the tokens cannot be made: then no session
    /// was opened.
    pub async fn login(&self, ticket: LoginTicket, new: NewSession) -> Result<Issued, LoginError> {
        if is_reserved(&ticket.subject) {
            return Err(LoginError::ReservedSubject);
        }
        let now = self.now();
        let bucket = self.inner.store.bucket(&ticket.subject);
        let (key, kept) = (new.key, new.kept.clone());
        let login = self.as_login(ticket.subject, ticket.epoch, new, now);
        let issuer = self.issuer();
        let keys = &issuer.refresh_keys;
        let entropy = self.draw();
        let (mut session, pending) = rule::open(login, bucket, &issuer.policy, keys, now, entropy);
        if let Some(key) = key {
            session.binding = Binding::Key(key);
        }
        // Signed and measured before the session exists, so that nothing can fail after it.
        let ahead = self.issue_ahead(&pending, &session, None, now).await?;
        let manager = self.clone();
        to_end(async move {
            match manager.create(&session, kept.as_json()).await? {
                Created::Applied(stored) => {
                    manager.report(EventKind::Login, &stored, now);
                    let granted = pending.committed(stored)?;
                    Ok(Self::give_out(granted, ahead, None, now)?)
                }
                Created::EpochPassed => Err(LoginError::EpochPassed),
                Created::IdTaken => Err(LoginError::IdTaken),
            }
        })
        .await
    }

    /// What the application says of a session, with the defaults for what it does not say.
    pub(super) fn as_login(
        &self,
        subject: Subject,
        epoch: Epoch,
        new: NewSession,
        now: UnixTime,
    ) -> Login {
        let client_id = new.client_id;
        let authentication = new.authentication;
        Login {
            subject,
            epoch,
            client_id: client_id.unwrap_or_else(|| self.inner.default_client.clone()),
            transport: new.transport.unwrap_or(Transport::Header),
            scope: new.scope,
            authentication: authentication.unwrap_or_else(|| Authentication::password(now)),
            remember: new.remember,
            claims: new.claims,
            device: new.device,
        }
    }
}
