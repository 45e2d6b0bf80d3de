//! The server's routes.

use std::time::{Duration, Instant, SystemTime};

use reqwest::header::{
    ACCEPT, AUTHORIZATION, CONTENT_TYPE, DATE, HeaderMap, HeaderValue, RETRY_AFTER,
};
use reqwest::{Client, RequestBuilder, Response, StatusCode, Url};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use crate::address;
use crate::dpop::{ClientKey, FIELD, Peers, Said};
use crate::error::{LoginError, LogoutError};
use crate::machine::{AccessToken, Answer, Body, RefreshToken, Tokens};

/// Asks the server. It follows no redirect, and sends no cookie.
#[derive(Debug)]
pub(crate) struct Endpoint {
    pub(crate) http: Client,
    pub(crate) base: Url,
    pub(crate) client_id: Option<Box<str>>,
    /// Whether a login makes a key.
    pub(crate) dpop: bool,
    pub(crate) peers: Peers,
    #[cfg(any(feature = "reqwest-middleware", feature = "tower"))]
    pub(crate) destinations: crate::attach::Destinations,
}

impl Endpoint {
    /// The address as it is kept with tokens, so that they are sent to no other server.
    pub(crate) fn name(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }

    /// Asks for new tokens ([RFC 6749 section 6](https://www.rfc-editor.org/rfc/rfc6749#section-6)).
    pub(crate) async fn refresh(&self, token: &RefreshToken, key: Option<&ClientKey>) -> Answer {
        let form = self.form(&[
            ("grant_type", "refresh_token"),
            ("refresh_token", token.secret()),
        ]);
        match self.send(self.post("refresh", &form), key).await {
            Ok((status, headers, body)) => Answer {
                status: status.as_u16(),
                body,
                retry_after: i64::try_from(retry_after(&headers).as_millis()).unwrap_or(i64::MAX),
                offline: false,
            },
            Err(error) => Answer {
                // A connection that was never made has carried no request.
                offline: error.is_connect(),
                ..Answer::default()
            },
        }
    }

    /// Sends credentials as JSON, at the time `asked_at` of the wall clock.
    pub(crate) async fn login(
        &self,
        mut credentials: Map<String, Value>,
        asked_at: i64,
    ) -> Result<Tokens, LoginError> {
        let mut add = |name: &str, value: &str| {
            credentials.entry(name).or_insert_with(|| value.into());
        };
        add("transport", "header");
        if let Some(id) = &self.client_id {
            add("client_id", id);
        }
        let url = address::below(&self.base, "login");
        let request = self.http.post(url.clone());
        let request = request
            .header(CONTENT_TYPE, "application/json")
            .body(Value::Object(credentials).to_string());
        // A key of its own, so that nobody who has used this place before can go on.
        let key = self.dpop.then(ClientKey::generate);
        let answered = self.send(request, key.as_ref()).await;
        let (status, headers, body) = answered.map_err(|source| LoginError::Unavailable {
            status: None,
            source: Some(source),
        })?;
        if status.is_success() {
            let bound = body.is_bound();
            let tokens = body.tokens(asked_at).ok_or_else(|| LoginError::Answer {
                address: url.as_str().into(),
            })?;
            if bound != self.dpop {
                // Without the key nobody could use them; and what was to be bound may not be kept unbound.
                let refresh = tokens.refresh.as_ref().map(RefreshToken::secret);
                self.revoke(refresh.unwrap_or(tokens.access.secret())).await;
                return Err(LoginError::NotBound);
            }
            return Ok(Tokens { key, ..tokens });
        }
        Err(match (status, body.error.as_deref()) {
            (StatusCode::UNAUTHORIZED, Some("invalid_credentials")) => {
                LoginError::InvalidCredentials
            }
            (StatusCode::TOO_MANY_REQUESTS, _) => LoginError::TooManyAttempts {
                retry_after: retry_after(&headers),
            },
            (StatusCode::REQUEST_TIMEOUT, _) | (_, Some("temporarily_unavailable")) => {
                unavailable(status)
            }
            _ if status.is_server_error() => unavailable(status),
            (_, error) => LoginError::Refused {
                status: status.as_u16(),
                error: error.map(Into::into),
            },
        })
    }

