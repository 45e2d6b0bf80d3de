//! A step-up or a change of password that is the first request of an old session: it is adopted, and goes on.

use http::HeaderValue;
use token_core::session::{Credentials, DenialReason, Device};
use token_core::{Transport, UnixTime};
use token_session::Issued;
use zeroize::Zeroizing;

use super::process::First;
use super::request::OldRequest;
use crate::auth::Auth;
use crate::bearer::bearers;
use crate::csrf;
use crate::device;
use crate::head::Head;
use crate::rejection::Rejection;

/// The first credential of a session that a request has just taken over, in the place of the old one that came.
pub(crate) struct FirstCredential {
    pub(crate) text: Zeroizing<String>,
    pub(crate) transport: Transport,
    /// The fields that delete the old one.
    pub(crate) deletions: Vec<HeaderValue>,
}

impl FirstCredential {
    fn of(issued: &Issued, deletions: Vec<HeaderValue>) -> Self {
        let (text, transport) = match issued.credentials() {
            Credentials::Session(token) => (token.to_secret_text(), Transport::Session),
            Credentials::Tokens(pair) => {
                let text = pair.refresh_token.secret().to_owned();
                (Zeroizing::new(text), Transport::Header)
            }
        };
        Self {
            text,
            transport,
            deletions,
        }
    }
}

impl Auth {
    /// Adopts the old session of a request that needs a credential of ours and has none: by the text that it sent
    /// in the place of a refresh token or, without one, by its old cookie or by the token in `Authorization`. An
    /// old token is all that its client ever had, and is exchanged for a refresh token too.
    pub(crate) async fn adopt_for_renewal(
        &self,
        head: &Head<'_>,
        refresh_token: Option<&str>,
    ) -> Result<Option<FirstCredential>, Rejection> {
        if head.sent_cookies(self.config().cookie_names()).any() {
            return Ok(None);
        }
        let (request, transport, device) = match (refresh_token, self.old_request(head.headers)) {
            (None, Some(request)) => {
                let checked = csrf::check(head, self.config(), true);
                checked.map_err(|refusal| self.refuse(refusal))?;
                (request, Transport::Session, device::of(self, head))
            }
            (token, _) => {
                let Some(request) = self.old_token(head, token) else {
                    return Ok(None);
                };
                (request, Transport::Header, Device::default())
            }
        };
        let First { issued, deletions } = self.adopt_first(&request, transport, device).await?;
        Ok(issued.map(|issued| FirstCredential::of(&issued, deletions)))
    }

    /// A token that is not one of ours, from the body or else from `Authorization`.
    fn old_token(&self, head: &Head<'_>, refresh_token: Option<&str>) -> Option<OldRequest> {
        if !self.adopts_bearers() {
            return None;
        }
        let at: UnixTime = self.manager().now();
        let token = if let Some(token) = refresh_token {
            let refused = self.manager().verify_refresh_token(token).err()?;
            (refused.reason() == DenialReason::Malformed).then_some(token)?
        } else {
            let mut tokens = bearers(head, self.config().scheme()).ok()?;
            tokens.next().filter(|_| tokens.next().is_none())?
        };
        Some(OldRequest::of_bearer(token, at))
    }
}
