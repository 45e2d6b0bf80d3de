//! What survives the end of a process, and what two processes share.

use std::collections::BTreeSet;
use std::thread;

use crate::patience::soon;
use crate::reply::Reply;
use crate::server::{Files, Server};

/// After a crash nobody is logged out, and what was revoked stays revoked.
pub fn killed_and_restarted_nobody_is_logged_out(program: &str) {
    let files = Files::new();
    let server = Server::start_on(program, &files, &[]);
    let client = server.client();
    let alice = client.login("alice", "wonderland");
    let ended = client.login("alice", "wonderland");
    let bob = client.login("bob", "builder");
    let before = client.refresh(&bob.refresh).tokens();
    assert_eq!(client.logout(&ended.refresh).status, 204);
    server.kill();

    let server = Server::start_on(program, &files, &[]);
    let client = server.client();
    assert_eq!(client.me(&alice.access).status, 200);
    let next = client.refresh(&alice.refresh).tokens();
    assert_eq!(client.me(&next.access).status, 200);
    // If a client lost an answer in the crash, it gets the same one now, bit for bit.
    assert_eq!(
        client.refresh(&bob.refresh).tokens().refresh,
        before.refresh
    );
    client.me(&ended.access).invalid_token("revoked");
    client.refresh(&ended.refresh).refused_as("revoked");
    client.login("bob", "builder");
}

/// Two servers on one database and one key file serve the same sessions.
pub fn two_servers_on_one_file_share_all_sessions(program: &str) {
    let files = Files::new();
    // Both start on an empty database, at the same time.
    let (one, two) = thread::scope(|scope| {
        let start = || Server::start_on(program, &files, &[]);
        let (one, two) = (scope.spawn(start), scope.spawn(start));
        (one.join().unwrap(), two.join().unwrap())
    });
    let clients = [one.client(), two.client()];
    let login = clients[0].login("alice", "wonderland");
    assert_eq!(clients[1].me(&login.access).status, 200);

    let replies: Vec<Reply> = thread::scope(|scope| {
        let post = |n: usize| clients[n % 2].refresh(&login.refresh);
        let threads: Vec<_> = (0..20).map(|n| scope.spawn(move || post(n))).collect();
        threads.into_iter().map(|t| t.join().unwrap()).collect()
    });
    let tokens: Vec<_> = replies.iter().map(Reply::tokens).collect();
    let refresh: BTreeSet<_> = tokens.iter().map(|t| &t.refresh).collect();
    assert_eq!(
        refresh.len(),
        1,
        "one successor, whichever server was asked"
    );

    let tokens = &tokens[0];
    assert_eq!(clients[0].logout(&tokens.refresh).status, 204);
    clients[0].me(&tokens.access).invalid_token("revoked");
    clients[1].refresh(&tokens.refresh).refused_as("revoked");
    // The other server polls for it each second.
    soon("the other refuses it", || {
        clients[1].me(&tokens.access).status != 200
    });
    clients[1].me(&tokens.access).invalid_token("revoked");
}

/// SIGTERM shuts the server down gracefully.
pub fn sigterm_shuts_the_server_down_gracefully(program: &str) {
    let (server, _files) = Server::start(program, &[]);
    server.client().login("alice", "wonderland");
    let (status, output) = server.terminate();
    assert_eq!(status.code(), Some(0), "{output}");
}
