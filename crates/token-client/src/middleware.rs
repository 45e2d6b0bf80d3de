//! Tokens for the requests of a [`reqwest`] client.

use async_trait::async_trait;
use http::Extensions;
use reqwest::{Request, Response};
use reqwest_middleware::{Error, Middleware, Next, Result};

use crate::attempt::Attempt;
use crate::client::Client;

/// Adds an access token to each request of a [`reqwest_middleware`] client.
///
/// Only requests to the origin of the [`Client`] and to those that were named with
/// [`origin`](crate::ClientBuilder::origin) get one, and only if they have no `Authorization` yet. If the answer is a
/// 401 that names `invalid_token`, the token is renewed and the request is repeated, once, if its body can be
/// cloned: a stream cannot. If that gives no other token, the caller gets the 401. A token that is bound to a key
/// comes with a proof, and the request is repeated if the server asks for a nonce in it.
///
/// If the client of `reqwest` follows a redirect to another URL, the answer from there repeats nothing, since what was
/// asked may have been done before the redirect. A redirect back to the URL of the request cannot be told from none: if
/// your API has such, build the client with [`redirect::Policy::none`](reqwest::redirect::Policy::none).
///
/// If there is no token the request is not sent, and the error is [`Error::Middleware`] with a
/// [`TokenError`](crate::TokenError) in it.
///
/// ```no_run
/// use token_client::{Client, TokenError, TokenMiddleware};
///
/// # async fn f() -> Result<(), Box<dyn std::error::Error>> {
/// let client = Client::builder("https://app.example/auth")
///     .origin("https://api.example")
///     .build()?;
/// let http = reqwest_middleware::ClientBuilder::new(reqwest::Client::new())
///     .with(TokenMiddleware::new(client))
///     .build();
/// match http.get("https://api.example/notes").send().await {
///     Ok(response) => println!("{}", response.status()),
///     Err(reqwest_middleware::Error::Middleware(error)) => match error.downcast_ref() {
///         Some(TokenError::LoginRequired { reason }) => println!("log in again: {reason}"),
///         _ => println!("{error}"),
///     },
///     Err(error) => println!("{error}"),
/// }
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct TokenMiddleware {
    client: Client,
}

impl TokenMiddleware {
    /// Takes the tokens from this client.
    pub fn new(client: Client) -> Self {
        Self { client }
    }
}

#[async_trait]
impl Middleware for TokenMiddleware {
    async fn handle(
        &self,
        mut request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> Result<Response> {
        let destinations = self.client.destinations();
        if !destinations.include(request.url(), request.headers()) {
            return next.run(request, extensions).await;
        }
        let attempt = Attempt::new(&self.client).await;
        let mut attempt = attempt.map_err(Error::middleware)?;
        loop {
            let again = request.try_clone();
            let (method, url) = (request.method().clone(), request.url().clone());
            attempt.authorize(&method, &url, request.headers_mut());
            let response = next.clone().run(request, extensions).await?;
            if *response.url() != url {
                // It is the answer of where a redirect led: what redirected may have done what was asked already.
                return Ok(response);
            }
            let (status, headers) = (response.status(), response.headers());
            let goes_on = attempt.goes_on(status, headers, again.is_some()).await;
            match again {
                Some(again) if goes_on => request = again,
                _ => return Ok(response),
            }
        }
    }
}
