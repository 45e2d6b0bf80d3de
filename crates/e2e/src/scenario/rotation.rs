//! One session never has two live branches of refresh tokens.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Barrier;
use std::thread;

use serde_json::{Value, json};

use super::pass;
use crate::reply::Reply;
use crate::server::Server;

/// Many tabs and repeated requests at the same moment all get the same token.
pub fn fifty_refreshes_at_once_give_one_token(program: &str) {
    let (server, _files) = Server::start(program, &[]);
    let login = server.client().login("alice", "wonderland");
    let start = Barrier::new(50);
    let replies: Vec<Reply> = thread::scope(|scope| {
        let post = || {
            let client = server.client();
            start.wait();
            client.refresh(&login.refresh)
        };
        let threads: Vec<_> = (0..50).map(|_| scope.spawn(post)).collect();
        threads.into_iter().map(|t| t.join().unwrap()).collect()
    });
    let tokens: Vec<_> = replies.iter().map(Reply::tokens).collect();
    let refresh: BTreeSet<_> = tokens.iter().map(|t| &t.refresh).collect();
    assert_eq!(refresh.len(), 1, "one successor");
    assert!(!refresh.contains(&login.refresh));
    let access: BTreeSet<_> = tokens.iter().map(|t| &t.access).collect();
    assert_eq!(access.len(), 50, "an access token for each");
    for token in access {
        assert_eq!(server.client().me(token).status, 200);
    }
}

/// A client that gets no answer asks again and loses nothing, whether the request or the answer
/// was lost.
pub fn a_lost_answer_comes_again(program: &str) {
    let (server, _files) = Server::start(program, &[]);
    let client = server.client();
    let login = client.login("alice", "wonderland");
    // The server had answered, so the rotation was committed.
    let lost = heard_by_nobody(&server, &login.refresh);
    let again = client.refresh(&login.refresh).tokens();
    assert_eq!(again.refresh, lost["refresh_token"]);
    assert_eq!(client.me(&again.access).status, 200);
    // The connection closes before the answer, so the rotation may be committed or not.
    for _ in 0..10 {
        let login = client.login("bob", "builder");
        drop(send(&server, &login.refresh));
        let again = client.refresh(&login.refresh).tokens();
        let next = client.refresh(&again.refresh).tokens();
        assert_eq!(
            next.refresh, again.refresh,
            "at most one rotation a grace window"
        );
    }
}

/// If a thief presents a token that was used up, the session ends.
pub fn a_spent_token_ends_the_session(program: &str) {
    let flags = ["--grace", "1s", "--tolerance", "0s"];
    let (server, _files) = Server::start(program, &flags);
    let client = server.client();
    let login = client.login("alice", "wonderland");
    let other = client.login("alice", "wonderland");
    let second = client.refresh(&login.refresh).tokens();
    pass(12.2); // the grace and the store margin
    let third = client.refresh(&second.refresh).tokens();
    assert_ne!(third.refresh, second.refresh);
    client.refresh(&login.refresh).refused_as("reused");
    // Neither the thief nor the user goes on with this session.
    client.refresh(&third.refresh).refused_as("revoked");
    client.refresh(&login.refresh).refused_as("revoked");
    for token in [&login.access, &second.access, &third.access] {
        client.me(token).invalid_token("revoked");
    }
    assert_eq!(client.me(&other.access).status, 200, "another session");
}

/// Within the grace the previous token gets its successor again; after it, the session ends.
pub fn the_previous_token_after_the_grace_ends_the_session(program: &str) {
    let flags = ["--grace", "10s", "--tolerance", "0s"];
    let (server, _files) = Server::start(program, &flags);
    let client = server.client();
    let login = client.login("alice", "wonderland");
    let next = client.refresh(&login.refresh).tokens();
    assert_eq!(
        client.refresh(&login.refresh).tokens().refresh,
        next.refresh
    );
    pass(11.2);
    client.refresh(&login.refresh).refused_as("reused");
    client.refresh(&next.refresh).refused_as("revoked");
    client.me(&next.access).invalid_token("revoked");
}

/// Posts a refresh token on a new connection.
fn send(server: &Server, token: &str) -> TcpStream {
    let address = server.url().strip_prefix("http://").unwrap();
    let mut connection = TcpStream::connect(address).unwrap();
    let body = json!({ "refresh_token": token }).to_string();
    write!(
        connection,
        "POST /auth/refresh HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    connection
}

/// Posts a refresh token and reads the answer, as a network in the middle would.
fn heard_by_nobody(server: &Server, token: &str) -> Value {
    let mut answer = String::new();
    send(server, token).read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    serde_json::from_str(body).unwrap()
}
