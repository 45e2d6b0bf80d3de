//! What operators ask of a server.

use actix_web::http::header::{AUTHORIZATION, HeaderValue};
use actix_web::{HttpRequest, web};
use adapter_actix::{Answer, Auth};
use example_support::{KeyAdmin, Metrics, health};

/// Changes keys, for whoever has the administrator's key.
pub(crate) async fn keys(
    admin: web::Data<KeyAdmin>,
    request: HttpRequest,
    body: web::Bytes,
) -> Answer {
    let authorization = request.headers().get(AUTHORIZATION);
    let authorization = authorization.map(HeaderValue::as_bytes);
    admin.act(authorization, &body).await.into()
}

pub(crate) async fn healthz(auth: web::Data<Auth>) -> Answer {
    health(auth.manager()).into()
}

pub(crate) async fn metrics(metrics: web::Data<Metrics>) -> Answer {
    metrics.answer().into()
}
