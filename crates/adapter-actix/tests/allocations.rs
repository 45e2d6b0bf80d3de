//! What a request without a cookie costs beside the bare application.

use std::alloc::System;

use actix_web::body::MessageBody;
use actix_web::dev::{Service, ServiceResponse};
use actix_web::{App, Error, test, web};
use adapter_actix::{Auth, Visitor, sessions, visitors};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static COUNTER: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

async fn hello() -> &'static str {
    "hello"
}

async fn idle(_visitor: Visitor) -> &'static str {
    "hello"
}

fn routes(config: &mut web::ServiceConfig) {
    let auth = Auth::in_memory("http://127.0.0.1:3000").expect("an origin");
    config
        .app_data(web::Data::new(auth))
        .route("/", web::get().to(hello))
        .route("/idle", web::get().to(idle));
}

/// How often memory is allocated while the request is served.
async fn allocations<R, B: MessageBody>(
    app: &impl Service<R, Response = ServiceResponse<B>, Error = Error>,
    request: impl Fn() -> R,
) -> usize {
    let mut counts = [0; 3];
    for count in &mut counts {
        let request = request();
        let region = Region::new(COUNTER);
        let response = app.call(request).await.expect("an answer");
        let change = region.change();
        assert!(response.status().is_success());
        *count = change.allocations + change.reallocations;
    }
    // The first request may make what lives as long as the process.
    counts[2]
}

/// Alone in its file: the counter counts all threads.
#[actix_web::test]
async fn a_request_without_a_cookie_allocates_no_more_than_without_the_middleware() {
    let bare = test::init_service(App::new().configure(routes)).await;
    let get = |path| move || test::TestRequest::get().uri(path).to_request();
    let bare = allocations(&bare, get("/")).await;
    let layered = App::new()
        .configure(routes)
        .wrap(sessions())
        .wrap(visitors());
    let layered = test::init_service(layered).await;
    assert_eq!(allocations(&layered, get("/")).await, bare);
    // A handler that takes a visitor makes one, and no call to the store.
    assert!(allocations(&layered, get("/idle")).await > bare);
}
