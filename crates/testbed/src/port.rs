//! Ports that stay free until a server of ours listens there, also between its end and its return.

use std::fs::{self, File, TryLockError};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::MetadataExt as _;
use std::sync::Mutex;

/// Ports are taken from here on, up to those that the system hands out by itself.
const FIRST: u16 = 20_000;

/// A port of the loopback that nobody else takes as long as this process lives: not the system,
/// which gives those of its own range to any process that connects or asks for any port, and no other test
/// process, since a lock says whose it is.
pub fn free_port() -> u16 {
    static OURS: Mutex<Vec<File>> = Mutex::new(Vec::new());
    let own = fs::metadata("/proc/self").unwrap().uid();
    let folder = std::env::temp_dir().join(format!("hallpass-test-ports-{own}"));
    fs::create_dir_all(&folder).unwrap();
    for port in FIRST..first_of_the_system() {
        let file = File::create(folder.join(port.to_string())).unwrap();
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => continue,
            Err(TryLockError::Error(error)) => panic!("a port cannot be locked: {error}"),
        }
        // Somebody else's server may be there.
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            OURS.lock().unwrap().push(file);
            return port;
        }
    }
    // The system hands out nearly all of them: one that was free a moment ago has to do.
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap().port()
}

/// The first port of the range from which Linux chooses.
fn first_of_the_system() -> u16 {
    let range = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range");
    let first = range.ok().and_then(|range| {
        let first = range.split_whitespace().next()?;
        first.parse().ok()
    });
    first.unwrap_or(32_768)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_port_is_given_out_twice() {
        let ports = [(); 20].map(|()| free_port());
        for (place, port) in ports.iter().enumerate() {
            assert!(!ports[..place].contains(port), "{ports:?}");
            assert!(TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok());
        }
    }
}
