//! The provider: where it is, and what it says about users.

use std::collections::BTreeSet;
use std::sync::Mutex;

use hallpass::http::{Arrival, Departure};
use hallpass::{Subject, UnixTime};
use openidconnect::core::CoreJwsSigningAlgorithm as Signing;
use openidconnect::core::{CoreAuthenticationFlow, CoreClient, CoreGenderClaim};
use openidconnect::core::{CoreJweContentEncryptionAlgorithm as Encryption, CoreProviderMetadata};
use openidconnect::{AdditionalClaims, IdToken, IdTokenClaims, NonceVerifier, TokenResponse as _};
use openidconnect::{AuthorizationCode, ClientId, ClientSecret, CsrfToken, IssuerUrl, Nonce};
use openidconnect::{EndpointMaybeSet as Maybe, EndpointNotSet as No, EndpointSet};
use openidconnect::{HttpRequest, HttpResponse, PkceCodeVerifier, RedirectUrl};

pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;
/// Whose session at the provider it is, its name and the time of the login, if the provider says that, and the `jti`.
pub(crate) type User = (Subject, Option<String>, Option<UnixTime>, String);
type Claims = IdTokenClaims<Session, CoreGenderClaim>;
type Token = IdToken<Session, CoreGenderClaim, Encryption, Signing>;

/// The `jti`s of logout tokens that are accepted no more. Yours are in a database, until they expire.
pub(crate) static USED: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
const LOGOUT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// Its metadata is read at start. Read it again from time to time: the keys in it change.
#[derive(Clone)]
pub(crate) struct Provider(CoreClient<EndpointSet, No, No, No, Maybe, Maybe>);

/// The session at the provider, which ID tokens name, and what makes a logout token one.
#[derive(Clone, Debug, Default, serde::Deserialize, serde::Serialize)]
#[serde(default)]
struct Session {
    sid: Option<String>,
    jti: String,
    events: serde_json::Map<String, serde_json::Value>,
}

impl AdditionalClaims for Session {}

impl Provider {
    pub(crate) async fn discover(origin: &str) -> Result<Self, Failure> {
        let issuer = IssuerUrl::new(std::env::var("OIDC_ISSUER")?)?;
        let id = ClientId::new(std::env::var("OIDC_CLIENT_ID")?);
        let secret = ClientSecret::new(std::env::var("OIDC_CLIENT_SECRET")?);
        let address = RedirectUrl::new(format!("{origin}/login/return"))?;
        let metadata = CoreProviderMetadata::discover_async(issuer, &fetch).await?;
        let client = CoreClient::from_provider_metadata(metadata, id, Some(secret));
        Ok(Self(client.set_redirect_uri(address)))
    }

    /// Where the browser goes to log in.
    pub(crate) fn address(&self, departure: &Departure) -> String {
        let (state, nonce) = (departure.state().to_owned(), departure.nonce().to_owned());
        let flow = CoreAuthenticationFlow::AuthorizationCode;
        let client = &self.0;
        let request = client.authorize_url(flow, || CsrfToken::new(state), || Nonce::new(nonce));
        let request = request.add_extra_param("code_challenge", departure.code_challenge());
        let request = request.add_extra_param("code_challenge_method", "S256");
        request.url().0.into()
    }

    /// Who has logged in, by the code that the browser brings back.
    pub(crate) async fn redeem(&self, code: String, arrival: &Arrival) -> Result<User, Failure> {
        let asked = self.0.exchange_code(AuthorizationCode::new(code))?;
        let asked = asked.set_pkce_verifier(PkceCodeVerifier::new(arrival.code_verifier().into()));
        let tokens = asked.request_async(&fetch).await?;
        let token = tokens.id_token().ok_or("there is no ID token")?;
        user(&self.read(&token.to_string(), &Nonce::new(arrival.nonce().into()))?)
    }

    /// Whose session has ended at the provider.
    pub(crate) fn logout(&self, token: &str) -> Result<User, Failure> {
        let no_nonce = |nonce: Option<&Nonce>| nonce.map_or(Ok(()), |_| Err("a nonce".into()));
        let token = self.read(token, no_nonce)?;
        let Session { jti, events, .. } = token.additional_claims();
        let used = USED.lock().expect("nobody panics with it").contains(jti);
        if used || jti.is_empty() || !events.contains_key(LOGOUT) {
            return Err("it is no logout token, or was used before".into());
        }
        user(&token)
    }

    /// What a token says that the provider has signed for us and that has not expired.
    fn read(&self, token: &str, nonce: impl NonceVerifier) -> Result<Claims, Failure> {
        let verifier = self.0.id_token_verifier().allow_all_jose_types(); // `typ` may be `logout+jwt`
        Ok(token.parse::<Token>()?.into_claims(&verifier, nonce)?)
    }
}

fn user(claims: &Claims) -> Result<User, Failure> {
    let Session { sid, jti, .. } = claims.additional_claims().clone();
    let time = claims.auth_time().map(UnixTime::from);
    Ok((claims.subject().parse()?, sid, time, jti))
}

async fn fetch(request: HttpRequest) -> Result<HttpResponse, reqwest::Error> {
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
    let answer = client.build()?.execute(request.try_into()?).await?;
    let mut response = HttpResponse::new(Vec::new());
    *response.status_mut() = answer.status();
    *response.headers_mut() = answer.headers().clone();
    *response.body_mut() = answer.bytes().await?.into();
    Ok(response)
}
