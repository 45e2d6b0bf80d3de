//! `POST /auth/introspect` ([RFC 7662](https://www.rfc-editor.org/rfc/rfc7662)).

use bytes::Bytes;
use http::{Response, StatusCode};
use serde::Serialize;
use token_core::binding::{Binding, Thumbprint};
use token_core::{Audience, ClientId, Issuer, NoClaims, Scope, SessionId, Subject, UnixTime};
use token_session::{AccessError, StoreError};

use crate::answer;
use crate::auth::Auth;
use crate::basic::ClientSecret;
use crate::bearer::bearer;
use crate::form::Form;
use crate::head::Head;
use crate::limit::AttemptKind;
use crate::media_type::MediaType;
use crate::refusal::{Refusal, TokenFault};
use crate::rejection::Rejection;

pub(super) async fn introspect(
    auth: &Auth,
    head: &Head<'_>,
    body: &[u8],
) -> Result<Response<Bytes>, Rejection> {
    let noted = auth.note_attempt(head, AttemptKind::Introspect);
    noted.map_err(|refusal| auth.refuse(refusal))?;
    caller(auth, head).map_err(|refusal| auth.challenge(refusal.logged()))?;
    let form = MediaType::Form
        .demand(head)
        .and_then(|()| Form::parse(body));
    let form = form.map_err(|refusal| auth.refuse(refusal))?;
    let token = form.value("token").ok_or_else(|| {
        let why = "there is no parameter `token`";
        auth.refuse(Refusal::InvalidRequest.because(why))
    })?;
    let active = match access(auth, token).await? {
        Some(active) => Some(active),
        None => refresh(auth, token).await?,
    };
    Ok(match active {
        Some(active) => answer::json(StatusCode::OK, &active),
        // > Note that to avoid disclosing too much of the authorization server's state to a third
        // > party, the authorization server SHOULD NOT include any additional information about an
        // > inactive token, including why the token is inactive.
        // RFC 7662 section 2.2
        None => answer::json(StatusCode::OK, &Inactive { active: false }),
    })
}

/// Authenticates the resource server, by its key as a bearer token or as a client's secret.
fn caller(auth: &Auth, head: &Head<'_>) -> Result<(), Refusal> {
    let config = auth.config();
    if let Some(client) = ClientSecret::of(head)? {
        let known = client.readings().fold(false, |known, key| {
            known | config.has_introspection_key(key)
        });
        return known.then_some(()).ok_or(Refusal::InvalidClient);
    }
    let key = bearer(head)?.ok_or(Refusal::Unauthorized)?;
    let known = config.has_introspection_key(key);
    known
        .then_some(())
        .ok_or(Refusal::InvalidToken(TokenFault::Invalid))
}

/// An access token that is active. The store is always asked, whatever the `RevocationCheck` is.
async fn access(auth: &Auth, token: &str) -> Result<Option<Active>, Rejection> {
    let manager = auth.manager();
    let token = match manager.authenticate_unproven::<NoClaims>(token).await {
        Ok(token) => token,
        Err(AccessError::Store(error)) => return Err(error.into()),
        // The view is behind, so nothing is known of the token, and the policy is to refuse.
        Err(AccessError::Behind) => return Err(auth.reject(Refusal::TemporarilyUnavailable)),
        Err(_) => return Ok(None),
    };
    let claims = token.claims();
    if manager.session(claims.session_id).await?.is_none() {
        return Ok(None);
    }
    Ok(Some(Active {
        active: true,
        scope: claims.scope.clone(),
        client_id: claims.client_id.clone(),
        token_type: Some(if claims.key.is_some() {
            "DPoP"
        } else {
            "Bearer"
        }),
        exp: claims.expires_at,
        iat: claims.issued_at,
        sub: claims.subject.clone(),
        aud: claims.audience.clone(),
        iss: claims.issuer.clone(),
        jti: Some(claims.id.to_string()),
        sid: claims.session_id,
        cnf: claims.key.as_ref().map(Cnf::of),
    }))
}

/// The current refresh token of a live session. A superseded one is not active, although a refresh
/// with it is answered within the grace.
async fn refresh(auth: &Auth, token: &str) -> Result<Option<Active>, StoreError> {
    let issuer = auth.manager().issuer();
    let verified = issuer
        .refresh_keys
        .verify(token, &issuer.issuer, &issuer.audience);
    let Ok(claims) = verified else {
        return Ok(None);
    };
    let session = auth.manager().session(claims.session_id).await?;
    let current = session.filter(|session| {
        session.generation == claims.generation && session.token_hash == claims.token_hash
    });
    Ok(current.map(|session| Active {
        active: true,
        scope: session.scope.clone(),
        client_id: session.client_id.clone(),
        token_type: None,
        exp: session.expires_at(),
        iat: claims.issued_at,
        sub: session.subject.clone(),
        aud: issuer.audience.clone(),
        iss: issuer.issuer.clone(),
        jti: None,
        sid: session.id,
        cnf: match &session.binding {
            Binding::Key(key) => Some(Cnf::of(key)),
            Binding::Device(_) | Binding::Unbound => None,
        },
    }))
}

/// A token that is active.
#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[expect(clippy::struct_field_names, reason = "the names of the RFC")]
pub(crate) struct Active {
    active: bool,
    #[serde(skip_serializing_if = "Scope::is_empty")]
    #[cfg_attr(feature = "openapi", schema(value_type = String, required = false))]
    scope: Scope,
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    client_id: ClientId,
    /// Only of an access token.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = String, required = false))]
    token_type: Option<&'static str>,
    #[cfg_attr(feature = "openapi", schema(value_type = u64))]
    exp: UnixTime,
    #[cfg_attr(feature = "openapi", schema(value_type = u64))]
    iat: UnixTime,
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    sub: Subject,
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    aud: Audience,
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    iss: Issuer,
    /// Only of an access token.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = String, required = false))]
    jti: Option<String>,
    /// The id of the session.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    sid: SessionId,
    /// The key of the client without which the token is worth nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(required = false))]
    cnf: Option<Cnf>,
}

/// The key to which a token is bound
/// ([RFC 9449 section 6.2](https://www.rfc-editor.org/rfc/rfc9449#section-6.2)).
#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(as = Confirmation))]
pub(crate) struct Cnf {
    /// Its thumbprint (RFC 7638).
    jkt: String,
}

impl Cnf {
    fn of(key: &Thumbprint) -> Self {
        let jkt = key.to_string();
        Self { jkt }
    }
}

/// A token that is not active, for any reason.
#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub(crate) struct Inactive {
    active: bool,
}
