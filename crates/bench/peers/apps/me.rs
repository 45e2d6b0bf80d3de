//! What every server answers, and how it tells where it listens. Each program includes this file:
//! a crate of its own would count as one more that an application gains.

use std::net::{Ipv4Addr, TcpListener};

use serde::{Deserialize, Serialize};

/// Who is calling; kept in the sessions of those who have sessions.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Me {
    pub(crate) sub: String,
    pub(crate) session_id: String,
    pub(crate) scope: String,
    pub(crate) auth_time: u64,
}

impl Me {
    pub(crate) fn anybody() -> Self {
        Self {
            sub: "user-00000001".to_owned(),
            session_id: "AAAAAAAAAAAAAAAAAAAAAAAA".to_owned(),
            scope: "notes:read notes:write".to_owned(),
            auth_time: 1_700_000_000,
        }
    }
}

/// Listens on a free port of the loopback interface and prints two lines: where, and either the
/// header that a request must have or `login`, where `POST /login` answers with a cookie.
pub(crate) fn listen(header: &str) -> TcpListener {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("there is a free port");
    listener.set_nonblocking(true).expect("a socket can be so");
    let address = listener.local_addr().expect("a bound socket has one");
    println!("http://{address}/api/me\n{header}");
    listener
}
