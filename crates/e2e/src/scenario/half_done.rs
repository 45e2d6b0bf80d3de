//! A login of which a proof is still missing, as the library keeps it in the demo's own database.

use http::Method;
use token_core::Policy;
use token_core::session::Device;
use token_session::SessionManager;
use token_session::test_util::test_issuer;
use token_session::visitor::VisitorKind;

use crate::reply::Reply;
use crate::server::{Files, Server};

const OWN_PAGE: (&str, &str) = ("sec-fetch-site", "same-origin");
const JSON: (&str, &str) = ("content-type", "application/json");

/// Its cookie opens no route, as if nobody were there: under its own name it is not looked at, and under
/// another, or as a token, it is one that was made up. The same goes for the cookie of a visitor.
pub fn a_half_done_login_opens_no_route(program: &str) {
    let files = Files::new();
    let server = Server::start_on(
        program,
        &files,
        &["--introspection-key", "a-key-of-22-letters-xx"],
    );
    let client = server.client().unrecorded();
    let document = client.send(&Method::GET, "/openapi.json", &[], None).json();
    let mut refused = 0;
    for kind in [VisitorKind::PendingLogin, VisitorKind::Visitor] {
        let value = open(&files, kind);
        let made_up = "A".repeat(value.len());
        for (path, operations) in document["paths"].as_object().unwrap() {
            let path = path.replace("{session_id}", &made_up[..24]);
            for method in operations.as_object().unwrap().keys() {
                let method: Method = method.to_uppercase().parse().unwrap();
                let ask = |field: (&str, &str)| -> Reply {
                    let body =
                        (method == Method::POST).then_some(&br#"{"password":"wonderland"}"#[..]);
                    client.send(&method, &path, &[OWN_PAGE, JSON, field], body)
                };
                let nobody = ask(("x-nothing", "x"));
                let cookie = |name: &str, value: &str| {
                    let pair = format!("__Host-Http-{name}={value}");
                    ask(("cookie", &pair)).status
                };
                for name in ["pending", "visitor"] {
                    assert_eq!(
                        cookie(name, &value),
                        nobody.status,
                        "{method} {path} {name}"
                    );
                }
                for name in ["session", "refresh"] {
                    let status = cookie(name, &value);
                    assert_eq!(status, cookie(name, &made_up), "{method} {path} {name}");
                }
                let bearer = ask(("authorization", &format!("Bearer {value}")));
                let other = ask(("authorization", &format!("Bearer {made_up}")));
                assert_eq!(bearer.status, other.status, "{method} {path}");
                if nobody.status == 401 {
                    assert_eq!(cookie("session", &value), 401, "{method} {path}");
                    assert_eq!(bearer.status, 401, "{method} {path}");
                    refused += 1;
                }
            }
        }
    }
    // The routes of the demo that need a caller, for each of the two.
    assert!(refused >= 2 * 8, "{refused}");
}

/// The cookie's value of a session of nobody in the database of a demo.
fn open(files: &Files, kind: VisitorKind) -> String {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().build().unwrap();
    runtime.block_on(async {
        let store = store_sql::sqlite::SqliteStore::open(files.path("sessions.db"));
        let manager = SessionManager::builder(store.await.unwrap(), test_issuer(Policy::default()));
        let manager = manager.build().unwrap();
        let opened = manager.open_visitor(kind, Device::default(), r#"{"subject":"alice"}"#);
        opened.await.unwrap().token().to_secret_text().to_string()
    })
}
