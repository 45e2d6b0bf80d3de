//! The life of credentials, in each transport.

use std::thread;
use std::time::{Duration, Instant};

use http::Method;
use serde_json::{Value, json};

use super::pass;
use crate::browser::{Browser, Transport};
use crate::server::{Files, Server};

/// A whole session: log in, call, renew, log out.
pub fn a_session_lives_and_ends_in_each_transport(program: &str) {
    let (server, _files) = Server::start(program, &[]);
    for transport in Transport::ALL {
        let mut browser = Browser::new(&server.client(), transport);
        let login = browser.login("alice", "wonderland", false);
        assert_eq!(login.status, 200, "{login:?}");
        assert_eq!(members(&login.json()), token_members(transport));
        for (method, path) in [
            (Method::GET, "/api/me"),
            (Method::GET, "/api/reports"),
            (Method::POST, "/api/notes"),
            (Method::POST, "/api/transfer"),
            (Method::GET, "/auth/session"),
            (Method::GET, "/auth/sessions"),
        ] {
            let reply = browser.send(&method, path, None);
            assert_eq!(reply.status, 200, "{transport:?} {path}: {reply:?}");
        }
        let me = browser.get("/api/me").json();
        assert_eq!(me["sub"], "alice");
        assert_eq!(me["session_id"], login.json()["session_id"]);
        assert_eq!(me["scope"], "notes:read notes:write reports:read");
        assert!(me["auth_time"].is_u64(), "{me}");

        let current = browser.get("/auth/session").json();
        let expected = "session_id current created_at last_seen_at expires_at transport device";
        assert_eq!(members(&current), sorted(expected));
        assert_eq!(
            members(&current["device"]),
            sorted("label user_agent ip_prefix")
        );
        assert_eq!(current["transport"], transport.name());
        assert_eq!(current["current"], true);

        let renewed = browser.renew();
        assert_eq!(renewed.status, 200, "{renewed:?}");
        if transport != Transport::Session {
            assert_eq!(members(&renewed.json()), token_members(transport));
        }
        assert_eq!(browser.get("/api/me").status, 200);

        let mut thief = browser.clone();
        let logout = browser.logout();
        assert_eq!((logout.status, logout.text.as_str()), (204, ""));
        assert_eq!(browser.cookies(), "", "{transport:?}: {logout:?}");
        thief.has_ended("revoked");
    }
    let mut bob = Browser::new(&server.client(), Transport::Session);
    bob.login("bob", "builder", false);
    bob.get("/api/reports").error(403, "insufficient_scope");
    bob.post("/api/notes").error(403, "insufficient_scope");
}

/// Idle sessions end, and those in use go on.
pub fn idle_sessions_end_in_each_transport(program: &str) {
    let flags = [
        "--idle",
        "12s",
        "--touch",
        "1s",
        "--access-ttl",
        "1s",
        "--grace",
        "0s",
    ];
    let (server, _files) = Server::start(program, &flags);
    // How often each is used in that time depends on the machine.
    let client = server.client().unrecorded();
    let mut left = Transport::ALL.map(|transport| Browser::alice(&client, transport));
    let start = Instant::now();
    let mut used = Vec::new();
    let keep_alive = |used: &mut [Browser]| {
        for browser in used {
            let reply = browser.renew();
            assert_eq!(reply.status, 200, "{reply:?}");
        }
    };
    for transport in Transport::ALL {
        used.push(Browser::alice(&client, transport));
        keep_alive(&mut used);
    }
    // Longer than the idle lifetime.
    while start.elapsed() < Duration::from_secs(13) {
        pass(0.5);
        keep_alive(&mut used);
    }
    for browser in &mut left {
        browser.has_ended("expired");
    }
    pass(12.1);
    for browser in &mut used {
        browser.has_ended("expired");
    }
}

/// A restart, or a crash, logs nobody out.
pub fn each_transport_survives_a_crash(program: &str) {
    let files = Files::new();
    let server = Server::start_on(program, &files, &[]);
    let mut browsers = Transport::ALL.map(|kind| Browser::alice(&server.client(), kind));
    let mut ended = Transport::ALL.map(|kind| Browser::alice(&server.client(), kind));
    for browser in &mut ended {
        assert_eq!(browser.clone().logout().status, 204);
    }
    server.kill();
    let server = Server::start_on(program, &files, &[]);
    for browser in &mut browsers {
        browser.move_to(&server.client());
        assert_eq!(browser.get("/api/me").status, 200);
        assert_eq!(browser.renew().status, 200);
    }
    for browser in &mut ended {
        browser.move_to(&server.client());
        browser.has_ended("revoked");
    }
}

