//! The routes that the library serves itself.

use std::rc::Rc;

use actix_web::{HttpRequest, Resource, guard, web};
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
            config.service(as_sent(&route.path(mount.auth())).to(handler));
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
        config.service(as_sent(&path).to(serve));
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
        config.service(as_sent(token_http::openapi::PATH).to(serve));
    }
}

/// A resource at this path as it was sent. actix decodes a path before it looks for the route, and axum does not; and
/// a proxy may have rules for the path as it was sent. What stands before it, as that of a scope, is the application's.
/// Neither framework looks at how the id of a session at the end is written. Asked only once the path has matched.
fn as_sent(path: &str) -> Resource {
    let own = path.split_once('{').map_or(path, |(own, _)| own);
    let (own, has_id) = (own.to_owned(), own != path);
    web::resource(path).guard(guard::fn_guard(move |context| {
        let sent = context.head().uri.path();
        let sent = if has_id {
            sent.trim_end_matches(|sign| sign != '/')
        } else {
            sent
        };
        sent.ends_with(&own)
    }))
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
