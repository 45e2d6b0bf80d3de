//! The year: who takes part, and what happens when.

use token_core::{Algorithm, Audience, Issuer, KeyId, Policy, SigningKey, UnixTime};
use token_session::schedule::{RotationPolicy, Schedule, Step};

use crate::clients::{Access, Client};
use crate::dice::Dice;
use crate::nodes::{File, Node, refresh_key};
use crate::readers::Reader;
use crate::removal::Retired;
use crate::support::{Counter, START, secs};
use crate::{ACCESS, DAY, GRACE, MAX_AGE, PROPAGATION, SKEWS, TOLERANCE};

#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) accepted: u64,
    pub(crate) refused: u64,
    pub(crate) rotations: u64,
    pub(crate) replays: u64,
    pub(crate) keys: u64,
    pub(crate) emergencies: u64,
    pub(crate) refresh_emergencies: u64,
    pub(crate) logged_out: u64,
}

pub(crate) struct Year {
    pub(crate) now: u64,
    pub(crate) policy: Policy,
    pub(crate) access: RotationPolicy,
    pub(crate) refresh: RotationPolicy,
    pub(crate) file: File,
    pub(crate) nodes: Vec<Node>,
    pub(crate) readers: Vec<Reader>,
    pub(crate) tokens: Vec<Access>,
    pub(crate) retired: Vec<Retired>,
    /// Every access key that there was, with its private half: what a thief may have.
    pub(crate) all: Vec<SigningKey>,
    pub(crate) removed: Vec<KeyId>,
    /// Refresh keys, with the second of their removal.
    pub(crate) removed_refresh: Vec<(KeyId, u64)>,
    pub(crate) clients: Vec<Client>,
    pub(crate) dice: Dice,
    pub(crate) entropy: Counter,
    pub(crate) made: u64,
    pub(crate) counts: Counts,
}

impl Year {
    pub(crate) fn new(seed: u64) -> Self {
        let policy = Policy::builder()
            .access_lifetime(secs(ACCESS))
            .grace(secs(GRACE))
            .tolerance(secs(TOLERANCE))
            .absolute_lifetime(secs(40 * DAY))
            .idle_lifetime(secs(20 * DAY))
            .remember_idle_lifetime(secs(20 * DAY))
            .build()
            .unwrap();
        let propagation = secs(PROPAGATION);
        let access = RotationPolicy::access(&policy, secs(14 * DAY), secs(MAX_AGE), propagation);
        let refresh = RotationPolicy::refresh(&policy, secs(10 * DAY), propagation);
        let mut entropy = Counter::default();
        let key = SigningKey::generate(Algorithm::EdDSA, entropy.draw()).unwrap();
        let file = File {
            access: Schedule::new(key.clone(), clock(0, 0)),
            refresh: Schedule::new(refresh_key(0), clock(0, 0)),
            version: 0,
        };
        let node = |skew| Node {
            skew,
            file: file.clone(),
            reads_at: 0,
        };
        let mut year = Self {
            now: 0,
            policy,
            access: access.unwrap(),
            refresh: refresh.unwrap(),
            nodes: SKEWS.map(node).into(),
            file,
            readers: Vec::new(),
            tokens: Vec::new(),
            retired: Vec::new(),
            all: vec![key],
            removed: Vec::new(),
            removed_refresh: Vec::new(),
            clients: Vec::new(),
            dice: Dice(seed),
            entropy,
            made: 1,
            counts: Counts::default(),
        };
        for skew in SKEWS {
            let reader = year.reader(skew);
            year.readers.push(reader);
        }
        year
    }

    /// Closely around each step of the schedule and each emergency, widely between them.
    pub(crate) fn next_step(&mut self, busy_until: u64) -> u64 {
        if self.now < busy_until {
            1 + self.dice.below(50)
        } else {
            6 * 3600 + self.dice.below(3600)
        }
    }

    pub(crate) fn run(&mut self) {
        let mut emergency = self.dice.below(20 * DAY);
        let mut refresh_emergency = self.dice.below(40 * DAY);
        let mut busy_until = 0;
        let mut version = 0;
        while self.now < 365 * DAY {
            self.read_files();
            self.publish();
            if self.now >= emergency {
                self.emergency();
                emergency = self.now + DAY + self.dice.below(30 * DAY);
            }
            if self.now >= refresh_emergency {
                self.refresh_emergency();
                refresh_emergency = self.now + DAY + self.dice.below(40 * DAY);
            }
            if self.file.version != version {
                version = self.file.version;
                busy_until = self.now + MAX_AGE + ACCESS + 2 * PROPAGATION;
            }
            if self.dice.below(50) == 0 {
                // A node restarts, and reads the file as it is.
                let node = self.dice.index(self.nodes.len());
                self.nodes[node].file = self.file.clone();
            }
            self.act();
            self.check();
            let mut next = self.now + self.next_step(busy_until);
            // Do not sleep over a key that begins to sign, or an emergency.
            let now = clock(self.now, 0);
            if let Step::Wait { until } = self.file.access.step(&self.access, now) {
                let until = until.as_secs().saturating_sub(START + 10);
                next = next.min(until.max(self.now + 1));
                if until <= self.now + 20 {
                    busy_until = busy_until.max(self.now + ACCESS + 2 * PROPAGATION);
                }
            }
            let emergency = emergency.min(refresh_emergency);
            self.now = next.min(emergency.max(self.now + 1));
        }
    }
}

pub(crate) fn names() -> (Issuer, Audience) {
    let issuer = Issuer::new("https://issuer.example").unwrap();
    (issuer, Audience::new("https://api.example").unwrap())
}

pub(crate) fn clock(now: u64, skew: i64) -> UnixTime {
    UnixTime::from_secs((START + now).checked_add_signed(skew).unwrap()).unwrap()
}
