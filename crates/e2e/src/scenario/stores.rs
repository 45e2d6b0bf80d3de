//! The other stores: sessions and users in PostgreSQL and in Redis.

use std::thread;

use serde_json::json;
use testbed::{postgres, redis};

use crate::client::Client;
use crate::patience::soon;
use crate::reply::Reply;
use crate::server::{Files, Server, refused};

/// Two servers on one PostgreSQL share all sessions and users, which also survive a restart.
pub fn two_servers_on_one_postgresql_share_all_sessions(program: &str) {
    let database = postgres::Server::start();
    two_servers_are_one(program, &database.url());
}

/// Two servers on one Redis share all sessions and users, which also survive a restart.
pub fn two_servers_on_one_redis_share_all_sessions(program: &str) {
    let database = redis::Server::start(&[]);
    two_servers_are_one(program, &database.url());
}

fn two_servers_are_one(program: &str, store: &str) {
    let files = Files::new();
    let start = || Server::start_on(program, &files, &["--store", store]);
    // Both start on an empty store, at the same time.
    let (one, two) = thread::scope(|scope| {
        let (one, two) = (scope.spawn(start), scope.spawn(start));
        (one.join().unwrap(), two.join().unwrap())
    });
    let clients = [one.client(), two.client()];
    let alice = clients[0].login("alice", "wonderland");
    assert_eq!(clients[1].me(&alice.access).status, 200);
    let next = clients[1].refresh(&alice.refresh).tokens();
    let again = clients[0].refresh(&alice.refresh).tokens();
    assert_eq!(next.refresh, again.refresh, "one successor");

    let ended = clients[0].login("alice", "wonderland");
    assert_eq!(clients[0].logout(&ended.refresh).status, 204);
    clients[1].refresh(&ended.refresh).refused_as("revoked");
    until_refused(&clients[1], &ended.access);
    let changed = json!({
        "password": "wonderland", "new_password": "looking-glass", "refresh_token": next.refresh,
    });
    let renewed = clients[0].post_json("/auth/password", &changed).tokens();
    let wrong = json!({ "username": "alice", "password": "wonderland" });
    assert_eq!(clients[1].post_json("/auth/login", &wrong).status, 401);
    clients[1].login("alice", "looking-glass");
    one.kill();
    two.kill();

    let one = start();
    let client = one.client();
    assert_eq!(client.me(&renewed.access).status, 200);
    client.refresh(&renewed.refresh).tokens();
    client.refresh(&ended.refresh).refused_as("revoked");
    client.login("alice", "looking-glass");
    assert!(!files.path("sessions.db").exists());
}

/// Waits until a server has heard from the other that a session was ended.
fn until_refused(client: &Client, access: &str) {
    soon("it is refused", || client.me(access).status != 200);
    client.me(access).invalid_token("revoked");
}

/// A store that is unreachable logs nobody out: the answer is 503, and all goes on if it is back.
pub fn a_store_that_is_away_logs_nobody_out(program: &str) {
    let mut database = redis::Server::start(&["--appendonly", "yes", "--appendfsync", "always"]);
    let url = database.url();
    let (server, _files) = Server::start(program, &["--store", &url]);
    let client = server.client();
    let alice = client.login("alice", "wonderland");
    database.kill();
    let login = json!({ "username": "alice", "password": "wonderland" });
    // What was under way when the connection broke may have been done. Whether it was depends on who notices first.
    let unrecorded = client.unrecorded();
    let first = unrecorded.refresh(&alice.refresh);
    assert!(matches!(first.status, 503 | 504), "{first:?}");
    for reply in [
        client.refresh(&alice.refresh),
        client.logout(&alice.refresh),
        client.post_json("/auth/login", &login),
    ] {
        assert_eq!(reply.status, 503, "{reply:?}");
        assert_eq!(reply.json(), json!({ "error": "temporarily_unavailable" }));
        assert!(!reply.header("retry-after").is_empty());
        assert!(reply.header("set-cookie").is_empty());
    }
    database.resume();
    until_there(|| unrecorded.refresh(&alice.refresh)).tokens();
    let next = client.refresh(&alice.refresh).tokens();
    assert_eq!(client.me(&next.access).status, 200);
    until_there(|| unrecorded.post_json("/auth/login", &login)).tokens();
}

/// Waits until the broken connections have been replaced.
fn until_there(request: impl Fn() -> Reply) -> Reply {
    let mut reply = request();
    soon("the store is back", || {
        if matches!(reply.status, 503 | 504) {
            reply = request();
        }
        !matches!(reply.status, 503 | 504)
    });
    reply
}

/// The error for a store that cannot be used names the store, but not its password.
pub fn stores_that_cannot_be_used_are_named(program: &str) {
    let locked = redis::Server::start(&["--requirepass", "the-right-one"]);
    let nobody = testbed::free_port();
    for (store, code, expected) in [
        (
            "postgres://u:hush-hush@db:port/app".to_owned(),
            2,
            "--store",
        ),
        ("redis://u:hush-hush@db:port/".to_owned(), 2, "--store"),
        ("mysql://u:hush-hush@db/app".to_owned(), 2, "--store"),
        (
            format!("postgres://u:hush-hush@127.0.0.1:{nobody}/app"),
            1,
            "no connection to the database; look at its address, user, password and name",
        ),
        (
            format!("redis://:hush-hush@127.0.0.1:{nobody}/"),
            1,
            "Redis cannot be reached; see that it runs, and that the URL has its host and port",
        ),
        (
            format!("redis://:hush-hush@127.0.0.1:{}/", locked.port),
            1,
            "Redis refuses the login; correct the user and the password in the URL",
        ),
    ] {
        let output = refused(program, &Files::new(), &["--store", &store]);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{store}: {said}");
        assert!(said.contains(expected), "{store}: {said}");
        assert!(!said.contains("hush-hush"), "{said}");
        assert!(output.stdout.is_empty());
    }
}
