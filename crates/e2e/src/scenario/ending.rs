//! After the end of a session none of its credentials works.

use http::Method;
use serde_json::{Value, json};

use crate::server::Server;

/// Each credential of the session is refused with the reason.
pub fn after_a_logout_nothing_works(program: &str) {
    let (server, _files) = Server::start(program, &[]);
    let client = server.client();
    let login = client.login("alice", "wonderland");
    let next = client.refresh(&login.refresh).tokens();
    assert_eq!(client.logout(&next.refresh).status, 204);
    for token in [&login.access, &next.access] {
        client.me(token).invalid_token("revoked");
        client.get("/auth/session", token).invalid_token("revoked");
        client.get("/auth/sessions", token).invalid_token("revoked");
        client.post("/api/transfer", token).invalid_token("revoked");
    }
    for token in [&login.refresh, &next.refresh] {
        client.refresh(token).refused_as("revoked");
        let body = json!({ "password": "wonderland", "refresh_token": token });
        client
            .post_json("/auth/step-up", &body)
            .refused_as("revoked");
    }
    // A second logout, and one without a credential, are answered like the first.
    assert_eq!(client.logout(&next.refresh).status, 204);
    assert_eq!(client.logout("nonsense").status, 204);

    // By access token alone, and by revocation of either token (RFC 7009).
    let login = client.login("alice", "wonderland");
    assert_eq!(client.post("/auth/logout", &login.access).status, 204);
    client.refresh(&login.refresh).refused_as("revoked");
    // By two access tokens, of which each ends its session.
    let both = [(); 2].map(|()| client.login("alice", "wonderland"));
    let bearers = both
        .each_ref()
        .map(|login| format!("Bearer {}", login.access));
    let headers = bearers
        .each_ref()
        .map(|bearer| ("authorization", bearer.as_str()));
    let reply = client.send(&Method::POST, "/auth/logout", &headers, None);
    assert_eq!(reply.status, 204, "{reply:?}");
    for login in &both {
        client.me(&login.access).invalid_token("revoked");
    }
    for pick in [0, 1] {
        let login = client.login("alice", "wonderland");
        let token = [&login.access, &login.refresh][pick];
        let reply = client.post_form("/auth/revoke", &format!("token={token}"));
        assert_eq!(reply.status, 200, "{reply:?}");
        client.refresh(&login.refresh).refused_as("revoked");
        client.me(&login.access).invalid_token("revoked");
    }
    let reply = client.post_form("/auth/revoke", "token=nonsense");
    assert_eq!(reply.status, 200, "{reply:?}");
}

/// Users see and end their own sessions, and no others.
pub fn sessions_are_listed_and_ended_by_their_owner_alone(program: &str) {
    let (server, _files) = Server::start(program, &[]);
    let client = server.client();
    let phone = client.login("alice", "wonderland");
    let laptop = client.login("alice", "wonderland");
    let bob = client.login("bob", "builder");

    let listed = client.get("/auth/sessions", &laptop.access).json();
    let listed = listed["sessions"].as_array().unwrap();
    assert_eq!(listed.len(), 2);
    for session in listed {
        let current = session["session_id"] == laptop.session.as_str();
        assert_eq!(session["current"], current);
        assert_eq!(session["transport"], "header");
        assert_eq!(session["device"]["ip_prefix"], "127.0.0.0/24");
        // Coarse, and yet not before the session was opened.
        assert_eq!(session["last_seen_at"], session["created_at"]);
    }
    let current = client.get("/auth/session", &laptop.access).json();
    assert_eq!(current["session_id"], laptop.session.as_str());

    for id in [
        phone.session.as_str(),
        "nonsense",
        "AAAAAAAAAAAAAAAAAAAAAAAA",
    ] {
        let reply = client.delete(&format!("/auth/sessions/{id}"), &bob.access);
        assert_eq!(reply.status, 404, "{reply:?}");
    }
    assert_eq!(client.me(&phone.access).status, 200);
    let one = format!("/auth/sessions/{}", phone.session);
    assert_eq!(client.delete(&one, &laptop.access).status, 204);
    client.me(&phone.access).invalid_token("revoked");
    client.refresh(&phone.refresh).refused_as("revoked");
    assert_eq!(client.delete(&one, &laptop.access).status, 404);
    assert_eq!(client.me(&laptop.access).status, 200);
}

/// A user can end all sessions, or all other sessions.
pub fn log_out_everywhere_ends_every_session(program: &str) {
    let (server, _files) = Server::start(program, &[]);
    let client = server.client();
    let sessions: Vec<_> = (0..3)
        .map(|_| client.login("alice", "wonderland"))
        .collect();
    let bob = client.login("bob", "builder");
    let kept = &sessions[1];
    let others = client.delete("/auth/sessions?keep=current", &kept.access);
    assert_eq!(others.status, 204);
    client.me(&sessions[0].access).invalid_token("revoked");
    client.refresh(&sessions[2].refresh).refused_as("revoked");
    let kept = client.refresh(&kept.refresh).tokens();
    assert_eq!(client.delete("/auth/sessions", &kept.access).status, 204);
    client.me(&kept.access).invalid_token("revoked");
    client.refresh(&kept.refresh).refused_as("revoked");
    assert_eq!(client.me(&bob.access).status, 200);
    // A new login works.
    client.login("alice", "wonderland");
}

/// The list of sessions names devices as people do.
pub fn devices_have_names(program: &str) {
    let (server, _files) = Server::start(program, &[]);
    let client = server.client();
    let firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0";
    let safari = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 \
         (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1";
    let long = format!("curious/1.0 {}", "x".repeat(5_000));
    let body = br#"{"username":"alice","password":"wonderland"}"#;
    let mut access = String::new();
    for agent in [firefox, safari, "<script>", &long] {
        let headers = [("content-type", "application/json"), ("user-agent", agent)];
        let login = client.send(&Method::POST, "/auth/login", &headers, Some(body));
        access = login.tokens().access;
    }
    let listed = client.get("/auth/sessions", &access).json();
    let devices: Vec<_> = listed["sessions"]
        .as_array()
        .unwrap()
        .iter()
        .rev()
        .collect();
    assert_eq!(devices[0]["device"]["label"], "Firefox on Linux");
    assert_eq!(devices[0]["device"]["user_agent"], firefox);
    assert_eq!(devices[1]["device"]["label"], "Safari on iPhone");
    assert_eq!(devices[2]["device"]["label"], Value::Null);
    let kept = devices[3]["device"]["user_agent"].as_str().unwrap();
    assert!(kept.len() < 1_000 && long.starts_with(kept), "{kept}");
}
