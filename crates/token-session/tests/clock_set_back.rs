//! A clock that was ahead and is set right: sessions from before go on, and end as they should.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use std::time::Duration;

use token_core::{Authentication, NoClaims, Policy, Transport};
use token_session::test_util::TestManager;
use token_session::{
    AccessError, Issued, NewSession, Presented, RevocationCheck, SessionCredential, SessionManager,
    WhenBehind,
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
        let store = token_session::MemoryStore::new(1000, &[7; 32]);
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
