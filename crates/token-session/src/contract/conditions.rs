//! Each write holds if its condition does, and not otherwise.

use token_core::RevokeReason;
use token_core::session::{Change, Epoch, Generation, Revocation, Rotation, Touch};
use token_core::types::TokenHash;

use super::world::{World, ending, secs};
use crate::store::{Commit, Created, DataWrite, DataWritten, Revoke, SessionStore, SubjectEnding};

/// Breaks one part of the condition after the other; then lets it hold, at its edges.
pub async fn a_rotation_holds_exactly_where_its_condition_does<S: SessionStore>(
    mut world: World<S>,
) {
    let subject = world.subject();
    let start = World::<S>::at(0);
    let first = world.stored(&subject, start).await;
    let rotation = world.rotation(&first, start + secs(1));
    world.assert_commit(&Change::Rotate(rotation)).await;
    let session = world.load(first.id).await.expect("stored");

    let now = start + secs(100);
    let absent = world.session(&subject, Epoch::default(), now).id;
    let break_one: [(&str, &dyn Fn(&mut Rotation)); 7] = [
        ("id", &|r| r.id = absent),
        ("earlier generation", &|r| r.from = Generation::default()),
        ("later generation", &|r| r.from = r.from.next()),
        ("hash", &|r| r.from_hash = TokenHash::from_bytes([1; 32])),
        ("previous hash", &|r| r.from_hash = first.token_hash),
        ("rotated since", &|r| {
            r.rotated_before = Some(session.rotated_at - secs(1));
        }),
        ("idle deadline", &|r| r.at = session.idle_expires_at),
    ];
    for (what, break_it) in break_one {
        let mut rotation = world.rotation(&session, now);
        break_it(&mut rotation);
        let outcome = world
            .store
            .commit(&Change::Rotate(rotation))
            .await
            .expect("commit");
        assert!(matches!(outcome, Commit::Missed(_)), "{what}: {outcome:?}");
        assert_eq!(
            world.load(session.id).await,
            Some(session.clone()),
            "{what}"
        );
    }

    let mut edge = world.rotation(&session, session.idle_expires_at - secs(1));
    edge.rotated_before = Some(session.rotated_at);
    world.assert_commit(&Change::Rotate(edge)).await;
    assert_ne!(world.load(session.id).await, Some(session));
}

/// As for a rotation.
pub async fn a_touch_holds_exactly_where_its_condition_does<S: SessionStore>(mut world: World<S>) {
    let subject = world.subject();
    let now = World::<S>::at(100);
    let session = world.stored(&subject, World::<S>::at(0)).await;
    let absent = world.session(&subject, Epoch::default(), now).id;
    let break_one: [(&str, &dyn Fn(&mut Touch)); 4] = [
        ("id", &|t| t.id = absent),
        ("generation", &|t| t.generation = t.generation.next()),
        ("an earlier deadline", &|t| {
            t.slide.idle_expires_at = session.idle_expires_at - secs(1);
        }),
        ("idle deadline", &|t| t.at = session.idle_expires_at),
    ];
    for (what, break_it) in break_one {
        let mut touch = World::<S>::touch(&session, now);
        break_it(&mut touch);
        let outcome = world
            .store
            .commit(&Change::Touch(touch))
            .await
            .expect("commit");
        assert!(matches!(outcome, Commit::Missed(_)), "{what}: {outcome:?}");
        assert_eq!(
            world.load(session.id).await,
            Some(session.clone()),
            "{what}"
        );
    }
    world
        .assert_commit(&Change::Touch(World::<S>::touch(&session, now)))
        .await;
    assert_ne!(world.load(session.id).await, Some(session));
}

/// The first ending stays, with its reason.
pub async fn an_ending_happens_once<S: SessionStore>(mut world: World<S>) {
    let subject = world.subject();
    let now = World::<S>::at(0);
    let session = world.stored(&subject, now).await;
    let first = ending(session.id, now + secs(1));
    assert!(matches!(
        world.store.revoke(&first).await,
        Ok(Revoke::Applied(_))
    ));
    let mut second = ending(session.id, now + secs(2));
    second.revocation.reason = RevokeReason::Reused;
    let Ok(Revoke::Already(row)) = world.store.revoke(&second).await else {
        panic!("ended twice");
    };
    assert_eq!(row.revocation, Some(first.revocation));
    assert_eq!(world.load(session.id).await, first.apply(&session));

    let absent = world.session(&subject, Epoch::default(), now).id;
    assert!(matches!(
        world.store.revoke(&ending(absent, now)).await,
        Ok(Revoke::Absent)
    ));
}

