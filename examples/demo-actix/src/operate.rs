//! Routes for operators.

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{AUTHORIZATION, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{HttpRequest, HttpResponse, web};
use example_support::{LOSE_ANSWER, Metrics, log};
use hallpass::KeyAdmin;
use hallpass::actix::{Answer, Auth, Refusal, Rejection};

/// Changes keys, if there is an administrator and the request has the administrator's key.
pub(crate) async fn keys(
    auth: web::Data<Auth>,
    admin: web::Data<Option<KeyAdmin>>,
    request: HttpRequest,
    body: web::Bytes,
) -> Result<Answer, Rejection> {
    let admin = admin.as_ref().as_ref();
    let admin = admin.ok_or_else(|| Rejection::new(&auth, Refusal::NotFound))?;
    let authorization = request.headers().get(AUTHORIZATION);
    let authorization = authorization.map(HeaderValue::as_bytes);
    Ok(Answer::from(admin.answer(authorization, &body).await))
}

pub(crate) async fn healthz(auth: web::Data<Auth>) -> Answer {
    Answer::from(auth.health())
}

pub(crate) async fn metrics(metrics: web::Data<Metrics>) -> Answer {
    Answer::from(metrics.answer())
}

/// Loses the answer if the page asks for that: the request has had its effects, and nobody hears of it.
pub(crate) async fn lose_answer(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<EitherBody<impl MessageBody>>, actix_web::Error> {
    let lost = request.headers().contains_key(LOSE_ANSWER);
    let response = next.call(request).await?;
    Ok(if lost {
        response.into_response(HttpResponse::BadGateway().finish().map_into_right_body())
    } else {
        response.map_into_left_body()
    })
}

/// Logs each request.
pub(crate) async fn log_request(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    let response = next.call(request).await?;
    let request = response.request();
    let status = response.status().as_u16();
    log::request(request.method().as_str(), request.path(), status);
    Ok(response)
}
