//! An issuer over real sockets that says whatever it is told to.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use token_core::KeyRing;
use token_remote::{RemoteIssuer, RemoteJwks};

use crate::support::{AUDIENCE, Kind, PROFILE, Remote, good, key};

/// What the issuer answers when its keys are asked for.
#[derive(Clone, Debug)]
pub enum Keys {
    /// This, whole.
    Raw(String),
    /// Nothing, for so long.
    Slow(Duration),
    /// This, once the sender is dropped.
    Held(Arc<Mutex<Receiver<()>>>, String),
}

/// An issuer over real sockets, which says whatever it is told to.
pub struct FakeIssuer {
    pub kind: Kind,
    pub url: String,
    keys: Arc<Mutex<Keys>>,
    /// What it says of itself: a body, an answer as a whole, or nothing.
    pub metadata: Arc<Mutex<String>>,
    /// What was asked for, line by line.
    pub lines: Arc<Mutex<Vec<String>>>,
    /// How often its keys were asked for.
    asked: Arc<AtomicUsize>,
}

impl FakeIssuer {
    pub fn start(kind: Kind, keys: Keys) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let own = format!(r#"{{"issuer":"{url}","jwks_uri":"{url}/keys"}}"#);
        let issuer = Self {
            kind,
            url,
            keys: Arc::new(Mutex::new(keys)),
            metadata: Arc::new(Mutex::new(own)),
            lines: Arc::default(),
            asked: Arc::default(),
        };
        let (keys, metadata) = (Arc::clone(&issuer.keys), Arc::clone(&issuer.metadata));
        let (asked, lines) = (Arc::clone(&issuer.asked), Arc::clone(&issuer.lines));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (keys, metadata) = (
                    keys.lock().unwrap().clone(),
                    metadata.lock().unwrap().clone(),
                );
                let (asked, lines) = (Arc::clone(&asked), Arc::clone(&lines));
                thread::spawn(move || {
                    answer(stream.unwrap(), &keys, &metadata, &lines, &asked);
                });
            }
        });
        issuer
    }

    pub fn say(&self, keys: Keys) {
        *self.keys.lock().unwrap() = keys;
    }

    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    pub fn remote(&self) -> Remote {
        self.patient(Duration::from_secs(30))
    }

    /// One that waits so long for an answer.
    pub fn patient(&self, timeout: Duration) -> Remote {
        self.lasting(timeout, Duration::from_secs(24 * 60 * 60))
    }

    /// One that also keeps the keys for so long in an outage.
    pub fn lasting(&self, timeout: Duration, keep: Duration) -> Remote {
        let (issuer, audience) = (self.url.parse().unwrap(), AUDIENCE.parse().unwrap());
        let interval = Duration::from_millis(200);
        match self.kind {
            Kind::Own => {
                let builder = RemoteJwks::builder(issuer, audience).interval(interval);
                Remote::Own(builder.timeout(timeout).keep(keep).build().unwrap())
            }
            Kind::Foreign => {
                let builder = RemoteIssuer::builder(issuer, audience, PROFILE).interval(interval);
                Remote::Foreign(builder.timeout(timeout).keep(keep).build().unwrap())
            }
        }
    }
}

fn answer(
    mut stream: TcpStream,
    keys: &Keys,
    metadata: &str,
    lines: &Mutex<Vec<String>>,
    asked: &AtomicUsize,
) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).unwrap_or(0) == 0 {
            return;
        }
    }
    let is_metadata =
        head.starts_with("GET /.well-known/o") || head.contains("/.well-known/openid");
    let line = head.lines().next().unwrap_or_default();
    lines.lock().unwrap().push(line.to_owned());
    let text = if is_metadata && metadata.is_empty() {
        "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".into()
    } else if is_metadata && metadata.starts_with("HTTP/") {
        metadata.to_owned()
    } else if is_metadata {
        good("application/json", "", metadata)
    } else {
        asked.fetch_add(1, Ordering::SeqCst);
        match keys {
            Keys::Raw(text)
                if head.contains("if-none-match: \"same\"") && text.contains("\"same\"") =>
            {
                "HTTP/1.1 304 Not Modified\r\nCache-Control: max-age=300\r\nETag: \"same\"\r\n\
                 Connection: close\r\n\r\n"
                    .into()
            }
            Keys::Raw(text) => text.clone(),
            Keys::Held(gate, text) => {
                let _ = gate.lock().unwrap().recv();
                text.clone()
            }
            Keys::Slow(time) => {
                thread::sleep(*time);
                String::new()
            }
        }
    };
    // It may have gone.
    let _ = stream.write_all(text.as_bytes());
    let _ = stream.shutdown(std::net::Shutdown::Write);
    let _ = reader.read_to_end(&mut Vec::new());
}

/// The same, whose answer waits until the sender is dropped.
pub fn held(keys: Keys) -> (Sender<()>, Keys) {
    let Keys::Raw(text) = keys else {
        panic!("{keys:?} is held already");
    };
    let (go_on, gate) = mpsc::channel();
    (go_on, Keys::Held(Arc::new(Mutex::new(gate)), text))
}

/// A good set, which may be kept for so many seconds.
pub fn set(bytes: &[u8], max_age: u32) -> Keys {
    let mut ring = KeyRing::new(key(bytes[0]));
    for byte in &bytes[1..] {
        ring = ring.with_next(key(*byte)).unwrap();
    }
    jwks(&ring.jwks(), max_age)
}

pub fn jwks(body: &str, max_age: u32) -> Keys {
    let fields = format!("Cache-Control: public, max-age={max_age}\r\n");
    Keys::Raw(good("application/jwk-set+json", &fields, body))
}
