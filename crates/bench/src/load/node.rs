//! A node: a process with one server.

use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, TcpListener};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Mutex, PoisonError};

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use token_core::Subject;
use token_session::{Issued, NewSession, RefreshError, SessionManager};

use super::client::Connection;
use crate::operations::manager::{access_token, refresh_token};
use crate::operations::request;
use crate::requests::process::Running;

/// Serves logins, refreshes and `/api/me` on a free port, and prints the port.
///
/// # Panics
/// If the system gives no port.
#[expect(clippy::print_stdout, reason = "it says where it listens")]
pub async fn serve(manager: SessionManager) {
    tokio::spawn(manager.clone().follow_revocations());
    let own = Router::new()
        .route("/login", post(login))
        .route("/refresh", post(refresh))
        .with_state(manager.clone());
    let app = request::ours(request::auth(manager)).merge(own);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("there is a free port");
    listener.set_nonblocking(true).expect("a socket can be so");
    let address = listener.local_addr().expect("a bound socket has one");
    let listener = tokio::net::TcpListener::from_std(listener).expect("it does not block");
    println!("{}", address.port());
    axum::serve(listener, app).await.expect("it serves");
}

type Answer = Result<String, (StatusCode, String)>;

async fn login(State(manager): State<SessionManager>, subject: String) -> Answer {
    let later = |error: String| (StatusCode::SERVICE_UNAVAILABLE, error);
    let subject = Subject::new(subject).map_err(|error| later(error.to_string()))?;
    let ticket = manager.begin_login(subject).await;
    let ticket = ticket.map_err(|error| later(error.to_string()))?;
    let issued = manager.login(ticket, NewSession::default()).await;
    issued
        .map(|issued| tokens(&issued))
        .map_err(|error| later(error.to_string()))
}

async fn refresh(State(manager): State<SessionManager>, token: String) -> Answer {
    let issued = manager.refresh(&token, None).await;
    issued.map(|issued| tokens(&issued)).map_err(|error| {
        let status = match error {
            RefreshError::Denied(_) => StatusCode::UNAUTHORIZED,
            _ => StatusCode::SERVICE_UNAVAILABLE,
        };
        (status, format!("{error}: {error:?}"))
    })
}

fn tokens(issued: &Issued) -> String {
    format!("{}\n{}", access_token(issued), refresh_token(issued))
}

/// A node as its clients know it.
#[derive(Debug)]
pub struct Node {
    store: String,
    process: Mutex<Option<Running>>,
    port: AtomicU16,
    idle: Mutex<Vec<Connection>>,
}

impl Node {
    /// Starts one on a store.
    ///
    /// # Panics
    /// If it does not start.
    pub fn new(store: &str) -> Self {
        let node = Self {
            store: store.to_owned(),
            process: Mutex::default(),
            port: AtomicU16::new(0),
            idle: Mutex::default(),
        };
        node.start();
        node
    }

    /// Starts it, on another port than before.
    ///
    /// # Panics
    /// If it does not start.
    pub fn start(&self) {
        let own = std::env::current_exe().expect("this program has a file");
        let mut command = Command::new(own);
        let command = command.args(["node", &self.store]).stdout(Stdio::piped());
        let mut running = Running(command.spawn().expect("this program starts"));
        let output = running.0.stdout.take().expect("a pipe");
        let mut line = String::new();
        BufReader::new(output)
            .read_line(&mut line)
            .expect("it says its port");
        let port = line.trim().parse().expect("it says its port");
        self.port.store(port, Ordering::SeqCst);
        *lock(&self.process) = Some(running);
    }

    /// Ends it without a chance to answer.
    pub fn kill(&self) {
        lock(&self.process).take();
        lock(&self.idle).clear();
    }

    /// Sends a request, and returns the status and the body of the answer.
    ///
    /// # Errors
    /// If the node is not there, or the connection breaks.
    pub async fn send(&self, request: &str) -> std::io::Result<(u16, String)> {
        let idle = lock(&self.idle).pop();
        let mut connection = match idle {
            Some(connection) => connection,
            None => Connection::open(self.port.load(Ordering::SeqCst)).await?,
        };
        let answer = connection.send(request).await?;
        lock(&self.idle).push(connection);
        Ok(answer)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
