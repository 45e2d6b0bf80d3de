//! `POST /auth/refresh`.

use bytes::Bytes;
use http::Response;
use serde::Deserialize;
use token_core::binding::Proof;
use token_core::binding::dpop::{ProofOwner, VerifiedProof};
use token_core::session::{DenialReason, RefreshClaims};
use token_core::{PRODUCT, Scope, Transport};
use token_session::ShownCookie;
use tracing::debug;

use crate::auth::Auth;
use crate::binding;
use crate::cookies::Kind;
use crate::csrf;
use crate::form::Form;
use crate::head::Head;
use crate::json;
use crate::limit::AttemptKind;
use crate::media_type::MediaType;
use crate::refusal::Refusal;
use crate::rejection::Rejection;
use crate::secret_text::SecretText;

pub(super) async fn refresh(
    auth: &Auth,
    head: &Head<'_>,
    body: &[u8],
) -> Result<Response<Bytes>, Rejection> {
    let grant = match Grant::read(auth, head, body) {
        Ok(grant) => grant,
        Err(refusal) => {
            if refusal == Refusal::InvalidGrant(DenialReason::Malformed)
                && let Some(answer) = exchange(auth, head, body).await?
            {
                return Ok(answer);
            }
            return Err(auth.refuse(refusal));
        }
    };
    let issued = auth
        .manager()
        .refresh_verified(&grant.token, grant.scope.as_ref());
    let id = grant.token.session_id;
    let issued = issued.await.map_err(|error| {
        if grant.token.transport == Transport::Header {
            Rejection::of_grant(error)
        } else {
            binding::refused(auth, error, id, Rejection::from)
        }
    })?;
    if let Some(shown) = &grant.shown {
        auth.manager().observe(shown, issued.session());
    }
    // A browser that presented the refresh token in force has it already. Set again, it could arrive
    // after the answer to a later refresh, and replace a newer one.
    let kept = issued.session().generation == grant.token.generation;
    Ok(auth.answer_with(&issued, !kept))
}

/// The answer if what was presented is a token of the system that was used before.
async fn exchange(
    auth: &Auth,
    head: &Head<'_>,
    body: &[u8],
) -> Result<Option<Response<Bytes>>, Rejection> {
    if !auth.adopts_bearers() || head.sent_cookies(auth.config().cookie_names()).any() {
        return Ok(None);
    }
    let sent = MediaType::of(head)
        .and_then(|kind| kind.map_or(Ok((None, None)), |kind| from_body(kind, body)));
    match sent {
        Ok((Some(token), scope)) => auth.exchange(&token, scope.as_ref()).await,
        _ => Ok(None),
    }
}

/// A verified refresh token, and the narrower scope if the client asks for one.
struct Grant {
    token: RefreshClaims,
    /// What the request shows of the bound cookie, if the token came in a cookie.
    shown: Option<ShownCookie>,
    scope: Option<Scope>,
}

impl Grant {
    fn read(auth: &Auth, head: &Head<'_>, body: &[u8]) -> Result<Self, Refusal> {
        let cookies = head.sent_cookies(auth.config().cookie_names());
        if cookies.all(Kind::Refresh).next().is_some() {
            csrf::check(head, auth.config(), true)?;
        }
        let media_type = MediaType::of(head)?;
        let cookie = cookies.one(Kind::Refresh)?;
        let (sent, scope) = match media_type {
            _ if body.is_empty() => (None, None),
            Some(media_type) => from_body(media_type, body)?,
            None => {
                let why = "the body has no `Content-Type`";
                return Err(Refusal::UnsupportedMediaType.because(why));
            }
        };
        let (text, carrier) = match (sent, cookie) {
            (Some(token), None) => (token, Transport::Header),
            (None, Some(token)) => (token.into(), Transport::Cookie),
            (None, None) => {
                let why = "there is no refresh token, neither in the body nor in a cookie";
                return Err(Refusal::InvalidRequest.because(why));
            }
            (Some(_), Some(_)) => {
                let why = "there is a refresh token in the body and one in a cookie";
                return Err(Refusal::InvalidRequest.because(why));
            }
        };
        auth.note_attempt(head, AttemptKind::Refresh)?;
        let mut token = verify(auth, carrier, &text)?;
        let proof = prove(auth, head, &mut token)?;
        let shown = (carrier == Transport::Cookie).then(|| {
            let shown = binding::shown(auth, head, token.session_id);
            token.proof = shown.proof();
            shown
        });
        let kind = AttemptKind::RefreshOf {
            subject: &token.subject,
            session_id: token.session_id,
        };
        auth.note_attempt(head, kind)?;
        if let Some(proof) = proof {
            auth.use_proof(&proof, ProofOwner::Renewal(token.session_id))?;
        }
        Ok(Self {
            token,
            shown,
            scope,
        })
    }
}

