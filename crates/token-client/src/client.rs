//! The client.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use reqwest::header::HeaderMap;
use reqwest::{Method, StatusCode, Url};
use serde_json::{Map, Value};
use tokio::sync::watch;
use tokio::task::JoinError;
use tokio::time::{sleep, timeout};

use crate::dpop::{Proof, Said};
use crate::error::{LoginError, LogoutError, TokenError};
use crate::machine::{AccessToken, Body, Question, RefreshToken, Retry, Tokens, Verdict, Write};
use crate::renewal;
use crate::shared::{Patience, Shared};
use crate::store::StoreError;

/// Keeps one login, and gives out access tokens that are good. Cheap to clone.
///
/// All clones share one session and one renewal at a time, as do all processes that were given the same file. Its
/// methods must be called within a Tokio runtime.
#[derive(Clone, Debug)]
pub struct Client {
    shared: Arc<Shared>,
}

impl Client {
    pub(crate) fn new(shared: Shared) -> Self {
        let shared = Arc::new(shared);
        Self { shared }
    }

    /// Logs in with a name and a password, as [`login_with`](Self::login_with) does.
    pub async fn login(&self, username: &str, password: &str) -> Result<(), LoginError> {
        let mut credentials = Map::new();
        credentials.insert("username".to_owned(), username.into());
        credentials.insert("password".to_owned(), password.into());
        self.login_with(credentials).await
    }

    /// Sends these members as JSON to `BASE/login`, and keeps the tokens that come back. If another session was
    /// kept, it is ended on the server.
    ///
    /// `transport` and `client_id` are added if they are missing. The login goes on if the future is dropped.
    ///
    /// # Errors
    /// By what to do about it; see [`LoginError`]. [`LoginError::Storage`] if the file or the keyring's entry has tokens
    /// of another server.
    pub async fn login_with(&self, credentials: Map<String, Value>) -> Result<(), LoginError> {
        let client = self.clone();
        let login = tokio::spawn(async move {
            // Before a session is opened that could not be kept.
            client.shared.check_place().await?;
            let asked_at = client.shared.now().wall;
            let tokens = client.shared.endpoint.login(credentials, asked_at).await?;
            client.set(tokens).await
        });
        login
            .await
            .unwrap_or_else(|error| Err(interrupted(error).into()))
    }

    /// Keeps the tokens of a token response ([RFC 6749 section 5.1](https://www.rfc-editor.org/rfc/rfc6749#section-5.1))
    /// that you obtained yourself, as a login does. `asked_at` is when the request for it was sent.
    ///
    /// # Errors
    /// [`LoginError::Answer`] if it is none, [`LoginError::UnknownKey`] if the tokens are bound to a key,
    /// [`LoginError::Storage`] if they cannot be kept.
    pub async fn set_tokens(&self, json: &[u8], asked_at: SystemTime) -> Result<(), LoginError> {
        let asked_at = asked_at.duration_since(UNIX_EPOCH).unwrap_or_default();
        let asked_at = i64::try_from(asked_at.as_millis()).unwrap_or(i64::MAX);
        let body = Body::read(json);
        if body.is_bound() {
            return Err(LoginError::UnknownKey);
        }
        let tokens = body.tokens(asked_at);
        let tokens = tokens.ok_or_else(|| LoginError::Answer {
            address: "the text".into(),
        })?;
        let client = self.clone();
        let set = tokio::spawn(async move { client.set(tokens).await });
        set.await
            .unwrap_or_else(|error| Err(interrupted(error).into()))
    }

    /// An access token that is good now: at once, if there is one.
    ///
    /// A token is renewed when 20 % of its life is left, at least 5 s and at most 120 s before its end, but never in the
    /// first half of its life. The caller that finds it due starts the renewal and gets the old token while it is good.
    /// If the tokens are in a file, that caller waits for the renewal, so that a program that ends right
    /// after its only call does not cut it off. If no token is good, callers wait for at most 10 s.
    ///
    /// # Errors
    /// By what to do about it; see [`TokenError`].
    pub async fn access_token(&self) -> Result<AccessToken, TokenError> {
        self.token(None).await
    }

