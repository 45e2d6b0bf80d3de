//! Step-up and change of password renew the session.

use serde_json::json;

use super::pass;
use crate::server::Server;
use crate::token::claims;

/// A step-up gives new tokens with a new `auth_time`, and the older refresh token is refused from
/// then on.
pub fn a_password_renews_the_session_in_place(program: &str) {
    let (server, _files) = Server::start(program, &[]);
    let client = server.client();
    let login = client.login("alice", "wonderland");
    let step_up = |password: &str, refresh: &str| {
        let body = json!({ "password": password, "refresh_token": refresh });
        client.post_json("/auth/step-up", &body)
    };
    let wrong = step_up("guess", &login.refresh);
    wrong.error(401, "invalid_credentials");
    assert_eq!(wrong.header("www-authenticate"), r#"Bearer realm="api""#);
    step_up("wonderland", "nonsense").refused_as("malformed");
    step_up("wonderland", &login.access).refused_as("malformed");

    pass(1.1);
    let renewed = step_up("wonderland", &login.refresh).tokens();
    assert_eq!(renewed.session, login.session);
    assert_ne!(renewed.refresh, login.refresh);
    let time = |access: &str| claims(access)["auth_time"].as_u64().unwrap();
    assert!(time(&renewed.access) > time(&login.access));
    // If its answer was lost, the older token and the password get it again.
    assert_eq!(
        step_up("wonderland", &login.refresh).tokens().refresh,
        renewed.refresh
    );
    client.refresh(&login.refresh).refused_as("revoked");
    let next = client.refresh(&renewed.refresh).tokens();
    assert_eq!(client.me(&next.access).status, 200, "the session lives on");
}

/// A change of password ends all other sessions; this one goes on with a new credential.
pub fn a_change_of_password_ends_the_other_sessions(program: &str) {
    let (server, files) = Server::start(program, &[]);
    let client = server.client();
    let other = client.login("alice", "wonderland");
    let login = client.login("alice", "wonderland");
    let change = |password: &str, new: &str| {
        let body = json!({
            "password": password, "new_password": new, "refresh_token": login.refresh,
        });
        client.post_json("/auth/password", &body)
    };
    change("guess", "looking-glass").error(401, "invalid_credentials");
    change("wonderland", "short").error(400, "invalid_request");
    assert_eq!(client.me(&other.access).status, 200, "nothing has changed");

    let renewed = change("wonderland", "looking-glass").tokens();
    assert_eq!(renewed.session, login.session);
    // If its answer was lost, a repeated request gives the same credential.
    let again = change("wonderland", "looking-glass").tokens();
    assert_eq!(again.refresh, renewed.refresh);
    change("wonderland", "another-glass").error(401, "invalid_credentials");
    client.me(&other.access).invalid_token("revoked");
    client.refresh(&other.refresh).refused_as("revoked");
    client.refresh(&login.refresh).refused_as("revoked");
    assert_eq!(client.me(&renewed.access).status, 200);
    let old = json!({ "username": "alice", "password": "wonderland" });
    client
        .post_json("/auth/login", &old)
        .error(401, "invalid_credentials");
    // Also after a restart with the same flags.
    server.kill();
    let server = Server::start_on(program, &files, &[]);
    server.client().login("alice", "looking-glass");
    server
        .client()
        .post_json("/auth/login", &old)
        .error(401, "invalid_credentials");
}
