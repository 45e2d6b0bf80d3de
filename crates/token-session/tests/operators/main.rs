//! What operators rely on: repeated calls, the events of a day, the deletion of expired sessions.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test"
)]

mod flaky;
#[cfg(feature = "metrics")]
mod gauges;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use flaky::{Twin, When, flaky};
use token_core::{Authentication, Policy, RevokeReason, SessionId, Subject, Transport};
use token_session::event::Event;
use token_session::event::EventKind::{
    self, Expired, Login, LostWrite, Mismatch, Purged, Refreshed, Replayed, Reused, Revoked,
    SteppedUp,
};
use token_session::test_util::{TestClock, test_issuer};
use token_session::{
    Issued, LoginError, MemoryStore, NewSession, Presented, RefreshError, SessionCredential,
    SessionManager, SessionManagerBuilder, SessionStore, StoreError,
};

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

type Log = Arc<Mutex<Vec<(EventKind, Option<SessionId>)>>>;

fn manager(
    store: impl SessionStore,
    clock: &TestClock,
    log: &Log,
    set: impl FnOnce(SessionManagerBuilder) -> SessionManagerBuilder,
) -> SessionManager {
    let log = Arc::clone(log);
    let sink = move |event: Event| log.lock().unwrap().push((event.kind, event.session));
    let builder = SessionManager::builder(store, test_issuer(Policy::default()));
    let builder = builder.clock(clock.clone()).events(sink);
    set(builder).build().unwrap()
}

async fn login(manager: &SessionManager, transport: Transport) -> Result<Issued, LoginError> {
    let alice = Subject::new("alice").unwrap();
    let ticket = manager.begin_login(alice).await?;
    let new = NewSession {
        transport: Some(transport),
        ..NewSession::default()
    };
    manager.login(ticket, new).await
}

fn refresh_token(issued: &Issued) -> String {
    issued.tokens().unwrap().refresh_token.secret().to_owned()
}

fn credential(manager: &SessionManager, refresh_token: &str) -> SessionCredential {
    SessionCredential::Refresh(manager.verify_refresh_token(refresh_token).unwrap())
}

/// Each kind of call fails once, before it did anything or after: the caller notices nothing,
/// and each event comes once.
#[tokio::test(start_paused = true)]
async fn a_call_that_fails_is_repeated_and_knows_its_own_work() {
    for when in [When::Before, When::After] {
        let (clock, log) = (TestClock::new(), Log::default());
        let store = Arc::new(flaky(when));
        let manager = manager(Arc::clone(&store), &clock, &log, |builder| builder);
        let alice = Subject::new("alice").unwrap();

        let issued = login(&manager, Transport::Header).await.unwrap();
        let first = refresh_token(&issued);
        let second = refresh_token(&manager.refresh(&first, None).await.unwrap());
        assert_ne!(first, second);
        clock.advance(secs(40));
        let step_up = Authentication::password(manager.now());
        let third = manager
            .step_up(&credential(&manager, &second), step_up)
            .await;
        let third = refresh_token(&third.unwrap());
        let id = issued.session().id;
        let json = || Some("{}".into());
        let written = manager.write_session_data(id, 0, json()).await.unwrap();
        assert_eq!(written, token_session::store::DataWritten::Applied);
        assert!(manager.logout(Presented::Refresh(&third)).await.unwrap());
        clock.advance(secs(1));
        assert!(!manager.logout(Presented::Refresh(&third)).await.unwrap());

        let stolen = login(&manager, Transport::Header).await.unwrap();
        let old = refresh_token(&stolen);
        let _ = manager.refresh(&old, None).await.unwrap();
        clock.advance(secs(40));
        assert!(manager.refresh(&old, None).await.is_err());
        let cookie = login(&manager, Transport::Session).await.unwrap();
        let ended = manager
            .revoke_all(&alice, RevokeReason::LogoutAll)
            .await
            .unwrap();
        assert_eq!(ended, [cookie.session().id]);

        // Each kind of call but those of the feed, and most of them more than once.
        let failures = store.trouble().failures.load(Ordering::SeqCst);
        assert!(failures >= 15, "{failures}");
        let kinds: Vec<_> = log
            .lock()
            .unwrap()
            .drain(..)
            .map(|(kind, _)| kind)
            .collect();
        let expected = [
            Login,
            Refreshed,
            SteppedUp,
            Revoked(RevokeReason::Logout),
            Login,
            Refreshed,
            Reused,
            Login,
            Revoked(RevokeReason::LogoutAll),
        ];
        assert_eq!(kinds, expected, "{when:?}");
    }
}

