//! Sessions end at their deadline, and tokens never outlive them. Clients that send too slowly are
//! cut off.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

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

/// A client that sends a byte each second can hold a connection for ten seconds, at any route and
/// with any part of its request.
pub fn slow_requests_are_cut_off(program: &str) {
    let key = "dGhlLWtleS1vZi1hLXRlc3Q";
    let (server, _files) = Server::start(program, &["--introspection-key", key]);
    let address = server.url().trim_start_matches("http://").to_owned();
    let body = |path: &str| {
        format!(
            "POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
             Content-Length: 9999\r\n\r\n"
        )
    };
    // A head ends without an answer, or with one of the framework.
    let mut slow = vec![(
        "GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: ".to_owned(),
        None,
    )];
    for path in [
        "/auth/login",
        "/auth/step-up",
        "/auth/password",
        "/auth/refresh",
        "/auth/logout",
        "/auth/revoke",
        "/auth/introspect",
    ] {
        slow.push((body(path), Some(r#"{"error":"request_timeout"}"#)));
    }
    let clients = slow.into_iter().map(|(start, expected)| {
        let address = address.clone();
        thread::spawn(move || {
            let answer = trickle(&address, &start);
            if let Some(expected) = expected {
                assert!(answer.starts_with("HTTP/1.1 408 "), "{start}: {answer}");
                assert!(answer.ends_with(expected), "{start}: {answer}");
                let fields = answer.to_lowercase();
                assert!(fields.contains("\r\nconnection: close\r\n"), "{answer}");
            }
        })
    });
    let clients: Vec<_> = clients.collect();
    assert_eq!(
        server
            .client()
            .send(&http::Method::GET, "/healthz", &[], None)
            .status,
        200
    );
    for client in clients {
        client.join().unwrap();
    }
}

/// Sends a byte each second until the server ends the connection, and returns what it answered.
fn trickle(address: &str, start: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(start.as_bytes()).unwrap();
    let second = Some(Duration::from_secs(1));
    stream.set_read_timeout(second).unwrap();
    let begun = Instant::now();
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        assert!(begun.elapsed() < Duration::from_mins(1), "{start} goes on");
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(length) => answer.extend(buffer.iter().take(length)),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                if stream.write_all(b" ").is_err() {
                    break;
                }
            }
            // Reset: the server had answered, and did not read the rest.
            Err(_) => break,
        }
    }
    assert!(
        begun.elapsed() > Duration::from_secs(5),
        "{start} had no time"
    );
    String::from_utf8(answer).unwrap()
}
