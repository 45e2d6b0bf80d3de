//! A TCP proxy that counts round trips and does what networks do.

use std::fmt;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// Stands between a client and a server on the loopback, until it is dropped.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// The server's port; 0 if there is none.
    target: AtomicU16,
    /// One in so many answers breaks off in the middle; 0: none.
    cuts: AtomicU32,
    cut: AtomicU64,
    /// So many of the next answers are lost, each with its connection.
    losses: AtomicU32,
    held: AtomicBool,
    /// Whether new connections are frozen from their first byte on.
    unreachable: AtomicBool,
    closed: AtomicBool,
    interruption: Mutex<Option<Interruption>>,
    connections: Mutex<Vec<Connection>>,
}

/// What is done when a client says this for the first time.
struct Interruption {
    said: &'static [u8],
    action: Box<dyn FnOnce() + Send>,
}

/// Two ends, and how often the client began to speak.
#[derive(Debug)]
struct Connection {
    client: TcpStream,
    server: TcpStream,
    turns: Arc<AtomicU64>,
    frozen: Arc<AtomicBool>,
}

impl Proxy {
    /// Passes on what comes to a port of its own.
    pub fn start(target: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared {
            target: target.into(),
            cuts: AtomicU32::new(0),
            cut: AtomicU64::new(0),
            losses: AtomicU32::new(0),
            held: AtomicBool::new(false),
            unreachable: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            interruption: Mutex::default(),
            connections: Mutex::default(),
        });
        let accepting = Arc::clone(&shared);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if accepting.closed.load(Ordering::SeqCst) {
                    return;
                }
                accepting.connect(client);
            }
        });
        Self { port, shared }
    }

    /// Its port on the loopback interface.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The round trips of each connection so far: how often its client spoke after it had
    /// been answered.
    pub fn round_trips(&self) -> Vec<u64> {
        let connections = self.shared.connections.lock().unwrap();
        let turns = connections.iter().map(|connection| &connection.turns);
        turns.map(|turns| turns.load(Ordering::SeqCst)).collect()
    }

    /// From now on breaks one in so many answers off at a random byte, and the connection
    /// with it; 0: none.
    pub fn cut_one_in(&self, answers: u32) {
        self.shared.cuts.store(answers, Ordering::SeqCst);
    }

    /// How many answers it has broken off.
    pub fn cuts(&self) -> u64 {
        self.shared.cut.load(Ordering::SeqCst)
    }

    /// Loses the next answer, and breaks its connection.
    pub fn lose_answer(&self) {
        self.shared.losses.store(1, Ordering::SeqCst);
    }

    /// Loses no more answers.
    pub fn keep_answers(&self) {
        self.shared.losses.store(0, Ordering::SeqCst);
    }

    /// Whether an answer is still to be lost.
    pub fn is_to_lose(&self) -> bool {
        self.shared.losses.load(Ordering::SeqCst) > 0
    }

    /// From now on nothing passes on the connections that are open now, in either direction and
    /// without a word, as if their host had vanished. New ones pass.
    pub fn freeze(&self) {
        for connection in &*self.shared.connections.lock().unwrap() {
            connection.frozen.store(true, Ordering::SeqCst);
        }
    }

    /// The same for one connection alone, counted from 0 as they were made.
    pub fn freeze_one(&self, number: usize) {
        let connections = self.shared.connections.lock().unwrap();
        connections[number].frozen.store(true, Ordering::SeqCst);
    }

    /// From now on nothing passes on connections that are made, either, as if the network were parted. Those
    /// that are open stay as they are.
    pub fn freeze_new(&self) {
        self.shared.unreachable.store(true, Ordering::SeqCst);
    }

    /// New connections lead to another server from now on. Those that are open stay as they are.
    pub fn lead_new_to(&self, target: u16) {
        self.shared.target.store(target, Ordering::SeqCst);
    }

    /// Keeps back what the server says from now on, without a word, or lets it through again.
    pub fn hold(&self, held: bool) {
        self.shared.held.store(held, Ordering::SeqCst);
    }

    /// When a client first says something with these bytes in it, does this before it is passed on.
    pub fn before(&self, said: &'static [u8], action: impl FnOnce() + Send + 'static) {
        let action = Box::new(action);
        *self.shared.interruption.lock().unwrap() = Some(Interruption { said, action });
    }

    /// Breaks all connections; from now on they lead to another server, or with 0 to none.
    pub fn lead_to(&self, target: u16) {
        self.shared.target.store(target, Ordering::SeqCst);
        self.shared.break_all();
    }
}

