//! The routes that the library serves itself.

use actix_web::{HttpRequest, web};
use token_http::{Auth, Route};

use crate::answer::Answer;
use crate::head::{OwnedHead, read};
use crate::register::register;

/// The routes that the library serves itself, under the configured prefix and `/.well-known`. It also
/// puts [`Auth`] into `app_data` for the extractors; handlers take it as `web::Data<Auth>`. Configure the
/// `App` with it, and not a scope.
///
/// `A` is [`Auth`] itself or, in an application with several, the type that this one is kept in. Each
/// needs a prefix and an issuer's path of its own.
///
/// ```
/// # use actix_web::App;
/// # use adapter_actix::Auth;
/// # fn app(auth: Auth) {
/// App::new().configure(adapter_actix::routes(&auth));
/// # }
/// ```
pub fn routes<A>(auth: &A) -> impl FnOnce(&mut web::ServiceConfig) + use<A>
where
    A: Clone + Into<Auth> + 'static,
{
    let registered = auth.clone();
    move |config| {
        let auth: Auth = registered.clone().into();
        for route in Route::ALL {
            let own = auth.clone();
            let handler = move |request, payload| answer(*route, own.clone(), request, payload);
            config.service(web::resource(route.path(&auth)).to(handler));
        }
        register(config, registered);
    }
}

/// Serves an OpenAPI document at [`openapi::PATH`](token_http::openapi::PATH). Configure the
/// `App` with it, and with [`routes`].
///
/// ```
/// # use actix_web::App;
/// # use adapter_actix::Auth;
/// use token_http::openapi::Document;
///
/// # fn app(auth: Auth) {
/// let document = Document::new(auth.openapi());
/// App::new()
///     .configure(adapter_actix::routes(&auth))
///     .configure(adapter_actix::openapi(&auth, document));
/// # }
/// ```
#[cfg(feature = "openapi")]
pub fn openapi(
    auth: &Auth,
    document: token_http::openapi::Document,
) -> impl FnOnce(&mut web::ServiceConfig) + use<> {
    let auth = auth.clone();
    move |config| {
        let serve = move |request: HttpRequest| {
            let method = OwnedHead::of(&request).borrow().method.clone();
            let answer = Answer::from(document.answer(&auth, &method));
            async move { answer }
        };
        config.service(web::resource(token_http::openapi::PATH).to(serve));
    }
}

async fn answer(route: Route, auth: Auth, request: HttpRequest, payload: web::Payload) -> Answer {
    let head = OwnedHead::of(&request);
    let body = read(&auth, &request, &mut payload.into_inner()).await;
    route.answer(&auth, head.borrow(), body).await.into()
}