/// Two repetitions, and not longer than the time-out.
#[tokio::test(start_paused = true)]
async fn repetitions_are_bounded() {
    let (clock, log) = (TestClock::new(), Log::default());
    let store = Arc::new(flaky(When::AlwaysBefore));
    let dead = manager(Arc::clone(&store), &clock, &log, |builder| builder);
    let start = tokio::time::Instant::now();
    let failed = login(&dead, Transport::Header).await;
    assert!(matches!(
        failed,
        Err(LoginError::Store(StoreError::Failed(_)))
    ));
    assert_eq!(store.trouble().failures.load(Ordering::SeqCst), 3);
    assert!(start.elapsed() < Duration::from_millis(250));

    let store = Arc::new(flaky(When::Hangs));
    let hung = manager(Arc::clone(&store), &clock, &log, |builder| {
        builder.store_timeout(secs(3))
    });
    // The login begins with a question, so nothing was written.
    let start = tokio::time::Instant::now();
    let failed = login(&hung, Transport::Header).await;
    assert!(matches!(
        failed,
        Err(LoginError::Store(StoreError::Timeout(_)))
    ));
    assert_eq!(start.elapsed(), secs(3), "all attempts together");
    assert!(log.lock().unwrap().is_empty());
}

/// A refresh that was not done can wait; one that may have been must be repeated within the grace.
#[tokio::test(start_paused = true)]
async fn a_failed_write_says_whether_it_may_have_been_done() {
    let (clock, log) = (TestClock::new(), Log::default());
    for (when, unknown) in [
        (When::AlwaysBefore, false),
        (When::AlwaysAfter, true),
        (When::FirstAfterThenBefore, true),
        (When::Hangs, true),
    ] {
        let store = Arc::new(flaky(When::Never));
        let manager = manager(Arc::clone(&store), &clock, &log, |builder| builder);
        let issued = login(&manager, Transport::Header).await.unwrap();
        let token = refresh_token(&issued);
        store.trouble().set(when);
        let error = manager.refresh(&token, None).await.unwrap_err();
        let RefreshError::Store(error) = error else {
            panic!("{when:?}: {error:?}");
        };
        assert_eq!(
            matches!(error, StoreError::Unknown(_)),
            unknown,
            "{when:?}: {error:?}"
        );
        let logout = manager.logout(Presented::Refresh(&token)).await;
        let error = logout.unwrap_err();
        assert_eq!(
            matches!(error, StoreError::Unknown(_)),
            unknown,
            "{when:?}: {error:?}"
        );
        // What is only read was not done, whatever failed.
        let read = manager.session(issued.session().id).await.unwrap_err();
        assert!(
            !matches!(read, StoreError::Unknown(_)),
            "{when:?}: {read:?}"
        );
    }
}

/// Two nodes on one store, and everything that can happen in a day.
#[tokio::test(start_paused = true)]
async fn the_events_of_a_day_are_these_each_once_on_two_nodes_together() {
    let (clock, log) = (TestClock::new(), Log::default());
    let store = Arc::new(MemoryStore::new(1000, &[7; 32]));
    let node = || manager(Arc::clone(&store), &clock, &log, |builder| builder);
    let (one, two) = (node(), node());
    let alice = Subject::new("alice").unwrap();
    let mut expected = Vec::new();
    let mut expect = |kind, session: &Issued| expected.push((kind, Some(session.session().id)));

    let phone = login(&one, Transport::Header).await.unwrap();
    expect(Login, &phone);
    let first = refresh_token(&phone);
    clock.advance(secs(300));
    let second = refresh_token(&two.refresh(&first, None).await.unwrap());
    expect(Refreshed, &phone);
    let again = one.refresh(&first, None).await.unwrap();
    assert_eq!(refresh_token(&again), second);
    expect(Replayed, &phone);
    // Both nodes at once: one rotates, the other replays.
    clock.advance(secs(300));
    let (a, b) = tokio::join!(two.refresh(&second, None), one.refresh(&second, None));
    let third = refresh_token(&a.unwrap());
    assert_eq!(refresh_token(&b.unwrap()), third);
    expect(Refreshed, &phone);
    expect(Replayed, &phone);
    clock.advance(secs(300));
    let step_up = Authentication::password(one.now());
    let stepped = one
        .step_up(&credential(&one, &third), step_up)
        .await
        .unwrap();
    expect(SteppedUp, &phone);
    clock.advance(secs(300));
    // A thief, on both nodes at once: the session ends once.
    let (a, b) = tokio::join!(one.refresh(&first, None), two.refresh(&first, None));
    assert!(a.is_err() && b.is_err());
    expect(Reused, &phone);
    assert!(two.refresh(&refresh_token(&stepped), None).await.is_err());

    let laptop = login(&two, Transport::Cookie).await.unwrap();
    expect(Login, &laptop);
    let site = login(&one, Transport::Session).await.unwrap();
    expect(Login, &site);
    let tablet = login(&two, Transport::Header).await.unwrap();
    expect(Login, &tablet);
    let token = refresh_token(&laptop);
    let (a, b) = tokio::join!(
        one.logout(Presented::Refresh(&token)),
        two.logout(Presented::Refresh(&token))
    );
    assert!(a.unwrap() ^ b.unwrap());
    expect(Revoked(RevokeReason::Logout), &laptop);
    assert_eq!(
        two.revoke_others(&alice, tablet.session().id, RevokeReason::LogoutOthers)
            .await
            .unwrap()
            .len(),
        1
    );
    expect(Revoked(RevokeReason::LogoutOthers), &site);

    // A key was stolen; and a store that lost a write.
    let twin = Twin(tablet.session().id, AtomicU64::new(1));
    let twin = manager(
        MemoryStore::new(10, &[7; 32]),
        &clock,
        &Log::default(),
        |builder| builder.entropy(twin),
    );
    let forged = refresh_token(&login(&twin, Transport::Header).await.unwrap());
    assert!(one.refresh(&forged, None).await.is_err());
    expect(Mismatch, &tablet);
    clock.advance(secs(60));
    let ahead = refresh_token(&twin.refresh(&forged, None).await.unwrap());
    assert!(two.refresh(&ahead, None).await.is_err());
    expect(LostWrite, &tablet);

    clock.advance(secs(31 * 86_400));
    assert!(one.refresh(&refresh_token(&tablet), None).await.is_err());
    expect(Expired, &tablet);
    clock.advance(secs(31 * 86_400));
    let stop = || tokio::time::sleep(secs(600));
    let delete = |node: &SessionManager| node.clone().delete_expired_continuously(secs(60), stop());
    tokio::join!(delete(&one), delete(&two));
    expected.push((Purged { sessions: 4 }, None));
    assert!(store.is_empty());

    let log = std::mem::take(&mut *log.lock().unwrap());
    assert_eq!(log, expected);
}

