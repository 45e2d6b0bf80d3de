//! Sessions end by themselves, and tokens never outlive them.

use super::pass;
use crate::server::Server;

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
