//! What a browser lets a front end on another origin do.

use http::Method;

use crate::client::Client;
use crate::reply::Reply;
use crate::server::Server;

const APP: &str = "https://app.example:8443";
const OTHER: &str = "https://other.example";
const EVIL: &str = "https://evil.example";
const JSON: (&str, &str) = ("content-type", "application/json");

/// Pages of the listed origins may send requests and read answers; pages of others may not.
pub fn named_origins_may_read_and_no_others(program: &str) {
    let flags = ["--allow-origin", APP, "--allow-origin", OTHER];
    let (server, _files) = Server::start(program, &flags);
    let client = server.client();
    let bearer = format!("Bearer {}", client.login("bob", "builder").access);
    for (origin, allowed) in [(APP, true), (OTHER, true), (EVIL, false), ("null", false)] {
        for (method, path) in [
            ("GET", "/api/me"),
            ("POST", "/api/notes"),
            ("POST", "/auth/login"),
            ("POST", "/auth/refresh"),
            ("DELETE", "/auth/sessions"),
            ("GET", "/auth/nothing"),
        ] {
            for headers in [
                "",
                "authorization",
                "content-type",
                "authorization,content-type",
            ] {
                let may = client.preflight(path, origin, method, headers);
                assert_eq!(may, allowed, "{origin} {method} {path} {headers}");
            }
        }
        assert!(!client.preflight("/api/me", origin, "PATCH", ""));
        assert!(!client.preflight("/api/me", origin, "GET", "x-another"));

        // Refusals can be read as well, with the header fields that a client needs.
        for (path, headers, status) in [
            ("/api/me", &[("authorization", bearer.as_str())][..], 200),
            ("/api/me", &[], 401),
            ("/api/reports", &[("authorization", &bearer)], 403),
            ("/nothing", &[], 404),
            ("/auth/login", &[], 405),
        ] {
            let headers = [headers, &[("origin", origin)]].concat();
            let reply = client.send(&Method::GET, path, &headers, None);
            assert_eq!(reply.status, status, "{path}: {reply:?}");
            may_read(&reply, origin, allowed);
        }
        let headers = [JSON, ("origin", origin)];
        let body = br#"{"username":"bob","password":"builder"}"#;
        let login = client.send(&Method::POST, "/auth/login", &headers, Some(body));
        assert_eq!(login.status, if allowed { 200 } else { 403 }, "{login:?}");
        may_read(&login, origin, allowed);
    }
    // An `OPTIONS` without `Origin` is no preflight: the route answers that it has no such method.
    for path in ["/auth/login", "/api/me", "/auth/refresh"] {
        let reply = client.send(&Method::OPTIONS, path, &[], None);
        reply.error(405, "method_not_allowed");
    }
    // A request without `Origin` is not CORS, and `Vary` tells caches that it matters.
    let reply = client.send(&Method::GET, "/api/me", &[("authorization", &bearer)], None);
    assert_eq!(
        (reply.status, reply.header("access-control-allow-origin")),
        (200, "")
    );
    assert!(
        reply.list("vary").contains(&"origin".to_owned()),
        "{reply:?}"
    );
}

/// If no origin is listed, pages of other origins can read nothing.
pub fn without_named_origins_there_is_no_cors(program: &str) {
    let (server, _files) = Server::start(program, &[]);
    let client = server.client();
    assert!(!client.preflight("/api/me", APP, "GET", "authorization"));
    for (path, status) in [("/api/me", 401), ("/healthz", 200), ("/nothing", 404)] {
        let reply = client.send(&Method::GET, path, &[("origin", APP)], None);
        assert_eq!(reply.status, status, "{reply:?}");
        let fields = reply.headers.keys().map(http::HeaderName::as_str);
        let fields: Vec<_> = fields
            .filter(|name| name.starts_with("access-control-"))
            .collect();
        assert!(fields.is_empty(), "{fields:?}");
    }
    for path in ["/auth/login", "/api/me", "/auth/refresh"] {
        client
            .send(&Method::OPTIONS, path, &[], None)
            .error(405, "method_not_allowed");
    }
}

/// With credentials, as the page's `fetch` asks for.
#[track_caller]
fn may_read(reply: &Reply, origin: &str, allowed: bool) {
    if !allowed {
        assert_eq!(reply.header("access-control-allow-origin"), "", "{reply:?}");
        return;
    }
    assert_eq!(
        reply.header("access-control-allow-origin"),
        origin,
        "{reply:?}"
    );
    assert_eq!(reply.header("access-control-allow-credentials"), "true");
    let exposed = reply.list("access-control-expose-headers");
    assert_eq!(
        exposed,
        ["date", "dpop-nonce", "retry-after", "www-authenticate"]
    );
}

impl Client {
    /// Whether a browser goes on to send the request after it has asked for it
    /// (the CORS-preflight fetch of the Fetch standard), with credentials.
    fn preflight(&self, path: &str, origin: &str, method: &str, headers: &str) -> bool {
        let mut fields = vec![
            ("origin", origin),
            ("access-control-request-method", method),
        ];
        if !headers.is_empty() {
            fields.push(("access-control-request-headers", headers));
        }
        // The middleware decides how a refusal looks.
        let asking = self.unrecorded();
        let reply = asking.send(&Method::OPTIONS, path, &fields, None);
        let methods = reply.list("access-control-allow-methods");
        let names = reply.list("access-control-allow-headers");
        let mut wanted = headers.split(',').filter(|name| !name.is_empty());
        (200..300).contains(&reply.status)
            && reply.header("access-control-allow-origin") == origin
            && reply.header("access-control-allow-credentials") == "true"
            && methods.contains(&method.to_lowercase())
            && wanted.all(|name| names.contains(&name.to_owned()))
    }
}