/// A user can end a session in any transport from one in any other.
pub fn sessions_end_across_transports(program: &str) {
    let (server, _files) = Server::start(program, &[]);
    let client = server.client();
    for transport in Transport::ALL {
        let mut judge = Browser::alice(&client, transport);
        let mut others = Transport::ALL.map(|kind| Browser::alice(&client, kind));
        let listed = judge.get("/auth/sessions").json();
        let listed = listed["sessions"].as_array().unwrap();
        assert_eq!(listed.len(), 4);
        let current = |entry: &&Value| entry["current"] == true;
        assert_eq!(listed.iter().filter(current).count(), 1);
        // Newest first.
        let kinds: Vec<_> = listed.iter().map(|entry| &entry["transport"]).collect();
        assert_eq!(kinds, ["session", "cookie", "header", transport.name()]);

        let one = format!("/auth/sessions/{}", others[0].session());
        assert_eq!(judge.delete(&one).status, 204);
        others[0].has_ended("revoked");
        assert_eq!(judge.delete(&one).status, 404);
        assert_eq!(others[1].get("/api/me").status, 200);
        assert_eq!(judge.delete("/auth/sessions?keep=current").status, 204);
        for browser in &mut others {
            browser.has_ended("revoked");
        }
        assert_eq!(judge.renew().status, 200);
        assert_eq!(judge.delete("/auth/sessions").status, 204);
        judge.has_ended("revoked");
    }
}

/// Users neither see nor end the sessions of other users.
pub fn nobody_reaches_anothers_session(program: &str) {
    let (server, _files) = Server::start(program, &[]);
    let client = server.client();
    let mut alice = Transport::ALL.map(|transport| Browser::alice(&client, transport));
    for transport in Transport::ALL {
        let mut bob = Browser::new(&client, transport);
        assert_eq!(bob.login("bob", "builder", false).status, 200);
        for browser in &mut alice {
            let path = format!("/auth/sessions/{}", browser.session());
            let refused = bob.delete(&path);
            refused.error(404, "not_found");
            let unknown = bob.delete("/auth/sessions/AAAAAAAAAAAAAAAAAAAAAAAA");
            assert_eq!(refused.text, unknown.text, "nothing is told");
        }
        assert_eq!(bob.delete("/auth/sessions?keep=current").status, 204);
        let listed = bob.get("/auth/sessions").json();
        assert_eq!(listed["sessions"].as_array().unwrap().len(), 1);
    }
    for browser in &mut alice {
        assert_eq!(browser.get("/api/me").status, 200);
    }
}

/// A step-up gives the same session a new credential and a new `auth_time`.
pub fn a_step_up_renews_in_each_transport(program: &str) {
    let (server, _files) = Server::start(program, &[]);
    let client = server.client();
    let mut browsers = Transport::ALL.map(|transport| Browser::alice(&client, transport));
    pass(1.1);
    for browser in &mut browsers {
        let session = browser.session();
        let before = browser.get("/api/me").json()["auth_time"].as_u64().unwrap();
        let mut older = browser.clone();
        browser.step_up("guess").error(401, "invalid_credentials");
        let reply = browser.step_up("wonderland");
        assert_eq!(reply.status, 200, "{reply:?}");
        assert_eq!(browser.session(), session);
        let me = browser.get("/api/me").json();
        assert!(me["auth_time"].as_u64().unwrap() > before, "{me}");
        assert_ne!(browser.credential(), older.credential());
        // The older credential is refused, but the session goes on.
        match older.renew() {
            reply if reply.status == 401 => reply.invalid_token("revoked"),
            reply => reply.refused_as("revoked"),
        }
        assert_eq!(browser.renew().status, 200);
        let listed = browser.get("/auth/sessions").json();
        assert_eq!(listed["sessions"].as_array().unwrap().len(), 3);
    }
}

/// A change of password ends all other sessions, in every transport; this session goes on.
pub fn a_change_of_password_in_each_transport(program: &str) {
    let (server, _files) = Server::start(program, &[]);
    let client = server.client();
    let passwords = ["wonderland", "looking-glass", "jabberwocky", "cheshire-cat"];
    for (transport, password) in Transport::ALL.into_iter().zip(passwords.windows(2)) {
        let log_in = |kind| {
            let mut browser = Browser::new(&client, kind);
            assert_eq!(browser.login("alice", password[0], false).status, 200);
            browser
        };
        let mut browser = log_in(transport);
        let mut others = Transport::ALL.map(log_in);
        let mut older = browser.clone();
        let session = browser.session();
        browser
            .change_password("guess", password[1])
            .error(401, "invalid_credentials");
        browser
            .change_password(password[0], "short")
            .error(400, "invalid_request");
        assert_eq!(others[0].get("/api/me").status, 200, "nothing has changed");

        let reply = browser.change_password(password[0], password[1]);
        assert_eq!(reply.status, 200, "{reply:?}");
        assert_eq!(browser.session(), session);
        assert_eq!(browser.renew().status, 200);
        for other in &mut others {
            other.has_ended("revoked");
        }
        match older.renew() {
            reply if reply.status == 401 => reply.invalid_token("revoked"),
            reply => reply.refused_as("revoked"),
        }
        let mut late = Browser::new(&client, transport);
        late.login("alice", password[0], false)
            .error(401, "invalid_credentials");
        assert_eq!(browser.get("/api/me").status, 200);
    }
}