/// Verifies a refresh token and how it came. One that was issued into a cookie counts only in that
/// cookie, and one that was issued into a body only in a body. Otherwise a script, or a form of another
/// site, could move a credential to where it does not belong.
pub(crate) fn verify(
    auth: &Auth,
    carrier: Transport,
    token: &str,
) -> Result<RefreshClaims, Refusal> {
    match auth.manager().verify_refresh_token(token) {
        Ok(claims) if claims.transport == carrier => Ok(claims),
        Ok(claims) => {
            let session = claims.session_id;
            debug!(
                target: PRODUCT,
                %session, %carrier, "a refresh token came by another way than it was issued"
            );
            Err(Refusal::InvalidGrant(DenialReason::Malformed))
        }
        Err(denial) => Err(Refusal::InvalidGrant(denial.reason()).because(&denial)),
    }
}

/// Notes with a genuine refresh token which key its client has proven, if it sent a proof. Whether it is the
/// session's is decided with the session. The proof is still to be used.
pub(crate) fn prove(
    auth: &Auth,
    head: &Head<'_>,
    token: &mut RefreshClaims,
) -> Result<Option<VerifiedProof>, Refusal> {
    if token.transport != Transport::Header {
        return Ok(None);
    }
    let proof = auth.proof(head)?;
    if let Some(proof) = &proof {
        token.proof = Proof::Key(proof.thumbprint());
    }
    Ok(proof)
}

/// Reads the token and the scope from the body. JSON may leave the token out, as generated clients do
/// if it is in a cookie.
fn from_body(
    media_type: MediaType,
    body: &[u8],
) -> Result<(Option<SecretText>, Option<Scope>), Refusal> {
    let (token, scope) = if media_type == MediaType::Json {
        let body: Option<Body> = json::parse_or_null(body)?;
        body.map_or((None, None), |body| (body.refresh_token, body.scope))
    } else {
        let form = Form::parse(body)?;
        let missing =
            |name| Refusal::InvalidRequest.because(format_args!("there is no parameter `{name}`"));
        match form.value("grant_type") {
            Some("refresh_token") => {}
            Some(_) => return Err(Refusal::UnsupportedGrantType.logged()),
            None => return Err(missing("grant_type")),
        }
        let token = form.value("refresh_token");
        let token = token.ok_or_else(|| missing("refresh_token"))?;
        let scope = form.value("scope").map(str::to_owned);
        (Some(token.into()), scope)
    };
    // > The requested scope is invalid, unknown, malformed, or exceeds the scope granted by the
    // > resource owner.
    // RFC 6749 section 5.2
    let scope = scope.map(|scope| {
        let scope = scope.parse::<Scope>();
        scope.map_err(|error| Refusal::InvalidScope.because(error))
    });
    let scope = scope.transpose()?;
    Ok((token, scope))
}

/// A refresh token unless it is in the cookie, and a narrower scope if less is wanted.
#[derive(Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(as = Refresh))]
pub(crate) struct Body {
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    refresh_token: Option<SecretText>,
    #[serde(default)]
    scope: Option<String>,
}
