//! After all sessions of a subject were ended none that was opened before works, whatever was
//! in flight on whichever node.

use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use token_core::session::Credentials;
use token_core::{RevokeReason, SessionId, Subject, Transport};
use token_session::test_util::TestClock;
use token_session::{
    Issued, LoginError, LoginTicket, NewSession, RefreshError, SessionManager, SessionStore,
};
use tokio::sync::Semaphore;
use tokio::task::{JoinSet, yield_now};

use crate::nodes::{Nodes, seed};

const RUNS: u64 = 1000;
/// How many runs go on side by side.
const TOGETHER: usize = 16;

/// Each run has a seed of its own, which a failure names.
pub(crate) async fn hold<S: SessionStore>(nodes: &Nodes<S>) {
    let (first, runs) = seed().map_or_else(|| (fastrand::u64(..), RUNS), |seed| (seed, 1));
    println!("HALLPASS_SEED={first} and the {runs} from there on");
    let clock = TestClock::new();
    let managers = nodes.managers(&clock);
    let seeds = (0..runs).map(|run| first.wrapping_add(run));
    let begun = side_by_side(seeds, |seed| begin(managers.clone(), seed)).await;
    // So that the refreshes rotate and the touches write.
    clock.advance(Duration::from_secs(100));
    side_by_side(begun, |race| {
        let seed = race.seed;
        let run = tokio::spawn(race.run(managers.clone()));
        async move {
            if let Err(error) = run.await {
                println!("HALLPASS_SEED={seed} repeats it");
                std::panic::resume_unwind(error.into_panic());
            }
        }
    })
    .await;
}

/// Does the same with each, some at a time; a failure of one ends the others.
async fn side_by_side<T, F>(
    all: impl IntoIterator<Item = T>,
    work: impl Fn(T) -> F,
) -> Vec<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    let places = Arc::new(Semaphore::new(TOGETHER));
    let mut running = JoinSet::new();
    for one in all {
        let (place, work) = (Arc::clone(&places).acquire_owned().await, work(one));
        running.spawn(async move {
            let _place = place;
            work.await
        });
    }
    running.join_all().await
}

/// A subject with a session of each kind.
struct Race {
    seed: u64,
    subject: Subject,
    tokens: Issued,
    cookie: Issued,
}

async fn begin(managers: [SessionManager; 2], seed: u64) -> Race {
    let subject = Subject::new(format!("subject-{seed:016x}")).unwrap();
    let tokens = login(&managers[0], &subject, None).await.unwrap();
    let cookie = login(&managers[1], &subject, Some(Transport::Session));
    let cookie = cookie.await.unwrap();
    Race {
        seed,
        subject,
        tokens,
        cookie,
    }
}

/// What became of one call.
enum Done {
    Ended(Vec<SessionId>),
    Login(Result<Issued, LoginError>),
    Refresh(Result<Issued, RefreshError>),
    Touch(Result<(), RefreshError>),
}

impl Race {
    async fn run(self, managers: [SessionManager; 2]) {
        let Self {
            seed,
            subject,
            tokens,
            cookie,
        } = self;
        let mut rng = Rng::with_seed(seed);
        let node = |rng: &mut Rng| managers[rng.usize(..2)].clone();
        let except = rng.bool().then_some(tokens.session().id);

        // Every login in flight has noted its epoch by now.
        let mut calls = JoinSet::new();
        for _ in 0..3 {
            let (manager, turns) = (node(&mut rng), rng.u8(..6));
            let ticket = manager.begin_login(subject.clone()).await.unwrap();
            let other = node(&mut rng);
            calls.spawn(async move {
                wait(turns).await;
                Done::Login(open(&other, ticket, None).await)
            });
        }
        for _ in 0..2 {
            let (manager, turns, token) = (node(&mut rng), rng.u8(..6), text(&tokens));
            calls.spawn(async move {
                wait(turns).await;
                Done::Refresh(manager.refresh(&token, None).await)
            });
            let (manager, turns, value) = (node(&mut rng), rng.u8(..6), text(&cookie));
            calls.spawn(async move {
                wait(turns).await;
                Done::Touch(manager.touch(&value).await.map(drop))
            });
        }
        let (manager, turns, whose) = (node(&mut rng), rng.u8(..6), subject.clone());
        let other = node(&mut rng);
        calls.spawn(async move {
            wait(turns).await;
            let ended = match except {
                Some(session) => manager
                    .revoke_others(&whose, session, RevokeReason::LogoutOthers)
                    .await
                    .unwrap(),
                None => manager
                    .revoke_all(&whose, RevokeReason::LogoutAll)
                    .await
                    .unwrap(),
            };
            // At once, while the others are still at it.
            let live = other.sessions(&whose).await.unwrap();
            let live: Vec<_> = live.iter().map(|session| session.id).collect();
            assert_eq!(live, Vec::from_iter(except), "live after the answer");
            Done::Ended(ended)
        });

        let mut handed_out = vec![text(&tokens)];
        let mut opened = vec![tokens.session().id, cookie.session().id];
        let mut told = Vec::new();
        for done in calls.join_all().await {
            match done {
                Done::Ended(ended) => told = ended,
                Done::Login(Ok(issued)) => {
                    opened.push(issued.session().id);
                    handed_out.push(text(&issued));
                }
                Done::Refresh(Ok(issued)) => handed_out.push(text(&issued)),
                Done::Login(Err(LoginError::EpochPassed))
                | Done::Touch(Ok(()) | Err(RefreshError::Denied(_))) => {}
                Done::Login(Err(error)) => panic!("{error}"),
                Done::Refresh(Err(RefreshError::Denied(denial))) => {
                    assert!(except.is_none(), "the session that lives on: {denial}");
                }
                Done::Refresh(Err(error)) | Done::Touch(Err(error)) => panic!("{error}"),
            }
        }
        opened.retain(|id| Some(*id) != except);
        opened.sort_unstable();
        told.sort_unstable();
        assert_eq!(
            told, opened,
            "each session that was opened before was ended, once"
        );
        for manager in &managers {
            let touched = manager.touch(&text(&cookie)).await;
            assert!(
                matches!(touched, Err(RefreshError::Denied(_))),
                "{touched:?}"
            );
        }
        for (token, manager) in handed_out.iter().zip(managers.iter().cycle()) {
            match manager.refresh(token, None).await {
                Ok(issued) => assert_eq!(Some(issued.session().id), except, "it works"),
                Err(RefreshError::Denied(_)) => {}
                Err(error) => panic!("{error}"),
            }
        }
        if except.is_some() {
            let _ = managers[0].refresh(&text(&tokens), None).await.unwrap();
        }
        // Who logs in now is in.
        let _ = login(&managers[0], &subject, None).await.unwrap();
    }
}

async fn wait(turns: u8) {
    for _ in 0..turns {
        yield_now().await;
    }
}

async fn login(
    manager: &SessionManager,
    subject: &Subject,
    transport: Option<Transport>,
) -> Result<Issued, LoginError> {
    let ticket = manager.begin_login(subject.clone()).await?;
    open(manager, ticket, transport).await
}

async fn open(
    manager: &SessionManager,
    ticket: LoginTicket,
    transport: Option<Transport>,
) -> Result<Issued, LoginError> {
    let new = NewSession {
        transport,
        ..NewSession::default()
    };
    manager.login(ticket, new).await
}

/// The long-lived credential.
fn text(issued: &Issued) -> String {
    match issued.credentials() {
        Credentials::Tokens(pair) => pair.refresh_token.secret().to_owned(),
        Credentials::Session(cookie) => cookie.to_secret_text().to_string(),
    }
}
