//! The routes that the library serves itself.

use std::rc::Rc;

use actix_web::guard::{self, Guard};
use actix_web::{HttpRequest, web};
use token_http::{Auth, ProtectedResource, Route};

use crate::answer::Answer;
use crate::app_data;
use crate::head::{OwnedHead, read};
use crate::mount::Mount;

/// The routes that the library serves itself, under the configured prefix and `/.well-known`. It also
/// puts [`Auth`] into `app_data` for the extractors; handlers take it as `web::Data<Auth>`. Configure the
/// `App` with it, and not a scope.
///
/// `A` is [`Auth`] itself or, in an application with several, the type that this one is kept in. Each
/// needs a prefix and an issuer's path of its own: if two have the same, requests are answered with 500, and the log
/// says why.
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
        let mount = Mount::new(registered.clone().into());
        for route in Route::mounted(mount.auth()) {
            let own = Rc::clone(&mount);
            let handler = move |request, payload| answer(route, Rc::clone(&own), request, payload);
            let resource = web::resource(route.path(mount.auth())).guard(plainly(route));
            config.service(resource.to(handler));
        }
        config.app_data(mount);
        app_data::add(config, registered);
    }
}

/// Serves what a protected resource says of itself, for a service without [`routes`] of its own: those
/// serve it if it is in the settings. Configure the `App` with it, and not a scope.
///
/// ```
/// # use actix_web::App;
/// # use adapter_actix::ProtectedResource;
/// # fn app() -> Result<(), Box<dyn std::error::Error>> {
/// let notes = ProtectedResource::new("https://api.example/notes")?
///     .authorization_server("https://id.example".parse()?);
/// App::new().configure(adapter_actix::protected_resource(&notes));
/// # Ok(()) }
/// ```
pub fn protected_resource(
    resource: &ProtectedResource,
) -> impl FnOnce(&mut web::ServiceConfig) + use<> {
    let resource = resource.clone();
    move |config| {
        let path = resource.path().to_owned();
        let serve = move |request: HttpRequest| {
            let method = OwnedHead::of(&request).borrow().method.clone();
            let answer = Answer::from(resource.answer(&method));
            async move { answer }
        };
        config.service(web::resource(path).guard(plainly(None)).to(serve));
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
        let resource = web::resource(token_http::openapi::PATH).guard(plainly(None));
        config.service(resource.to(serve));
    }
}

/// actix decodes a path before it looks for the route, and axum does not. A proxy may have rules for the path as
/// it was sent, so none of our routes has a path with something escaped. Asked only once the path has matched.
fn plainly(route: impl Into<Option<Route>>) -> impl Guard {
    let route = route.into();
    guard::fn_guard(move |context| {
        let path = context.head().uri.path();
        let own = match route {
            // Its last segment is the id, and axum does not look at that either.
            Some(Route::OneSession) => path.rsplit_once('/').map_or(path, |(own, _)| own),
            _ => path,
        };
        !own.contains('%')
    })
}

async fn answer(
    route: Route,
    mount: Rc<Mount>,
    request: HttpRequest,
    payload: web::Payload,
) -> Answer {
    let auth = mount.auth().clone();
    if let Some(last) = request.app_data::<Rc<Mount>>()
        && let Err(rejection) = mount.check(last, &route.path(&auth))
    {
        return rejection.response().into();
    }
    let head = OwnedHead::of(&request);
    let longest = route.max_body(&head.borrow());
    let body = read(&auth, &request, &mut payload.into_inner(), longest).await;
    route.answer(&auth, head.borrow(), body).await.into()
}
