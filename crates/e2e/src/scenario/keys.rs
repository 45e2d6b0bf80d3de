//! Keys that change while servers run.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;

use http::Method;
use serde_json::{Value, json};

use crate::client::Client;
use crate::patience::soon;
use crate::reply::Reply;
use crate::server::{Files, Server, refused};
use crate::token::header;

const ADMIN: &str = "an-administrator-s-key-of-many-letters";

fn command(client: &Client, key: &str, body: &Value) -> Reply {
    let bearer = format!("Bearer {key}");
    let body = body.to_string();
    let headers = [("authorization", &*bearer)];
    client.send(
        &Method::POST,
        "/admin/keys",
        &headers,
        Some(body.as_bytes()),
    )
}

fn kid(token: &str) -> String {
    header(token)["kid"].as_str().unwrap().to_owned()
}

fn published(client: &Client) -> (String, Vec<String>) {
    let reply = client.send(&Method::GET, "/.well-known/jwks.json", &[], None);
    let etag = reply.header("etag").to_owned();
    let json = reply.json();
    let keys = json["keys"].as_array().unwrap().iter();
    let ids = keys.map(|key| key["kid"].as_str().unwrap().to_owned());
    (etag, ids.collect())
}

/// One of two servers on one key file changes keys, and the other follows, since each reads the
/// file once a second.
pub fn two_servers_on_one_key_file_follow_each_other(program: &str) {
    let files = Files::new();
    let flags = [
        "--admin-key",
        ADMIN,
        "--jwks-max-age",
        "1s",
        "--tolerance",
        "0s",
    ];
    let one = Server::start_on(program, &files, &flags);
    let two = Server::start_on(program, &files, &flags);
    let (one, two) = (one.client().unrecorded(), two.client().unrecorded());

    // Both publish the current key and the next two.
    soon("keys are published ahead", || published(&one).1.len() == 3);
    soon("at the other too", || published(&one) == published(&two));
    let before = published(&one);
    let login = one.login("alice", "wonderland");
    let first = kid(&login.access);

    // Too early: a verifier may not know the next key yet. Afterwards it signs, at both.
    let promote = json!({ "do": "promote" });
    let early = command(&one, ADMIN, &promote);
    assert!(early.status == 409 || early.status == 200, "{early:?}");
    if early.status == 409 {
        assert!(early.text.contains("verifiers may not know the next key"));
        soon("it may sign", || {
            command(&one, ADMIN, &promote).status == 200
        });
    }
    let next = one.refresh(&login.refresh).tokens();
    assert_ne!(kid(&next.access), first);
    assert!(
        before.1.contains(&kid(&next.access)),
        "it was published before"
    );
    soon("the other follows", || published(&one) == published(&two));
    assert_ne!(published(&two).0, before.0, "another ETag");
    let other = two.login("bob", "builder");
    assert_eq!(kid(&other.access), kid(&next.access));
    for client in [&one, &two] {
        assert_eq!(
            client.me(&login.access).status,
            200,
            "the old key still verifies"
        );
        assert_eq!(client.me(&next.access).status, 200);
    }

    // An emergency at the other server: tokens of the key are refused, refresh tokens are good.
    let remove = json!({ "do": "remove", "kid": kid(&next.access) });
    let removed = command(&two, ADMIN, &remove);
    assert_eq!(removed.status, 200, "{removed:?}");
    two.me(&next.access).invalid_token("invalid");
    soon("the first follows", || one.me(&next.access).status == 401);
    let after = one.refresh(&next.refresh).tokens();
    assert_eq!(Value::from(kid(&after.access)), removed.json()["kid"]);
    assert_eq!(two.me(&after.access).status, 200);
}

/// Only a caller with the key of the administrator changes keys.
pub fn only_the_administrator_changes_keys(program: &str) {
    let (server, _files) = Server::start(program, &["--admin-key", ADMIN]);
    let client = server.client();
    let promote = json!({ "do": "promote" });
    command(&client, "another-key-of-as-many-letters-as-it", &promote).error(401, "unauthorized");
    command(&client, "", &promote).error(401, "unauthorized");
    let nonsense = json!({ "do": "dance" });
    command(&client, ADMIN, &nonsense).error(400, "invalid_request");
    let unknown = json!({ "do": "remove", "kid": "no-such-key" });
    command(&client, ADMIN, &unknown).error(409, "conflict");
    let (server, _files) = Server::start(program, &[]);
    command(&server.client(), ADMIN, &promote).error(404, "not_found");
}

