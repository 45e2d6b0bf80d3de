//! Which methods and paths there are, and what all others are told.

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

/// Where `GET` is answered; for `HEAD`, actix leaves the body out.
pub(crate) fn get<A>(path: &str, handler: impl Handler<A, Output: Responder + 'static>) -> Resource
where
    A: FromRequest + 'static,
{
    let get_or_head = guard::Any(guard::Get()).or(guard::Head());
    web::resource(path)
        .route(web::route().guard(get_or_head).to(handler))
        .default_service(web::to(only_get))
}

/// Where `POST` is answered.
pub(crate) fn post<A>(path: &str, handler: impl Handler<A, Output: Responder + 'static>) -> Resource
where
    A: FromRequest + 'static,
{
    web::resource(path)
        .route(web::post().to(handler))
        .default_service(web::to(only_post))
}

/// Where nothing is.
pub(crate) async fn not_found(auth: web::Data<Auth>) -> Rejection {
    Rejection::new(&auth, Refusal::NotFound)
}