    /// Ends the session of these tokens.
    pub(crate) async fn logout(
        &self,
        access: Option<&AccessToken>,
        refresh: Option<&RefreshToken>,
    ) -> Result<(), LogoutError> {
        let token = refresh.map(RefreshToken::secret);
        let form = token.map_or_else(Zeroizing::default, |token| {
            self.form(&[("refresh_token", token)])
        });
        let mut request = self.post("logout", &form);
        if let Some(access) = access {
            request = request.header(AUTHORIZATION, authorization(access));
        }
        let unavailable = |status, source| LogoutError::Unavailable { status, source };
        match self.send(request, None).await {
            // 401: the server knows no such session.
            Ok((status, ..)) if status.is_success() || status == StatusCode::UNAUTHORIZED => Ok(()),
            Ok((status, ..)) => Err(unavailable(Some(status.as_u16()), None)),
            Err(error) => Err(unavailable(None, Some(error))),
        }
    }

    /// Ends the session of a token that nobody will use ([RFC 7009](https://www.rfc-editor.org/rfc/rfc7009)). If the
    /// server cannot be asked, the session expires there.
    pub(crate) async fn revoke(&self, token: &str) {
        let form = self.form(&[("token", token)]);
        let _ = self.send(self.post("revoke", &form), None).await;
    }

    /// Sends a request with a proof, if the tokens have a key, and repeats it if that helps: at most once for want of
    /// a nonce, and once because this machine's clock is wrong.
    async fn send(
        &self,
        request: RequestBuilder,
        key: Option<&ClientKey>,
    ) -> Result<(StatusCode, HeaderMap, Body), reqwest::Error> {
        let request = request.build()?;
        let end = Instant::now() + TIMEOUT;
        let mut more = 2;
        loop {
            let mut attempt = request.try_clone().expect("its body is a text");
            // All attempts together take as long as another process waits for one.
            *attempt.timeout_mut() = Some(end.saturating_duration_since(Instant::now()));
            let proof = key.map(|key| self.peers.prove(key, request.method(), request.url(), None));
            if let Some(proof) = &proof {
                attempt.headers_mut().insert(FIELD, proof.header_value());
            }
            let (status, headers, body) = read(self.http.execute(attempt).await?).await?;
            let body = Body::read(&body);
            let said = Said::by_token_endpoint(&headers, body.error.as_deref());
            let better = proof.is_some_and(|proof| self.peers.learn(&proof, &said));
            if !better || more == 0 {
                return Ok((status, headers, body));
            }
            more -= 1;
        }
    }

    fn post(&self, route: &str, form: &str) -> RequestBuilder {
        let request = self.http.post(address::below(&self.base, route));
        request
            .header(ACCEPT, "application/json")
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(form.as_bytes().to_vec())
    }

    fn form(&self, pairs: &[(&str, &str)]) -> Zeroizing<String> {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.extend_pairs(pairs);
        if let Some(id) = &self.client_id {
            form.append_pair("client_id", id);
        }
        Zeroizing::new(form.finish())
    }
}

/// The header value of an access token, which no log shows.
pub(crate) fn authorization(token: &AccessToken) -> HeaderValue {
    let scheme = token.scheme();
    let text = Zeroizing::new(format!("{scheme} {}", token.secret()));
    // A token that no header can carry is sent as none, and refused.
    let mut value = HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static(scheme));
    value.set_sensitive(true);
    value
}

fn unavailable(status: StatusCode) -> LoginError {
    LoginError::Unavailable {
        status: Some(status.as_u16()),
        source: None,
    }
}

/// An answer with its body, or as much of it as is read at most.
async fn read(
    mut response: Response,
) -> Result<(StatusCode, HeaderMap, Zeroizing<Vec<u8>>), reqwest::Error> {
    let mut body = Zeroizing::new(Vec::new());
    while let Some(chunk) = response.chunk().await? {
        body.extend_from_slice(&chunk);
        if body.len() > MAX_ANSWER {
            // Whatever it is, it is no token response.
            body.clear();
            break;
        }
    }
    Ok((response.status(), response.headers().clone(), body))
}

/// How long the server asks to wait. A date is measured by the server's own clock, never by this machine's.
fn retry_after(headers: &HeaderMap) -> Duration {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let Some(value) = text(RETRY_AFTER) else {
        return Duration::ZERO;
    };
    if let Ok(seconds) = value.trim().parse() {
        return Duration::from_secs(seconds);
    }
    let date = |text: &str| httpdate::parse_http_date(text).ok();
    let (until, from): (Option<SystemTime>, _) = (date(value), text(DATE).and_then(date));
    until.zip(from).map_or(Duration::ZERO, |(until, from)| {
        until.duration_since(from).unwrap_or_default()
    })
}

/// How long a request may take, with its repetitions. It is less than another process waits for its lock.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(7);

/// The most of an answer that is read, in bytes.
const MAX_ANSWER: usize = 64 * 1024;
