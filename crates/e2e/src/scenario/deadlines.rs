//! Sessions end at their deadline, and tokens never outlive them.

use std::time::{SystemTime, UNIX_EPOCH};

use super::pass;
use crate::server::Server;

/// A session ends at its absolute deadline, however often it is used, and its answers say so from
/// the start.
pub fn no_use_outlives_the_absolute_deadline(program: &str) {
    let flags = ["--absolute", "15s", "--access-ttl", "5m", "--grace", "0s"];
    let (server, _files) = Server::start(program, &flags);
    let client = server.client();
    let login = client.login("alice", "wonderland");
    let deadline = login.answer["refresh_expires_at"].clone();
    assert_eq!(login.answer["expires_in"], 15, "never after the session");
    pass(1.5);
    let next = client.refresh(&login.refresh).tokens();
    assert_eq!(next.answer["refresh_expires_at"], deadline);
    assert_eq!(next.answer["access_expires_at"], deadline);
    let deadline = deadline.as_u64().unwrap();
    while SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs()
        < deadline
    {
        pass(0.1);
    }
    client.me(&next.access).invalid_token("expired");
    client.refresh(&next.refresh).refused_as("expired");
}
