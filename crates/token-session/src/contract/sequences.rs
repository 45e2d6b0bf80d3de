//! The same seeded schedule gives the same outcomes on every store.

use token_core::binding::{BindingGeneration, DeviceState, Proof};
use token_core::session::{Change, Revocation};
use token_core::{RevokeReason, Session, Subject};

use super::world::{World, ending, registered, secs};
use crate::memory::MemoryStore;
use crate::store::{DataWrite, SessionStore, SubjectEnding};

const STEPS: u64 = 400;

/// Runs random calls on the store and on a memory store side by side.
pub async fn random_sequences_end_as_in_memory<S: SessionStore>(mut world: World<S>) {
    let memory = MemoryStore::in_one_shard(100_000);
    let subjects: Vec<Subject> = (0..3).map(|_| world.subject()).collect();
    // Rows as they were once: old ones make conditions that no longer hold.
    let mut known: Vec<Session> = Vec::new();
    for step in 0..STEPS {
        let now = World::<S>::at(step * 60);
        let subject = subjects[world.rng.usize(..subjects.len())].clone();
        let session = known.get(world.rng.usize(..known.len().max(1))).cloned();
        let (ours, theirs) = match (world.rng.u8(..11), session) {
            (0..=1, _) | (_, None) => {
                let epoch = world.store.epoch(&subject).await.expect("epoch");
                let mut session = world.session(&subject, epoch, now);
                session.idle_expires_at = now + secs(world.rng.u64(60..20_000));
                known.push(session.clone());
                (
                    format!(
                        "{:?}",
                        world.store.create(&session, None).await.expect("create")
                    ),
                    format!("{:?}", memory.create(&session, None).await.expect("create")),
                )
            }
            (2..=5, Some(session)) => {
                let mut rotation = world.rotation(&session, now);
                rotation.proof = proof(&mut world);
                let change = Change::Rotate(rotation);
                commit(&world, &memory, &change, &mut known).await
            }
            (6, Some(session)) => {
                let mut touch = World::<S>::touch(&session, now);
                touch.proof = proof(&mut world);
                let change = Change::Touch(touch);
                commit(&world, &memory, &change, &mut known).await
            }
            (7, Some(session)) => {
                let version = world.rng.u64(..3);
                let write = DataWrite {
                    id: session.id,
                    version,
                    json: Some("{}".into()),
                    at: now,
                };
                (
                    format!("{:?}", world.store.write_data(&write).await.expect("write")),
                    format!("{:?}", memory.write_data(&write).await.expect("write")),
                )
            }
            (10, Some(session)) => {
                let state = world.rng.choice(DeviceState::ALL).expect("there are three");
                let to = registered(world.rng.u8(1..3), *state);
                let change = World::<S>::bind(&session, to, now);
                commit(&world, &memory, &change, &mut known).await
            }
            (8, Some(session)) => {
                let end = ending(session.id, now);
                (
                    format!("{:?}", world.store.revoke(&end).await.expect("revoke")),
                    format!("{:?}", memory.revoke(&end).await.expect("revoke")),
                )
            }
            (_, Some(session)) => {
                let ending = SubjectEnding {
                    subject: subject.clone(),
                    except: world.rng.bool().then_some(session.id),
                    revocation: Revocation {
                        at: now,
                        reason: RevokeReason::LogoutAll,
                    },
                    purge_at: now + secs(90_000),
                };
                let mut ours = world.store.revoke_subject(&ending).await.expect("end");
                let mut theirs = memory.revoke_subject(&ending).await.expect("end");
                ours.sort_unstable();
                theirs.sort_unstable();
                (format!("{ours:?}"), format!("{theirs:?}"))
            }
        };
        assert_eq!(ours, theirs, "step {step}");
    }
    for subject in &subjects {
        let ours = world.store.list(subject).await.expect("list");
        let theirs = memory.list(subject).await.expect("list");
        assert_eq!(format!("{ours:?}"), format!("{theirs:?}"));
    }
    let start = World::<S>::at(0);
    let mine = |id| known.iter().any(|session| session.id == id);
    let mut ours = world.store.revocations(start).await.expect("log");
    let mut theirs = memory.revocations(start).await.expect("log");
    ours.retain(|ended| mine(ended.id));
    ours.sort_by_key(|ended| (ended.at, ended.id));
    theirs.sort_by_key(|ended| (ended.at, ended.id));
    assert_eq!(ours, theirs);
}

/// Enough for some bindings.
fn proof<S>(world: &mut World<S>) -> Proof {
    match world.rng.u8(..4) {
        3 => Proof::default(),
        generation => Proof::Device(BindingGeneration(generation)),
    }
}

async fn commit<S: SessionStore>(
    world: &World<S>,
    memory: &MemoryStore,
    change: &Change,
    known: &mut Vec<Session>,
) -> (String, String) {
    let ours = world.store.commit(change).await.expect("commit");
    let theirs = memory.commit(change).await.expect("commit");
    known.extend(world.load(change.id()).await);
    (format!("{ours:?}"), format!("{theirs:?}"))
}