impl fmt::Debug for Interruption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "before {}", self.said.escape_ascii())
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.closed.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts.
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
        self.shared.break_all();
    }
}

impl Shared {
    /// Passes on what this client says. If the server cannot be reached, the connection is closed.
    fn connect(self: &Arc<Self>, client: TcpStream) {
        let target = self.target.load(Ordering::SeqCst);
        let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, target)) else {
            return;
        };
        let turns = Arc::new(AtomicU64::new(0));
        let unreachable = self.unreachable.load(Ordering::SeqCst);
        let frozen = Arc::new(AtomicBool::new(unreachable));
        let asked = Arc::new(AtomicBool::new(false));
        let (from_client, to_client) = ends(&client);
        let (from_server, to_server) = ends(&server);
        let mut connections = self.connections.lock().unwrap();
        connections.push(Connection {
            client,
            server,
            turns: Arc::clone(&turns),
            frozen: Arc::clone(&frozen),
        });
        drop(connections);
        let answered = Arc::clone(&asked);
        let (shared, is_frozen) = (Arc::clone(self), Arc::clone(&frozen));
        thread::spawn(move || {
            pass_on(from_client, to_server, |piece| {
                shared.wait(&is_frozen);
                shared.interrupt(piece);
                if !asked.swap(true, Ordering::SeqCst) {
                    turns.fetch_add(1, Ordering::SeqCst);
                }
                piece.len()
            });
        });
        let shared = Arc::clone(self);
        thread::spawn(move || {
            pass_on(from_server, to_client, |piece| {
                shared.wait_if_held();
                shared.wait(&frozen);
                answered.store(false, Ordering::SeqCst);
                shared.cut(piece.len())
            });
        });
    }

    fn interrupt(&self, piece: &[u8]) {
        let says = |interruption: &mut Interruption| {
            let said = interruption.said;
            piece.windows(said.len()).any(|window| window == said)
        };
        let interruption = self.interruption.lock().unwrap().take_if(says);
        if let Some(interruption) = interruption {
            (interruption.action)();
        }
    }

    fn wait_if_held(&self) {
        self.wait(&self.held);
    }

    fn wait(&self, while_set: &AtomicBool) {
        while while_set.load(Ordering::SeqCst) && !self.closed.load(Ordering::SeqCst) {
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// The answer, or the beginning of it.
    fn cut(&self, answer: usize) -> usize {
        let take = |left: u32| left.checked_sub(1);
        let (losses, order) = (&self.losses, Ordering::SeqCst);
        if losses.fetch_update(order, order, take).is_ok() {
            return 0;
        }
        let cuts = self.cuts.load(Ordering::SeqCst);
        if cuts == 0 || fastrand::u32(..cuts) > 0 {
            return answer;
        }
        self.cut.fetch_add(1, Ordering::SeqCst);
        fastrand::usize(..answer)
    }

    fn break_all(&self) {
        for connection in &*self.connections.lock().unwrap() {
            // It may be broken already.
            let _ = connection.client.shutdown(Shutdown::Both);
            let _ = connection.server.shutdown(Shutdown::Both);
        }
    }
}

fn ends(stream: &TcpStream) -> (TcpStream, TcpStream) {
    stream.set_nodelay(true).unwrap();
    (stream.try_clone().unwrap(), stream.try_clone().unwrap())
}

/// Passes pieces on until one end is closed or `keep` says to pass on only a part of one.
fn pass_on(mut from: TcpStream, mut to: TcpStream, mut keep: impl FnMut(&[u8]) -> usize) {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = from.read(&mut buffer).unwrap_or(0);
        let kept = if read == 0 { 0 } else { keep(&buffer[..read]) };
        if to.write_all(&buffer[..kept]).is_err() || kept < read || read == 0 {
            let _ = to.shutdown(Shutdown::Both);
            let _ = from.shutdown(Shutdown::Both);
            return;
        }
    }
}
