//! Saturation: wrk keeps some connections busy, each with its next request as soon as the last is
//! answered.

use std::path::Path;

use super::process::pinned;

/// What wrk says.
pub(super) struct Load {
    pub(super) requests: f64,
    pub(super) per_second: f64,
}

/// Loads a server for a second, over eight connections.
pub(super) fn load(wrk: &Path, url: &str, header: &str) -> Result<Load, String> {
    let output = pinned("1", wrk)
        .args(["--threads", "1", "--connections", "8", "--duration", "1s"])
        .args(["--header", header, url])
        .output()
        .map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if text.contains("Non-2xx") || text.contains("Socket errors") {
        return Err(text);
    }
    read(&text).ok_or_else(|| format!("wrk says:\n{text}"))
}

fn read(text: &str) -> Option<Load> {
    let requests = text
        .lines()
        .find_map(|line| line.trim().split_once(" requests in "));
    let per_second = text
        .lines()
        .find_map(|line| line.strip_prefix("Requests/sec:"));
    Some(Load {
        requests: requests?.0.parse().ok()?,
        per_second: per_second?.trim().parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_wrk_are_read() {
        let text = "Running 1s test @ http://127.0.0.1:1/api/me\n  \
                    13284 requests in 1.00s, 3.36MB read\nRequests/sec:  13271.50\n";
        let load = read(text).unwrap();
        assert_eq!(load.requests.to_bits(), 13284_f64.to_bits());
        assert_eq!(load.per_second.to_bits(), 13271.5_f64.to_bits());
        assert!(read("unable to connect").is_none());
    }
}
