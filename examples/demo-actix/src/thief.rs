//! What the page asks about its key, and the thief that it sets to work. Only demos have such routes.

use actix_web::http::header::{COOKIE, HeaderValue};
use actix_web::{HttpRequest, web};
use example_support::Thief;
use hallpass::actix::{Answer, Any, Auth};

use crate::methods::{get, post};

async fn look(
    auth: web::Data<Auth>,
    thief: web::Data<Thief>,
    caller: Any,
    request: HttpRequest,
) -> Answer {
    let cookies = request.headers().get_all(COOKIE);
    let cookies = cookies.map(HeaderValue::as_bytes);
    Answer::from(thief.look(&auth, caller.session_id(), cookies).await)
}

async fn act(
    auth: web::Data<Auth>,
    thief: web::Data<Thief>,
    caller: Any,
    request: HttpRequest,
    body: web::Bytes,
) -> Answer {
    let cookies = request.headers().get_all(COOKIE);
    let cookies = cookies.map(HeaderValue::as_bytes);
    let by_cookie = matches!(*caller, hallpass::http::Any::Session(_));
    let answer = thief.act(&auth, caller.session_id(), by_cookie, cookies, &body);
    Answer::from(answer.await)
}

/// The routes, if there is a thief.
pub(crate) fn routes(thief: &Thief) -> impl FnOnce(&mut web::ServiceConfig) + use<> {
    let thief = thief.clone();
    move |config| {
        if thief.is_on() {
            config
                .app_data(web::Data::new(thief))
                .service(get("/demo/device", look))
                .service(post("/demo/thief", act));
        }
    }
}
