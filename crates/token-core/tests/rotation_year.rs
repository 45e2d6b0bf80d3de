//! A simulated year of key rotations, by schedule and by emergency, with several nodes whose
//! clocks are off and that learn late of a changed schedule, with restarts, and with verifiers
//! that keep a JWK set for its whole `max-age`.
//!
//! At every moment: no genuine token is refused, no retired key is accepted, and every replay
//! within the grace gives the same token.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail the test"
)]
#![allow(clippy::print_stdout, reason = "the seed of a failure")]

mod support;

use proptest::prelude::{Strategy as _, any};
use proptest::test_runner::{Config, TestRunner};
use support::{Counter, START, login, secs};
use token_core::change::{Change, Committed, Granted};
use token_core::decision::Decision;
use token_core::id::Bucket;
use token_core::issue::{Credentials, TokenIssuer};
use token_core::key::JwkSet;
use token_core::refresh::{self, Purpose};
use token_core::refresh_token::RefreshKey;
use token_core::schedule::{RotationPolicy, Schedule, Step};
use token_core::session::Transport;
use token_core::{
    Algorithm, Audience, Issuer, KeyId, NoClaims, Policy, Session, SigningKey, UnixTime,
    UntrustedToken, Verifier, VerifyError,
};

const DAY: u64 = 86_400;
const MAX_AGE: u64 = 300;
const PROPAGATION: u64 = 60;
const ACCESS: u64 = 300;
const TOLERANCE: u64 = 5;
const GRACE: u64 = 30;
/// Off by so much; any two differ by at most the tolerance.
const SKEWS: [i64; 3] = [-2, 0, 3];

/// The same numbers in each run from one seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        // splitmix64
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % bound
    }

    fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).unwrap()
    }
}

/// The key file of all nodes, with the time of its latest change.
#[derive(Clone)]
struct File {
    access: Schedule<SigningKey>,
    refresh: Schedule<RefreshKey>,
    version: u64,
}

/// A node: its clock, and the file as it knows it.
struct Node {
    skew: i64,
    file: File,
    /// When it reads the changed file.
    reads_at: u64,
}

/// A resource server that asks for the JWK set only when its `max-age` has passed.
struct Reader {
    skew: i64,
    verifier: Verifier,
    fetched_at: u64,
}

/// An access token, until it expires.
struct Access {
    text: String,
    kid: KeyId,
    expires: u64,
}

/// A key that may sign no more: from when on nodes, and from when on readers, must refuse it.
struct Retired {
    token: String,
    nodes_from: u64,
    readers_from: u64,
}

/// A session whose last answer may have been lost.
struct Client {
    row: Session,
    token: String,
    before: Option<(String, u64)>,
}

#[derive(Debug, Default)]
struct Counts {
    accepted: u64,
    refused: u64,
    rotations: u64,
    replays: u64,
    keys: u64,
    emergencies: u64,
}

struct Year {
    now: u64,
    policy: Policy,
    access: RotationPolicy,
    refresh: RotationPolicy,
    file: File,
    nodes: Vec<Node>,
    readers: Vec<Reader>,
    tokens: Vec<Access>,
    retired: Vec<Retired>,
    /// Every access key that there was, with its private half: what a thief may have.
    all: Vec<SigningKey>,
    removed: Vec<KeyId>,
    clients: Vec<Client>,
    dice: Dice,
    entropy: Counter,
    made: u64,
    counts: Counts,
}

fn names() -> (Issuer, Audience) {
    let issuer = Issuer::new("https://issuer.example").unwrap();
    (issuer, Audience::new("https://api.example").unwrap())
}

fn clock(now: u64, skew: i64) -> UnixTime {
    UnixTime::from_secs((START + now).checked_add_signed(skew).unwrap()).unwrap()
}

