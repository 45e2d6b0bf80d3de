//! A clock that was ahead and is set right: sessions from before go on, and end as they should.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use std::sync::Arc;
use std::time::Duration;

use token_core::{Authentication, NoClaims, Policy, Transport};
use token_session::test_util::{TestClock, TestManager, test_issuer};
use token_session::{
    AccessError, Issued, MemoryStore, NewSession, Presented, RevocationCheck, SessionCredential,
    SessionManager, WhenBehind,
};

const AHEAD: [Duration; 3] = [
    Duration::from_secs(20),
    Duration::from_secs(3600),
    Duration::from_secs(86_400),
];

fn refresh_token(issued: &Issued) -> &str {
    issued.tokens().unwrap().refresh_token.secret()
}

fn access_token(issued: &Issued) -> &str {
    issued.tokens().unwrap().access_token.secret()
}

#[tokio::test]
async fn tokens_of_a_session_from_the_future_are_renewed_and_accepted() {
    for ahead in AHEAD {
        let node = TestManager::new(Policy::default());
        let right = node.manager.now();
        node.clock.advance(ahead);
        let login = node.login("alice", "").await;
        // A rotation of the wrong clock too.
        node.clock.advance(Duration::from_secs(60));
        let renewed = node
            .manager
            .refresh(refresh_token(&login), None)
            .await
            .unwrap();
        node.clock.set(right);

        let next = node
            .manager
            .refresh(refresh_token(&renewed), None)
            .await
            .unwrap();
        let token = node
            .manager
            .authenticate::<NoClaims>(access_token(&next))
            .await;
        let token = token.unwrap();
        assert_eq!(token.claims().issued_at, right, "by {ahead:?}");
        assert_eq!(token.claims().auth_time, right + ahead);

        // A step-up by the right clock puts the time of the authentication right.
        let credential = node
            .manager
            .verify_refresh_token(refresh_token(&next))
            .unwrap();
        let credential = SessionCredential::Refresh(credential);
        let authentication = Authentication::password(right);
        let stepped = node
            .manager
            .step_up(&credential, authentication)
            .await
            .unwrap();
        let token = node
            .manager
            .authenticate::<NoClaims>(access_token(&stepped))
            .await;
        assert_eq!(token.unwrap().claims().auth_time, right);

        // A logout holds at once.
        let presented = Presented::Refresh(refresh_token(&stepped));
        assert!(node.manager.logout(presented).await.unwrap());
        let token = node
            .manager
            .authenticate::<NoClaims>(access_token(&stepped))
            .await;
        assert!(
            matches!(token, Err(AccessError::Revoked { .. })),
            "by {ahead:?}"
        );
        assert!(
            node.manager
                .refresh(refresh_token(&stepped), None)
                .await
                .is_err()
        );
    }
}

#[tokio::test]
async fn a_session_cookie_from_the_future_is_accepted_and_ended() {
    for ahead in AHEAD {
        let node = TestManager::new(Policy::default());
        let right = node.manager.now();
        node.clock.advance(ahead);
        let new = NewSession {
            transport: Some(Transport::Session),
            ..NewSession::default()
        };
        let login = node.open("alice", new).await;
        let token_core::session::Credentials::Session(token) = login.credentials() else {
            unreachable!("the transport is `session`")
        };
        let cookie = token.to_secret_text();
        node.clock.set(right);
        let id = login.session().id;
        assert_eq!(node.manager.touch(&cookie).await.unwrap().session().id, id);
        assert!(
            node.manager
                .logout(Presented::Session(&cookie))
                .await
                .unwrap()
        );
        assert!(node.manager.touch(&cookie).await.is_err());
    }
}

/// The view keeps an ending for the time that tokens live, by the clock that wrote it.
#[tokio::test]
async fn an_ending_from_the_future_stays_in_the_view() {
    for ahead in AHEAD {
        let store = MemoryStore::new(1000, &[7; 32]);
        let node = TestManager::with_store(store, Policy::default(), |builder| {
            builder.revocation_check(RevocationCheck::Feed(WhenBehind::Accept))
        });
        let manager: &SessionManager = &node.manager;
        let right = manager.now();
        let login = node.login("alice", "").await;
        node.clock.advance(ahead);
        assert!(
            manager
                .logout(Presented::Refresh(refresh_token(&login)))
                .await
                .unwrap()
        );
        node.clock.set(right);
        let token = manager.authenticate::<NoClaims>(access_token(&login)).await;
        assert!(
            matches!(token, Err(AccessError::Revoked { .. })),
            "by {ahead:?}"
        );
    }
}

/// A node that follows the feed of another, whose clock is right.
async fn follower(node: &TestManager, store: &Arc<MemoryStore>) -> (SessionManager, TestClock) {
    let clock = TestClock::new();
    clock.set(node.manager.now());
    let manager = SessionManager::builder(Arc::clone(store), test_issuer(Policy::default()))
        .clock(clock.clone())
        .revocation_check(RevocationCheck::Feed(WhenBehind::Refuse))
        .build()
        .unwrap();
    manager.catch_up().await.unwrap();
    tokio::spawn(manager.clone().follow_revocations());
    tokio::time::sleep(Duration::from_millis(200)).await;
    (manager, clock)
}

/// What a token of an ended session is answered right after the clocks were moved, and once the feed
/// had time to read again.
async fn answers_after(jump: impl AsyncFnOnce(&TestManager, &TestClock)) -> [&'static str; 2] {
    let store = Arc::new(MemoryStore::new(1000, &[7; 32]));
    let node = TestManager::with_store(Arc::clone(&store), Policy::default(), |builder| builder);
    let (manager, clock) = follower(&node, &store).await;
    let login = node.login("alice", "").await;
    let credential = Presented::Refresh(refresh_token(&login));
    assert!(node.manager.logout(credential).await.unwrap());
    tokio::time::sleep(Duration::from_millis(200)).await;

    jump(&node, &clock).await;
    let mut answers = [""; 2];
    for answer in &mut answers {
        let token = manager.authenticate::<NoClaims>(access_token(&login)).await;
        *answer = match token {
            Ok(_) => "accepted",
            Err(AccessError::Behind) => "behind",
            Err(AccessError::Revoked { .. }) => "revoked",
            Err(_) => "another",
        };
        tokio::time::sleep(Duration::from_secs(20)).await;
    }
    answers
}

/// While it was ahead, the view forgot what had ended by the right clock.
#[tokio::test(start_paused = true)]
async fn a_view_that_forgot_by_a_clock_ahead_is_behind_until_it_was_read_again() {
    let answers = answers_after(async |node, clock| {
        let right = node.manager.now();
        clock.set(right + Duration::from_secs(3600));
        // The view is read, and forgets by that clock.
        tokio::time::sleep(Duration::from_secs(90)).await;
        clock.set(right);
    });
    let [first, then] = answers.await;
    assert_ne!(first, "accepted");
    assert_eq!(then, "revoked");
}
