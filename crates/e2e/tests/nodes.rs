//! Two servers on one store, one on axum and one on actix-web: what ends on one is refused on
//! the other, without asking the store.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test suite: it fails by panicking"
)]

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use e2e::client::Client;
use e2e::patience::{PATIENCE, soon};
use e2e::reply::Tokens;
use e2e::server::{Files, Server};
use serde_json::{Value, json};
use testbed::proxy::Proxy;
use testbed::{postgres, redis};

/// The tolerance of the servers, whose grace has no length.
const TOLERANCE: Duration = Duration::from_secs(1);

struct Nodes {
    servers: [Server; 2],
    clients: [Client; 2],
    _files: Files,
}

impl Nodes {
    /// With a grace of no length, so that a spent token is a stolen one soon.
    fn start(stores: [&str; 2], flags: &[&str]) -> Self {
        let files = Files::new();
        let start = |program, store| {
            let own = ["--store", store, "--grace", "0s", "--tolerance", "1s"];
            Server::start_on(program, &files, &[&own, flags].concat())
        };
        let servers = [
            start("demo-axum", stores[0]),
            start("demo-actix", stores[1]),
        ];
        let clients = [servers[0].client(), servers[1].client()];
        Self {
            servers,
            clients,
            _files: files,
        }
    }
}

fn until_refused(client: &Client, access: &str) {
    soon("it is refused", || client.me(access).status != 200);
    client.me(access).invalid_token("revoked");
}

fn until_feed(client: &Client, state: &str) -> u16 {
    let mut status = 0;
    soon(&format!("the feed is {state}"), || {
        let reply = client.get("/healthz", "");
        status = reply.status;
        reply.json()["feed"] == state
    });
    status
}

/// Every way to end a session, in both directions.
fn what_ends_on_one_is_refused_on_the_other(clients: &[Client; 2]) {
    for turn in 0..2 {
        let (here, there) = (&clients[turn], &clients[1 - turn]);
        let login = || there.login("alice", "wonderland");

        let one = login();
        assert_eq!(here.logout(&one.refresh).status, 204);
        until_refused(there, &one.access);
        there.refresh(&one.refresh).refused_as("revoked");

        let all: Vec<Tokens> = (0..3).map(|_| login()).collect();
        let everywhere = here.delete("/auth/sessions?keep=current", &all[0].access);
        assert_eq!(everywhere.status, 204);
        for ended in &all[1..] {
            until_refused(there, &ended.access);
        }
        assert_eq!(there.me(&all[0].access).status, 200);
        assert_eq!(here.delete("/auth/sessions", &all[0].access).status, 204);
        until_refused(there, &all[0].access);

        let renewed = a_step_up_ends_older_tokens(here, there);
        // Used twice, the second time late.
        thread::sleep(Duration::from_millis(2100));
        let next = here.refresh(&renewed.refresh).tokens();
        thread::sleep(Duration::from_millis(2100));
        here.refresh(&renewed.refresh).refused_as("reused");
        until_refused(there, &next.access);
        there.refresh(&next.refresh).refused_as("revoked");
    }
}

/// A step-up ends older refresh tokens on the other node too, and the session lives. Gives its new
/// tokens.
fn a_step_up_ends_older_tokens(here: &Client, there: &Client) -> Tokens {
    let mut renewed = None;
    // Who comes with one later than the tolerance is a thief: then another session has to show it.
    soon("an older token came soon enough", || {
        let one = there.login("alice", "wonderland");
        let body = json!({ "password": "wonderland", "refresh_token": one.refresh });
        let start = Instant::now();
        let tokens = here.post_json("/auth/step-up", &body).tokens();
        let older = there.refresh(&one.refresh);
        if start.elapsed() < TOLERANCE {
            older.refused_as("revoked");
            assert_eq!(there.me(&tokens.access).status, 200);
            renewed = Some(tokens);
        }
        renewed.is_some()
    });
    renewed.unwrap()
}

