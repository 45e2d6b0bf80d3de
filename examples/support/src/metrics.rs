//! What Prometheus reads.

use std::fmt;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Response, StatusCode};
#[cfg(feature = "metrics")]
use metrics_exporter_prometheus::{BuildError, PrometheusBuilder, PrometheusHandle};

/// The upper bounds of the histograms' buckets, in seconds: from what a store beside the
/// server takes to its time-out.
#[cfg(feature = "metrics")]
const BUCKETS: [f64; 12] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 2.5, 5.0,
];

/// The numbers of this process, if it was built with the feature `metrics`. Keep `/metrics` from
/// strangers: it says how busy you are.
#[derive(Clone)]
pub struct Metrics(#[cfg(feature = "metrics")] PrometheusHandle);

#[cfg(feature = "metrics")]
impl Metrics {
    /// Takes what the process counts from here on. Once a process.
    ///
    /// # Errors
    /// [`BuildError`] if something else takes it already.
    pub(crate) fn install() -> Result<Self, BuildError> {
        let builder = PrometheusBuilder::new().set_buckets(&BUCKETS)?;
        let handle = builder.install_recorder()?;
        tokio::spawn(keep_up(handle.clone()));
        Ok(Self(handle))
    }

    fn text(&self) -> (StatusCode, String) {
        (StatusCode::OK, self.0.render())
    }
}

/// Puts what was counted since the last time into the histograms, again and again.
#[cfg(feature = "metrics")]
async fn keep_up(handle: PrometheusHandle) {
    let mut time = tokio::time::interval(std::time::Duration::from_secs(5));
    loop {
        time.tick().await;
        handle.run_upkeep();
    }
}

#[cfg(not(feature = "metrics"))]
impl Metrics {
    /// Counts nothing.
    pub(crate) const fn off() -> Self {
        Self()
    }

    #[expect(clippy::unused_self, reason = "with the feature it has the numbers")]
    fn text(&self) -> (StatusCode, String) {
        let text = "this server was built without metrics: build it with `--features metrics`\n";
        (StatusCode::NOT_FOUND, text.to_owned())
    }
}

impl Metrics {
    /// The answer to `GET /metrics`: 404 if the server was built without.
    pub fn answer(&self) -> Response<Bytes> {
        let (status, text) = self.text();
        let mut response = Response::new(Bytes::from(text));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        let text = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
        headers.insert(CONTENT_TYPE, text);
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}
