//! The same seeded schedule has the same outcome at each step, whichever store keeps the
//! sessions: the one in memory, which the contract suite holds to `apply`, says which.

use std::time::Duration;

use fastrand::Rng;
use token_core::session::Credentials;
use token_core::{Authentication, NoClaims, RevokeReason, SessionId, Subject, Transport};
use token_session::test_util::TestClock;
use token_session::{
    AccessError, Issued, NewSession, Presented, RefreshError, SessionCredential, SessionManager,
    SessionStore,
};

use crate::nodes::{Nodes, memory, seed};

const SEEDS: u64 = 8;
const STEPS: usize = 300;

/// Runs the schedule of each seed on the store and in memory.
pub(crate) async fn compare<S: SessionStore>(nodes: &Nodes<S>) {
    let seeds = seed().map_or(0..SEEDS, |seed| seed..seed + 1);
    let plain = memory().await;
    let mut all = String::new();
    for seed in seeds.clone() {
        println!("HALLPASS_SEED={seed}");
        let expected = outcomes(&plain, seed).await;
        let found = outcomes(nodes, seed).await;
        for (step, (found, expected)) in found.iter().zip(&expected).enumerate() {
            assert_eq!(found, expected, "seed {seed}, step {step}");
        }
        all += &expected.join("\n");
    }
    // Otherwise something was not compared.
    for outcome in [
        "login",
        "refresh of",
        "step-up of",
        "slid: true",
        "access to",
        "no access",
        "expired",
        "reused",
        "revoked",
        "Superseded",
        "unknown",
        "logout: true",
        "logout of all: [",
        "purged",
    ] {
        assert!(
            all.contains(outcome) || seeds.end > SEEDS,
            "nothing was {outcome}"
        );
    }
}

/// What becomes of each step, in names that do not depend on the store.
async fn outcomes<S: SessionStore>(nodes: &Nodes<S>, seed: u64) -> Vec<String> {
    let clock = TestClock::new();
    let subjects = (0..3).map(|n| Subject::new(format!("subject-{seed}-{n}")).unwrap());
    let mut run = Run {
        rng: Rng::with_seed(seed),
        managers: nodes.managers(&clock),
        clock,
        subjects: subjects.collect(),
        sessions: Vec::new(),
        credentials: Vec::new(),
        access: Vec::new(),
    };
    let mut outcomes = Vec::with_capacity(STEPS);
    for _ in 0..STEPS {
        outcomes.push(run.step().await);
    }
    outcomes
}

struct Run {
    rng: Rng,
    clock: TestClock,
    managers: [SessionManager; 2],
    subjects: Vec<Subject>,
    /// In the order of their logins, which names them.
    sessions: Vec<SessionId>,
    /// Everything that was ever handed out, each once.
    credentials: Vec<Credential>,
    access: Vec<String>,
}

#[derive(Clone, PartialEq)]
enum Credential {
    Refresh(String),
    Session(String),
}

impl Credential {
    fn presented(&self) -> Presented<'_> {
        match self {
            Self::Refresh(text) => Presented::Refresh(text),
            Self::Session(text) => Presented::Session(text),
        }
    }
}

impl Credential {
    fn read(&self, manager: &SessionManager) -> SessionCredential {
        match self {
            Self::Refresh(text) => {
                SessionCredential::Refresh(manager.verify_refresh_token(text).unwrap())
            }
            Self::Session(text) => {
                SessionCredential::Session(SessionManager::read_session_cookie(text).unwrap())
            }
        }
    }
}

