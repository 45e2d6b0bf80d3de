//! Old sessions become sessions here: one for each, until its end, and never again after a logout.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use token_core::session::Credentials;
use token_core::{Policy, RevokeReason, Subject, Transport};
use token_session::adopt::{AdoptError, OldSession};
use token_session::event::{Event, EventKind};
use token_session::test_util::{Injected, TestClock, TestManager, Trouble, TroubledStore};
use token_session::visitor::KeptData;
use token_session::{Issued, MemoryStore, NewSession, SessionManager};
use tokio::task::JoinSet;

const DAY: Duration = Duration::from_secs(24 * 3600);
const READER: &str = "old";

fn policy() -> Policy {
    let until = token_session::clock::Clock::now(&TestClock::new()) + DAY * 60;
    Policy::builder()
        .adopts_until(until)
        .build()
        .expect("in range")
}

fn test() -> TestManager {
    TestManager::new(policy())
}

fn old(credential: &str) -> OldSession {
    let session = NewSession {
        transport: Some(Transport::Session),
        ..NewSession::default()
    };
    OldSession::new(Subject::new("alice").expect("a name"), credential, session)
}

fn cookie(issued: &Issued) -> String {
    match issued.credentials() {
        Credentials::Session(token) => token.to_secret_text().to_string(),
        Credentials::Tokens(_) => unreachable!("the transport is `session`"),
    }
}

