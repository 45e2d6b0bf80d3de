//! Races: the store decides them in one step, in whatever order callers come.

use std::sync::Arc;

use token_core::RevokeReason;
use token_core::session::{Change, Epoch, Nonce, Revocation};
use tokio::task::JoinSet;

use super::world::{World, ending, secs};
use crate::store::{Commit, Created, DataWrite, DataWritten, Revoke, SessionStore, SubjectEnding};

const RUNS: u64 = 50;
const RACERS: u64 = 8;

/// Of many rotations of one row one is written, and the others see it.
pub async fn one_of_many_racing_rotations_wins<S: SessionStore>(mut world: World<S>) {
    for _ in 0..RUNS {
        let subject = world.subject();
        let now = World::<S>::at(0);
        let session = world.stored(&subject, now).await;
        let mut racers = JoinSet::new();
        for _ in 0..RACERS {
            let rotation = world.rotation(&session, now + secs(40));
            let store = Arc::clone(&world.store);
            racers.spawn(async move {
                let hash = rotation.to_hash;
                (
                    hash,
                    store
                        .commit(&Change::Rotate(rotation))
                        .await
                        .expect("commit"),
                )
            });
        }
        let outcomes = racers.join_all().await;
        let row = world.load(session.id).await.expect("stored");
        let mut winners = 0;
        for (hash, outcome) in outcomes {
            match outcome {
                Commit::Applied(applied) => {
                    winners += 1;
                    assert!(
                        row.token_hash == hash && *applied == row,
                        "the winner is stored"
                    );
                }
                Commit::Missed(seen) => {
                    assert_eq!(
                        *seen.expect("the row is there"),
                        row,
                        "a loser sees the winner"
                    );
                }
            }
        }
        assert_eq!((winners, row.generation), (1, session.generation.next()));
    }
}

/// Of many inserts of one session one is stored, and the others change nothing, also after it was ended: many
/// requests with one old credential adopt one session.
pub async fn of_many_racing_inserts_of_one_session_one_is_stored<S: SessionStore>(
    mut world: World<S>,
) {
    for _ in 0..RUNS {
        let subject = world.subject();
        let now = World::<S>::at(0);
        let session = world.session(&subject, Epoch::default(), now);
        let mut racers = JoinSet::new();
        for racer in 1..=8 {
            let store = Arc::clone(&world.store);
            let mut own = session.clone();
            own.nonce = Nonce::from_bytes([racer; 16]);
            racers.spawn(async move { (store.create(&own, None).await.expect("create"), own) });
        }
        let mut stored = None;
        for (created, own) in racers.join_all().await {
            match created {
                Created::Applied(row) => {
                    assert_eq!(*row, own);
                    assert!(stored.replace(own).is_none(), "two were stored");
                }
                Created::IdTaken => {}
                Created::EpochPassed => panic!("nothing was ended"),
            }
        }
        assert_eq!(world.load(session.id).await, stored);
        let end = ending(session.id, now + secs(9));
        assert!(matches!(
            world.store.revoke(&end).await,
            Ok(Revoke::Applied(_))
        ));
        let ended = world.load(session.id).await;
        assert!(matches!(
            world.store.create(&session, None).await,
            Ok(Created::IdTaken)
        ));
        assert_eq!(world.load(session.id).await, ended);
    }
}

/// Once a logout has been answered the session stays ended, whatever was in flight.
pub async fn a_logout_holds_against_racing_writes<S: SessionStore>(mut world: World<S>) {
    for _ in 0..RUNS {
        let subject = world.subject();
        let now = World::<S>::at(0);
        let session = world.stored(&subject, now).await;
        let mut writes = JoinSet::new();
        for round in 0..RACERS {
            let store = Arc::clone(&world.store);
            let id = session.id;
            let rotation = world.rotation(&session, now + secs(40));
            let touch = World::<S>::touch(&session, now + secs(40));
            writes.spawn(async move {
                match round % 3 {
                    0 => drop(
                        store
                            .commit(&Change::Rotate(rotation))
                            .await
                            .expect("commit"),
                    ),
                    1 => drop(store.commit(&Change::Touch(touch)).await.expect("commit")),
                    _ => {
                        let write = DataWrite {
                            id,
                            version: 0,
                            json: None,
                            at: now,
                        };
                        let _: DataWritten = store.write_data(&write).await.expect("write");
                    }
                }
            });
        }
        let end = ending(session.id, now + secs(40));
        assert!(matches!(
            world.store.revoke(&end).await,
            Ok(Revoke::Applied(_))
        ));
        let answered = world.load(session.id).await.expect("a tombstone");
        assert_eq!(answered.revocation, Some(end.revocation));
        writes.join_all().await;
        // Writes that were asked for before may have come first; none came after.
        assert_eq!(world.load(session.id).await, Some(answered));
    }
}

/// After all sessions of a subject were ended none that was opened before works, even if
/// its insert was on its way.
pub async fn ending_a_subject_holds_against_racing_logins<S: SessionStore>(mut world: World<S>) {
    for _ in 0..RUNS {
        let subject = world.subject();
        let now = World::<S>::at(0);
        let noted = world.store.epoch(&subject).await.expect("epoch");
        let mut logins = JoinSet::new();
        for _ in 0..RACERS {
            let session = world.session(&subject, noted, now);
            let store = Arc::clone(&world.store);
            logins.spawn(async move {
                (
                    session.id,
                    store.create(&session, None).await.expect("create"),
                )
            });
        }
        let end = SubjectEnding {
            subject: subject.clone(),
            except: None,
            revocation: Revocation {
                at: now,
                reason: RevokeReason::LogoutAll,
            },
            purge_at: now + secs(90_000),
        };
        let mut told = world.store.revoke_subject(&end).await.expect("end");
        let mut ended = Vec::new();
        for (id, outcome) in logins.join_all().await {
            let row = world.load(id).await;
            match outcome {
                Created::Applied(_) => {
                    let row = row.expect("it was stored");
                    assert!(row.revocation.is_some(), "a login survived");
                    ended.push(id);
                }
                Created::EpochPassed => assert_eq!(row, None),
                Created::IdTaken => panic!("ids are random"),
            }
        }
        told.sort_unstable();
        ended.sort_unstable();
        assert_eq!(told, ended, "each ended session is told once");
    }
}
