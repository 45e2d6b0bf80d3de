//! Below saturation: requests at a fixed rate, each sent at its time even if earlier ones are not answered
//! yet. wrk cannot do this: its connections wait for their answers, so that a slow
//! answer keeps the next requests from being late.
//!
//! One thread asks its sockets in turn and never sleeps: a timer would be later than an answer. It
//! yields the processor after each pass, because Redis may run on the same one.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use figures::middle::Middle;

use super::http;

/// More than are ever busy at once, unless the server stalls.
const CONNECTIONS: usize = 32;

/// How long to wait for answers after the last request was due: some servers with a slow store lag behind.
const PATIENCE: Duration = Duration::from_secs(30);

/// The number of requests of which a 99th percentile is taken. If the machine stalls for some
/// milliseconds, few of these windows are affected.
const WINDOW: usize = 500;

/// Sends `rate` requests a second for this long, each with the next of these headers. Returns how long after its time each was answered, in
/// microseconds and in the order of the answers.
///
/// # Errors
/// A text, if the server does not answer all of them with 200.
pub fn load(url: &str, headers: &[String], rate: f64, time: Duration) -> Result<Vec<f64>, String> {
    let requests = headers.iter().map(|header| http::request(url, header));
    let requests = requests.collect::<Result<Vec<_>, _>>()?;
    let mut requests = requests.iter().cycle();
    let mut idle = (0..CONNECTIONS)
        .map(|_| Connection::open(http::authority(url)?))
        .collect::<Result<Vec<_>, _>>()?;
    let mut busy: Vec<Connection> = Vec::with_capacity(CONNECTIONS);
    let mut waiting: VecDeque<Instant> = VecDeque::new();
    let mut taken = Vec::new();
    let start = Instant::now();
    let mut sent = 0_u32;
    loop {
        let now = Instant::now();
        let mut due = start + Duration::from_secs_f64(f64::from(sent) / rate);
        while due <= now && due < start + time {
            waiting.push_back(due);
            sent += 1;
            due = start + Duration::from_secs_f64(f64::from(sent) / rate);
        }
        while let Some(due) = waiting.front() {
            let Some(mut connection) = idle.pop() else {
                break;
            };
            let request = requests.next().ok_or("there is no header")?;
            connection.send(request.as_bytes(), *due)?;
            waiting.pop_front();
            busy.push(connection);
        }
        let mut place = 0;
        while let Some(connection) = busy.get_mut(place) {
            if connection.answered()? {
                taken.push(connection.due.elapsed().as_secs_f64() * 1e6);
                idle.push(busy.swap_remove(place));
            } else {
                place += 1;
            }
        }
        if due >= start + time && busy.is_empty() && waiting.is_empty() {
            return Ok(taken);
        }
        if now > start + time + PATIENCE {
            return Err(format!(
                "{} answers are missing",
                busy.len() + waiting.len()
            ));
        }
        std::thread::yield_now();
    }
}

/// One connection, with at most one request on its way.
struct Connection {
    stream: TcpStream,
    due: Instant,
    answer: Vec<u8>,
}

impl Connection {
    fn open(authority: &str) -> Result<Self, String> {
        let open = || {
            let stream = TcpStream::connect(authority)?;
            stream.set_nodelay(true)?;
            stream.set_nonblocking(true)?;
            Ok(stream)
        };
        Ok(Self {
            stream: open().map_err(|error: std::io::Error| error.to_string())?,
            due: Instant::now(),
            answer: Vec::new(),
        })
    }

    fn send(&mut self, request: &[u8], due: Instant) -> Result<(), String> {
        self.due = due;
        self.answer.clear();
        // Smaller than a socket's buffer, and the previous one has been answered.
        let sent = self.stream.write_all(request);
        sent.map_err(|error| error.to_string())
    }

    fn answered(&mut self) -> Result<bool, String> {
        let mut buffer = [0; 4096];
        match self.stream.read(&mut buffer) {
            Ok(0) => Err("the server closed a connection".to_owned()),
            Ok(read) => {
                let more = buffer.get(..read).unwrap_or_default();
                self.answer.extend_from_slice(more);
                let length = http::length(&self.answer)?;
                Ok(length.is_some_and(|length| self.answer.len() >= length))
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error.to_string()),
        }
    }
}

/// The 99th percentile within each window, and the median of those.
pub fn p99(latencies: &[f64]) -> f64 {
    let each = latencies.chunks(WINDOW).map(|window| {
        let mut window = window.to_vec();
        window.sort_by(f64::total_cmp);
        let index = (window.len() * 99).div_ceil(100).saturating_sub(1);
        window.get(index).copied().unwrap_or_default()
    });
    Middle::of(each.collect()).median
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener};
    use std::thread;

    use super::*;

    #[test]
    fn every_request_that_is_due_is_answered_once() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let server = thread::spawn(move || {
            let connections = listener.incoming().take(CONNECTIONS);
            let threads: Vec<_> = connections
                .map(|stream| thread::spawn(move || serve(stream.unwrap())))
                .collect();
            threads.into_iter().map(|t| t.join().unwrap()).sum::<u32>()
        });
        let taken = load(
            &url,
            &["A: b".to_owned()],
            1000.0,
            Duration::from_millis(100),
        )
        .unwrap();
        assert_eq!(taken.len(), 100);
        assert_eq!(server.join().unwrap(), 100);
        assert!(taken.iter().all(|latency| *latency > 0.0));
    }

    /// Answers until the connection is closed, and returns how often.
    fn serve(mut stream: TcpStream) -> u32 {
        let mut requests = Vec::new();
        let mut buffer = [0; 1024];
        let mut served = 0;
        while let Ok(read @ 1..) = stream.read(&mut buffer) {
            requests.extend_from_slice(&buffer[..read]);
            while requests.ends_with(b"\r\n\r\n") {
                requests.clear();
                served += 1;
                let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
                stream.write_all(answer).unwrap();
            }
        }
        served
    }

    #[test]
    fn a_hiccup_in_one_window_of_three_is_lost_among_the_others() {
        let window = |slow: f64| {
            let mut window = [1.0; WINDOW];
            window[..WINDOW / 50].fill(slow);
            window
        };
        let latencies = [window(20.0), window(9000.0), window(30.0)].concat();
        assert_eq!(p99(&latencies).to_bits(), 30_f64.to_bits());
        assert_eq!(p99(&[]).to_bits(), 0_f64.to_bits());
    }
}
