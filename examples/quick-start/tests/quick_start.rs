//! The README's quick starts are these programs, and they work.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

/// Ends the server by its process id, whatever becomes of the test.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_readme_shows_these_programs() {
    let readme = include_str!("../../../README.md");
    let introduction = include_str!("../../../docs/introduction.md");
    let program = include_str!("../src/main.rs");
    assert!(
        introduction.contains(&format!("```rust,no_run\n{program}```")),
        "docs/introduction.md and main.rs differ"
    );
    for (name, program) in [
        ("main.rs", include_str!("../src/main.rs")),
        (
            "quick-start-actix.rs",
            include_str!("../src/bin/quick-start-actix.rs"),
        ),
    ] {
        assert!(
            readme.contains(&format!("```rust\n{program}```")),
            "README.md and {name} differ"
        );
    }
}

#[test]
fn on_axum_it_logs_in_answers_refreshes_and_logs_out() {
    logs_in_answers_refreshes_and_logs_out(env!("CARGO_BIN_EXE_quick-start"));
}

#[test]
fn on_actix_it_logs_in_answers_refreshes_and_logs_out() {
    logs_in_answers_refreshes_and_logs_out(env!("CARGO_BIN_EXE_quick-start-actix"));
}

fn logs_in_answers_refreshes_and_logs_out(program: &str) {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, testbed::free_port()));
    let program = Command::new(program).arg(address.to_string()).spawn();
    let _server = Server(program.unwrap());
    let deadline = Instant::now() + Duration::from_mins(1);
    while std::net::TcpStream::connect(address).is_err() {
        assert!(Instant::now() < deadline, "the server does not listen");
        std::thread::sleep(Duration::from_millis(20));
    }
    let url = |path: &str| format!("http://{address}{path}");
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .build()
        .into();
    let post = |path: &str, body: &str| {
        let request = agent.post(url(path)).content_type("application/json");
        let mut answer = request.send(body).unwrap();
        (
            answer.status().as_u16(),
            answer.body_mut().read_to_string().unwrap(),
        )
    };
    let member = |json: &str, name: &str| {
        let (_, rest) = json.split_once(&format!("\"{name}\":\"")).unwrap();
        rest.split_once('"').unwrap().0.to_owned()
    };

    let (status, _) = post("/auth/login", r#"{"username":"alice","password":"wrong"}"#);
    assert_eq!(status, 401);
    let (status, tokens) = post(
        "/auth/login",
        r#"{"username":"alice","password":"wonderland"}"#,
    );
    assert_eq!(status, 200);
    let hello = |tokens: &str| {
        let bearer = format!("Bearer {}", member(tokens, "access_token"));
        let mut answer = agent
            .get(url("/hello"))
            .header("Authorization", bearer)
            .call()
            .unwrap();
        (
            answer.status().as_u16(),
            answer.body_mut().read_to_string().unwrap(),
        )
    };
    assert_eq!(hello(&tokens), (200, "Hello, alice!\n".to_owned()));

    let body = format!(
        r#"{{"refresh_token":"{}"}}"#,
        member(&tokens, "refresh_token")
    );
    let (status, renewed) = post("/auth/refresh", &body);
    assert_eq!(status, 200);
    assert_eq!(hello(&renewed).0, 200);

    assert_eq!(post("/auth/logout", &body).0, 204);
    assert_eq!(hello(&renewed).0, 401);
    assert_eq!(post("/auth/refresh", &body).0, 400);
}
