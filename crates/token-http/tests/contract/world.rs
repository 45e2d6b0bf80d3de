//! A server without a socket: requests in, answers out, and a clock that moves by hand.

use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, HeaderValue, SET_COOKIE};
use http::request::Builder;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use serde_json::{Value, json};
use token_core::{Authentication, NoClaims, Policy, RevokeReason};
use token_http::{
    Answered, Any, Auth, AuthConfig, AuthConfigBuilder, CustomPassword, CustomStepUp, Head,
    LoginRequest, PasswordRequest, Refusal, Rejection, Route, SessionSlot, Shown, StepUpRequest,
};
use token_session::binding::{BindingMode, BindingPolicy};
use token_session::clock::Clock as _;
use token_session::event::EventSink;
use token_session::test_util::{SeededEntropy, TestClock, TestManager};
use token_session::{
    MemoryStore, NewSession, RevocationCheck, SessionManagerBuilder, SessionStore,
};

pub(crate) const OWN: &str = "https://own.example";
pub(crate) const PASSWORD: &str = "wonderland";

pub(crate) struct World {
    pub(crate) auth: Auth,
    clock: TestClock,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(|config| config)
    }

    pub(crate) fn with(set: impl FnOnce(AuthConfigBuilder) -> AuthConfigBuilder) -> Self {
        Self::on(MemoryStore::new(1000, &[7; 32]), set)
    }

    pub(crate) fn on(
        store: impl SessionStore,
        set: impl FnOnce(AuthConfigBuilder) -> AuthConfigBuilder,
    ) -> Self {
        Self::checking(RevocationCheck::Store, store, set)
    }

    /// A server that draws the same random bytes as every other one that is made so.
    pub(crate) fn seeded() -> Self {
        let config = AuthConfig::builder(OWN.parse().unwrap()).build().unwrap();
        let store = MemoryStore::new(1000, &[7; 32]);
        let TestManager { manager, clock } =
            TestManager::with_store(store, Policy::default(), |builder| {
                let builder = builder.revocation_check(RevocationCheck::Store);
                builder.entropy(SeededEntropy::new(1))
            });
        let auth = Auth::new(manager, config);
        Self { auth, clock }
    }

    /// A server that binds sessions to their browsers.
    pub(crate) fn binding(mode: BindingMode, store: impl SessionStore) -> Self {
        Self::reporting(mode, store, drop)
    }

    /// The same with a sink of events.
    pub(crate) fn reporting(
        mode: BindingMode,
        store: impl SessionStore,
        sink: impl EventSink,
    ) -> Self {
        Self::managed(store, |builder| {
            let builder = builder.revocation_check(RevocationCheck::Store);
            builder.binding(BindingPolicy::new(mode)).events(sink)
        })
    }

    /// A server whose manager is set so.
    pub(crate) fn managed(
        store: impl SessionStore,
        set: impl FnOnce(SessionManagerBuilder) -> SessionManagerBuilder,
    ) -> Self {
        let config = AuthConfig::builder(OWN.parse().unwrap()).build().unwrap();
        let TestManager { manager, clock } = TestManager::with_store(store, Policy::default(), set);
        let auth = Auth::new(manager, config);
        Self { auth, clock }
    }

    /// A server of an application that has moved here lately.
    pub(crate) fn adopting(set: impl FnOnce(AuthConfigBuilder) -> AuthConfigBuilder) -> Self {
        Self::adopting_on(MemoryStore::new(1000, &[7; 32]), set)
    }

    /// The same on a store of its own.
    pub(crate) fn adopting_on(
        store: impl SessionStore,
        set: impl FnOnce(AuthConfigBuilder) -> AuthConfigBuilder,
    ) -> Self {
        let until = TestClock::new().now() + Duration::from_secs(10_000);
        let policy = Policy::builder().adopts_until(until).build().unwrap();
        let TestManager { manager, clock } = TestManager::with_store(store, policy, |builder| {
            builder.revocation_check(RevocationCheck::Store)
        });
        let config = set(AuthConfig::builder(OWN.parse().unwrap()));
        let auth = Auth::new(manager, config.build().unwrap());
        Self { auth, clock }
    }

    /// The same server, started again with other settings.
    pub(crate) fn with_config(
        self,
        set: impl FnOnce(AuthConfigBuilder) -> AuthConfigBuilder,
    ) -> Self {
        let config = set(AuthConfig::builder(OWN.parse().unwrap()));
        let auth = Auth::new(self.auth.manager().clone(), config.build().unwrap());
        Self { auth, ..self }
    }

    /// A server that checks access tokens in this way.
    pub(crate) fn checking(
        check: RevocationCheck,
        store: impl SessionStore,
        set: impl FnOnce(AuthConfigBuilder) -> AuthConfigBuilder,
    ) -> Self {
        let config = AuthConfig::builder(OWN.parse().unwrap());
        let config = set(config).build().unwrap();
        let TestManager { manager, clock } =
            TestManager::with_store(store, Policy::default(), |builder| {
                builder.revocation_check(check)
            });
        let auth = Auth::new(manager, config);
        Self { auth, clock }
    }

    pub(crate) fn advance(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    /// What a server with these handlers answers.
    pub(crate) async fn send(&self, request: Request<impl Into<Bytes>>) -> Reply {
        let (parts, body) = request.into_parts();
        let body: Bytes = body.into();
        let head = Head {
            method: &parts.method,
            uri: &parts.uri,
            headers: &parts.headers,
            peer: Some("192.0.2.77".parse().unwrap()),
        };
        let path = parts.uri.path();
        let result = match path {
            "/auth/login" => self.login_handler(&head, &body).await,
            "/auth/step-up" => self.step_up_handler(&head, &body).await,
            "/auth/password" => self.password_handler(&head, &body).await,
            "/form/step-up" => self.step_up_by_form(&head, &body).await,
            "/form/password" => self.password_by_form(&head, &body).await,
            "/api/me" => return self.me_handler(&head).await,
            _ => {
                let route = Route::mounted(&self.auth).find(|route| {
                    let pattern = route.path(&self.auth);
                    match pattern.strip_suffix("{session_id}") {
                        Some(start) => path.strip_prefix(start).is_some_and(|id| !id.is_empty()),
                        None => pattern == path,
                    }
                });
                let route = route.expect("the path is one of the routes");
                let body = if body.len() > route.max_body(&head) {
                    Err(self.auth.reject(Refusal::PayloadTooLarge))
                } else {
                    Ok(body)
                };
                Ok(route.answer(&self.auth, head, body).await)
            }
        };
        Reply::new(result.unwrap_or_else(|rejection| rejection.response()))
    }

    /// Logs `alice` in by a transport and gives the answer.
    pub(crate) async fn login(&self, transport: &str) -> Reply {
        self.login_as(&json!({"username": "alice", "password": PASSWORD, "transport": transport}))
            .await
    }

    pub(crate) async fn login_as(&self, body: &Value) -> Reply {
        let reply = self.send(post_json("/auth/login", body)).await;
        assert_eq!(reply.status, 200, "{}", reply.body);
        reply
    }

    /// Ends every session of `alice`.
    pub(crate) async fn end_all(&self) {
        let subject = "alice".parse().unwrap();
        let manager = self.auth.manager();
        let ended = manager.revoke_all(&subject, RevokeReason::Admin).await;
        assert!(!ended.unwrap().is_empty());
    }

    async fn login_handler(
        &self,
        head: &Head<'_>,
        body: &[u8],
    ) -> Result<Response<Bytes>, Rejection> {
        let login = LoginRequest::read(&self.auth, head, body)?;
        let ticket = login.begin(login.username()).await?;
        if login.password() != PASSWORD {
            return Err(login.invalid_credentials());
        }
        let session = NewSession {
            scope: "notes:read notes:write".parse().unwrap(),
            ..login.new_session()
        };
        login.open(ticket, session).await
    }

    async fn step_up_handler(
        &self,
        head: &Head<'_>,
        body: &[u8],
    ) -> Result<Response<Bytes>, Rejection> {
        let request = StepUpRequest::read(&self.auth, head, body).await?;
        if request.password() != PASSWORD {
            return Err(request.invalid_credentials());
        }
        request.renew(Authentication::password(request.at())).await
    }

    async fn password_handler(
        &self,
        head: &Head<'_>,
        body: &[u8],
    ) -> Result<Response<Bytes>, Rejection> {
        let request = PasswordRequest::read(&self.auth, head, body).await?;
        if request.password() != PASSWORD {
            return Err(request.invalid_credentials());
        }
        if request.new_password().len() < 8 {
            return Err(request.unacceptable());
        }
        request
            .changed(Authentication::password(request.at()))
            .await
    }

    /// A step-up by a form, with a redirect if the form says where to.
    async fn step_up_by_form(
        &self,
        head: &Head<'_>,
        body: &[u8],
    ) -> Result<Response<Bytes>, Rejection> {
        let step_up = CustomStepUp::read(&self.auth, head)?;
        let ticket = step_up.begin(field(body, "refresh_token")).await?;
        if field(body, "password") != Some(PASSWORD) {
            return Err(step_up.invalid_credentials());
        }
        let authentication = Authentication::password(step_up.at());
        match field(body, "to") {
            Some(to) => step_up.redirect(&ticket, authentication, to).await,
            None => step_up.renew(&ticket, authentication).await,
        }
    }

    /// A change of password by a form. The password `unstored` cannot be stored.
    async fn password_by_form(
        &self,
        head: &Head<'_>,
        body: &[u8],
    ) -> Result<Response<Bytes>, Rejection> {
        let change = CustomPassword::read(&self.auth, head)?;
        let ticket = change.begin(field(body, "refresh_token")).await?;
        if field(body, "password") != Some(PASSWORD) {
            return Err(change.invalid_credentials());
        }
        let new_password = field(body, "new_password").unwrap_or_default();
        if new_password.len() < 8 {
            return Err(change.unacceptable());
        }
        let stored = new_password != "unstored";
        let store = async move {
            if stored {
                Ok(())
            } else {
                Err(Rejection::server_error())
            }
        };
        let authentication = Authentication::password(change.at());
        match field(body, "to") {
            Some(to) => change.redirect(&ticket, authentication, to, store).await?,
            None => change.changed(&ticket, authentication, store).await?,
        }
    }

    /// A protected resource, with what an adapter's layer does.
    /// The caller of a protected route.
    pub(crate) async fn caller(
        &self,
        head: &Head<'_>,
        slot: &SessionSlot,
    ) -> Result<Any, Rejection> {
        let authorization = head.headers.get_all(AUTHORIZATION).iter();
        let session = async || self.auth.server_session(head, Some(slot)).await;
        let shown = || {
            let proofs = head.headers.get_all("dpop").iter();
            Shown::new(
                head.method.as_str(),
                head.uri.path(),
                proofs.map(HeaderValue::as_bytes),
            )
        };
        let caller = self
            .auth
            .clone()
            .any::<NoClaims>(authorization.map(HeaderValue::as_bytes), shown, session)
            .await?;
        caller.ok_or_else(|| self.auth.reject(Refusal::Unauthorized))
    }

    async fn me_handler(&self, head: &Head<'_>) -> Reply {
        let slot = SessionSlot::default();
        let result = async {
            let caller = self.caller(head, &slot).await?;
            let mut response = Response::new(Bytes::from(caller.session_id().to_string()));
            for field in slot.finish(&answered(StatusCode::OK)).await? {
                response.headers_mut().append(SET_COOKIE, field);
            }
            Ok::<_, Rejection>(response)
        };
        Reply::new(
            result
                .await
                .unwrap_or_else(|rejection| rejection.response()),
        )
    }
}