impl Run {
    async fn step(&mut self) -> String {
        // Most steps follow closely; now and then everything that is not used expires.
        let seconds = match self.rng.u8(..60) {
            0 => 3_000_000,
            1 => 90_000,
            2..30 => 0,
            _ => [1, 29, 36, 61, 100, 300][self.rng.usize(..6)],
        };
        self.clock.advance(Duration::from_secs(seconds));
        let manager = self.managers[self.rng.usize(..2)].clone();
        let subject = self.subjects[self.rng.usize(..self.subjects.len())].clone();
        // Rather one of the latest than an old one.
        let recent = self.rng.usize(..self.credentials.len().clamp(1, 12));
        let place = self.credentials.len().checked_sub(recent + 1);
        let Some(credential) = place.map(|place| self.credentials[place].clone()) else {
            return self.login(&manager, subject).await;
        };
        match self.rng.u8(..60) {
            0..6 => self.login(&manager, subject).await,
            6..40 => match &credential {
                Credential::Refresh(token) => {
                    let result = manager.refresh(token, None).await;
                    self.renewed("refresh", result)
                }
                Credential::Session(cookie) => match manager.touch(cookie).await {
                    Ok(visit) => {
                        let session = visit.session();
                        let name = self.name(session.id);
                        let until = session.idle_expires_at;
                        format!("touched {name} until {until}, slid: {}", visit.slid())
                    }
                    Err(error) => told("touch", &error),
                },
            },
            40..45 => {
                let credential = credential.read(&manager);
                let authentication = Authentication::password(manager.now());
                let result = manager.step_up(&credential, authentication).await;
                self.renewed("step-up", result)
            }
            45..50 => self.authenticate(&manager).await,
            50..54 => {
                let ended = manager.logout(credential.presented()).await.unwrap();
                format!("logout: {ended}")
            }
            54 => {
                let ended = manager
                    .revoke_all(&subject, RevokeReason::LogoutAll)
                    .await
                    .unwrap();
                format!("logout of all: {:?}", self.names(ended))
            }
            55 => {
                let kept = self.sessions[self.rng.usize(..self.sessions.len())];
                let reason = RevokeReason::LogoutOthers;
                let ended = manager.revoke_others(&subject, kept, reason).await.unwrap();
                format!("logout of others: {:?}", self.names(ended))
            }
            56 => format!("purged {}", manager.delete_expired(100_000).await.unwrap()),
            _ => {
                let live = manager.sessions(&subject).await.unwrap();
                let live = live.iter().map(|session| {
                    let (name, generation) = (self.name(session.id), session.generation.0);
                    (
                        name,
                        generation,
                        session.idle_expires_at,
                        session.last_seen_at,
                    )
                });
                let mut live: Vec<_> = live.collect();
                live.sort_unstable();
                format!("live: {live:?}")
            }
        }
    }

    async fn login(&mut self, manager: &SessionManager, subject: Subject) -> String {
        let ticket = manager.begin_login(subject).await.unwrap();
        let cookie = self.rng.u8(..3) == 0;
        let new = NewSession {
            transport: cookie.then_some(Transport::Session),
            remember: self.rng.bool(),
            ..NewSession::default()
        };
        let issued = manager.login(ticket, new).await.unwrap();
        self.sessions.push(issued.session().id);
        self.renewed("login", Ok(issued))
    }

    async fn authenticate(&mut self, manager: &SessionManager) -> String {
        let recent = self.rng.usize(..self.access.len().clamp(1, 8));
        let Some(place) = self.access.len().checked_sub(recent + 1) else {
            return "no access token".to_owned();
        };
        match manager.authenticate::<NoClaims>(&self.access[place]).await {
            Ok(access) => format!("access to {}", self.name(access.claims().session_id)),
            Err(AccessError::Revoked { session }) => {
                format!("no access: {} was ended", self.name(session))
            }
            Err(error) => format!("no access: {error}"),
        }
    }

    fn renewed(&mut self, what: &str, result: Result<Issued, RefreshError>) -> String {
        let issued = match result {
            Ok(issued) => issued,
            Err(error) => return told(what, &error),
        };
        let credential = match issued.credentials() {
            Credentials::Tokens(pair) => {
                self.access.push(pair.access_token.secret().to_owned());
                Credential::Refresh(pair.refresh_token.secret().to_owned())
            }
            Credentials::Session(cookie) => {
                Credential::Session(cookie.to_secret_text().to_string())
            }
        };
        let mut known = self.credentials.iter();
        let place = known.position(|known| *known == credential);
        let place = place.unwrap_or_else(|| {
            self.credentials.push(credential);
            self.credentials.len() - 1
        });
        let session = issued.session();
        format!(
            "{what} of {}: credential {place}, generation {}, until {} and {}",
            self.name(session.id),
            session.generation.0,
            session.idle_expires_at,
            session.absolute_expires_at,
        )
    }

    fn names(&self, ids: Vec<SessionId>) -> Vec<usize> {
        let mut names: Vec<_> = ids.into_iter().map(|id| self.name(id)).collect();
        names.sort_unstable();
        names
    }

    fn name(&self, id: SessionId) -> usize {
        let mut sessions = self.sessions.iter();
        sessions.position(|session| *session == id).unwrap()
    }
}

fn told(what: &str, error: &RefreshError) -> String {
    match error {
        RefreshError::Denied(denial) => format!("{what}: {} {denial:?}", denial.reason().as_str()),
        fault => panic!("{what}: {fault}"),
    }
}
