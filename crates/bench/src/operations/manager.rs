//! The session manager: a request with an access token, and a refresh.

use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use aws_lc_rs::{digest, hmac};
use token_core::session::Credentials;
use token_core::{Algorithm, CustomClaims, NoClaims, Policy, Subject, Transport};
use token_session::test_util::TestClock;
use token_session::{Issued, MemoryStore, NewSession, RevocationCheck, SessionManager, WhenBehind};
use tokio::runtime::{Builder, Runtime};

use super::verify;
use crate::operation::{BARE, Goal, OURS, Operation, Pool, Way, cycle};
use crate::peer;
use crate::world::{self, Key};

/// Longer than the grace, the tolerance and the store margin: the next refresh rotates.
pub const PAST_THE_GRACE: Duration = Duration::from_secs(50);

/// No feed runs beside what is measured, and counting instructions on a busy machine takes more than the usual few
/// seconds, after which a view counts as behind.
pub(crate) const LONGEST_HEARTBEAT: Duration = Duration::from_mins(1);

/// A manager on a memory store, with a clock that moves by hand.
///
/// # Panics
/// Never: the settings are within their ranges.
pub fn manager(key: &Key, capacity: usize) -> (SessionManager, TestClock) {
    let clock = TestClock::new();
    let mut issuer = world::issuer(key);
    issuer.policy = Policy::default();
    let manager = SessionManager::builder(MemoryStore::new(capacity, &[7; 32]), issuer);
    let manager = manager
        .clock(clock.clone())
        .revocation_check(RevocationCheck::Feed(WhenBehind::Refuse))
        .heartbeat(LONGEST_HEARTBEAT);
    (manager.build().expect("the settings are in range"), clock)
}

/// A runtime of the time-outs alone: a memory store never waits.
///
/// # Panics
/// If the system has no resources for one.
pub fn runtime() -> Runtime {
    let runtime = Builder::new_current_thread().enable_time().build();
    runtime.expect("a runtime starts")
}

/// Runs a future that never waits.
///
/// # Panics
/// If it waits.
pub fn at_once<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => unreachable!("a memory store never waits"),
    }
}

/// Opens a session.
///
/// # Panics
/// If the store is full.
pub async fn login(manager: &SessionManager, number: u64) -> Issued {
    let subject = Subject::new(format!("user-{number:08}")).expect("a name");
    let ticket = manager
        .begin_login(subject)
        .await
        .expect("the store answers");
    let session = NewSession {
        scope: "notes:read notes:write".parse().expect("a scope"),
        ..NewSession::default()
    };
    manager.login(ticket, session).await.expect("there is room")
}

/// Opens a server session, and returns the value of its cookie.
///
/// # Panics
/// If the store is full.
pub async fn cookie(manager: &SessionManager, number: u64) -> String {
    let subject = Subject::new(format!("user-{number:08}")).expect("a name");
    let ticket = manager.begin_login(subject).await;
    let session = NewSession {
        scope: "notes:read notes:write".parse().expect("a scope"),
        transport: Some(Transport::Session),
        ..NewSession::default()
    };
    let issued = manager.login(ticket.expect("the store answers"), session);
    match issued.await.expect("there is room").credentials() {
        Credentials::Session(token) => token.to_secret_text().to_string(),
        Credentials::Tokens(_) => unreachable!("the transport is `session`"),
    }
}

/// The access token of an answer.
pub fn access_token(issued: &Issued) -> String {
    let tokens = issued.tokens().expect("the transport is `header`");
    tokens.access_token.secret().to_owned()
}

/// The refresh token of an answer.
pub fn refresh_token(issued: &Issued) -> String {
    let tokens = issued.tokens().expect("the transport is `header`");
    tokens.refresh_token.secret().to_owned()
}

/// `SessionManager::authenticate`: verifies, and looks into the live revocation view.
///
/// # Panics
/// If a token is refused.
pub fn authenticate(Pool(count): Pool) -> Operation {
    let key = Key::new(Algorithm::HS256);
    let (manager, _) = manager(&key, 100_000);
    let runtime = runtime();
    let tokens: Vec<String> = runtime.block_on(async {
        manager.catch_up().await.expect("the store answers");
        let mut tokens = Vec::new();
        for number in 0..count {
            tokens.push(access_token(&login(&manager, number).await));
        }
        tokens
    });
    let bare = verify::bare(&key, &tokens);
    let mut decode = peer::jsonwebtoken_decode(&key);
    let peers = world::access_tokens(&world::issuer(&key), count, &CustomClaims::default());
    let ours = cycle(tokens, move |token| {
        let _inside = runtime.enter();
        let access = at_once(manager.authenticate::<NoClaims>(token));
        let _ = black_box(access.expect("the token is good"));
    });
    Operation {
        name: "authenticate HS256, revocation included".to_owned(),
        ways: vec![
            Way::new(OURS, ours),
            Way::new(BARE, bare),
            Way::new("jsonwebtoken", cycle(peers, move |token| decode(token))),
        ],
        goals: Vec::new(),
    }
}

/// `SessionManager::refresh`, on memory.
///
/// # Panics
/// If a refresh is refused.
pub fn refresh(Pool(count): Pool) -> Operation {
    let key = Key::new(Algorithm::HS256);
    let (manager, clock) = manager(&key, 1_000_000);
    let runtime = runtime();
    let tokens: Vec<String> = runtime.block_on(async {
        let mut tokens = Vec::new();
        for number in 0..count {
            tokens.push(refresh_token(&login(&manager, number).await));
        }
        tokens
    });
    let bare = bare_refresh(&tokens);
    let mut turn = 0;
    let ours = cycle(tokens, move |token| {
        if turn % count == 0 {
            clock.advance(PAST_THE_GRACE);
        }
        turn += 1;
        let _inside = runtime.enter();
        let issued = at_once(manager.refresh(token, None));
        *token = refresh_token(&issued.expect("the token is good"));
    });
    Operation {
        name: "refresh on memory, HS256".to_owned(),
        ways: vec![Way::new(OURS, ours), Way::new(BARE, bare)],
        goals: vec![Goal::Nanoseconds(5000.0)],
    }
}

/// The cryptography of a rotation: the old token is verified, its secret is hashed, the next one is
/// derived and hashed, and two tokens are signed.
fn bare_refresh(tokens: &[String]) -> impl FnMut() + use<> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, &world::SECRET);
    let messages: Vec<String> = tokens.to_vec();
    cycle(messages, move |message| {
        let tag = hmac::sign(&key, message.as_bytes());
        hmac::verify(&key, message.as_bytes(), tag.as_ref()).expect("it was just made");
        let secret = digest::digest(&digest::SHA256, tag.as_ref());
        let mut next = hmac::Context::with_key(&key);
        next.update(secret.as_ref());
        let next = next.sign();
        black_box(digest::digest(&digest::SHA256, next.as_ref()));
        black_box(hmac::sign(&key, message.as_bytes()));
    })
}
