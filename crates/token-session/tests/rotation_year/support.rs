//! What a simulated session needs.

use std::time::Duration;

use token_core::session::rule::Login;
use token_core::session::{Device, Epoch};
use token_core::{Authentication, CustomClaims, Entropy, Transport, UnixTime};

pub(crate) const START: u64 = 1_700_000_000;

pub(crate) fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(crate) fn login(transport: Transport) -> Login {
    Login {
        subject: "alice".parse().unwrap(),
        epoch: Epoch::default(),
        client_id: "web".parse().unwrap(),
        transport,
        scope: "notes:read".parse().unwrap(),
        authentication: Authentication::password(UnixTime::from_secs(START).unwrap()),
        remember: false,
        claims: CustomClaims::default(),
        device: Device::default(),
    }
}

/// Draws bytes that differ each time.
#[derive(Debug, Default)]
pub(crate) struct Counter(u64);

impl Counter {
    pub(crate) fn draw(&mut self) -> Entropy {
        self.0 += 1;
        let mut bytes = [0; 64];
        for chunk in bytes.chunks_exact_mut(8) {
            chunk.copy_from_slice(&self.0.to_be_bytes());
        }
        Entropy::new(bytes)
    }
}