impl Year {
    fn new(seed: u64) -> Self {
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

    fn issuer(&self, node: usize) -> TokenIssuer {
        let Node { skew, file, .. } = &self.nodes[node];
        let now = clock(self.now, *skew);
        let (issuer, audience) = names();
        TokenIssuer {
            issuer,
            audience,
            access_keys: file.access.ring(&self.access, now).unwrap(),
            refresh_keys: file.refresh.ring(&self.refresh, now).unwrap(),
            policy: self.policy.clone(),
        }
    }

    /// A reader that has just asked one of the nodes.
    fn reader(&mut self, skew: i64) -> Reader {
        let node = self.dice.index(self.nodes.len());
        let set = JwkSet::parse(&self.issuer(node).access_keys.jwks()).unwrap();
        let (issuer, audience) = names();
        let verifier = Verifier::builder(issuer, audience).jwks(&set);
        Reader {
            skew,
            verifier: verifier.leeway(secs(TOLERANCE)).build().unwrap(),
            fetched_at: self.now,
        }
    }

    /// Nodes learn of a change some time within the propagation.
    fn write(&mut self, file: File) {
        self.file = File {
            version: self.file.version + 1,
            ..file
        };
        for index in 0..self.nodes.len() {
            // One that has not read the change before reads both at its time.
            let read = self.nodes[index].file.version + 1 == self.file.version;
            let delay = self.dice.below(PROPAGATION + 1);
            if read {
                self.nodes[index].reads_at = self.now + delay;
            }
        }
    }

    fn read_files(&mut self) {
        for node in &mut self.nodes {
            if node.file.version < self.file.version && node.reads_at <= self.now {
                node.file = self.file.clone();
            }
        }
    }

    /// Whoever looks first publishes what is due; the file is locked meanwhile.
    fn publish(&mut self) {
        let now = clock(self.now, SKEWS[self.dice.index(SKEWS.len())]);
        while self.file.access.step(&self.access, now) == Step::Publish {
            let key = SigningKey::generate(Algorithm::EdDSA, self.entropy.draw()).unwrap();
            self.all.push(key.clone());
            self.note_retired(now);
            let access = self.file.access.clone();
            let access = access.publish(key, &self.access, now).unwrap();
            self.counts.keys += 1;
            self.write(File {
                access,
                ..self.file.clone()
            });
        }
        while self.file.refresh.step(&self.refresh, now) == Step::Publish {
            let key = refresh_key(self.made);
            self.made += 1;
            let refresh = self.file.refresh.clone();
            let refresh = refresh.publish(key, &self.refresh, now).unwrap();
            self.write(File {
                refresh,
                ..self.file.clone()
            });
        }
    }

    /// What a thief with an old private key would sign, now or later.
    fn note_retired(&mut self, now: UnixTime) {
        let over: Vec<KeyId> = self.file.access.over(&self.access, now).cloned().collect();
        for id in over {
            // The last clock has passed the moment when this one says so.
            self.retire(&id, self.now + TOLERANCE);
        }
    }

    fn retire(&mut self, id: &KeyId, nodes_from: u64) {
        let key = self.all.iter().find(|key| key.id() == id).unwrap();
        let ring = token_core::KeyRing::new(key.clone());
        let issuer = TokenIssuer {
            access_keys: ring,
            ..self.issuer(0)
        };
        let (granted, ..) = self.open(0);
        let entropy = self.entropy.draw();
        let scope = granted.session().scope.clone();
        // It signs for a far time and a long life; here that hour is always.
        let now = clock(self.now, 0);
        let Credentials::Tokens(pair) = issuer.issue(&granted, &scope, now, entropy).unwrap()
        else {
            unreachable!("the transport is `header`");
        };
        self.retired.push(Retired {
            token: pair.access_token().secret().to_owned(),
            nodes_from,
            readers_from: nodes_from + MAX_AGE,
        });
    }

    fn emergency(&mut self) {
        self.counts.emergencies += 1;
        let now = clock(self.now, SKEWS[self.dice.index(SKEWS.len())]);
        let id = {
            let keys = self.file.access.keys();
            keys[self.file.access.current(now)].key.id().clone()
        };
        let access = self.file.access.clone();
        let removal = access.remove(&id, &self.access, now).unwrap();
        assert_eq!(removal.unknown_until, None, "the next key is known already");
        self.write(File {
            access: removal.schedule,
            ..self.file.clone()
        });
        self.removed.push(id.clone());
        self.retire(&id, self.now + PROPAGATION);
    }

    fn open(&mut self, node: usize) -> (Granted, Session, UnixTime) {
        let now = clock(self.now, self.nodes[node].skew);
        let issuer = self.issuer(node);
        let pending = refresh::open(
            login(Transport::Header),
            Bucket::from_byte(7),
            &issuer.policy,
            &issuer.refresh_keys,
            now,
            self.entropy.draw(),
        );
        let row = pending.session().clone();
        let granted = pending.committed(Committed::assertion(row.clone()));
        (granted.unwrap(), row, now)
    }

    /// The pair of a session; the access token is checked from now on.
    fn issue(&mut self, node: usize, granted: &Granted) -> String {
        let now = clock(self.now, self.nodes[node].skew);
        let issuer = self.issuer(node);
        let scope = granted.session().scope.clone();
        let entropy = self.entropy.draw();
        let Credentials::Tokens(pair) = issuer.issue(granted, &scope, now, entropy).unwrap() else {
            unreachable!("the transport is `header`");
        };
        self.tokens.push(Access {
            text: pair.access_token().secret().to_owned(),
            kid: issuer.access_keys.current().id().clone(),
            expires: pair.access_expires_at().as_secs(),
        });
        pair.refresh_token().secret().to_owned()
    }

    fn log_in(&mut self) {
        let node = self.dice.index(self.nodes.len());
        let (granted, row, _) = self.open(node);
        let token = self.issue(node, &granted);
        self.clients.push(Client {
            row,
            token,
            before: None,
        });
    }

    /// Refreshes with the current token, at any node.
    fn refresh(&mut self, index: usize) {
        let node = self.dice.index(self.nodes.len());
        let now = clock(self.now, self.nodes[node].skew);
        let issuer = self.issuer(node);
        let client = &self.clients[index];
        let (keys, policy) = (&issuer.refresh_keys, &issuer.policy);
        let claims = keys.verify(&client.token, &issuer.issuer, &issuer.audience);
        let claims = claims.expect("a genuine refresh token is known at every node");
        let pending = refresh::attempt(&claims, policy, keys, now, self.entropy.draw()).unwrap();
        let change = Change::Rotate(pending.rotation().clone());
        let Some(row) = change.apply(&client.row) else {
            return; // rotated within the grace
        };
        let granted = pending
            .committed(Committed::assertion(row.clone()))
            .unwrap();
        let next = self.issue(node, &granted);
        let client = &mut self.clients[index];
        let before = std::mem::replace(&mut client.token, next);
        client.before = Some((before, self.now));
        client.row = row;
        self.counts.rotations += 1;
    }

    /// A lost answer: the token before is presented again within the grace, at any node.
    fn replay(&mut self, index: usize) {
        let client = &self.clients[index];
        let Some((before, rotated)) = client.before.clone() else {
            return;
        };
        if self.now - rotated > GRACE {
            return;
        }
        let node = self.dice.index(self.nodes.len());
        let now = clock(self.now, self.nodes[node].skew);
        let issuer = self.issuer(node);
        let keys = &issuer.refresh_keys;
        let claims = keys
            .verify(&before, &issuer.issuer, &issuer.audience)
            .unwrap();
        let row = Committed::assertion(client.row.clone());
        let (policy, purpose) = (&issuer.policy, &Purpose::Refresh);
        let entropy = self.entropy.draw();
        let decision = refresh::decide(&claims, &row, purpose, policy, keys, now, entropy);
        let Decision::Replay(granted) = decision.unwrap() else {
            panic!("a replay within the grace is one");
        };
        assert_eq!(self.issue(node, &granted), self.clients[index].token);
        self.counts.replays += 1;
    }

    fn act(&mut self) {
        if self.clients.len() < 6 {
            self.log_in();
        }
        let index = self.dice.index(self.clients.len());
        // Sessions reach their absolute deadline, and tokens of long ago are still known.
        if self.clients[index].row.expires_at() <= clock(self.now, -10) {
            self.clients.swap_remove(index);
            return;
        }
        if self.clients[index].row.expires_at() > clock(self.now, 10) {
            self.refresh(index);
        }
        let replayed = self.dice.index(self.clients.len());
        self.replay(replayed);
    }

    fn check(&mut self) {
        let now = self.now;
        self.tokens.retain(|token| token.expires > START + now - 10);
        for index in 0..self.readers.len() {
            let restarted = self.dice.below(200) == 0;
            if restarted || now - self.readers[index].fetched_at > MAX_AGE {
                self.readers[index] = self.reader(self.readers[index].skew);
            }
        }
        let issuers: Vec<_> = (0..self.nodes.len()).map(|n| self.issuer(n)).collect();
        let own = issuers.iter().zip(SKEWS).map(|(own, skew)| {
            let verifier = Verifier::builder(own.issuer.clone(), own.audience.clone());
            let verifier = verifier.keys(&own.access_keys).leeway(secs(TOLERANCE));
            (verifier.build().unwrap(), skew)
        });
        let own: Vec<_> = own.collect();
        let readers = self.readers.iter().map(|r| (r.verifier.clone(), r.skew));
        for (verifier, skew) in own.iter().cloned().chain(readers) {
            // The youngest may have a key too new to be known, the oldest one that is gone.
            let (young, old) = (self.tokens.iter().rev().take(1), self.tokens.iter().take(1));
            for token in young.chain(old) {
                if self.removed.contains(&token.kid) || clock(now, skew).as_secs() >= token.expires
                {
                    continue;
                }
                let text = UntrustedToken::parse(&token.text).unwrap();
                let verdict = verifier.verify::<NoClaims>(text, clock(now, skew));
                assert!(
                    verdict.is_ok(),
                    "second {now}: {verdict:?} of a genuine token"
                );
                self.counts.accepted += 1;
            }
        }
        for retired in &self.retired {
            let own = own
                .iter()
                .map(|(own, skew)| (own, *skew, retired.nodes_from));
            let readers = self.readers.iter();
            let readers = readers.map(|r| (&r.verifier, r.skew, retired.readers_from));
            for (verifier, skew, from) in own.chain(readers) {
                if now > from {
                    let text = UntrustedToken::parse(&retired.token).unwrap();
                    let verdict = verifier.verify::<NoClaims>(text, clock(now, skew));
                    // By its key, not only by its age.
                    assert_eq!(
                        verdict.unwrap_err(),
                        VerifyError::UnknownKey,
                        "second {now}"
                    );
                    self.counts.refused += 1;
                }
            }
        }
        // Nothing changes about them any more; two are kept.
        while self.retired.len() > 2 && now > self.retired[0].readers_from + DAY {
            self.retired.remove(0);
        }
    }

    /// Closely around each step of the schedule and each emergency, widely between them.
    fn next_step(&mut self, busy_until: u64) -> u64 {
        if self.now < busy_until {
            1 + self.dice.below(50)
        } else {
            6 * 3600 + self.dice.below(3600)
        }
    }

    fn run(&mut self) {
        let mut emergency = self.dice.below(20 * DAY);
        let mut busy_until = 0;
        let mut version = 0;
        while self.now < 365 * DAY {
            self.read_files();
            self.publish();
            if self.now >= emergency {
                self.emergency();
                emergency = self.now + DAY + self.dice.below(30 * DAY);
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
            self.now = next.min(emergency.max(self.now + 1));
        }
    }
}

fn refresh_key(number: u64) -> RefreshKey {
    let mut secret = [0; 32];
    secret[..8].copy_from_slice(&number.to_be_bytes());
    RefreshKey::new(KeyId::new(format!("r{number}")).unwrap(), &secret).unwrap()
}

#[test]
fn a_year_of_rotations_refuses_nobody_and_accepts_no_retired_key() {
    let config = Config {
        cases: 1,
        failure_persistence: None,
        ..Config::default()
    };
    let seeds = any::<u64>().no_shrink();
    let run = |seed| {
        let mut year = Year::new(seed);
        year.run();
        let counts = &year.counts;
        println!("seed {seed}: {counts:?}");
        // The year had what it is about.
        assert!(counts.keys > 26 && counts.emergencies > 10, "{counts:?}");
        assert!(
            counts.rotations > 1000 && counts.replays > 100,
            "{counts:?}"
        );
        assert!(
            counts.accepted > 10_000 && counts.refused > 1000,
            "{counts:?}"
        );
        Ok(())
    };
    TestRunner::new(config).run(&seeds, run).unwrap();
}
