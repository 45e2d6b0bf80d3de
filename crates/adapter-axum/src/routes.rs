//! The routes that the library serves itself.

use axum::Router;
use axum::extract::Request;
use axum::routing::any;
use token_http::{Auth, ProtectedResource, Route};

use crate::answer::Answer;
use crate::head::{head, read};

/// The routes that the library serves itself, under the configured prefix and `/.well-known`. Merge
/// them into the application's router, at the root.
///
/// `A` is [`Auth`] itself or, in an application with several, the type that this one is kept in. Each
/// needs a prefix and an issuer's path of its own.
///
/// # Panics
/// Merging panics if the router has one of the paths already.
///
/// ```
/// # use adapter_axum::Auth;
/// # use axum::Router;
/// # fn app(auth: Auth) -> Router<Auth> {
/// Router::new().merge(adapter_axum::routes(&auth))
/// # }
/// ```
pub fn routes<A, S>(auth: &A) -> Router<S>
where
    A: Clone + Into<Auth>,
    S: Clone + Send + Sync + 'static,
{
    let auth: Auth = auth.clone().into();
    Route::mounted(&auth).fold(Router::new(), |router, route| {
        let path = route.path(&auth);
        let auth = auth.clone();
        router.route(&path, any(move |request| answer(route, auth, request)))
    })
}

/// Serves what a protected resource says of itself, for a service without [`routes`] of its own: those
/// serve it if it is in the settings. Merge it at the root of the application's router.
///
/// ```
/// # use adapter_axum::ProtectedResource;
/// # use axum::Router;
/// # fn app() -> Result<Router, Box<dyn std::error::Error>> {
/// let notes = ProtectedResource::new("https://api.example/notes")?
///     .authorization_server("https://id.example".parse()?);
/// Ok(Router::new().merge(adapter_axum::protected_resource(&notes)))
/// # }
/// ```
pub fn protected_resource<S>(resource: &ProtectedResource) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    let own = resource.clone();
    let serve = async move |method| Answer::from(own.answer(&method));
    Router::new().route(resource.path(), any(serve))
}

/// Serves an OpenAPI document at [`openapi::PATH`](token_http::openapi::PATH). Merge it at the
/// root of the application's router, with [`routes`].
///
/// ```
/// # use adapter_axum::Auth;
/// # use axum::Router;
/// use token_http::openapi::Document;
///
/// # fn app(auth: Auth) -> Router<Auth> {
/// let document = Document::new(auth.openapi());
/// Router::new()
///     .merge(adapter_axum::routes(&auth))
///     .merge(adapter_axum::openapi(&auth, document))
/// # }
/// ```
#[cfg(feature = "openapi")]
pub fn openapi<S>(auth: &Auth, document: token_http::openapi::Document) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    let auth = auth.clone();
    let serve = async move |method| Answer::from(document.answer(&auth, &method));
    Router::new().route(token_http::openapi::PATH, any(serve))
}

async fn answer(route: Route, auth: Auth, request: Request) -> Answer {
    let (parts, body) = read(&auth, request, |head| route.max_body(head)).await;
    route.answer(&auth, head(&parts), body).await.into()
}