/// No write of any kind brings an ended or deleted session back.
pub async fn nothing_revives_an_ended_session<S: SessionStore>(mut world: World<S>) {
    let subject = world.subject();
    let now = World::<S>::at(0);
    let session = world.stored(&subject, now).await;
    let rotation = Change::Rotate(world.rotation(&session, now + secs(50)));
    let touch = Change::Touch(World::<S>::touch(&session, now + secs(50)));
    let end = ending(session.id, now + secs(10));
    assert!(matches!(
        world.store.revoke(&end).await,
        Ok(Revoke::Applied(_))
    ));

    world.assert_commit(&rotation).await;
    world.assert_commit(&touch).await;
    let write = DataWrite {
        id: session.id,
        version: 0,
        json: Some("{}".into()),
        at: now,
    };
    assert_eq!(
        world.store.write_data(&write).await.expect("write"),
        DataWritten::NotLive
    );
    assert!(matches!(
        world.store.create(&session, None).await,
        Ok(Created::IdTaken)
    ));
    assert_eq!(world.load(session.id).await, end.apply(&session));
}

/// All sessions end but the one that is kept, and that one goes on.
pub async fn ending_a_subject_ends_all_but_one<S: SessionStore>(mut world: World<S>) {
    let (alice, bob) = (world.subject(), world.subject());
    let now = World::<S>::at(0);
    let kept = world.stored(&alice, now).await;
    let gone = world.stored(&alice, now).await;
    let before = world.stored(&alice, now).await;
    let others = world.stored(&bob, now).await;
    let first = ending(before.id, now + secs(1));
    assert!(matches!(
        world.store.revoke(&first).await,
        Ok(Revoke::Applied(_))
    ));

    let end = SubjectEnding {
        subject: alice.clone(),
        except: Some(kept.id),
        revocation: Revocation {
            at: now + secs(5),
            reason: RevokeReason::LogoutOthers,
        },
        purge_at: now + secs(90_000),
    };
    assert_eq!(
        world.store.revoke_subject(&end).await.expect("end"),
        [gone.id]
    );
    let row = world.load(gone.id).await.expect("a tombstone");
    assert_eq!(
        (row.revocation, row.purge_at),
        (Some(end.revocation), end.purge_at)
    );
    let row = world.load(before.id).await.expect("a tombstone");
    assert_eq!(row.revocation, Some(first.revocation));
    assert_eq!(world.load(others.id).await, Some(others));

    let row = world.load(kept.id).await.expect("kept");
    assert!(row.revocation.is_none());
    assert_eq!(
        row.subject_epoch,
        world.store.epoch(&alice).await.expect("epoch")
    );
    let rotation = Change::Rotate(world.rotation(&row, now + secs(50)));
    world.assert_commit(&rotation).await;
    let log = world.store.revocations(now + secs(5)).await.expect("log");
    assert!(log.iter().any(|ended| ended.id == gone.id));
    assert!(!log.iter().any(|ended| ended.id == kept.id));
}

/// A login that noted its epoch before all sessions were ended opens nothing after.
pub async fn a_login_whose_epoch_has_passed_opens_nothing<S: SessionStore>(mut world: World<S>) {
    let subject = world.subject();
    let now = World::<S>::at(0);
    let noted = world.store.epoch(&subject).await.expect("epoch");
    let end = SubjectEnding {
        subject: subject.clone(),
        except: None,
        revocation: Revocation {
            at: now,
            reason: RevokeReason::LogoutAll,
        },
        purge_at: now + secs(90_000),
    };
    assert!(
        world
            .store
            .revoke_subject(&end)
            .await
            .expect("end")
            .is_empty()
    );
    for data in [None, Some("{}")] {
        let late = world.session(&subject, noted, now);
        assert!(matches!(
            world.store.create(&late, data).await,
            Ok(Created::EpochPassed)
        ));
        assert_eq!(world.load(late.id).await, None);
        assert_eq!(world.store.load_data(late.id).await.expect("data"), None);
    }
    world.stored(&subject, now).await; // a login that begins now opens one
}
