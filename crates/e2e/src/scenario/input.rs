//! Bad input gets the answer of the contract and changes nothing.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use http::Method;
use serde_json::json;

use crate::client::Client;
use crate::reply::Reply;
use crate::server::Server;

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";

/// Login requests that are malformed, wrong or unsupported.
pub fn bad_logins_are_refused(program: &str) {
    let (server, _files) = Server::start(program, &[]);
    let client = server.client();
    let login = client.login("alice", "wonderland");
    let good = r#"{"username":"alice","password":"wonderland"}"#;
    let long = format!(
        r#"{{"username":"alice","password":"{}"}}"#,
        "x".repeat(17_000)
    );
    for (content_type, body, status, code) in [
        ("text/plain", good, 415, "unsupported_media_type"),
        (
            FORM,
            "username=alice&password=wonderland",
            415,
            "unsupported_media_type",
        ),
        ("", good, 415, "unsupported_media_type"),
        (JSON, "", 400, "invalid_request"),
        (JSON, "{", 400, "invalid_request"),
        (JSON, "[]", 400, "invalid_request"),
        (JSON, r#"{"username":"alice"}"#, 400, "invalid_request"),
        (
            JSON,
            r#"{"username":1,"password":"wonderland"}"#,
            400,
            "invalid_request",
        ),
        (
            JSON,
            r#"{"username":"alice","password":"wonderland","password":"x"}"#,
            400,
            "invalid_request",
        ),
        (
            JSON,
            r#"{"username":"alice","password":"wonderland"} x"#,
            400,
            "invalid_request",
        ),
        (
            JSON,
            r#"{"username":"alice","password":"wonderland","remember":"yes"}"#,
            400,
            "invalid_request",
        ),
        (
            JSON,
            r#"{"username":"alice","password":"wonderland","transport":"pigeon"}"#,
            400,
            "invalid_request",
        ),
        (JSON, long.as_str(), 413, "payload_too_large"),
        (
            JSON,
            r#"{"username":"alice","password":"Wonderland"}"#,
            401,
            "invalid_credentials",
        ),
        (
            JSON,
            r#"{"username":"nobody","password":"wonderland"}"#,
            401,
            "invalid_credentials",
        ),
        (
            JSON,
            r#"{"username":"","password":""}"#,
            401,
            "invalid_credentials",
        ),
    ] {
        let reply = post(&client, "/auth/login", content_type, body);
        assert_eq!(reply.status, status, "{body:.60}: {reply:?}");
        assert_eq!(reply.json(), json!({ "error": code }), "{body:.60}");
        let challenge = if status == 401 {
            r#"Bearer realm="api""#
        } else {
            ""
        };
        assert_eq!(reply.header("www-authenticate"), challenge, "{body:.60}");
    }
    let listed = client.get("/auth/sessions", &login.access).json();
    assert_eq!(
        listed["sessions"].as_array().unwrap().len(),
        1,
        "nothing was opened"
    );
}

/// A page of another site cannot log anybody in.
pub fn other_sites_log_nobody_in(program: &str) {
    let (server, _files) = Server::start(program, &["--allow-origin", "https://app.example"]);
    let client = server.client();
    let login = |fields: &[(&str, &str)]| {
        let headers = [&[("content-type", JSON)], fields].concat();
        let body = br#"{"username":"alice","password":"wonderland"}"#;
        client.send(&Method::POST, "/auth/login", &headers, Some(body))
    };
    for field in [
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
        ("origin", "https://evil.example"),
        ("origin", "null"),
        ("referer", "https://evil.example/"),
    ] {
        login(&[field]).error(403, "csrf_failed");
    }
    for fields in [
        &[("sec-fetch-site", "same-origin")][..],
        &[("sec-fetch-site", "none")],
        &[("origin", server.url())],
        &[
            ("origin", "https://app.example"),
            ("sec-fetch-site", "cross-site"),
        ],
        &[],
    ] {
        assert_eq!(login(fields).status, 200, "{fields:?}");
    }
}

/// Refresh requests that are malformed, wrong or unsupported.
pub fn bad_refreshes_change_nothing(program: &str) {
    let (server, _files) = Server::start(program, &[]);
    let client = server.client();
    let login = client.login("alice", "wonderland");
    let token = &login.refresh;
    let json = |token: &str| json!({ "refresh_token": token }).to_string();
    let malformed = |token: &str| (JSON, json(token), "invalid_grant");
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let form = |text: &str| (FORM, text.replace('T', token), "invalid_request");
    for (content_type, body, code) in [
        ("", String::new(), "invalid_request"),
        (JSON, "{".into(), "invalid_request"),
        (JSON, "{}".into(), "invalid_request"),
        (JSON, r#"{"refresh_token":1}"#.into(), "invalid_request"),
        form("refresh_token=T&refresh_token=T"),
        form("grant_type=refresh_token&grant_type=refresh_token&refresh_token=T"),
        form("grant_type=refresh_token"),
        (
            FORM,
            format!("grant_type=password&refresh_token={token}"),
            "unsupported_grant_type",
        ),
        (
            FORM,
            format!("grant_type=refresh_token&scope=admin&refresh_token={token}"),
            "invalid_scope",
        ),
        malformed("nonsense"),
        malformed("a.b.c"),
        malformed(&"x".repeat(9_000)),
        malformed(&login.access),
        malformed(&format!(
            "{signed}.{}",
            signature.chars().rev().collect::<String>()
        )),
        malformed(&format!("{signed}.")),
        malformed(&format!("{token}.x")),
    ] {
        let reply = post(&client, "/auth/refresh", content_type, &body);
        reply.error(400, code);
        if code == "invalid_grant" {
            reply.refused_as("malformed");
        }
        assert_eq!(reply.header("cache-control"), "no-store");
    }
    let reply = post(&client, "/auth/refresh", "text/plain", &json(token));
    reply.error(415, "unsupported_media_type");
    let long = json(&"x".repeat(17_000));
    post(&client, "/auth/refresh", JSON, &long).error(413, "payload_too_large");
    // The token is still good, and none of these requests rotated it.
    let next = client.refresh(token).tokens();
    assert_ne!(&next.refresh, token);
    assert_eq!(client.me(&next.access).status, 200);
}

/// Every row of the contract's table of protected resources, and input that is no credential.
pub fn bad_credentials_are_refused_at_protected_routes(program: &str) {
    let (server, _files) = Server::start(program, &[]);
    let client = server.client();
    let login = client.login("alice", "wonderland");
    let access = &login.access;
    let good = format!("Bearer {access}");
    let long = format!("Bearer {}", "x".repeat(9_000));
    let refresh = format!("Bearer {}", login.refresh);
    let [none, bad, invalid] = [
        (401, "unauthorized"),
        (400, "invalid_request"),
        (401, "invalid_token"),
    ];
    for (fields, (status, code)) in [
        (vec![], none),
        (vec!["Basic YTpi"], none),
        (vec![access.as_str()], none),
        (vec!["Bearer"], bad),
        (vec!["Bearer a b"], bad),
        (vec!["Bearer a,b"], bad),
        (vec![r#"Bearer "a.b.c""#], bad),
        (vec![good.as_str(), good.as_str()], bad),
        (vec!["Bearer nonsense"], invalid),
        (vec!["Bearer a.b.c"], invalid),
        (vec![long.as_str()], invalid),
        (vec![refresh.as_str()], invalid),
    ] {
        let headers: Vec<_> = fields
            .iter()
            .map(|field| ("authorization", *field))
            .collect();
        for path in ["/api/me", "/auth/sessions"] {
            let reply = client.send(&Method::GET, path, &headers, None);
            let shown: Vec<_> = fields
                .iter()
                .map(|field| &field[..field.len().min(30)])
                .collect();
            assert_eq!(reply.status, status, "{path} {shown:?}: {reply:?}");
            assert_eq!(reply.json(), json!({ "error": code }), "{path} {shown:?}");
            let challenge = reply.header("www-authenticate");
            assert!(
                challenge.starts_with(r#"Bearer realm="api""#),
                "{shown:?}: {challenge}"
            );
            assert_eq!(
                challenge.contains("error="),
                code != "unauthorized",
                "{challenge}"
            );
        }
    }
    for scheme in ["bearer", "BEARER"] {
        let field = format!("{scheme} {access}");
        let reply = client.send(&Method::GET, "/api/me", &[("authorization", &field)], None);
        assert_eq!(reply.status, 200, "{scheme}");
    }
    let query = format!("/api/me?access_token={access}");
    client
        .send(&Method::GET, &query, &[], None)
        .error(401, "unauthorized");
}

/// Methods and paths that do not exist.
pub fn other_methods_and_paths_are_refused(program: &str) {
    let key = "dGhlLWtleS1vZi1hLXRlc3Q";
    let (server, _files) = Server::start(program, &["--introspection-key", key]);
    let client = server.client();
    let all = ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"];
    for (allow, paths) in [
        (
            "POST",
            &[
                "/auth/login",
                "/auth/step-up",
                "/auth/password",
                "/auth/refresh",
                "/auth/logout",
                "/auth/revoke",
                "/auth/introspect",
                "/api/notes",
                "/api/transfer",
            ][..],
        ),
        (
            "GET, HEAD",
            &[
                "/",
                "/page.js",
                "/healthz",
                "/api/me",
                "/api/reports",
                "/auth/session",
                "/.well-known/jwks.json",
                "/.well-known/oauth-authorization-server",
            ],
        ),
        ("DELETE, GET, HEAD", &["/auth/sessions"]),
        ("DELETE", &["/auth/sessions/AAAAAAAAAAAAAAAAAAAAAAAA"]),
    ] {
        for path in paths {
            for name in all {
                let method: Method = name.parse().unwrap();
                let reply = client.send(&method, path, &[], None);
                if allow.split(", ").any(|allowed| allowed == name) {
                    assert_ne!(reply.status, 405, "{method} {path}: {reply:?}");
                } else {
                    assert_eq!(reply.status, 405, "{method} {path}: {reply:?}");
                    assert_eq!(reply.header("allow"), allow, "{method} {path}");
                    if name != "HEAD" {
                        reply.error(405, "method_not_allowed");
                    }
                }
            }
        }
    }
    for path in [
        "/nothing",
        "/auth",
        "/auth/",
        "/auth/nothing",
        "/auth/refresh/",
        "//api/me",
        "/API/ME",
        "/auth/sessions/",
        "/auth/sessions/a/b",
        "/page.html",
        "/.well-known/nothing",
    ] {
        for method in [Method::GET, Method::POST, Method::DELETE] {
            client
                .send(&method, path, &[], None)
                .error(404, "not_found");
        }
    }
    let (server, _files) = Server::start(program, &[]);
    let client = server.client();
    // Without a key there is no introspection, for any method.
    for method in [Method::GET, Method::POST] {
        client
            .send(&method, "/auth/introspect", &[], None)
            .error(404, "not_found");
    }
}

/// Bodies of another media type, and bodies of more than 16 KiB, or 64 KiB for a form at the refresh route, at
/// every route that reads one.
pub fn other_and_long_bodies_are_refused(program: &str) {
    let key = "dGhlLWtleS1vZi1hLXRlc3Q";
    let (server, _files) = Server::start(program, &["--introspection-key", key]);
    let client = server.client();
    let bearer = format!("Bearer {key}");
    for (path, right, wrong) in [
        ("/auth/login", JSON, FORM),
        ("/auth/step-up", JSON, FORM),
        ("/auth/password", JSON, FORM),
        ("/auth/refresh", JSON, "text/plain"),
        ("/auth/refresh", FORM, "multipart/form-data; boundary=x"),
        ("/auth/logout", JSON, "text/plain"),
        ("/auth/revoke", FORM, JSON),
        ("/auth/introspect", FORM, JSON),
    ] {
        let is_refresh_form = path == "/auth/refresh" && right == FORM;
        let limit = if is_refresh_form { 64 } else { 16 } * 1024;
        let send = |content_type: &str, body: &str| {
            let mut headers = vec![("authorization", bearer.as_str())];
            if !content_type.is_empty() {
                headers.push(("content-type", content_type));
            }
            client.send(&Method::POST, path, &headers, Some(body.as_bytes()))
        };
        send(wrong, "x=y").error(415, "unsupported_media_type");
        send("", "x=y").error(415, "unsupported_media_type");
        send(&format!("{right}; charset=latin1"), "x=y").error(415, "unsupported_media_type");
        send(right, &"x".repeat(limit + 1)).error(413, "payload_too_large");
        let longest = send(right, &" ".repeat(limit)).status;
        assert!(longest != 413 && longest < 500, "{path}: {longest}");
    }
}

/// A request names its host exactly once, unless its HTTP version is older than that rule
/// (RFC 9112 section 3.2), and the name decides nothing.
pub fn a_request_names_one_host(program: &str) {
    let (server, _files) = Server::start(program, &[]);
    for (version, hosts, status) in [
        ("1.1", "", 400),
        ("1.1", "Host: x\r\nHost: x\r\n", 400),
        ("1.1", "Host: evil.example\r\n", 401),
        ("1.0", "", 401),
    ] {
        let request = format!("GET /api/me HTTP/{version}\r\n{hosts}\r\n");
        let line = raw(&server, &request);
        let expected = format!("HTTP/{version} {status} ");
        assert!(line.starts_with(&expected), "{hosts:?}: {line}");
    }
}

/// The first line of the answer to bytes that no HTTP client would send.
fn raw(server: &Server, request: &str) -> String {
    let address = server.url().trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).unwrap();
    let limit = Some(Duration::from_secs(20));
    stream.set_read_timeout(limit).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).unwrap();
    line
}

fn post(client: &Client, path: &str, content_type: &str, body: &str) -> Reply {
    let headers = [("content-type", content_type)];
    let headers = if content_type.is_empty() {
        &[][..]
    } else {
        &headers
    };
    client.send(&Method::POST, path, headers, Some(body.as_bytes()))
}
