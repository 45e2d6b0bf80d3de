//! A server that runs as a built program, and browsers that ask it. All examples of proofs are tested with it.

#![allow(dead_code, reason = "not every test needs all of it")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

/// A program that serves. It is ended by its process id, whatever becomes of the test.
pub(crate) struct Server {
    process: Child,
    /// What it has printed: first its origin, then as many lines as the test asked for.
    pub(crate) lines: Vec<String>,
}

impl Server {
    /// Starts the program, and waits until it has printed so many lines.
    pub(crate) fn start(program: &mut Command, lines: usize) -> Self {
        let mut process = program.stdout(Stdio::piped()).spawn().unwrap();
        let printed = BufReader::new(process.stdout.take().unwrap()).lines();
        let lines: Vec<String> = printed.take(lines).map(|line| line.unwrap()).collect();
        Self { process, lines }
    }

    /// A browser that has no cookie yet.
    pub(crate) fn browser(&self) -> Browser {
        Browser {
            host: self.lines[0].strip_prefix("http://").unwrap().to_owned(),
            user_agent: "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
            site: "same-origin",
            cookies: BTreeMap::new(),
            bearer: String::new(),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A browser without scripts. It keeps cookies and sends forms, and follows no redirect by itself.
#[derive(Clone)]
pub(crate) struct Browser {
    host: String,
    pub(crate) user_agent: &'static str,
    /// Where the forms are that it sends, as it says in `Sec-Fetch-Site`.
    pub(crate) site: &'static str,
    pub(crate) cookies: BTreeMap<String, String>,
    /// The token in `Authorization`, if there is one.
    pub(crate) bearer: String,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// Where a redirect leads to.
    pub(crate) location: String,
    pub(crate) body: String,
}

impl Browser {
    pub(crate) fn get(&mut self, path: &str) -> Reply {
        self.send("GET", path, "", "")
    }

    /// Sends a form.
    pub(crate) fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Reply {
        let fields = fields
            .iter()
            .map(|(name, value)| format!("{name}={}", encoded(value)));
        let form = fields.collect::<Vec<_>>().join("&");
        self.send("POST", path, "application/x-www-form-urlencoded", &form)
    }

    /// Each request has a connection of its own and is written at once: a server that refuses it without reading
    /// its body closes the connection.
    pub(crate) fn send(&mut self, method: &str, path: &str, content: &str, body: &str) -> Reply {
        let mut request = format!("{method} {path} HTTP/1.1\r\nHost: {}\r\n", self.host);
        let cookies = self.cookies.iter();
        let cookies: Vec<_> = cookies
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let bearer = match &*self.bearer {
            "" => String::new(),
            token => format!("Bearer {token}"),
        };
        for (name, value) in [
            ("Authorization", &*bearer),
            ("Connection", "close"),
            ("Content-Length", &body.len().to_string()),
            ("Content-Type", content),
            ("Cookie", &cookies.join("; ")),
            ("Sec-Fetch-Site", self.site),
            ("User-Agent", self.user_agent),
        ] {
            if !value.is_empty() {
                write!(request, "{name}: {value}\r\n").unwrap();
            }
        }
        write!(request, "\r\n{body}").unwrap();
        let port = self.host.rsplit(':').next().unwrap();
        let mut connection = TcpStream::connect(format!("127.0.0.1:{port}")).unwrap();
        connection.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).unwrap();
        self.read(&answer)
    }

    fn read(&mut self, answer: &str) -> Reply {
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let mut location = "";
        for line in head.lines().skip(1) {
            let (name, value) = line.split_once(": ").unwrap();
            match &*name.to_ascii_lowercase() {
                "location" => location = value,
                "set-cookie" => self.set_cookie(value.trim_start()),
                _ => {}
            }
        }
        Reply {
            status: head.split(' ').nth(1).unwrap().parse().unwrap(),
            location: location.to_owned(),
            body: body.to_owned(),
        }
    }

    fn set_cookie(&mut self, field: &str) {
        let (cookie, attributes) = field.split_once(';').unwrap();
        let (name, value) = cookie.split_once('=').unwrap();
        if attributes.contains("Max-Age=0") {
            self.cookies.remove(name);
        } else {
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
    }
}

/// A value as it stands in a form or in the query of an address.
pub(crate) fn encoded(value: &str) -> String {
    let encode = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
            char::from(byte).to_string()
        }
        _ => format!("%{byte:02X}"),
    };
    value.bytes().map(encode).collect()
}