    /// An access token after a resource server has refused this one. It is renewed first, unless
    /// it has been since, and at most once a second.
    ///
    /// # Errors
    /// As [`access_token`](Self::access_token).
    pub async fn access_token_instead_of(
        &self,
        rejected: &AccessToken,
    ) -> Result<AccessToken, TokenError> {
        self.token(Some(rejected)).await
    }

    /// The proof that a request with a bound token needs, for the field `DPoP`; `None` if the token is not bound. Make
    /// one for each request. The middlewares of this crate do it by themselves.
    ///
    /// ```no_run
    /// # use token_client::Client;
    /// # async fn f(client: Client, http: reqwest::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// let token = client.access_token().await?;
    /// for _ in 0..2 {
    ///     let request = http.get("https://app.example/notes");
    ///     let mut request = request.header("authorization", format!("{} {}", token.scheme(), token.secret())).build()?;
    ///     let proof = client.proof(&token, request.method(), request.url());
    ///     if let Some(proof) = &proof {
    ///         request.headers_mut().insert("dpop", proof.header_value());
    ///     }
    ///     let response = http.execute(request).await?;
    ///     // A server may ask for a nonce, which the next proof has.
    ///     if !proof.is_some_and(|proof| client.learn(&proof, response.status(), response.headers())) {
    ///         break;
    ///     }
    /// }
    /// # Ok(()) }
    /// ```
    pub fn proof(&self, token: &AccessToken, method: &Method, url: &Url) -> Option<Proof> {
        let key = token.key()?;
        let peers = &self.shared.endpoint.peers;
        Some(peers.prove(key, method, url, Some(token.secret())))
    }

    /// Takes over what an answer says about proofs: the server's nonce, and its clock if the proof was refused. Whether
    /// the request should be repeated with the same token and a new proof; do that twice at most.
    pub fn learn(&self, proof: &Proof, status: StatusCode, headers: &HeaderMap) -> bool {
        let said = Said::by_resource(status, headers);
        self.shared.endpoint.peers.learn(proof, &said)
    }

    /// Forgets the session here and in every process that shares the file, then ends it on the server. It goes on if
    /// the future is dropped.
    ///
    /// # Errors
    /// By what is left to do; see [`LogoutError`].
    pub async fn logout(&self) -> Result<(), LogoutError> {
        let shared = Arc::clone(&self.shared);
        let logout = tokio::spawn(async move {
            let end = Write::End {
                generation: None,
                reason: "logout".to_owned(),
            };
            let written = shared.write(end).await;
            let record = match &written {
                Ok(written) => written.found.clone(),
                // What this process knows of it.
                Err(_) => shared.state().view.record().cloned(),
            };
            let (access, refresh) = record.map_or((None, None), |r| (r.access, r.refresh));
            let told = if access.is_some() || refresh.is_some() {
                shared
                    .endpoint
                    .logout(access.as_ref(), refresh.as_ref())
                    .await
            } else {
                Ok(())
            };
            written?;
            told
        });
        logout
            .await
            .unwrap_or_else(|error| Err(interrupted(error).into()))
    }

    /// Tells the client that the network is back, so that it does not wait out a pause after a failed connection. A
    /// pause that the server asked for is kept.
    pub fn network_is_back(&self) {
        self.shared.state().view.note_online();
    }

    /// Waits until no renewal is in flight and no lost answer has to be asked for again, which the client does by itself
    /// within the server's grace. Await it before a program ends that has dropped a future of this client, or in which a
    /// renewal may have failed: after the grace the server takes the old token for a stolen one. If tokens were renewed and cannot be
    /// stored, because the disk is full for example, it waits until they can.
    pub async fn settled(&self) {
        loop {
            let pending = {
                let state = self.shared.state();
                state.flight.as_ref().or(state.repetition()).cloned()
            };
            let Some(pending) = pending else { return };
            ended(pending).await;
        }
    }

    /// Where the middlewares send tokens.
    #[cfg(any(feature = "reqwest-middleware", feature = "tower"))]
    pub(crate) fn destinations(&self) -> &crate::attach::Destinations {
        &self.shared.endpoint.destinations
    }

