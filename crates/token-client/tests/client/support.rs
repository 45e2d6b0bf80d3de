//! A server that answers as each test says.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) path: String,
    /// In lower case.
    pub(crate) head: String,
    pub(crate) body: String,
    fields: String,
}

impl Request {
    /// The value of a field, as it was sent.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let mut fields = self.fields.lines().filter_map(|line| line.split_once(": "));
        fields.find_map(|(named, value)| named.eq_ignore_ascii_case(name).then_some(value))
    }
}

/// What the server does with a request.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// Status, more header lines, and body.
    Answer(u16, &'static str, String),
    /// The connection ends without an answer.
    Drop,
}

/// Decides on the reply to the request of this number, which starts at 0 and counts all of them.
type Script = dyn Fn(usize, &Request) -> Reply + Send + Sync;

/// A running server, which ends with the runtime of its test.
#[derive(Clone)]
pub(crate) struct Server {
    address: String,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    pub(crate) async fn start(
        script: impl Fn(usize, &Request) -> Reply + Send + Sync + 'static,
    ) -> Self {
        Self::at(TcpListener::bind("127.0.0.1:0").await.unwrap(), script)
    }

    /// One that listens here.
    pub(crate) fn at(
        listener: TcpListener,
        script: impl Fn(usize, &Request) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let server = Self {
            address: format!("http://{}/auth", listener.local_addr().unwrap()),
            requests: Arc::default(),
        };
        let requests = Arc::clone(&server.requests);
        let script: Arc<Script> = Arc::new(script);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&requests), Arc::clone(&script)));
            }
        });
        server
    }

    /// The address below which its routes are.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// The requests for a route.
    pub(crate) fn requests(&self, route: &str) -> Vec<Request> {
        let requests = self.requests.lock().unwrap().clone();
        let mut requests: Vec<_> = requests;
        requests.retain(|request| request.path == format!("/auth/{route}"));
        requests
    }
}

/// Answers one request, and closes the connection. The script may block.
async fn serve(mut stream: TcpStream, requests: Arc<Mutex<Vec<Request>>>, script: Arc<Script>) {
    let mut text = Vec::new();
    let request = loop {
        let mut bytes = [0; 4096];
        let length = stream.read(&mut bytes).await.unwrap_or(0);
        if length == 0 {
            return;
        }
        text.extend_from_slice(&bytes[..length]);
        if let Some(request) = parse(&String::from_utf8_lossy(&text)) {
            break request;
        }
    };
    let number = {
        let mut requests = requests.lock().unwrap();
        requests.push(request.clone());
        requests.len() - 1
    };
    let reply = tokio::task::spawn_blocking(move || script(number, &request)).await;
    if let Ok(Reply::Answer(status, fields, body)) = reply {
        let length = body.len();
        let answer = format!(
            "HTTP/1.1 {status} Status\r\nConnection: close\r\nContent-Length: {length}\r\n{fields}\r\n{body}"
        );
        let _ = stream.write_all(answer.as_bytes()).await;
    }
}

/// The request, if all of it is there.
fn parse(text: &str) -> Option<Request> {
    let (head, body) = text.split_once("\r\n\r\n")?;
    let fields = head.to_owned();
    let head = head.to_lowercase();
    let length = head.split("content-length: ").nth(1);
    let length = length.map_or(0, |rest| rest.lines().next().unwrap().parse().unwrap());
    let path = text.split(' ').nth(1)?.to_owned();
    let body = body.to_owned();
    (body.len() >= length).then_some(Request {
        path,
        head,
        body,
        fields,
    })
}

/// A token response of five minutes with the access token `a{number}`.
pub(crate) fn tokens(number: usize, session: &str) -> Reply {
    let body = format!(
        r#"{{"access_token":"a{number}","refresh_token":"r{number}","expires_in":300,
            "refresh_grace":2,"session_id":"{session}"}}"#
    );
    Reply::Answer(200, "", body)
}

/// An error as the token endpoint answers.
pub(crate) fn refusal(status: u16, body: &str) -> Reply {
    Reply::Answer(status, "", body.to_owned())
}
