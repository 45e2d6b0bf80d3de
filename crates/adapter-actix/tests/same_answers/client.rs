//! A client that hides nothing.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

/// An answer but for `date`, order and case of the fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Reply {
    /// A member of the JSON body.
    pub(crate) fn text(&self, name: &str) -> String {
        let body: serde_json::Value = serde_json::from_str(&self.body).unwrap();
        body[name].as_str().expect(name).to_owned()
    }

    /// `name=value` of the cookie that was set.
    pub(crate) fn cookie(&self) -> String {
        let field = self.fields.iter().find(|(name, _)| name == "set-cookie");
        let (_, value) = field.expect("a cookie");
        value.split(';').next().unwrap().to_owned()
    }
}

/// Sends one request on a connection of its own.
pub(crate) fn send(
    server: SocketAddr,
    method: &str,
    path: &str,
    fields: &[(&str, &str)],
    body: &str,
) -> Reply {
    let fields = fields
        .iter()
        .flat_map(|(name, value)| [name, ": ", value, "\r\n"]);
    let fields: String = fields.collect();
    let length = match body.len() {
        0 => String::new(),
        length => format!("Content-Length: {length}\r\n"),
    };
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: own.example\r\nConnection: close\r\n\
         {fields}{length}\r\n{body}"
    );
    let mut connection = TcpStream::connect(server).unwrap();
    connection.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    connection.read_to_end(&mut answer).unwrap();
    parse(&String::from_utf8(answer).unwrap())
}

fn parse(answer: &str) -> Reply {
    let (head, body) = answer.split_once("\r\n\r\n").expect("an answer");
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap();
    let fields = lines.map(|line| line.split_once(':').unwrap());
    let mut fields: Vec<(String, String)> = fields
        .map(|(name, value)| (name.to_lowercase(), value.trim().to_owned()))
        .filter(|(name, _)| name != "date")
        .collect();
    fields.sort();
    Reply {
        status: status.parse().unwrap(),
        fields,
        body: body.to_owned(),
    }
}
