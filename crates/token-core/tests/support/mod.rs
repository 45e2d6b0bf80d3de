//! A store of one row, run by the meaning of the changes, and everything that a session needs.

#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test"
)]
#![allow(missing_debug_implementations, reason = "a test")]

use std::time::Duration;

use token_core::session::rule::{self, Decision, Granted, Login};
use token_core::session::{
    Change, Committed, Credentials, Denial, Device, Ending, Epoch, RefreshClaims, Revocation,
    StepUp,
};
use token_core::types::Bucket;
use token_core::{
    Algorithm, Audience, Authentication, ClientId, CustomClaims, Entropy, Issuer, KeyId, KeyRing,
    Policy, RefreshKey, RefreshKeyRing, RevokeReason, Scope, Session, SigningKey, Subject,
    TokenIssuer, Transport, UnixTime,
};

pub const START: u64 = 1_700_000_000;

pub fn at(seconds: u64) -> UnixTime {
    UnixTime::from_secs(START + seconds).unwrap()
}

pub fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub fn refresh_key(name: &str) -> RefreshKey {
    let mut secret = [0; 32];
    secret[..name.len()].copy_from_slice(name.as_bytes());
    RefreshKey::new(KeyId::new(name).unwrap(), &secret).unwrap()
}

pub fn issuer(policy: Policy) -> TokenIssuer {
    let key = SigningKey::generate(Algorithm::EdDSA, Entropy::new([5; 64])).unwrap();
    let issuer = Issuer::new("https://issuer.example").unwrap();
    TokenIssuer::builder(issuer, Audience::new("https://api.example").unwrap())
        .policy(policy)
        .build(KeyRing::new(key), RefreshKeyRing::new(refresh_key("r1")))
}

pub fn login(transport: Transport) -> Login {
    Login {
        subject: Subject::new("alice").unwrap(),
        epoch: Epoch::default(),
        client_id: ClientId::new("web").unwrap(),
        transport,
        scope: "notes:read".parse::<Scope>().unwrap(),
        authentication: Authentication::password(at(0)),
        remember: false,
        claims: CustomClaims::default(),
        device: Device::default(),
    }
}

/// Bytes that differ at each call, the same in each run.
#[derive(Debug, Default)]
pub struct Counter(u64);

impl Counter {
    pub fn draw(&mut self) -> Entropy {
        self.0 += 1;
        let mut bytes = [0; 64];
        for chunk in bytes.chunks_exact_mut(8) {
            chunk.copy_from_slice(&self.0.to_be_bytes());
        }
        Entropy::new(bytes)
    }
}

/// What a server answered to a credential.
#[derive(Debug)]
pub enum Answer {
    Rotated(String),
    Replayed(String),
    Denied(Denial),
}

impl Answer {
    pub fn token(&self) -> &str {
        match self {
            Self::Rotated(token) | Self::Replayed(token) => token,
            Self::Denied(denial) => panic!("denied: {denial}"),
        }
    }

    pub fn reason(&self) -> &'static str {
        match self {
            Self::Rotated(_) | Self::Replayed(_) => panic!("not denied"),
            Self::Denied(denial) => denial.reason().as_str(),
        }
    }
}

/// A server and its store: one session.
pub struct World {
    pub issuer: TokenIssuer,
    pub row: Session,
    pub entropy: Counter,
    pub rotations: u64,
    pub reuses: u64,
}

impl World {
    /// Opens a session at second 0 and gives the first credential.
    pub fn new(policy: Policy, transport: Transport) -> (Self, String) {
        let issuer = issuer(policy);
        let mut entropy = Counter::default();
        let (row, pending) = rule::open(
            login(transport),
            Bucket(7),
            &issuer.policy,
            &issuer.refresh_keys,
            at(0),
            entropy.draw(),
        );
        let granted = pending
            .committed(Committed::assertion(row.clone()))
            .unwrap();
        let mut world = Self {
            issuer,
            row,
            entropy,
            rotations: 0,
            reuses: 0,
        };
        let token = world.text(&granted, at(0));
        (world, token)
    }

