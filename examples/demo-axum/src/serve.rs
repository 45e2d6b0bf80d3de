//! Accepts connections. `axum::serve` does the same without a deadline for the head of a request, so
//! that clients which send half a head could hold every file descriptor of the process.

use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use axum::Router;
use axum::extract::connect_info::ConnectInfo;
use axum::middleware::AddExtension;
use example_support::HEAD_TIMEOUT;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::watch;
#[cfg(feature = "tls")]
use tokio_rustls::TlsAcceptor;
use tower_service::Service as _;
use tracing::{debug, warn};

/// What is served, and how.
pub(crate) struct Server {
    pub(crate) listener: TcpListener,
    /// What connections are encrypted with, if they are.
    #[cfg(feature = "tls")]
    pub(crate) tls: Option<TlsAcceptor>,
    pub(crate) router: Router,
}

impl Server {
    /// Serves until `stop`, and then waits until the requests that have begun are answered.
    pub(crate) async fn serve(self, stop: impl Future<Output = ()>) {
        // With the client's address, by which the limits count attempts.
        let mut services = self
            .router
            .into_make_service_with_connect_info::<SocketAddr>();
        // Each connection has a receiver: it hears when to end, and the sender hears that all have.
        let (ending, end) = watch::channel(());
        let mut stop = pin!(stop);
        loop {
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                () = &mut stop => break,
            };
            let (stream, peer) = match accepted {
                Ok(connection) => connection,
                // Too many files are open, for example. There will be fewer.
                Err(error) => {
                    warn!(%error, "a connection cannot be accepted");
                    tokio::select! {
                        () = tokio::time::sleep(Duration::from_secs(1)) => continue,
                        () = &mut stop => break,
                    }
                }
            };
            let Ok(service) = services.call(peer).await;
            let end = end.clone();
            #[cfg(feature = "tls")]
            if let Some(tls) = &self.tls {
                let accepting = tokio::time::timeout(HEAD_TIMEOUT, tls.accept(stream));
                tokio::spawn(async move {
                    match accepting.await {
                        Ok(Ok(stream)) => answer(stream, service, end).await,
                        Ok(Err(error)) => debug!(%error, "a client does not speak TLS"),
                        Err(_) => debug!("a client was too slow to speak TLS"),
                    }
                });
                continue;
            }
            tokio::spawn(answer(stream, service, end));
        }
        drop((self.listener, end));
        // Nobody listens if there is no connection.
        let _ = ending.send(());
        ending.closed().await;
    }
}

/// Answers the requests of one connection until it ends, or until `end` and the request that has begun.
async fn answer(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    service: AddExtension<Router, ConnectInfo<SocketAddr>>,
    mut end: watch::Receiver<()>,
) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT);
    // With upgrades, as a WebSocket needs them.
    let connection = http
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service))
        .with_upgrades();
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        _ = end.changed() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    // The client hung up, was too slow, or does not speak HTTP.
    if let Err(error) = ended {
        debug!(%error, "a connection ended early");
    }
}
