//! What a request without a cookie costs beside the bare router.

use std::alloc::System;
use std::convert::Infallible;

use adapter_axum::{Auth, Visitor, sessions, visitors};
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use axum::{Router, routing::get};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use tower_layer::Layer as _;
use tower_service::Service;

#[global_allocator]
static COUNTER: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

async fn hello() -> &'static str {
    "hello"
}

async fn idle(_visitor: Visitor) -> &'static str {
    "hello"
}

/// How often memory is allocated while the request is served.
async fn allocations(
    mut app: impl Service<Request, Response = Response, Error = Infallible>,
    path: &str,
) -> usize {
    let mut counts = [0; 2];
    for count in &mut counts {
        let request = Request::builder().uri(path).body(Body::empty());
        let request = request.expect("a request");
        let region = Region::new(COUNTER);
        let response = app.call(request).await.expect("a router never fails");
        let change = region.change();
        assert!(response.status().is_success());
        *count = change.allocations + change.reallocations;
    }
    // The first request may make what lives as long as the process.
    counts[1]
}

/// Alone in its file: the counter counts all threads.
#[tokio::test]
async fn a_request_without_a_cookie_allocates_no_more_than_without_the_layers() {
    let auth = Auth::in_memory("http://127.0.0.1:3000").expect("an origin");
    let router = Router::new()
        .route("/", get(hello))
        .route("/idle", get(idle))
        .with_state(auth);
    let bare = allocations(router.clone(), "/").await;
    let layered = visitors().layer(sessions().layer(router));
    assert_eq!(allocations(layered.clone(), "/").await, bare);
    // A handler that takes a visitor makes one, and no call to the store.
    assert!(allocations(layered, "/idle").await > bare);
}
