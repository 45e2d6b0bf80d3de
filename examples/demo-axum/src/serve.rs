//! Accepts connections. `axum::serve` does the same without a deadline for the head of a request, so
//! that clients which send half a head could hold every file descriptor of the process.

use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use axum::Router;
use example_support::HEAD_TIMEOUT;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tower_service::Service as _;
use tracing::{debug, warn};

/// Serves until `stop`, and then waits until the requests that have begun are answered.
pub(crate) async fn serve(listener: TcpListener, router: Router, stop: impl Future<Output = ()>) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT);
    // With the client's address, by which the limits count attempts.
    let mut services = router.into_make_service_with_connect_info::<SocketAddr>();
    let connections = GracefulShutdown::new();
    let mut stop = pin!(stop);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut stop => break,
        };
        let (stream, peer) = match accepted {
            Ok(connection) => connection,
            // Too many files are open, for example. There will be fewer.
            Err(error) => {
                warn!(%error, "a connection cannot be accepted");
                tokio::time::sleep(Duration::from_secs(1)).await;
                continue;
            }
        };
        let Ok(service) = services.call(peer).await;
        let service = TowerToHyperService::new(service);
        let connection = http.serve_connection(TokioIo::new(stream), service);
        let connection = connections.watch(connection);
        tokio::spawn(async move {
            // The client hung up, was too slow, or does not speak HTTP.
            if let Err(error) = connection.await {
                debug!(%error, "a connection ended early");
            }
        });
    }
    drop(listener);
    connections.shutdown().await;
}
