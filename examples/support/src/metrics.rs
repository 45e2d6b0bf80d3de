//! What Prometheus reads.

use std::fmt;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Response};
use metrics_exporter_prometheus::{BuildError, PrometheusBuilder, PrometheusHandle};

/// The upper bounds of the histograms' buckets, in seconds: from what a store beside the
/// server takes to its time-out.
const BUCKETS: [f64; 12] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 2.5, 5.0,
];

/// The numbers of this process. Keep `/metrics` from strangers: it tells how busy you are.
#[derive(Clone)]
pub struct Metrics(PrometheusHandle);

impl Metrics {
    /// Takes what the process counts from here on. Once a process.
    ///
    /// # Errors
    /// [`BuildError`] where something takes it already.
    pub(crate) fn install() -> Result<Self, BuildError> {
        let builder = PrometheusBuilder::new().set_buckets(&BUCKETS)?;
        Ok(Self(builder.install_recorder()?))
    }

    /// The answer to `GET /metrics`.
    pub fn answer(&self) -> Response<Bytes> {
        let mut response = Response::new(Bytes::from(self.0.render()));
        let headers = response.headers_mut();
        let text = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
        headers.insert(CONTENT_TYPE, text);
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }

    /// Puts what was counted since the last time into the histograms.
    pub(crate) fn tidy(&self) {
        self.0.run_upkeep();
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}
