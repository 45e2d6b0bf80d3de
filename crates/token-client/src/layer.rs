//! Tokens for the requests of an HTTP client that is a [`tower_service::Service`].

use std::future::poll_fn;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::{Request, Response};
use reqwest::Url;
use thiserror::Error;
use tower_layer::Layer;
use tower_service::Service;

use crate::attempt::Attempt;
use crate::client::Client;
use crate::error::TokenError;

/// Adds an access token to each request of a client, such as one of `hyper-util`. `B` is the type of its bodies.
///
/// Requests need an absolute URI. Only those to the origin of the [`Client`] and to those that were named with
/// [`origin`](crate::ClientBuilder::origin) get a token, and only if they have no `Authorization` yet.
///
/// ```
/// use http::{Request, Response, StatusCode};
/// use token_client::{Client, TokenLayer};
/// use tower_layer::Layer as _;
///
/// # fn f<S>(http: S) -> Result<(), token_client::BuildError> {
/// let client = Client::builder("https://app.example/auth")
///     .origin("https://api.example")
///     .build()?;
/// let layer = TokenLayer::new(client).repeat_with(|body: &String| Some(body.clone()));
/// let http = layer.layer(http);
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct TokenLayer<B> {
    client: Client,
    copy: fn(&B) -> Option<B>,
}

impl<B> TokenLayer<B> {
    /// Takes the tokens from this client, and repeats no request.
    pub fn new(client: Client) -> Self {
        let copy = |_: &B| None;
        Self { client, copy }
    }

    /// If the answer is a 401 that names `invalid_token`, renews the token and repeats the request, once, if `copy` can
    /// clone its body. If that gives no other token, the caller gets the 401. The same is done if the server asks for a
    /// nonce in the proof of a token that is bound to a key.
    ///
    /// No service below this layer may follow redirects then: a 401 of where one leads would be taken for the answer to
    /// this request, which would be sent again although it may have been done. Put such a service above the layer.
    #[must_use]
    pub fn repeat_with(self, copy: fn(&B) -> Option<B>) -> Self {
        Self { copy, ..self }
    }
}

impl<B> Clone for TokenLayer<B> {
    fn clone(&self) -> Self {
        Self {
            client: self.client.clone(),
            copy: self.copy,
        }
    }
}

impl<S, B> Layer<S> for TokenLayer<B> {
    type Service = TokenService<S, B>;

    fn layer(&self, inner: S) -> Self::Service {
        let layer = self.clone();
        TokenService { inner, layer }
    }
}

/// A client whose requests get access tokens. [`TokenLayer`] makes it.
#[derive(Debug)]
pub struct TokenService<S, B> {
    inner: S,
    layer: TokenLayer<B>,
}

impl<S: Clone, B> Clone for TokenService<S, B> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            layer: self.layer.clone(),
        }
    }
}

/// Why a request with a token failed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RequestError<E> {
    /// The client below failed.
    #[error(transparent)]
    Client(E),
    /// There is no token, so the request was not sent.
    #[error(transparent)]
    Token(TokenError),
}

impl<S, B, R> Service<Request<B>> for TokenService<S, B>
where
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Send,
    B: Send + 'static,
    R: Send,
{
    type Response = Response<R>;
    type Error = RequestError<S::Error>;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx).map_err(RequestError::Client)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // The service that is ready is the one to call; its clone may not be.
        let next = self.inner.clone();
        let inner = mem::replace(&mut self.inner, next);
        let layer = self.layer.clone();
        Box::pin(async move { layer.send(inner, request).await })
    }
}

impl<B> TokenLayer<B> {
    async fn send<S, R>(
        self,
        mut inner: S,
        mut request: Request<B>,
    ) -> Result<Response<R>, RequestError<S::Error>>
    where
        S: Service<Request<B>, Response = Response<R>>,
    {
        let client = &self.client;
        let url = Url::parse(&request.uri().to_string());
        let is_ours = |url: &Url| client.destinations().include(url, request.headers());
        let Some(url) = url.ok().filter(is_ours) else {
            return inner.call(request).await.map_err(RequestError::Client);
        };
        let attempt = Attempt::new(client).await;
        let mut attempt = attempt.map_err(RequestError::Token)?;
        loop {
            let again = self.copy(&request);
            let method = request.method().clone();
            attempt.authorize(&method, &url, request.headers_mut());
            let response = inner.call(request).await.map_err(RequestError::Client)?;
            let (status, headers) = (response.status(), response.headers());
            let goes_on = attempt.goes_on(status, headers, again.is_some()).await;
            match again {
                Some(again) if goes_on => request = again,
                _ => return Ok(response),
            }
            let ready = poll_fn(|cx| inner.poll_ready(cx)).await;
            ready.map_err(RequestError::Client)?;
        }
    }

    fn copy(&self, request: &Request<B>) -> Option<Request<B>> {
        let mut copy = Request::new((self.copy)(request.body())?);
        request.method().clone_into(copy.method_mut());
        request.uri().clone_into(copy.uri_mut());
        *copy.version_mut() = request.version();
        request.headers().clone_into(copy.headers_mut());
        request.extensions().clone_into(copy.extensions_mut());
        Some(copy)
    }
}
