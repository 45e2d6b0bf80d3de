//! A Redis or Valkey server for one run.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;

use super::server::{Server, data_folder, free_port};
use crate::error::Error;
use crate::program::Program;

/// The variable that names a running server.
pub(super) const VARIABLE: &str = "HALLPASS_TEST_REDIS_URL";

pub(super) static SERVER: Program = Program {
    name: "Redis",
    package: "redis-server",
    files: &["redis-server", "valkey-server"],
    elsewhere: Vec::new,
    variable: Some(VARIABLE),
};

/// Starts a server that keeps everything in memory and forgets it at the end.
pub(super) fn start() -> Result<Server, Error> {
    let program = SERVER.get()?;
    let data = data_folder()?;
    let port = free_port()?.to_string();
    let mut server = Command::new(program);
    server
        .current_dir(data.path())
        .args(["--bind", "127.0.0.1", "--port", &port])
        .args(["--save", "", "--appendonly", "no"])
        .args(["--maxmemory-policy", "noeviction"]);
    let address = format!("127.0.0.1:{port}");
    let url = format!("redis://{address}/");
    Server::start("Redis", url, data, &mut server, || {
        answers(&address).unwrap_or(false)
    })
}

fn answers(address: &str) -> std::io::Result<bool> {
    let mut connection = TcpStream::connect(address)?;
    connection.write_all(b"PING\r\n")?;
    let mut answer = [0; 5];
    connection.read_exact(&mut answer)?;
    Ok(answer == *b"+PONG")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_private_server_starts_and_ends() {
        let server = start().unwrap();
        let address = server.url().split('/').nth(2).unwrap().to_owned();
        assert!(answers(&address).unwrap());
        drop(server);
        assert!(TcpStream::connect(&address).is_err());
    }
}
