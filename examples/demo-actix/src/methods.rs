//! The methods of routes, and the answer to all other requests.

use actix_web::{FromRequest, Handler, Resource, Responder, guard, web};
use hallpass::actix::{Auth, Refusal, Rejection};

async fn only_get(auth: web::Data<Auth>) -> Rejection {
    let allow = "GET, HEAD";
    Rejection::new(&auth, Refusal::MethodNotAllowed { allow })
}

async fn only_post(auth: web::Data<Auth>) -> Rejection {
    let allow = "POST";
    Rejection::new(&auth, Refusal::MethodNotAllowed { allow })
}

/// A route for `GET` and `HEAD`; actix leaves the body of the latter out.
pub(crate) fn get<A>(path: &str, handler: impl Handler<A, Output: Responder + 'static>) -> Resource
where
    A: FromRequest + 'static,
{
    let get_or_head = guard::Any(guard::Get()).or(guard::Head());
    web::resource(path)
        .route(web::route().guard(get_or_head).to(handler))
        .default_service(web::to(only_get))
}

/// A route for `POST`.
pub(crate) fn post<A>(path: &str, handler: impl Handler<A, Output: Responder + 'static>) -> Resource
where
    A: FromRequest + 'static,
{
    web::resource(path)
        .route(web::post().to(handler))
        .default_service(web::to(only_post))
}

/// The answer if there is no such route.
pub(crate) async fn not_found(auth: web::Data<Auth>) -> Rejection {
    Rejection::new(&auth, Refusal::NotFound)
}
