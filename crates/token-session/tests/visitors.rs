//! Sessions of nobody: what they cost, how they end, and that nobody is logged in with one.

use std::time::Duration;

use token_core::session::Device;
use token_core::{Policy, Subject};
use token_session::store::DataWritten;
use token_session::test_util::{
    Injected, Outage, TestManager, Trouble, TroubledStore, test_issuer,
};
use token_session::visitor::{KeptData, VisitorError, VisitorKind, VisitorPolicy};
use token_session::{
    LoginError, ManagerError, MemoryStore, NewSession, Presented, RefreshError, SessionCredential,
    SessionManager,
};

const DAY: Duration = Duration::from_secs(24 * 3600);

async fn open(test: &TestManager) -> Result<String, VisitorError> {
    let json = r#"{"basket":["hat"]}"#;
    let opened = test
        .manager
        .open_visitor(VisitorKind::Visitor, Device::default(), json)
        .await?;
    Ok(opened.token().to_secret_text().to_string())
}

#[tokio::test]
async fn ten_thousand_visitors_are_bounded_and_purged() {
    let store = std::sync::Arc::new(MemoryStore::new(100_000, &[7; 32]));
    let test = TestManager::with_store(
        std::sync::Arc::clone(&store),
        Policy::default(),
        |builder| builder.visitors(VisitorPolicy::default().capacity(8_000)),
    );
    let mut cookies = Vec::new();
    for number in 0..10_000 {
        match open(&test).await {
            Ok(cookie) => cookies.push(cookie),
            Err(VisitorError::Full { capacity }) => assert!(number >= 8_000 && capacity == 8_000),
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!((cookies.len(), store.len()), (8_000, 8_000));
    // Logins have room beside them, and pending logins a bound of their own.
    let _ = test.login("alice", "").await;
    let pending = VisitorKind::PendingLogin;
    let opened = test.manager.open_visitor(pending, Device::default(), "{}");
    assert!(opened.await.is_ok());

    test.clock.advance(Duration::from_secs(86_399));
    let last = cookies.last().expect("there are some");
    let visitor = VisitorKind::Visitor;
    let found = test.manager.accept_visitor(visitor, last).await;
    assert!(found.expect("the store answers").is_some());
    test.clock.advance(Duration::from_secs(1));
    let found = test.manager.accept_visitor(visitor, last).await;
    assert!(found.expect("the store answers").is_none());
    test.clock.advance(Duration::from_secs(2_000));
    assert!(open(&test).await.is_ok(), "there is room again");
    let purged = test.manager.delete_expired(20_000).await;
    assert_eq!(purged.expect("the store answers"), 8_001);
    assert_eq!(store.len(), 2);
}

#[tokio::test]
async fn one_that_was_ended_is_purged_within_minutes() {
    let store = std::sync::Arc::new(MemoryStore::new(100, &[7; 32]));
    let test = TestManager::with_store(
        std::sync::Arc::clone(&store),
        Policy::default(),
        |builder| builder,
    );
    let cookie = open(&test).await.expect("there is room");
    let found = test
        .manager
        .accept_visitor(VisitorKind::Visitor, &cookie)
        .await;
    let found = found.expect("the store answers").expect("it is live");
    assert!(
        test.manager
            .end_visitor(&found)
            .await
            .expect("the store answers")
    );
    assert!(
        !test
            .manager
            .end_visitor(&found)
            .await
            .expect("the store answers")
    );
    test.clock.advance(Duration::from_secs(120));
    assert_eq!(
        test.manager
            .delete_expired(10)
            .await
            .expect("the store answers"),
        1
    );
    assert!(store.is_empty());
}

#[tokio::test]
async fn nobody_is_logged_in_with_it() {
    let test = TestManager::new(Policy::default());
    let cookie = open(&test).await.expect("there is room");
    let manager = &test.manager;
    assert!(matches!(
        manager.touch(&cookie).await,
        Err(RefreshError::Denied(_))
    ));
    assert!(matches!(
        manager.look(&cookie).await,
        Err(RefreshError::Denied(_))
    ));
    let found = manager.accept_visitor(VisitorKind::Visitor, &cookie).await;
    let found = found.expect("the store answers").expect("it is live");
    let id = found.id();
    assert!(
        manager
            .session(id)
            .await
            .expect("the store answers")
            .is_none()
    );
    let ended = manager.logout(Presented::Session(&cookie)).await;
    assert!(!ended.expect("the store answers"));
    let reason = token_core::RevokeReason::Logout;
    let own = manager
        .revoke_own(&found.session().subject, id, reason)
        .await;
    assert!(!own.expect("the store answers"));
    let token = SessionManager::read_session_cookie(&cookie).expect("it has the form of one");
    let credential = SessionCredential::Session(token);
    let refused = manager.begin_step_up(&credential).await;
    assert!(
        matches!(refused, Err(RefreshError::Denied(_))),
        "{refused:?}"
    );
    let password = token_core::Authentication::password(manager.now());
    let refused = manager.step_up(&credential, password).await;
    assert!(
        matches!(refused, Err(RefreshError::Denied(_))),
        "{refused:?}"
    );
}

#[tokio::test]
async fn no_user_can_have_a_reserved_subject() {
    let test = TestManager::new(Policy::default());
    let cookie = open(&test).await.expect("there is room");
    let found = test
        .manager
        .accept_visitor(VisitorKind::Visitor, &cookie)
        .await;
    let found = found.expect("the store answers").expect("it is live");
    for subject in [
        found.session().subject.clone(),
        Subject::new("urn:hallpass:").expect("a name"),
        Subject::new("urn:hallpass:visitor:alice").expect("a name"),
    ] {
        let ticket = test
            .manager
            .begin_login(subject)
            .await
            .expect("the store answers");
        let refused = test.manager.login(ticket, NewSession::default()).await;
        assert!(
            matches!(refused, Err(LoginError::ReservedSubject)),
            "{refused:?}"
        );
    }
}

#[tokio::test]
async fn a_login_begins_with_what_it_copies_under_a_new_id() {
    let test = TestManager::new(Policy::default());
    let cookie = open(&test).await.expect("there is room");
    let kept = KeptData::new(r#"{"basket":["hat"]}"#).expect("it is short");
    let new = NewSession {
        kept,
        ..NewSession::default()
    };
    let issued = test.open("alice", new).await;
    let id = issued.session().id;
    let found = test
        .manager
        .accept_visitor(VisitorKind::Visitor, &cookie)
        .await;
    let found = found
        .expect("the store answers")
        .expect("only the application ends it");
    assert_ne!(found.id(), id);
    let data = test
        .manager
        .session_data(id)
        .await
        .expect("the store answers");
    assert_eq!(
        data.and_then(|data| data.json).as_deref(),
        Some(r#"{"basket":["hat"]}"#)
    );
    let plain = test.login("alice", "").await;
    let data = test.manager.session_data(plain.session().id).await;
    let data = data.expect("the store answers").expect("it is stored");
    assert_eq!((data.version, data.json), (0, None));
    assert!(KeptData::new("x".repeat(4097)).is_none());
}

#[tokio::test]
async fn data_is_at_most_four_kibibytes() {
    let test = TestManager::new(Policy::default());
    let visitor = VisitorKind::Visitor;
    let text = |length: usize| format!("\"{}\"", "x".repeat(length - 2));
    let (fits, too_long) = (text(4096), text(4097));
    let opened = test
        .manager
        .open_visitor(visitor, Device::default(), &too_long);
    assert!(matches!(
        opened.await,
        Err(VisitorError::TooLong { length: 4097 })
    ));
    let opened = test.manager.open_visitor(visitor, Device::default(), &fits);
    let opened = opened.await.expect("it fits");
    let written = test
        .manager
        .write_visitor_data(&opened, 1, Some(too_long.into()))
        .await;
    assert!(matches!(
        written,
        Err(VisitorError::TooLong { length: 4097 })
    ));
    let written = test
        .manager
        .write_visitor_data(&opened, 1, Some(text(4096).into()))
        .await;
    assert_eq!(written.expect("it fits"), DataWritten::Applied);
}

#[tokio::test]
async fn a_store_that_cannot_be_asked_makes_nobody_of_no_visitor() {
    let outage = Outage::default();
    let store = TroubledStore::new(MemoryStore::with_capacity(100), outage.clone());
    let test =
        TestManager::with_store(store, Policy::default(), |builder| builder.store_retries(0));
    let cookie = open(&test).await.expect("there is room");
    outage.begin();
    let found = test
        .manager
        .accept_visitor(VisitorKind::Visitor, &cookie)
        .await;
    assert!(found.is_err());
    assert!(matches!(
        open(&test).await,
        Err(VisitorError::Login(_) | VisitorError::Store(_))
    ));
    outage.end();
    let found = test
        .manager
        .accept_visitor(VisitorKind::Visitor, &cookie)
        .await;
    assert!(found.expect("the store answers").is_some());
}

#[test]
fn a_lifetime_out_of_its_range_is_refused() {
    let build = |policy| {
        let store = MemoryStore::with_capacity(1);
        let builder = SessionManager::builder(store, test_issuer(Policy::default()));
        builder.visitors(policy).build()
    };
    let policy = VisitorPolicy::default();
    for (policy, fits) in [
        (policy, true),
        (policy.lifetime(Duration::from_secs(59)), false),
        (policy.lifetime(Duration::from_millis(60_500)), false),
        (policy.lifetime(90 * DAY), true),
        (policy.lifetime(91 * DAY), false),
        (policy.pending_lifetime(Duration::from_secs(3600)), true),
        (policy.pending_lifetime(Duration::from_secs(3601)), false),
    ] {
        let built = build(policy);
        assert_eq!(built.is_ok(), fits, "{policy:?}");
        assert!(fits || matches!(built, Err(ManagerError::VisitorLifetime(_))));
    }
}

/// Loses the answer to each insert, as a process that ends before it is answered.
struct LostInsert;

impl Trouble for LostInsert {
    async fn after(&self, call: &'static str) -> Result<(), Injected> {
        if call == "create" {
            Err(Injected)
        } else {
            Ok(())
        }
    }
}

#[tokio::test]
async fn what_a_crash_leaves_expires_and_nobody_has_its_credential() {
    let store = std::sync::Arc::new(MemoryStore::new(100, &[7; 32]));
    let faulty = TroubledStore::new(std::sync::Arc::clone(&store), LostInsert);
    let test = TestManager::with_store(faulty, Policy::default(), |builder| {
        builder.store_retries(0)
    });
    assert!(matches!(open(&test).await, Err(VisitorError::Store(_))));
    let ticket = test
        .manager
        .begin_login(Subject::new("alice").expect("a name"))
        .await
        .expect("the store answers");
    let new = NewSession {
        kept: KeptData::new("{}").expect("it is short"),
        ..NewSession::default()
    };
    let opened = test.manager.login(ticket, new).await;
    assert!(matches!(opened, Err(LoginError::Store(_))));
    assert_eq!(store.len(), 2);
    test.clock.advance(DAY * 60);
    let purged = test.manager.delete_expired(10).await;
    assert_eq!(purged.expect("the store answers"), 2);
}