/// A refresh cookie that is presented after its grace ends the session for all holders.
pub fn a_stolen_refresh_cookie_ends_the_session(program: &str) {
    let flags = ["--grace", "10s", "--tolerance", "0s"];
    let (server, _files) = Server::start(program, &flags);
    let mut browser = Browser::alice(&server.client(), Transport::Cookie);
    let mut thief = browser.clone();
    assert_eq!(browser.renew().status, 200);
    // Two tabs, or a lost answer: both get the same successor.
    let mut tab = thief.clone();
    assert_eq!(tab.renew().status, 200);
    assert_eq!(tab.cookies(), browser.cookies());
    pass(11.2);
    thief.renew().refused_as("reused");
    assert_ne!(thief.cookies(), "", "only a logout deletes a cookie");
    browser.has_ended("revoked");
}

/// After the answer to a logout, no request that was in flight brings the session back.
pub fn a_logout_holds_against_requests_in_flight(program: &str) {
    let flags = ["--touch", "1s", "--grace", "0s"];
    let (server, _files) = Server::start(program, &flags);
    // Which request is faster depends on the machine.
    let client = server.client().unrecorded();
    let browsers: Vec<_> = (0..4)
        .flat_map(|_| Transport::ALL)
        .map(|transport| Browser::alice(&client, transport))
        .collect();
    // After this, each use of a session cookie writes.
    pass(1.1);
    for mut browser in browsers {
        let mut others = [(); 4].map(|()| browser.clone());
        thread::scope(|scope| {
            for other in &mut others {
                // Either it came before the logout, or it is refused.
                scope.spawn(|| {
                    let renewed = other.renew().status;
                    assert!([200, 400, 401].contains(&renewed), "{renewed}");
                });
            }
            assert_eq!(browser.logout().status, 204);
        });
        // No credential that the others got works.
        for other in &mut others {
            other.has_ended("revoked");
        }
    }
}

/// If the store does not have the session, no credential works, and the reason is `unknown`.
pub fn a_forgotten_session_is_unknown(program: &str) {
    let (server, files) = Server::start(program, &[]);
    let mut browsers = Transport::ALL.map(|kind| Browser::alice(&server.client(), kind));
    server.kill();
    // The same keys, and an empty store.
    let server = Server::start_on(program, &files, &["--store", "memory:"]);
    for browser in &mut browsers {
        browser.move_to(&server.client());
        let before = browser.cookies();
        browser.step_up("wonderland").refused_as("unknown");
        let me = browser.get("/api/me");
        if before.starts_with("__Host-Http-session") {
            me.invalid_token("invalid");
        } else {
            browser.renew().refused_as("unknown");
            assert_eq!(me.status, 200, "until it expires: nobody revoked it");
            browser.get("/auth/session").invalid_token("revoked");
        }
        assert_eq!(browser.cookies(), before, "only a logout deletes a cookie");
    }
}

/// An access token alone renews nothing.
pub fn a_step_up_needs_the_long_lived_credential(program: &str) {
    let (server, _files) = Server::start(program, &[]);
    let client = server.client();
    let mut browser = Browser::alice(&client, Transport::Header);
    let bearer = browser.bearer().unwrap();
    let headers = [
        ("authorization", bearer.as_str()),
        ("content-type", "application/json"),
    ];
    for (path, body) in [
        ("/auth/step-up", json!({ "password": "wonderland" })),
        (
            "/auth/password",
            json!({ "password": "wonderland", "new_password": "looking-glass" }),
        ),
    ] {
        let body = body.to_string();
        let reply = client.send(&Method::POST, path, &headers, Some(body.as_bytes()));
        reply.error(400, "invalid_request");
    }
    assert_eq!(browser.renew().status, 200);
    Browser::alice(&client, Transport::Header);
}

/// The names of an object's members, in order.
fn members(object: &Value) -> Vec<String> {
    object.as_object().unwrap().keys().cloned().collect()
}

/// The names of the members that the answer to a login has.
fn token_members(transport: Transport) -> Vec<String> {
    let both = "token_type access_token expires_in access_expires_at refresh_expires_in \
         refresh_expires_at refresh_grace session_id server_time scope";
    sorted(&match transport {
        Transport::Cookie => both.to_owned(),
        Transport::Header => format!("{both} refresh_token"),
        Transport::Session => "session_id session_expires_in session_expires_at server_time".into(),
    })
}

fn sorted(words: &str) -> Vec<String> {
    let mut words: Vec<_> = words.split_whitespace().map(str::to_owned).collect();
    words.sort_unstable();
    words
}