    pub fn text(&mut self, granted: &Granted, now: UnixTime) -> String {
        let entropy = self.entropy.draw();
        let scope = granted.session().scope.clone();
        let issued = self.issuer.issue(granted, &scope, now, entropy).unwrap();
        match issued.give_out(granted).unwrap() {
            Credentials::Tokens(pair) => pair.refresh_token.secret().to_owned(),
            Credentials::Session(cookie) => cookie.to_secret_text().to_string(),
        }
    }

    pub fn claims(&self, token: &str) -> RefreshClaims {
        let TokenIssuer {
            issuer,
            audience,
            refresh_keys,
            ..
        } = &self.issuer;
        refresh_keys.verify(token, issuer, audience).unwrap()
    }

    /// A refresh as the driver does it: attempt, and only on a miss decide.
    pub fn refresh(&mut self, token: &str, now: UnixTime) -> Answer {
        let claims = self.claims(token);
        let entropy = self.entropy.draw();
        let TokenIssuer {
            policy,
            refresh_keys,
            ..
        } = &self.issuer;
        let (rotation, pending) = match rule::attempt(&claims, policy, refresh_keys, now, entropy) {
            Ok(attempt) => attempt,
            Err(denial) => return Answer::Denied(denial),
        };
        match Change::Rotate(rotation).apply(&self.row) {
            Some(next) => {
                self.row = next.clone();
                self.rotations += 1;
                let granted = pending.committed(Committed::assertion(next)).unwrap();
                Answer::Rotated(self.text(&granted, now))
            }
            None => self.decide(token, None, now),
        }
    }

    pub fn step_up(&mut self, token: &str, now: UnixTime) -> Answer {
        self.decide(token, Some(&Authentication::password(now).into()), now)
    }

    /// Decides on the row and carries the decision out.
    pub fn decide(&mut self, token: &str, step_up: Option<&StepUp>, now: UnixTime) -> Answer {
        let decision = self.peek(token, step_up, now);
        self.carry_out(decision, now)
    }

    /// Decides on the row and changes nothing.
    pub fn peek(&mut self, token: &str, step_up: Option<&StepUp>, now: UnixTime) -> Decision {
        let claims = self.claims(token);
        self.peek_at(&claims, step_up, now)
    }

    /// As [`Self::peek`], for a token that was read before.
    pub fn peek_at(
        &mut self,
        claims: &RefreshClaims,
        step_up: Option<&StepUp>,
        now: UnixTime,
    ) -> Decision {
        let entropy = self.entropy.draw();
        let TokenIssuer {
            policy,
            refresh_keys,
            ..
        } = &self.issuer;
        let row = Committed::assertion(self.row.clone());
        rule::decide(claims, &row, step_up, policy, refresh_keys, now, entropy).unwrap()
    }

    pub fn carry_out(&mut self, decision: Decision, now: UnixTime) -> Answer {
        match decision {
            Decision::Deny(denial) => Answer::Denied(denial),
            Decision::Replay(granted) => Answer::Replayed(self.text(&granted, now)),
            Decision::Revoke(reuse) => {
                self.row = reuse.ending.apply(&self.row).expect("was live");
                self.reuses += 1;
                let row = Committed::assertion(self.row.clone());
                Answer::Denied(reuse.committed(&row).unwrap())
            }
            Decision::Touch(touch, pending) => {
                let change = Change::Touch(touch);
                self.row = change.apply(&self.row).expect("nobody raced");
                let granted = pending
                    .committed(Committed::assertion(self.row.clone()))
                    .unwrap();
                Answer::Replayed(self.text(&granted, now))
            }
            Decision::Rotate(rotation, pending) => {
                let change = Change::Rotate(rotation);
                self.row = change.apply(&self.row).expect("nobody raced");
                self.rotations += 1;
                let granted = pending
                    .committed(Committed::assertion(self.row.clone()))
                    .unwrap();
                Answer::Rotated(self.text(&granted, now))
            }
        }
    }

    pub fn end(&mut self, now: UnixTime) {
        let reason = RevokeReason::Logout;
        let ending = Ending {
            id: self.row.id,
            revocation: Revocation { at: now, reason },
            purge_at: self.issuer.policy.tombstone_until(now),
        };
        if let Some(row) = ending.apply(&self.row) {
            self.row = row;
        }
    }
}
