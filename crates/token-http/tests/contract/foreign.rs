//! A token of ours where one of another issuer is expected.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::thread;

use token_core::foreign::Profile;
use token_http::{ForeignAuth, Refusal, TokenFault};
use token_remote::RemoteIssuer;

use crate::evidence::Log;
use crate::world::World;

/// Publishes this, at every path.
fn publish(set: &str) -> String {
    let set = set.to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for connection in listener.incoming() {
            let mut connection = connection.unwrap();
            let mut reader = BufReader::new(connection.try_clone().unwrap());
            let mut line = String::new();
            while reader.read_line(&mut line).unwrap() > 2 {
                line.clear();
            }
            let answer = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
                 Connection: close\r\n\r\n{set}",
                set.len()
            );
            connection.write_all(answer.as_bytes()).unwrap();
        }
    });
    url
}

/// Even if the issuer, the audience and the key are the same.
#[tokio::test]
async fn a_token_of_ours_is_refused_and_the_log_says_what_to_do() {
    let world = World::new();
    let token = world.login("header").await.text("access_token");
    let keys = publish(&world.auth.manager().jwks());
    let foreign = |profile| {
        let (issuer, audience) = ("https://issuer.example", "https://api.example");
        let issuer =
            RemoteIssuer::builder(issuer.parse().unwrap(), audience.parse().unwrap(), profile);
        ForeignAuth::new(issuer.jwks_uri(&*keys).build().unwrap(), "notes")
    };
    let (log, _guard) = Log::watch();
    for (profile, level, why) in [
        (Profile::RFC9068, " WARN ", "let the route take `Access`"),
        (
            Profile::KUBERNETES.algorithms(&[]),
            "DEBUG ",
            "`typ` is not accepted here",
        ),
    ] {
        let auth = foreign(profile);
        auth.issuer().fetch().await.unwrap();
        let field = format!("Bearer {token}");
        let refused = auth.foreign::<token_core::NoClaims>([field.as_bytes()].into_iter());
        let refused = refused.await.unwrap_err();
        assert_eq!(
            *refused.refusal(),
            Refusal::InvalidToken(TokenFault::Invalid)
        );
        let log = log.take();
        let mut lines = log.lines();
        assert!(
            lines.any(|line| line.contains(level) && line.contains(why)),
            "{log}"
        );
        assert!(!log.contains(&token));
    }
}
