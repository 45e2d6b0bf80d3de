//! The routes that the library serves itself.

use actix_web::{HttpRequest, web};
use token_http::{Auth, Route};

use crate::answer::Answer;
use crate::head::{OwnedHead, read};

/// Puts [`Auth`] into `app_data`, where the extractors look for it and handlers find it as
/// `web::Data<Auth>`, and mounts the routes that the library serves itself, under the configured prefix and `/.well-known`. Configure the
/// `App` with it, not a scope.
///
/// ```
/// # use actix_web::App;
/// # use adapter_actix::Auth;
/// # fn app(auth: Auth) {
/// App::new().configure(adapter_actix::routes(&auth));
/// # }
/// ```
pub fn routes(auth: &Auth) -> impl FnOnce(&mut web::ServiceConfig) + use<> {
    let auth = auth.clone();
    move |config| {
        for route in Route::ALL {
            let own = auth.clone();
            let handler = move |request, payload| answer(*route, own.clone(), request, payload);
            config.service(web::resource(route.path(auth.config())).to(handler));
        }
        config.app_data(web::Data::new(auth));
    }
}

async fn answer(route: Route, auth: Auth, request: HttpRequest, payload: web::Payload) -> Answer {
    let head = OwnedHead::of(&request);
    let body = read(&auth, &request, &mut payload.into_inner()).await;
    route.answer(&auth, head.borrow(), body).await.into()
}