/// Believed or refused, a token that is newer than its row raises the event.
#[tokio::test]
async fn a_token_that_is_adopted_raises_the_event_too() {
    let (clock, log) = (TestClock::new(), Log::default());
    let policy = Policy::builder().adopt_lost_writes().build();
    let sink = Arc::clone(&log);
    let sink = move |event: Event| sink.lock().unwrap().push((event.kind, event.session));
    let store = MemoryStore::new(1000, &[7; 32]);
    let manager = SessionManager::builder(store, test_issuer(policy.unwrap()));
    let manager = manager.clock(clock.clone()).events(sink).build().unwrap();
    let issued = login(&manager, Transport::Header).await.unwrap();
    let id = issued.session().id;

    let twin = self::manager(
        MemoryStore::new(10, &[7; 32]),
        &clock,
        &Log::default(),
        |builder| builder.entropy(Twin(id, AtomicU64::new(1))),
    );
    let mut ahead = login(&twin, Transport::Header).await.unwrap();
    for turn in 0..2 {
        for _ in 0..2 {
            clock.advance(secs(60));
            ahead = twin.refresh(&refresh_token(&ahead), None).await.unwrap();
        }
        log.lock().unwrap().clear();
        let token = refresh_token(&ahead);
        let believed = if turn == 0 {
            let _ = manager.refresh(&token, None).await.unwrap();
            Refreshed
        } else {
            let step_up = Authentication::password(manager.now());
            let renewal = credential(&manager, &token);
            let _ = manager.step_up(&renewal, step_up).await.unwrap();
            SteppedUp
        };
        let expected = [(LostWrite, Some(id)), (believed, Some(id))];
        assert_eq!(*log.lock().unwrap(), expected);
    }
}

/// In batches, on several nodes at once, until it is told to stop.
#[tokio::test(start_paused = true)]
async fn expired_sessions_are_deleted_until_the_task_is_stopped() {
    let (clock, log) = (TestClock::new(), Log::default());
    let store = Arc::new(MemoryStore::new(300_000, &[7; 32]));
    let node = || manager(Arc::clone(&store), &clock, &log, |builder| builder);
    let nodes = [node(), node(), node()];
    for _ in 0..3500 {
        let _ = login(&nodes[0], Transport::Header).await.unwrap();
    }
    log.lock().unwrap().clear();
    let stop = Arc::new(tokio::sync::Notify::new());
    let tasks = nodes.iter().map(|node| {
        let stop = Arc::clone(&stop);
        let stop = async move { stop.notified().await };
        tokio::spawn(node.clone().delete_expired_continuously(secs(60), stop))
    });
    let tasks: Vec<_> = tasks.collect();
    tokio::time::sleep(secs(300)).await;
    assert_eq!(store.len(), 3500, "they live");
    // The clock is wrong for some minutes, or it was before.
    clock.advance(secs(100 * 86_400));
    tokio::time::sleep(secs(3000)).await;
    assert_eq!(store.len(), 3500, "the clock has jumped");
    tokio::time::sleep(secs(1000)).await;
    assert!(store.is_empty());
    stop.notify_waiters();
    for task in tasks {
        tokio::time::timeout(secs(1), task).await.unwrap().unwrap();
    }
    let log = std::mem::take(&mut *log.lock().unwrap());
    let purged = log.into_iter().map(|(kind, _)| match kind {
        Purged { sessions } => sessions,
        other => panic!("{other}"),
    });
    assert_eq!(purged.sum::<u64>(), 3500);
}
