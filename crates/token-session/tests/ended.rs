//! Waiting for the end of a session.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test"
)]

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use token_core::{NoClaims, Policy, RevokeReason};
use token_session::test_util::{TestClock, test_issuer};
use token_session::{
    Issued, MemoryStore, NewSession, Presented, RevocationCheck, SessionEnd, SessionManager,
    WhenBehind,
};
use tokio::time::timeout;

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

struct Nodes {
    here: SessionManager,
    there: SessionManager,
    clock: TestClock,
}

fn start(check: RevocationCheck, policy: &Policy) -> Nodes {
    let store = Arc::new(MemoryStore::new(1000, &[7; 32]));
    let clock = TestClock::new();
    let node = |check| {
        SessionManager::builder(Arc::clone(&store), test_issuer(policy.clone()))
            .clock(clock.clone())
            .revocation_check(check)
            .build()
            .unwrap()
    };
    let (here, there) = (node(RevocationCheck::Store), node(check));
    Nodes { here, there, clock }
}

async fn nodes(check: RevocationCheck, policy: Policy) -> Nodes {
    let nodes = start(check, &policy);
    if matches!(check, RevocationCheck::Feed(_)) {
        nodes.there.catch_up().await.unwrap();
        tokio::spawn(nodes.there.clone().follow_revocations());
    }
    nodes
}

impl Nodes {
    async fn login(&self) -> Issued {
        let subject = "alice".parse().unwrap();
        let ticket = self.here.begin_login(subject).await.unwrap();
        self.here
            .login(ticket, NewSession::default())
            .await
            .unwrap()
    }

    fn ended(&self, issued: &Issued) -> impl Future<Output = SessionEnd> + Send + use<> {
        let expiry = issued.tokens().unwrap().access_expires_at;
        self.there.ended(issued.session().id, expiry)
    }

    /// Lets time pass, for clocks and for timers.
    async fn pass(&self, seconds: u64) {
        for _ in 0..seconds {
            self.clock.advance(secs(1));
            tokio::time::sleep(secs(1)).await;
        }
    }
}

fn refresh_token(issued: &Issued) -> String {
    issued.tokens().unwrap().refresh_token.secret().to_owned()
}

#[tokio::test(start_paused = true)]
async fn every_way_to_end_a_session_is_heard_of() {
    for check in [
        RevocationCheck::Feed(WhenBehind::AskStore),
        RevocationCheck::Store,
    ] {
        let nodes = nodes(check, Policy::default()).await;
        for way in 0..4 {
            let issued = nodes.login().await;
            let mut ended = pin!(nodes.ended(&issued));
            assert!(timeout(secs(1), &mut ended).await.is_err(), "it lives");
            let (refresh, subject) = (refresh_token(&issued), issued.session().subject.clone());
            match way {
                0 => assert!(
                    nodes
                        .here
                        .logout(Presented::Refresh(&refresh))
                        .await
                        .unwrap()
                ),
                1 => assert_eq!(
                    nodes
                        .here
                        .revoke_all(&subject, RevokeReason::LogoutAll)
                        .await
                        .unwrap()
                        .len(),
                    1
                ),
                2 => {
                    let admin = RevokeReason::Admin;
                    let id = issued.session().id;
                    let ended = nodes.here.revoke(id, admin).await;
                    assert!(ended.unwrap());
                }
                _ => {
                    let _ = nodes.here.refresh(&refresh, None).await.unwrap();
                    nodes.clock.advance(secs(60));
                    assert!(nodes.here.refresh(&refresh, None).await.is_err(), "reused");
                }
            }
            // With the feed at once; where the store is asked, when it is next.
            let limit = match check {
                RevocationCheck::Feed(_) => Duration::from_millis(10),
                _ => secs(6),
            };
            let end = timeout(limit, ended).await.expect("it ended");
            assert_eq!(end, SessionEnd::Revoked, "{check:?} {way}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_ended_before_is_known_at_once() {
    let nodes = nodes(RevocationCheck::Feed(WhenBehind::Refuse), Policy::default()).await;
    let issued = nodes.login().await;
    let ended = nodes.ended(&issued);
    let refresh = refresh_token(&issued);
    nodes
        .here
        .logout(Presented::Refresh(&refresh))
        .await
        .unwrap();
    tokio::time::sleep(secs(1)).await;
    let limit = Duration::from_millis(10);
    assert_eq!(timeout(limit, ended).await, Ok(SessionEnd::Revoked));
}

/// The access token expires, the session is renewed and goes on, and ends at its deadline.
#[tokio::test(start_paused = true)]
async fn the_deadline_that_counts_is_the_sessions() {
    let policy = Policy::builder()
        .idle_lifetime(secs(600))
        .access_lifetime(secs(60))
        .build()
        .unwrap();
    let nodes = nodes(RevocationCheck::Feed(WhenBehind::AskStore), policy).await;
    let issued = nodes.login().await;
    let mut ended = pin!(nodes.ended(&issued));
    let mut elapsed = async |seconds| {
        tokio::select! {
            biased;
            end = &mut ended => Some(end),
            () = nodes.pass(seconds) => None,
        }
    };
    assert_eq!(elapsed(300).await, None, "the token has expired");
    let _ = nodes
        .here
        .refresh(&refresh_token(&issued), None)
        .await
        .unwrap();
    assert_eq!(elapsed(500).await, None, "the deadline has moved");
    assert_eq!(elapsed(110).await, Some(SessionEnd::Expired));
}

#[tokio::test(start_paused = true)]
async fn while_the_feed_is_behind_the_store_is_asked() {
    let check = RevocationCheck::Feed(WhenBehind::AskStore);
    let nodes = start(check, &Policy::default());
    assert!(!nodes.there.revocations_are_live(), "nobody follows");
    let issued = nodes.login().await;
    let mut ended = pin!(nodes.ended(&issued));
    assert!(timeout(secs(20), &mut ended).await.is_err(), "it lives");
    let refresh = refresh_token(&issued);
    nodes
        .here
        .logout(Presented::Refresh(&refresh))
        .await
        .unwrap();
    assert_eq!(timeout(secs(6), ended).await, Ok(SessionEnd::Revoked));
}

#[tokio::test(start_paused = true)]
async fn who_gives_up_leaves_nothing_behind() {
    let nodes = nodes(RevocationCheck::Feed(WhenBehind::Refuse), Policy::default()).await;
    let tasks = || {
        tokio::runtime::Handle::current()
            .metrics()
            .num_alive_tasks()
    };
    let before = tasks();
    let issued = nodes.login().await;
    for _ in 0..10_000 {
        let ended = nodes.ended(&issued);
        assert!(timeout(Duration::from_micros(1), ended).await.is_err());
    }
    let one = nodes.ended(&issued);
    assert_eq!(tasks(), before);
    let access = issued.tokens().unwrap().access_token.secret().to_owned();
    assert!(nodes.there.authenticate::<NoClaims>(&access).await.is_ok());
    let refresh = refresh_token(&issued);
    nodes
        .here
        .logout(Presented::Refresh(&refresh))
        .await
        .unwrap();
    assert_eq!(timeout(secs(1), one).await, Ok(SessionEnd::Revoked));
}