/// Requests with live and with ended tokens, and how often the store was asked meanwhile.
fn a_request_asks_nobody(clients: &[Client; 2], proxy: &Proxy) {
    let (live, ended) = (
        clients[0].login("alice", "wonderland"),
        clients[0].login("alice", "wonderland"),
    );
    assert_eq!(clients[1].logout(&ended.refresh).status, 204);
    until_refused(&clients[0], &ended.access);
    let trips = || proxy.round_trips().iter().sum::<u64>();
    // A node that stood still for seconds is behind for a moment, and asks: then it counts again.
    soon("600 requests ask nobody", || {
        let (before, start) = (trips(), Instant::now());
        for _ in 0..300 {
            assert_eq!(clients[0].me(&live.access).status, 200);
            clients[0].me(&ended.access).invalid_token("revoked");
        }
        let asked = trips() - before;
        println!("{asked} round trips in 600 requests");
        // Heartbeats each 2 seconds, a ping each 10, and a reading each 30 of at most 256 parts
        // that go together.
        asked <= 40 + start.elapsed().as_secs() * 3
    });
}

#[test]
fn on_redis() {
    let server = redis::Server::start(&[]);
    let proxy = Proxy::start(server.port);
    let through = format!("redis://127.0.0.1:{}/", proxy.port());
    let nodes = Nodes::start([&through, &server.url()], &[]);
    what_ends_on_one_is_refused_on_the_other(&nodes.clients);
    a_request_asks_nobody(&nodes.clients, &proxy);
}

#[test]
fn on_postgresql() {
    let server = postgres::Server::start();
    let url = server.url();
    let port = url.rsplit([':', '/']).nth(1).unwrap().parse().unwrap();
    let proxy = Proxy::start(port);
    let through = url.replace(&port.to_string(), &proxy.port().to_string());
    let nodes = Nodes::start([&through, &url], &[]);
    what_ends_on_one_is_refused_on_the_other(&nodes.clients);
    a_request_asks_nobody(&nodes.clients, &proxy);
}

#[test]
fn on_sqlite() {
    let files = Files::new();
    let file = format!("sqlite:{}", files.path("shared.db").display());
    let nodes = Nodes::start([&file, &file], &[]);
    what_ends_on_one_is_refused_on_the_other(&nodes.clients);
}

/// While a node is behind, the policy decides, and a load balancer can see it.
#[test]
fn while_the_feed_is_cut_the_policy_decides() {
    let server = redis::Server::start(&[]);
    for (policy, accepted, healthy) in [
        ("accept", 200, 200),
        // The store cannot be asked either.
        ("ask", 503, 200),
        ("refuse", 503, 503),
    ] {
        let proxy = Proxy::start(server.port);
        let through = format!("redis://127.0.0.1:{}/", proxy.port());
        let nodes = Nodes::start([&server.url(), &through], &["--when-behind", policy]);
        let [here, there] = &nodes.clients;
        assert_eq!(until_feed(there, "live"), 200);
        let login = here.login("alice", "wonderland");
        soon("it is accepted", || there.me(&login.access).status == 200);
        proxy.lead_to(0);
        assert_eq!(until_feed(there, "behind"), healthy, "{policy}");
        assert_eq!(here.logout(&login.refresh).status, 204);
        let reply = there.me(&login.access);
        assert_eq!(reply.status, accepted, "{policy}: {reply:?}");
        if accepted == 503 {
            assert!(!reply.header("retry-after").is_empty());
        }
        proxy.lead_to(server.port);
        assert_eq!(until_feed(there, "live"), 200);
        there.me(&login.access).invalid_token("revoked");
        // A busy machine may add a pair of its own.
        soon("each alarm is logged with its end", || {
            let log = nodes.servers[1].output();
            let count = |event: &str| log.matches(&format!("event={event}")).count();
            count("feed_behind") >= 1 && count("feed_behind") == count("feed_live")
        });
    }
}

