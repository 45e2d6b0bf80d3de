//! Step-ups and changes of password by forms.

use std::net::SocketAddr;
use std::time::Duration;

use token_session::test_util::TestClock;

use crate::client::{Reply, send};

const JSON: (&str, &str) = ("Content-Type", "application/json");
const FORM: (&str, &str) = ("Content-Type", "application/x-www-form-urlencoded");
const SAME: (&str, &str) = ("Sec-Fetch-Site", "same-origin");

pub(crate) fn run(server: SocketAddr, clock: &TestClock) -> Vec<(String, Reply)> {
    let mut replies = Vec::new();
    let mut ask = |expected: u16, path: &str, fields: &[(&str, &str)], body: &str| {
        let method = if body.is_empty() { "GET" } else { "POST" };
        let reply = send(server, method, path, fields, body);
        assert_eq!(reply.status, expected, "{path} {fields:?}: {reply:?}");
        replies.push((format!("{path} {fields:?} {body}"), reply.clone()));
        reply
    };
    for transport in ["header", "cookie", "session"] {
        let login =
            format!(r#"{{"username":"alice","password":"wonderland","transport":"{transport}"}}"#);
        let other = ask(200, "/auth/login", &[JSON], &login);
        let mut own = ask(200, "/auth/login", &[JSON], &login);
        clock.advance(Duration::from_secs(61));
        for (path, wrong, right, to) in [
            ("/form/step-up", "code=1", "code=123456", "/transfer"),
            (
                "/form/password",
                "old=x&new=mirror",
                "old=wonderland&new=mirror",
                "/settings",
            ),
        ] {
            let cookie = match transport {
                "header" => String::new(),
                _ => own.cookie(),
            };
            let token = match transport {
                "header" => format!("&refresh_token={}", own.text("refresh_token")),
                _ => String::new(),
            };
            let fields: &[_] = match transport {
                "header" => &[FORM],
                _ => &[FORM, SAME, ("Cookie", &cookie)],
            };
            ask(401, path, fields, &format!("{wrong}{token}"));
            ask(400, path, &[FORM, SAME], right);
            if transport != "header" {
                ask(403, path, &[FORM, ("Cookie", &cookie)], right);
            }
            if path == "/form/password" {
                ask(400, path, fields, &format!("old=wonderland&new={token}"));
                ask(
                    500,
                    path,
                    fields,
                    &format!("old=wonderland&new=unstored{token}"),
                );
            }
            let status = if transport == "header" { 200 } else { 303 };
            own = ask(status, path, fields, &format!("{right}{token}"));
            if status == 303 {
                let location = ("location".to_owned(), to.to_owned());
                assert!(own.fields.contains(&location), "{own:?}");
            }
        }
        // Nothing but what the change of password has answered goes on.
        if transport == "session" {
            ask(401, "/me", &[("Cookie", &other.cookie())], "");
            ask(200, "/me", &[("Cookie", &own.cookie())], "");
        } else {
            let bearer = format!("Bearer {}", other.text("access_token"));
            ask(401, "/me", &[("Authorization", &bearer)], "");
        }
    }
    replies
}

/// What a session may do becomes more and less than it was at the login.
pub(crate) fn scopes(server: SocketAddr, clock: &TestClock) -> Vec<(String, Reply)> {
    let mut replies = Vec::new();
    let mut ask = |expected: u16, line: &str, fields: &[(&str, &str)], body: &str| {
        let (method, path) = line.split_once(' ').unwrap();
        let reply = send(server, method, path, fields, body);
        assert_eq!(reply.status, expected, "{line} {fields:?}: {reply:?}");
        replies.push((format!("{line} {fields:?} {body}"), reply.clone()));
        reply
    };
    let login = |transport: &str| {
        format!(r#"{{"username":"alice","password":"wonderland","transport":"{transport}"}}"#)
    };
    for (line, proof) in [
        ("POST /form/step-up", "code=123456"),
        ("POST /form/password", "old=wonderland&new=mirror"),
    ] {
        // In the answer, in the token itself, and after a refresh.
        let mut own = ask(200, "POST /auth/login", &[JSON], &login("header"));
        assert_eq!(own.text("scope"), "notes:write");
        for (scope, notes, reports) in [
            ("notes:write reports:read", 200, 200),
            ("reports:read", 403, 200),
        ] {
            clock.advance(Duration::from_secs(61));
            let form = scope.replace(' ', "+");
            let token = own.text("refresh_token");
            let body = format!("{proof}&scope={form}&refresh_token={token}");
            let renewed = ask(200, line, &[FORM], &body);
            clock.advance(Duration::from_secs(61));
            let token = renewed.text("refresh_token");
            let body = format!(r#"{{"refresh_token":"{token}"}}"#);
            own = ask(200, "POST /auth/refresh", &[JSON], &body);
            for answer in [&renewed, &own] {
                assert_eq!(answer.text("scope"), scope, "{line}");
                let bearer = format!("Bearer {}", answer.text("access_token"));
                let bearer = [("Authorization", &*bearer)];
                ask(notes, "POST /notes", &bearer, "");
                ask(reports, "GET /reports", &bearer, "");
            }
        }

        // A session cookie shows it as well, and after a renewal that asks for none.
        let login = ask(200, "POST /auth/login", &[JSON, SAME], &login("session"));
        let mut cookie = login.cookie();
        ask(200, "POST /notes", &[SAME, ("Cookie", &cookie)], "");
        for body in [format!("{proof}&scope=reports:read"), proof.to_owned()] {
            clock.advance(Duration::from_secs(61));
            cookie = ask(303, line, &[FORM, SAME, ("Cookie", &cookie)], &body).cookie();
            let shown = [SAME, ("Cookie", &*cookie)];
            ask(403, "POST /notes", &shown, "");
            let told = ask(200, "GET /amr", &shown, "").body;
            assert!(told.ends_with(" reports:read"), "{line}: {told}");
        }
    }
    replies
}
