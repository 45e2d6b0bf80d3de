//! `--tls self`: a certificate of the server's own.

use std::process::Command;

use crate::server::Server;

/// The server says which key it made, and a client that insists on that key logs in, with the origin
/// of the address that it printed. Without TLS there is no answer.
pub fn a_server_makes_a_certificate_for_itself(program: &str) {
    let (server, _files) = Server::start(program, &["--tls", "self"]);
    let url = server.url().to_owned();
    assert!(url.starts_with("https://127.0.0.1:"), "{url}");
    let output = server.output();
    let pin = output.split("sha256//").nth(1);
    let pin = pin.and_then(|rest| rest.split_whitespace().next());
    let pin = format!("sha256//{}", pin.unwrap());
    let plain = url.replacen("https", "http", 1);
    let wrong = "sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    for (url, pin, status) in [
        (&url, pin.as_str(), Some("200")),
        (&url, wrong, None),
        (&plain, &pin, None),
    ] {
        assert_eq!(log_in(url, pin).as_deref(), status, "{url} {pin}");
    }
    let (status, output) = server.terminate();
    assert!(status.success(), "{output}");
}

/// Logs in for a cookie, as a page of the server does, and returns the status.
fn log_in(url: &str, pin: &str) -> Option<String> {
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--insecure", "--max-time", "30"])
        .args(["--pinnedpubkey", pin])
        .args(["--output", "/dev/null", "--write-out", "%{http_code}"])
        .args(["--header", &format!("Origin: {url}")])
        .args(["--header", "Content-Type: application/json"])
        .args([
            "--data",
            r#"{"username":"alice","password":"wonderland","transport":"session"}"#,
        ])
        .arg(format!("{url}/auth/login"));
    let output = curl.output().unwrap();
    let status = String::from_utf8(output.stdout).unwrap();
    output.status.success().then_some(status)
}