/// If the key file becomes unusable, the log has a line about it, and the old keys stay.
pub fn a_bad_key_file_changes_nothing_at_run_time(program: &str) {
    let files = Files::new();
    let server = Server::start_on(program, &files, &["--rotate-every", "off"]);
    let client = server.client().unrecorded();
    let login = client.login("alice", "wonderland");
    fs::write(files.keys(), "{}").unwrap();
    server.signal("HUP");
    soon("it is logged", || {
        let output = server.output();
        output.contains("the old keys stay") && output.contains("is not a key file")
    });
    fs::set_permissions(files.keys(), Permissions::from_mode(0o644)).unwrap();
    server.signal("HUP");
    soon("it is logged", || server.output().contains("chmod 600"));
    assert_eq!(client.me(&login.access).status, 200);
    let next = client.refresh(&login.refresh).tokens();
    assert_eq!(kid(&next.access), kid(&login.access));

    // Another key file, written by hand, is read on the signal or a second later.
    let other = Files::new();
    drop(Server::start_on(
        program,
        &other,
        &["--rotate-every", "off"],
    ));
    fs::copy(other.keys(), files.path("next.json")).unwrap();
    fs::rename(files.path("next.json"), files.keys()).unwrap();
    server.signal("HUP");
    soon("the keys are others", || {
        client.me(&login.access).status == 401
    });
    assert_ne!(
        kid(&client.login("alice", "wonderland").access),
        kid(&login.access)
    );
}

/// If keys are in the environment, no key file is written.
pub fn keys_may_be_in_the_environment(program: &str) {
    let files = Files::new();
    let output = refused(program, &files, &["--keys", "env:E2E_NO_SUCH_KEYS"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(
        said.contains("E2E_NO_SUCH_KEYS") && said.contains("not set"),
        "{said}"
    );

    let made = refused(program, &files, &["--new-keys", "--alg", "EdDSA"]);
    assert!(made.status.success() && !files.keys().exists());
    let keys = String::from_utf8(made.stdout).unwrap();
    let elsewhere = Files::new();
    let flags = ["--keys", "env:E2E_KEYS", "--rotate-every", "off"];
    let server = Server::start_with(program, &elsewhere, &flags, &[("E2E_KEYS", &keys)]);
    let login = server.client().login("alice", "wonderland");
    assert_eq!(server.client().me(&login.access).status, 200);
    assert!(keys.contains(&kid(&login.access)));
    assert_eq!(header(&login.access)["alg"], "EdDSA");
    assert!(!elsewhere.keys().exists());
}

/// A server that is started with another algorithm adds it to the keys that it has: nobody is logged out,
/// and no verifier meets a key that it does not know.
pub fn another_algorithm_is_added_to_the_keys(program: &str) {
    let files = Files::new();
    let fast = ["--jwks-max-age", "1s", "--tolerance", "0s"];
    let flags = |alg| [&["--alg", alg], &fast[..]].concat();
    let before = Server::start_on(program, &files, &flags("EdDSA"));
    let login = before.client().login("alice", "wonderland");
    assert_eq!(header(&login.access)["alg"], "EdDSA");
    drop(before);

    let server = Server::start_on(program, &files, &flags("ES256"));
    let client = server.client().unrecorded();
    assert_eq!(client.me(&login.access).status, 200, "the old key verifies");
    let next = client.refresh(&login.refresh).tokens();
    soon("the new key signs", || {
        let login = client.login("bob", "builder");
        header(&login.access)["alg"] == "ES256"
    });
    for access in [&login.access, &next.access] {
        assert_eq!(client.me(access).status, 200, "the old key verifies");
    }
    let renewed = client.refresh(&next.refresh);
    assert_eq!(renewed.status, 200, "refresh keys stay: {renewed:?}");
    assert_eq!(client.me(&renewed.tokens().access).status, 200);
}