async fn adopt(manager: &SessionManager, credential: &str) -> Result<String, AdoptError> {
    Ok(cookie(&manager.adopt(READER, old(credential)).await?))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_first_requests_give_one_session_and_each_answer_works() {
    let adopted = Arc::new(Mutex::new(0));
    let seen = Arc::clone(&adopted);
    let sink = move |event: Event| {
        if event.kind == (EventKind::Adopted { reader: READER }) {
            *seen.lock().expect("not poisoned") += 1;
        }
    };
    let store = Arc::new(MemoryStore::new(1000, &[7; 32]));
    let test =
        TestManager::with_store(Arc::clone(&store), policy(), |builder| builder.events(sink));
    for round in 0..20 {
        let mut requests = JoinSet::new();
        for _ in 0..16 {
            let manager = test.manager.clone();
            requests.spawn(async move { adopt(&manager, &format!("{round}")).await });
        }
        let mut cookies = Vec::new();
        for answer in requests.join_all().await {
            cookies.push(answer.expect("it is live"));
        }
        for cookie in &cookies {
            assert_eq!(cookie, &cookies[0]);
            assert!(test.manager.touch(cookie).await.is_ok());
        }
    }
    assert_eq!(
        (store.len(), *adopted.lock().expect("not poisoned")),
        (20, 20)
    );
}

#[tokio::test]
async fn a_logout_wins_until_nothing_is_adopted_any_more() {
    let test = test();
    let cookie = adopt(&test.manager, "a").await.expect("it is live");
    let id = test.manager.look(&cookie).await.expect("live").session().id;
    assert!(
        test.manager
            .revoke(id, RevokeReason::Logout)
            .await
            .expect("it answers")
    );
    for days in [0, 2, 20, 37] {
        test.clock.advance(DAY * days);
        let purged = test.manager.delete_expired(100).await;
        assert_eq!(purged.expect("the store answers"), 0, "{days}");
        let again = adopt(&test.manager, "a").await;
        assert!(matches!(again, Err(AdoptError::Ended { session }) if session == id));
    }
    test.clock.advance(DAY);
    let again = adopt(&test.manager, "b").await;
    assert!(
        matches!(again, Err(AdoptError::NotAdopting)),
        "the period has ended"
    );
    test.clock.advance(DAY);
    let purged = test.manager.delete_expired(100).await;
    assert_eq!(purged.expect("the store answers"), 1);
}

#[tokio::test]
async fn one_that_has_expired_here_stays_expired() {
    let test = test();
    assert!(adopt(&test.manager, "a").await.is_ok());
    test.clock.advance(DAY * 30);
    let again = adopt(&test.manager, "a").await;
    assert!(matches!(again, Err(AdoptError::Ended { .. })), "{again:?}");
}

#[tokio::test]
async fn an_old_session_that_was_never_seen_can_be_ended() {
    let test = test();
    let ended = test.manager.end_old(READER, old("a"), RevokeReason::Logout);
    assert!(ended.await.expect("the store answers"));
    let again = adopt(&test.manager, "a").await;
    assert!(matches!(again, Err(AdoptError::Ended { .. })), "{again:?}");
    let ended = test.manager.end_old(READER, old("a"), RevokeReason::Logout);
    assert!(!ended.await.expect("the store answers"));
}

#[tokio::test]
async fn ending_all_sessions_of_a_user_ends_those_that_were_never_seen() {
    let test = test();
    let own = adopt(&test.manager, "this browser")
        .await
        .expect("it is live");
    let session = test
        .manager
        .look(&own)
        .await
        .expect("live")
        .session()
        .clone();
    let others =
        test.manager
            .revoke_others(&session.subject, session.id, RevokeReason::PasswordChanged);
    assert!(others.await.expect("the store answers").is_empty());
    let stolen = adopt(&test.manager, "stolen before").await;
    assert!(matches!(stolen, Err(AdoptError::AllEnded)), "{stolen:?}");
    // The one that goes on is found as before.
    assert_eq!(
        adopt(&test.manager, "this browser").await.expect("live"),
        own
    );
}

#[tokio::test]
async fn it_ends_no_later_than_the_old_one() {
    let test = test();
    let now = test.manager.now();
    let ending = |secs: u64| old("a").ends_at(now + Duration::from_secs(secs));
    let over = test.manager.adopt(READER, ending(0)).await;
    assert!(matches!(over, Err(AdoptError::Expired { .. })), "{over:?}");
    let issued = test
        .manager
        .adopt(READER, ending(600))
        .await
        .expect("it is live");
    assert_eq!(
        issued.session().absolute_expires_at,
        now + Duration::from_secs(600)
    );
    test.clock.advance(Duration::from_secs(599));
    assert!(test.manager.touch(&cookie(&issued)).await.is_ok());
    test.clock.advance(Duration::from_secs(1));
    assert!(test.manager.touch(&cookie(&issued)).await.is_err());
}

fn header(mut old: OldSession) -> OldSession {
    old.session.transport = Some(Transport::Header);
    old
}

/// A client that is not updated shows its old token all the time, and moves no deadline with that.
#[tokio::test]
async fn an_old_token_in_use_outlives_the_idle_lifetime() {
    let idle = Duration::from_secs(60);
    let until = token_session::clock::Clock::now(&TestClock::new()) + DAY;
    let policy = Policy::builder().adopts_until(until).idle_lifetime(idle);
    let test = TestManager::new(policy.build().expect("in range"));
    let ends_at = test.manager.now() + Duration::from_secs(600);
    let adopt = || {
        test.manager
            .adopt(READER, header(old("a")).ends_at(ends_at))
    };
    for _ in 0..20 {
        assert!(adopt().await.is_ok());
        test.clock.advance(Duration::from_secs(30));
    }
    let late = adopt().await;
    assert!(matches!(late, Err(AdoptError::Expired { .. })), "{late:?}");

    // From the first refresh on it is a session like any other.
    let test = TestManager::new(test.manager.policy().clone());
    let issued = test.manager.adopt(READER, header(old("b"))).await;
    let issued = issued.expect("it is live");
    let token = issued
        .tokens()
        .expect("the transport")
        .refresh_token
        .secret();
    let refreshed = test
        .manager
        .refresh(token, None)
        .await
        .expect("it is current");
    let session = refreshed.session();
    assert_eq!(session.idle_expires_at, test.manager.now() + idle);
}

#[tokio::test]
async fn a_logout_with_an_old_token_ends_what_another_holder_has_renewed() {
    let test = test();
    let issued = test.manager.adopt(READER, header(old("a"))).await;
    let issued = issued.expect("it is live");
    let token = issued
        .tokens()
        .expect("the transport")
        .refresh_token
        .secret();
    let renewed = test
        .manager
        .refresh(token, None)
        .await
        .expect("it is current");
    let ended = test
        .manager
        .end_old(READER, header(old("a")), RevokeReason::Logout);
    assert!(ended.await.expect("the store answers"));
    let newest = renewed
        .tokens()
        .expect("the transport")
        .refresh_token
        .secret();
    assert!(test.manager.refresh(newest, None).await.is_err());
}

#[tokio::test]
async fn a_newer_credential_takes_the_place_of_the_old_one() {
    let test = test();
    let issued = test
        .manager
        .adopt(READER, header(old("a")))
        .await
        .expect("it is live");
    let first = issued
        .tokens()
        .expect("the transport")
        .refresh_token
        .secret()
        .to_owned();
    // The answer was lost: the same token again.
    let again = test
        .manager
        .adopt(READER, header(old("a")))
        .await
        .expect("it is live");
    assert_eq!(
        again
            .tokens()
            .expect("the transport")
            .refresh_token
            .secret(),
        first
    );
    test.clock.advance(Duration::from_secs(60));
    let refreshed = test
        .manager
        .refresh(&first, None)
        .await
        .expect("it is current");
    assert_eq!(refreshed.session().generation.0, 1);
    let late = test.manager.adopt(READER, header(old("a"))).await;
    assert!(matches!(late, Err(AdoptError::Replaced { .. })), "{late:?}");
}

/// Loses the answer to an insert while it is set.
#[derive(Default)]
struct LostInsert(AtomicBool);

impl Trouble for LostInsert {
    async fn after(&self, call: &'static str) -> Result<(), Injected> {
        if call == "create" && self.0.load(Ordering::SeqCst) {
            return Err(Injected);
        }
        Ok(())
    }
}

#[tokio::test]
async fn its_data_is_there_also_if_the_first_request_broke_off() {
    let outage = Arc::new(LostInsert::default());
    let store = TroubledStore::new(MemoryStore::new(100, &[7; 32]), Arc::clone(&outage));
    let test = TestManager::with_store(store, policy(), |builder| builder.store_retries(0));
    let with_data = || {
        let mut old = old("a");
        old.session.kept = KeptData::new(r#"{"basket":["hat"]}"#).expect("an object");
        old
    };
    outage.0.store(true, Ordering::SeqCst);
    let broken = test.manager.adopt(READER, with_data()).await;
    assert!(matches!(broken, Err(AdoptError::Store(_))), "{broken:?}");
    outage.0.store(false, Ordering::SeqCst);
    let issued = test
        .manager
        .adopt(READER, with_data())
        .await
        .expect("it is live");
    let data = test.manager.session_data(issued.session().id).await;
    let data = data.expect("the store answers").expect("it is there");
    assert_eq!(
        (data.version, data.json.as_deref()),
        (1, Some(r#"{"basket":["hat"]}"#))
    );
    // What was written since is not written over.
    let write = test
        .manager
        .write_session_data(issued.session().id, 1, None);
    assert!(write.await.is_ok());
    assert!(test.manager.adopt(READER, with_data()).await.is_ok());
    let data = test.manager.session_data(issued.session().id).await;
    assert_eq!(data.expect("it answers").expect("it is there").version, 2);
}

#[tokio::test]
async fn nothing_is_adopted_unless_the_policy_says_until_when() {
    let test = TestManager::new(Policy::default());
    assert!(!test.manager.adopts());
    let refused = adopt(&test.manager, "a").await;
    assert!(
        matches!(refused, Err(AdoptError::NotAdopting)),
        "{refused:?}"
    );
    assert!(!format!("{:?}", old("hidden")).contains("hidden"));
}