/// A handler's answer with this status and nothing else.
pub(crate) fn answered(status: StatusCode) -> Answered {
    Answered::new(status, &HeaderMap::new(), false)
}

/// A field of a form. Nothing in it is escaped.
fn field<'a>(body: &'a [u8], name: &str) -> Option<&'a str> {
    let pairs = std::str::from_utf8(body).unwrap().split('&');
    let mut pairs = pairs.filter_map(|pair| pair.split_once('='));
    pairs.find(|(own, _)| *own == name).map(|(_, value)| value)
}

/// An answer, taken apart.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) body: String,
    response: Response<Bytes>,
}

impl Reply {
    pub(crate) fn new(response: Response<Bytes>) -> Self {
        Self {
            status: response.status().as_u16(),
            body: String::from_utf8(response.body().to_vec()).unwrap(),
            response,
        }
    }

    /// All header fields.
    pub(crate) fn headers(&self) -> &HeaderMap {
        self.response.headers()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        let value = self.response.headers().get(name);
        value.map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.header("content-type"), "application/json");
        serde_json::from_str(&self.body).unwrap()
    }

    /// A member of the body, as text.
    pub(crate) fn text(&self, name: &str) -> String {
        self.json()[name].as_str().expect(name).to_owned()
    }

    pub(crate) fn set_cookies(&self) -> Vec<String> {
        let fields = self.response.headers().get_all(SET_COOKIE).iter();
        fields
            .map(|field| field.to_str().unwrap().to_owned())
            .collect()
    }

    /// `name=value` of the only cookie that was set.
    pub(crate) fn cookie(&self) -> String {
        let fields = self.set_cookies();
        assert_eq!(fields.len(), 1, "{fields:?}");
        fields[0].split(';').next().unwrap().to_owned()
    }

    /// Status, `error` and `reason`.
    pub(crate) fn refusal(&self) -> (u16, String, String) {
        let body = self.json();
        let word = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
        (self.status, word("error"), word("reason"))
    }
}

