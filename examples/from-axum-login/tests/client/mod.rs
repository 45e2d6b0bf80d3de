//! A client that repeats a request whose connection was refused or cut off, and takes no other answer than the
//! one that the old application would have given.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::browser::Browser;

/// Rounds of each client after the move.
const ROUNDS: u32 = 5;

/// How long a client repeats a request. Longer than any start of a program on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

pub(crate) struct Client {
    address: String,
    name: &'static str,
    notes: u64,
    pub(crate) cookies: BTreeMap<String, String>,
}

impl Client {
    pub(crate) fn of(browser: &Browser, address: &str, name: &'static str) -> Self {
        Self {
            address: address.to_owned(),
            name,
            notes: 0,
            cookies: browser.cookies.clone(),
        }
    }

    /// Asks until the application has moved, and a few rounds more.
    pub(crate) fn work(&mut self, answered: &AtomicU64, moved: &AtomicBool) {
        let mut rounds = 0;
        while rounds < ROUNDS {
            rounds += u32::from(moved.load(Ordering::SeqCst));
            let page = self.ask("GET", "/");
            assert_eq!(page, (200, self.name.to_owned()), "a login was asked");
            let (status, notes) = self.ask("POST", "/notes");
            assert_eq!(status, 200, "refused: {notes}");
            // One that was cut off may have been counted, and is repeated.
            let notes: u64 = notes.parse().unwrap();
            assert!(notes > self.notes, "the session's data is lost");
            self.notes = notes;
            answered.fetch_add(2, Ordering::SeqCst);
        }
    }

    fn ask(&mut self, method: &str, path: &str) -> (u16, String) {
        let cookies = self
            .cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"));
        let cookies = cookies.collect::<Vec<_>>().join("; ");
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Length: 0\r\n\
             Cookie: {cookies}\r\nSec-Fetch-Site: same-origin\r\n\r\n",
            self.address
        );
        let start = Instant::now();
        let answer = loop {
            match attempt(&self.address, &request) {
                Some(answer) => break answer,
                None => assert!(start.elapsed() < PATIENCE, "nobody serves"),
            }
            std::thread::sleep(Duration::from_millis(20));
        };
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        for line in head.lines() {
            if let Some(field) = line.strip_prefix("set-cookie: ") {
                let (cookie, attributes) = field.split_once(';').unwrap();
                let (name, value) = cookie.split_once('=').unwrap();
                if attributes.contains("Max-Age=0") {
                    self.cookies.remove(name);
                } else {
                    self.cookies.insert(name.to_owned(), value.to_owned());
                }
            }
        }
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, body.to_owned())
    }
}

/// A whole answer, or nothing if the connection was refused or cut off.
fn attempt(address: &str, request: &str) -> Option<String> {
    let mut connection = TcpStream::connect(address).ok()?;
    connection.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    (length?.parse() == Ok(body.len())).then_some(answer)
}
