//! The OpenAPI document that a server serves. The client checks in every scenario that each answer
//! is in it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use http::Method;
use serde_json::Value;

use crate::client::Client;
use crate::server::Server;

const KEYS: [&str; 4] = [
    "--introspection-key",
    "an-introspection-key-of-many-letters",
    "--admin-key",
    "an-administrator-s-key-of-many-letters",
];

fn document(client: &Client) -> Value {
    client.send(&Method::GET, "/openapi.json", &[], None).json()
}

/// Each path of the document answers to the methods that it lists and to no others.
pub fn every_described_route_is_served(program: &str) {
    let (server, _files) = Server::start(program, &KEYS);
    let client = server.client();
    let document = document(&client);
    let paths = document["paths"].as_object().unwrap();
    assert!(paths.len() > 25, "{:?}", paths.keys());
    for (path, operations) in paths {
        let methods = operations.as_object().unwrap().keys();
        let mut methods: BTreeSet<_> = methods.map(|name| name.to_lowercase()).collect();
        if methods.contains("get") {
            methods.insert("head".to_owned());
        }
        // A method that none of them has.
        let path = path.replace("{session_id}", "x");
        let reply = client.send(&Method::PUT, &path, &[], Some(b""));
        assert_eq!(reply.status, 405, "{path}: {reply:?}");
        let allowed: BTreeSet<_> = reply.list("allow").into_iter().collect();
        assert_eq!(allowed, methods, "{path}");
    }
}

/// The document has each path in the source of an example. (The test for the paths of the library
/// is in `token-http`, which makes their part of the document.)
pub fn every_served_route_is_described(program: &str) {
    let (server, _files) = Server::start(program, &KEYS);
    let document = document(&server.client());
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let source = fs::read_to_string(source.join(program).join("src/main.rs")).unwrap();
    let own: Vec<_> = source.split("\"/").skip(1).collect();
    assert!(own.len() >= 11, "{own:?}");
    for rest in own {
        let path = format!("/{}", rest.split('"').next().unwrap());
        assert!(document["paths"].get(&path).is_some(), "{path}");
    }
}

/// Routes that are switched off are not described.
pub fn the_document_describes_this_configuration(program: &str) {
    let (server, _files) = Server::start(program, &["--origin", "https://own.example"]);
    let document = document(&server.client());
    for off in ["/auth/introspect", "/admin/keys"] {
        assert!(document["paths"].get(off).is_none(), "{off}");
    }
    assert_eq!(document["servers"][0]["url"], "https://own.example");
    let schemes = document["components"]["securitySchemes"]
        .as_object()
        .unwrap();
    let schemes: Vec<_> = schemes.keys().collect();
    assert_eq!(
        schemes,
        ["access_token", "refresh_cookie", "session_cookie"]
    );
    let reports = &document["paths"]["/api/reports"]["get"]["security"][0];
    assert_eq!(reports["access_token"][0], "reports:read");
}