pub(crate) fn request(method: Method, path: &str) -> Builder {
    Request::builder().method(method).uri(path)
}

pub(crate) fn get(path: &str) -> Request<&'static str> {
    request(Method::GET, path).body("").unwrap()
}

pub(crate) fn post_json(path: &str, body: &Value) -> Request<String> {
    let request = request(Method::POST, path).header("content-type", "application/json");
    request.body(body.to_string()).unwrap()
}

pub(crate) fn post_form(path: &str, body: &str) -> Request<String> {
    let media_type = "application/x-www-form-urlencoded";
    let request = request(Method::POST, path).header("content-type", media_type);
    request.body(body.to_owned()).unwrap()
}

/// Adds a header field.
pub(crate) fn with<B>(mut request: Request<B>, name: &'static str, value: &str) -> Request<B> {
    request.headers_mut().append(name, value.parse().unwrap());
    request
}

/// Adds a cookie as our own page's script sends it.
pub(crate) fn with_cookie<B>(request: Request<B>, cookie: &str) -> Request<B> {
    with(
        with(request, "cookie", cookie),
        "sec-fetch-site",
        "same-origin",
    )
}

pub(crate) fn with_bearer<B>(request: Request<B>, token: &str) -> Request<B> {
    with(request, "authorization", &format!("Bearer {token}"))
}

pub(crate) fn refusal(status: u16, error: &str, reason: &str) -> (u16, String, String) {
    (status, error.to_owned(), reason.to_owned())
}