    async fn token(&self, rejected: Option<&AccessToken>) -> Result<AccessToken, TokenError> {
        let since = self.shared.now().mono;
        let question = Question { rejected, since };
        let mut waited = false;
        let patience = if self
            .shared
            .state()
            .view
            .has_good(rejected, self.shared.now())
        {
            Patience::Short
        } else {
            Patience::Full
        };
        let looked = self.shared.look(patience).await;
        looked.map_err(TokenError::Storage)?;
        loop {
            let now = self.shared.now();
            let (verdict, flight, landing) = {
                let mut state = self.shared.state();
                let (verdict, renew) = state.view.ask(&question, now);
                let landing = renew.then(|| renewal::prepare(&self.shared, &mut state));
                (verdict, state.flight.clone(), landing.flatten())
            };
            let started = landing.is_some();
            if let Some(landing) = landing {
                landing.start();
            }
            match (verdict, flight) {
                (Verdict::Give(_), Some(flight))
                    if started && !waited && self.shared.store.is_shared() =>
                {
                    waited = true;
                    let _ = timeout(PATIENCE, ended(flight)).await;
                }
                (Verdict::Give(token), _) => return Ok(token),
                (Verdict::LogIn { reason }, _) => {
                    let reason = reason.into();
                    return Err(TokenError::LoginRequired { reason });
                }
                (Verdict::Unavailable { retry_at }, _) => return Err(self.unavailable(retry_at)),
                (Verdict::Wait { most }, Some(flight)) => {
                    let _ = timeout(milliseconds(most), ended(flight)).await;
                }
                (Verdict::Wait { most }, None) => sleep(milliseconds(most)).await,
            }
        }
    }

    /// Why there is no token yet.
    fn unavailable(&self, retry_at: i64) -> TokenError {
        let retry_at = UNIX_EPOCH + milliseconds(retry_at);
        let state = self.shared.state();
        if let Some(error) = &state.failure {
            return TokenError::Storage(Arc::clone(error));
        }
        let retry = state.view.record().and_then(|r| r.retry.as_ref());
        let status = retry.map_or(0, |retry| retry.status);
        if retry.is_some_and(Retry::is_misconfiguration) {
            let error = retry.and_then(|retry| retry.error.as_deref());
            return TokenError::Misconfigured {
                status,
                error: error.map(Into::into),
                retry_at,
            };
        }
        let status = (status > 0).then_some(status);
        TokenError::Unavailable { status, retry_at }
    }

    /// Keeps the tokens of a login, and ends the session that they replace.
    async fn set(&self, tokens: Tokens) -> Result<(), LoginError> {
        let endpoint = &self.shared.endpoint;
        let session = tokens.session.clone();
        let own = (tokens.access.clone(), tokens.refresh.clone());
        match self.shared.write(Write::Set { tokens }).await {
            Ok(written) => {
                if let Some(found) = written.found.filter(|r| r.session != session)
                    && let Some(token) = revocable(found.access.as_ref(), found.refresh.as_ref())
                {
                    endpoint.revoke(token).await;
                }
                Ok(())
            }
            Err(error) => {
                if let Some(token) = revocable(Some(&own.0), own.1.as_ref()) {
                    endpoint.revoke(token).await;
                }
                Err(error.into())
            }
        }
    }
}

/// The token that ends the session, if there is one.
fn revocable<'a>(
    access: Option<&'a AccessToken>,
    refresh: Option<&'a RefreshToken>,
) -> Option<&'a str> {
    let refresh = refresh.map(RefreshToken::secret);
    refresh.or(access.map(AccessToken::secret))
}

/// Waits for the end of a renewal.
async fn ended(mut flight: watch::Receiver<()>) {
    // Nothing is ever sent: it is closed.
    let _ = flight.changed().await;
}

/// A task of ours ends before its time only together with the runtime.
fn interrupted(_: JoinError) -> StoreError {
    StoreError::Interrupted
}

fn milliseconds(number: i64) -> Duration {
    Duration::from_millis(u64::try_from(number).unwrap_or(0))
}

/// How long a caller with a good token waits for a renewal.
const PATIENCE: Duration = Duration::from_secs(10);
