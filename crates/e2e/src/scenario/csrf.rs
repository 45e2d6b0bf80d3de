//! Requests that another site makes a browser send.

use http::Method;

use crate::browser::{Browser, Transport};
use crate::reply::Reply;
use crate::server::Server;

const ALLOWED: &str = "https://app.example:8443";
const EVIL: &str = "https://evil.example";
const JSON: (&str, &str) = ("content-type", "application/json");

/// Every combination of the header fields that browsers send, at every route that takes a cookie
/// as the credential, and at the login.
pub fn the_csrf_rule_holds_for_every_combination_of_fields(program: &str) {
    // The same refresh cookie is sent many times, and is good as long as the grace lasts.
    let flags = ["--allow-origin", ALLOWED, "--grace", "10m"];
    let (server, _files) = Server::start(program, &flags);
    let client = server.client();
    let session = Browser::alice(&client, Transport::Session).cookies();
    let refresh = Browser::alice(&client, Transport::Cookie).cookies();
    let wrong = (
        Some(r#"{"password":"x","new_password":"y"}"#),
        "__Host-Http-session=x",
    );
    let probes: [(&str, &str, Option<&str>, &str, u16); 9] = [
        // If the request passes, its answer changes nothing that later requests need.
        ("POST", "/auth/login", Some("{}"), "", 400),
        ("POST", "/auth/login", Some("{}"), &session, 400),
        ("POST", "/auth/refresh", None, &refresh, 200),
        ("POST", "/auth/logout", None, "__Host-Http-session=x", 204),
        ("POST", "/auth/step-up", wrong.0, wrong.1, 400),
        ("POST", "/auth/password", wrong.0, wrong.1, 400),
        ("POST", "/api/notes", None, &session, 200),
        ("DELETE", "/auth/sessions/nonsense", None, &session, 404),
        (
            "DELETE",
            "/auth/sessions?keep=nonsense",
            None,
            &session,
            400,
        ),
    ];
    for (fields, verdict) in combinations(server.url()) {
        for (method, path, body, cookies, status) in &probes {
            let mut headers = fields.clone();
            if !cookies.is_empty() {
                headers.push(("cookie", cookies));
            }
            if body.is_some() {
                headers.push(JSON);
            }
            let method = method.parse().unwrap();
            let reply = client.send(&method, path, &headers, body.map(str::as_bytes));
            let passes = match verdict {
                Verdict::Pass => true,
                Verdict::Refuse => false,
                Verdict::PassWithoutCookie => cookies.is_empty(),
            };
            if passes {
                assert_eq!(reply.status, *status, "{path} {headers:?}: {reply:?}");
            } else {
                is_refused(&reply, &format!("{path} {headers:?}"));
            }
        }
    }
    // None of these requests changed anything.
    let headers = [("cookie", session.as_str())];
    assert_eq!(
        client.send(&Method::GET, "/api/me", &headers, None).status,
        200
    );
}

/// Header fields in which a proxy, or an attacker, names the host decide nothing.
pub fn forwarded_fields_prove_no_origin(program: &str) {
    let (server, _files) = Server::start(program, &[]);
    let client = server.client();
    let session = Browser::alice(&client, Transport::Session).cookies();
    for field in [
        ("host", "evil.example"),
        ("forwarded", "host=evil.example;proto=https"),
        ("x-forwarded-host", "evil.example"),
        ("x-forwarded-proto", "https"),
    ] {
        for (origin, status) in [(EVIL, 403), ("https://127.0.0.1", 403), (server.url(), 200)] {
            let headers = [("cookie", session.as_str()), field, ("origin", origin)];
            let reply = client.send(&Method::POST, "/api/notes", &headers, None);
            assert_eq!(reply.status, status, "{field:?} {origin}: {reply:?}");
        }
    }
}

/// Only unsafe methods are guarded, and only if a cookie is the credential.
pub fn reading_and_bearer_tokens_need_no_proof(program: &str) {
    let (server, _files) = Server::start(program, &[]);
    let client = server.client();
    let session = Browser::alice(&client, Transport::Session).cookies();
    let login = client.login("alice", "wonderland");
    let bearer = format!("Bearer {}", login.access);
    let evil = [("origin", EVIL), ("sec-fetch-site", "cross-site")];
    for path in ["/api/me", "/auth/session", "/auth/sessions"] {
        let headers = [&[("cookie", session.as_str())], &evil[..]].concat();
        // A link from another site finds the user logged in. That site can read the answer only
        // if CORS lets it.
        assert_eq!(client.send(&Method::GET, path, &headers, None).status, 200);
    }
    let headers = [&[("authorization", bearer.as_str())], &evil[..]].concat();
    assert_eq!(
        client
            .send(&Method::POST, "/api/notes", &headers, None)
            .status,
        200
    );
    // A logout by token alone is allowed, but it must not delete the cookies of another user.
    let body = format!(r#"{{"refresh_token":"{}"}}"#, login.refresh);
    let headers = [&[JSON], &evil[..]].concat();
    let reply = client.send(
        &Method::POST,
        "/auth/logout",
        &headers,
        Some(body.as_bytes()),
    );
    assert_eq!((reply.status, reply.header("set-cookie")), (204, ""));
    client.refresh(&login.refresh).refused_as("revoked");
}

#[derive(Clone, Copy)]
enum Verdict {
    Pass,
    PassWithoutCookie,
    Refuse,
}

/// The rule of the contract, written down a second time.
fn combinations(own: &str) -> Vec<(Vec<(&'static str, &str)>, Verdict)> {
    let origins = [None, Some(own), Some(ALLOWED), Some(EVIL), Some("null")];
    let sites = [
        None,
        Some("same-origin"),
        Some("none"),
        Some("same-site"),
        Some("cross-site"),
    ];
    let referers = [None, Some(own), Some(EVIL)];
    let mut combinations = Vec::new();
    for origin in origins {
        for site in sites {
            for referer in referers {
                let mut fields = Vec::new();
                fields.extend(origin.map(|value| ("origin", value)));
                fields.extend(site.map(|value| ("sec-fetch-site", value)));
                fields.extend(referer.map(|value| ("referer", value)));
                let pass = |passes| {
                    if passes {
                        Verdict::Pass
                    } else {
                        Verdict::Refuse
                    }
                };
                let verdict = match (origin, site, referer) {
                    (Some(ALLOWED), _, _) => Verdict::Pass,
                    (_, Some(site), _) => pass(site == "same-origin" || site == "none"),
                    (Some(origin), None, _) => pass(origin == own),
                    (None, None, Some(referer)) => pass(referer == own),
                    (None, None, None) => Verdict::PassWithoutCookie,
                };
                combinations.push((fields, verdict));
            }
        }
    }
    combinations
}

#[track_caller]
fn is_refused(reply: &Reply, what: &str) {
    assert_eq!(
        (
            reply.status,
            reply.text.as_str(),
            reply.header("set-cookie")
        ),
        (403, r#"{"error":"csrf_failed"}"#, ""),
        "{what}"
    );
}
