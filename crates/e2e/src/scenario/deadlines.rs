//! Sessions end by themselves, and tokens never outlive them.

use super::pass;
use crate::server::Server;

/// Use keeps a session alive; without it, it ends.
pub fn an_idle_session_ends(program: &str) {
    let flags = ["--idle", "3s", "--access-ttl", "1s", "--grace", "0s"];
    let (server, _files) = Server::start(program, &flags);
    let client = server.client();
    let mut tokens = client.login("alice", "wonderland");
    assert_eq!(tokens.answer["refresh_expires_in"], 3);
    for _ in 0..2 {
        pass(1.5);
        tokens = client.refresh(&tokens.refresh).tokens();
    }
    assert_eq!(client.me(&tokens.access).status, 200);
    pass(3.1);
    client.me(&tokens.access).invalid_token("expired");
    client.refresh(&tokens.refresh).refused_as("expired");
    client.refresh(&tokens.refresh).refused_as("expired");
}

/// However often it is used, a session ends at its absolute deadline, and says so from the start.
pub fn no_use_outlives_the_absolute_deadline(program: &str) {
    let flags = ["--absolute", "4s", "--access-ttl", "5m", "--grace", "0s"];
    let (server, _files) = Server::start(program, &flags);
    let client = server.client();
    let login = client.login("alice", "wonderland");
    let deadline = login.answer["refresh_expires_at"].clone();
    assert_eq!(login.answer["expires_in"], 4, "never after the session");
    pass(1.5);
    let next = client.refresh(&login.refresh).tokens();
    assert_eq!(next.answer["refresh_expires_at"], deadline);
    assert_eq!(next.answer["expires_at"], deadline);
    pass(3.6);
    client.me(&next.access).invalid_token("expired");
    client.refresh(&next.refresh).refused_as("expired");
}
