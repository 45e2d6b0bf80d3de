//! When the layer is needed: where a request has a session cookie, and so perhaps a session.

use std::convert::Infallible;

use adapter_axum::{Any, Auth, AuthConfig, sessions};
use axum::body::Body;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::http::header::{AUTHORIZATION, COOKIE, HeaderName};
use axum::response::Response;
use axum::{Router, routing::get};
use token_core::Policy;
use token_session::test_util::TestManager;
use tower_service::Service;

async fn name(caller: Any) -> String {
    caller.subject().to_string()
}

async fn status(
    mut app: impl Service<Request, Response = Response, Error = Infallible>,
    fields: &[(HeaderName, &str)],
) -> StatusCode {
    let mut request = Request::builder().uri("/");
    for (name, value) in fields {
        request = request.header(name, *value);
    }
    let request = request.body(Body::empty()).expect("a request");
    let response = app.call(request).await;
    response.expect("a router never fails").status()
}

#[tokio::test]
async fn a_token_needs_no_layer_and_a_cookie_does() {
    let node = TestManager::new(Policy::default());
    let issued = node.login("alice", "").await;
    let tokens = issued.tokens().expect("the transport is `header`");
    let bearer = format!("Bearer {}", tokens.access_token.secret());
    let bearer = (AUTHORIZATION, bearer.as_str());
    let cookie = (COOKIE, "__Host-Http-session=nobody's");
    let foreign = (COOKIE, "_ga=GA1.1.2; consent=yes");

    let origin = "https://api.example".parse().expect("an origin");
    let config = AuthConfig::builder(origin).build().expect("in range");
    let auth = Auth::new(node.manager, config);
    let outside = Router::new().route("/", get(name)).with_state(auth.clone());
    let inside = Router::new().route("/", get(name)).layer(sessions());
    let inside = inside.with_state(auth);

    for app in [&outside, &inside] {
        let both = [bearer.clone(), cookie.clone()];
        assert_eq!(status(app.clone(), &both).await, StatusCode::OK);
        assert_eq!(status(app.clone(), &both[..1]).await, StatusCode::OK);
        for none in [&[][..], std::slice::from_ref(&foreign)] {
            assert_eq!(status(app.clone(), none).await, StatusCode::UNAUTHORIZED);
        }
    }
    let cookie = [cookie];
    let refused = status(inside, &cookie).await;
    assert_eq!(refused, StatusCode::UNAUTHORIZED);
    let fault = status(outside, &cookie).await;
    assert_eq!(
        fault,
        StatusCode::INTERNAL_SERVER_ERROR,
        "and a line in the log"
    );
}