/// What Prometheus' own client for Python makes of the text: name, type, and each sample with
/// its labels.
fn parsed(text: &str) -> Value {
    use std::process::{Command, Stdio};
    let script = "
import json, sys
from prometheus_client.parser import text_string_to_metric_families as parse
families = list(parse(sys.stdin.read()))
print(json.dumps([[f.name, f.type, [[s.name, s.labels, s.value] for s in f.samples]]
                  for f in families]))";
    let mut python = Command::new("python3")
        .args(["-c", script])
        // The folder of Debian's modules, even if another python3 comes first on PATH.
        .env("PYTHONPATH", "/usr/lib/python3/dist-packages")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3; `cargo xtask test` installs it");
    let mut input = python.stdin.take().unwrap();
    input.write_all(text.as_bytes()).unwrap();
    drop(input);
    let output = python.wait_with_output().unwrap();
    assert!(
        output.status.success(),
        "python3-prometheus-client is missing, or {text}"
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Two nodes count each event once between them, in names and labels that the library made up
/// beforehand.
#[test]
fn prometheus_reads_the_metrics_and_nothing_secret() {
    let server = redis::Server::start(&[]);
    let nodes = Nodes::start([&server.url(), &server.url()], &[]);
    let [one, two] = &nodes.clients;
    let first = one.login("alice", "wonderland");
    let second = two.refresh(&first.refresh).tokens();
    let third = one.login("bob", "builder");
    let all = two.delete("/auth/sessions", &third.access);
    assert_eq!(all.status, 204);
    assert_eq!(one.logout(&second.refresh).status, 204);
    one.me("no.token.atall");
    two.refresh("nonsense").refused_as("malformed");

    let texts = [one, two].map(|client| {
        let mut reply = client.get("/metrics", "");
        soon("the feed is live", || {
            reply = client.get("/metrics", "");
            reply.text.contains("\nhallpass_revocation_feed_live 1\n")
        });
        assert_eq!(reply.status, 200);
        assert_eq!(
            reply.header("content-type"),
            "text/plain; version=0.0.4; charset=utf-8"
        );
        reply.text
    });
    let mut events = BTreeMap::<String, f64>::new();
    for text in &texts {
        for secret in [&first, &second, &third] {
            assert!(!text.contains(&secret.session), "{text}");
            for token in [&secret.access, &secret.refresh] {
                assert!(token.split('.').all(|part| !text.contains(part)));
            }
        }
        for word in ["alice", "bob", "no.token", "nonsense", "127.0.0.1"] {
            assert!(!text.contains(word), "{word} in {text}");
        }
        let families = parsed(text);
        let mut samples = 0;
        for family in families.as_array().unwrap() {
            let (name, kind) = (family[0].as_str().unwrap(), family[1].as_str().unwrap());
            let expected = match name {
                "hallpass_events"
                | "hallpass_passwords_busy"
                | "hallpass_session_cache_hits"
                | "hallpass_session_cache_misses"
                | "hallpass_store_retries"
                | "hallpass_token_cache_hits"
                | "hallpass_token_cache_misses" => "counter",
                "hallpass_refresh_seconds" | "hallpass_store_call_seconds" => "histogram",
                "hallpass_revocation_feed_live"
                | "hallpass_revocation_view_sessions"
                | "hallpass_session_cache_sessions"
                | "hallpass_token_cache_bytes"
                | "hallpass_waiting_sessions" => "gauge",
                other => panic!("undocumented: {other}"),
            };
            assert_eq!(kind, expected, "{name}");
            for sample in family[2].as_array().unwrap() {
                samples += 1;
                for (label, value) in sample[1].as_object().unwrap() {
                    let known = ["call", "event", "le", "outcome", "reason", "why"];
                    assert!(known.contains(&label.as_str()), "{label}");
                    let word = |c: char| c.is_ascii_lowercase() || c == '_';
                    let value = value.as_str().unwrap();
                    assert!(label == "le" || value.chars().all(word), "{value}");
                }
                let value = sample[2].as_f64().unwrap();
                if name == "hallpass_events" && !sample[0].as_str().unwrap().ends_with("_created") {
                    let labels = &sample[1];
                    let reason = labels["reason"].as_str().unwrap_or_default();
                    let event = labels["event"].as_str().unwrap();
                    *events.entry(format!("{event} {reason}")).or_default() += value;
                }
                if name == "hallpass_revocation_feed_live" {
                    assert!((value - 1.0).abs() < f64::EPSILON, "live");
                }
            }
        }
        assert!(samples < 600, "{samples} samples");
    }
    // The counter of each event is there before the first.
    assert!(events.contains_key("mismatch "), "{events:?}");
    // A busy machine may have been behind for a moment.
    events.retain(|event, count| *count > 0.0 && !event.starts_with("feed_"));
    let expected = [
        ("login ", 2.0),
        ("refreshed ", 1.0),
        ("revoked logout", 1.0),
        ("revoked logout_all", 1.0),
    ];
    let expected = expected.map(|(event, count)| (event.to_owned(), count));
    assert_eq!(events.into_iter().collect::<Vec<_>>(), expected);
}

/// A request that has begun is answered, and then the server ends in good order.
#[test]
fn a_server_that_is_told_to_end_answers_what_has_begun() {
    for turn in 0..2 {
        let server = redis::Server::start(&[]);
        let nodes = Nodes::start([&server.url(), &server.url()], &[]);
        let node = nodes.servers.into_iter().nth(turn).unwrap();
        let body = r#"{"username":"alice","password":"wonderland"}"#;
        let mut stream = connect(&node);
        let length = body.len();
        let head = format!(
            "POST /auth/login HTTP/1.1\r\nhost: app\r\ncontent-type: application/json\r\n\
             content-length: {length}\r\nexpect: 100-continue\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        // > A 100 (Continue) interim response indicates that the initial part of a request has
        // > been received and has not yet been rejected by the server.
        // RFC 9110 section 15.2.1
        until_said(&mut stream, "HTTP/1.1 100 Continue\r\n\r\n");
        node.signal("TERM");
        soon("it is told to end", || {
            node.output()
                .contains("finishing the requests that have begun")
        });
        stream.write_all(body.as_bytes()).unwrap();
        let answer = until_said(&mut stream, r#""access_token":"#);
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        drop(stream);
        let (status, log) = node.end();
        assert_eq!(status.code(), Some(0), "{log}");
    }
}

fn connect(server: &Server) -> TcpStream {
    let address = server.url().strip_prefix("http://").unwrap();
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Opens the stream of events and gives it when it has said hello.
fn events(server: &Server, access: &str) -> TcpStream {
    let mut stream = connect(server);
    let request =
        format!("GET /api/events HTTP/1.1\r\nhost: app\r\nauthorization: Bearer {access}\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    until_said(&mut stream, "event: hello\n");
    stream
}

fn until_said(stream: &mut TcpStream, expected: &str) -> String {
    let (mut said, mut buffer) = (String::new(), [0; 1024]);
    while !said.contains(expected) {
        let read = stream.read(&mut buffer).expect("it says something");
        assert!(read > 0, "it ended without {expected:?}: {said}");
        said.push_str(&String::from_utf8_lossy(&buffer[..read]));
    }
    said
}

/// A connection that outlives its request ends with its session, wherever that is ended, and
/// keeps no server from ending.
#[test]
fn a_connection_that_stays_ends_with_its_session() {
    let server = redis::Server::start(&[]);
    let nodes = Nodes::start([&server.url(), &server.url()], &[]);
    for turn in 0..2 {
        let login = nodes.clients[turn].login("alice", "wonderland");
        let mut stream = events(&nodes.servers[turn], &login.access);
        let logout = nodes.clients[1 - turn].logout(&login.refresh);
        assert_eq!(logout.status, 204);
        until_said(&mut stream, "event: ended\ndata: revoked\n");
    }
    let login = nodes.clients[0].login("alice", "wonderland");
    for node in nodes.servers {
        let mut stream = events(&node, &login.access);
        let (status, log) = node.terminate();
        assert_eq!(status.code(), Some(0), "{log}");
        let mut rest = Vec::new();
        // The stream ended cleanly or was cut off; both are fine.
        let _ = stream.read_to_end(&mut rest);
    }
}
