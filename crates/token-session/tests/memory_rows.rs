//! The memory store packs its rows: what comes out is what went in, whatever it was, and its lists
//! are those of a plain vector.

#![allow(clippy::indexing_slicing, reason = "helpers of tests fail the test")]

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use token_core::binding::{
    Binding, BindingGeneration, DeviceBinding, DeviceKey, DeviceState, Thumbprint,
};
use token_core::session::{
    Bind, Change, Device, EarlierRotations, Ending, Epoch, Generation, Nonce, Revocation,
    RotatedBy, Rotation, Slide,
};
use token_core::types::TokenHash;
use token_core::{
    Authentication, ClientId, CustomClaims, KeyId, RevokeReason, Scope, Session, SessionId,
    Subject, Transport, UnixTime,
};
use token_session::store::{
    Commit, Created, DataWrite, DataWritten, Revoke, SessionData, SubjectEnding,
};
use token_session::{MemoryStore, SessionStore};

const KEY: [u8; 32] = [7; 32];

fn block_on<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.expect("a runtime starts").block_on(work)
}

fn time() -> impl Strategy<Value = UnixTime> {
    let seconds = prop_oneof![
        Just(0),
        Just(UnixTime::MAX.as_secs()),
        0..=UnixTime::MAX.as_secs(),
        1_700_000_000..1_800_000_000_u64,
    ];
    seconds.prop_map(|seconds| UnixTime::from_secs(seconds).expect("it is in range"))
}

fn subject() -> impl Strategy<Value = Subject> {
    "[a-zäß@. ]{1,30}".prop_map(|text| Subject::new(text).expect("a name"))
}

fn hash() -> impl Strategy<Value = TokenHash> {
    any::<[u8; 32]>().prop_map(TokenHash::from_bytes)
}

fn text() -> impl Strategy<Value = Box<str>> {
    ".{0,20}".prop_map(Into::into)
}

fn authentication() -> impl Strategy<Value = Authentication> {
    let parts = (time(), option::of(text()), vec(text(), 0..4));
    parts.prop_map(|(time, acr, amr)| Authentication { time, acr, amr })
}

fn claims() -> impl Strategy<Value = CustomClaims> {
    const TEXTS: &[&str] = &["{}", "{ }", r#"{"name":"Zoë"}"#, r#"{"n":[1,null]}"#];
    select(TEXTS).prop_map(|text| CustomClaims::from_json(text).expect("an object"))
}

fn device() -> impl Strategy<Value = Device> {
    let part = || option::of(text());
    (part(), part(), part()).prop_map(|(label, user_agent, prefix)| {
        Device::new(label.as_deref(), user_agent.as_deref(), prefix.as_deref())
    })
}

fn revocation() -> impl Strategy<Value = Revocation> {
    let parts = (time(), select(RevokeReason::ALL));
    parts.prop_map(|(at, reason)| Revocation { at, reason })
}

fn binding() -> impl Strategy<Value = Binding> {
    let device = (any::<[u8; 32]>(), any::<u8>(), select(DeviceState::ALL));
    let device = device.prop_map(|(x, generation, state)| {
        let mut key = [2; 33];
        key[1..].copy_from_slice(&x);
        Binding::Device(DeviceBinding {
            key: DeviceKey::from_bytes(key).expect("it begins as a point does"),
            generation: BindingGeneration(generation),
            state,
        })
    });
    prop_oneof![
        Just(Binding::Unbound),
        device,
        any::<[u8; 32]>().prop_map(|bytes| Binding::Key(Thumbprint::from_bytes(bytes))),
    ]
}

fn session() -> impl Strategy<Value = Session> {
    let names = (
        any::<[u8; 17]>(),
        subject(),
        "[a-z0-9-]{1,12}",
        "[a-z:]{0,9}( [a-z:]{1,9}){0,2}",
        "[a-z0-9]{1,8}",
    );
    let words = (
        select(Transport::ALL),
        select(RotatedBy::ALL),
        any::<bool>(),
        any::<u64>(),
        prop_oneof![Just(0), any::<u64>()],
    );
    let secrets = (hash(), option::of(hash()), any::<[u8; 16]>());
    let times = [time(), time(), time(), time(), time(), time()];
    let rest = (
        authentication(),
        option::of(revocation()),
        claims(),
        device(),
        binding(),
    );
    (names, words, secrets, times, rest).prop_map(|(names, words, secrets, times, rest)| {
        let (random, subject, client, scope, kid) = names;
        let (transport, rotated_by, remember, generation, earlier) = words;
        let (token_hash, previous_hash, nonce) = secrets;
        let [
            created_at,
            rotated_at,
            idle_expires_at,
            absolute_expires_at,
            last_seen_at,
            purge_at,
        ] = times;
        let (authentication, revocation, claims, device, binding) = rest;
        Session {
            id: id(&subject, random),
            subject,
            subject_epoch: Epoch::default(),
            client_id: ClientId::new(client).expect("a name"),
            transport,
            scope: scope.parse::<Scope>().expect("a scope"),
            created_at,
            authentication,
            generation: Generation(generation),
            token_hash,
            previous_hash,
            nonce: Nonce::from_bytes(nonce),
            rotated_at,
            rotated_by,
            earlier_rotations: EarlierRotations(earlier),
            rotation_kid: KeyId::new(kid).expect("a name"),
            idle_expires_at,
            absolute_expires_at,
            remember,
            revocation,
            last_seen_at,
            claims,
            device,
            purge_at,
            binding,
        }
    })
}

/// An id in the bucket of its subject.
fn id(subject: &Subject, random: [u8; 17]) -> SessionId {
    let bucket = MemoryStore::new(1, &KEY).bucket(subject);
    let mut bytes = [bucket.0; SessionId::LENGTH];
    let places = bytes.iter_mut().skip(1);
    places.zip(random).for_each(|(to, from)| *to = from);
    SessionId::from_bytes(bytes)
}

fn rotation(of: &Session, next: &Session, claims: bool) -> Change {
    let mut rotation = Rotation::new(of, next.token_hash, next.nonce, UnixTime::EPOCH);
    rotation.to = next.generation;
    rotation.kid = next.rotation_kid.clone();
    rotation.by = next.rotated_by;
    rotation.earlier_rotations = next.earlier_rotations;
    rotation.slide = Slide {
        idle_expires_at: next.idle_expires_at,
        purge_at: next.purge_at,
    };
    rotation.remember_slide = Slide {
        idle_expires_at: next.absolute_expires_at,
        purge_at: next.rotated_at,
    };
    rotation.last_seen_at = next.last_seen_at;
    rotation.authentication = claims.then(|| next.authentication.clone());
    rotation.rights.claims = claims.then(|| next.claims.clone());
    Change::Rotate(rotation)
}

/// What can be asked of a store that holds a few sessions of a few subjects.
#[derive(Clone, Debug)]
enum Step {
    Create {
        subject: u8,
        random: [u8; 17],
        at: u64,
    },
    End {
        which: usize,
    },
    EndSubject {
        subject: u8,
        except: usize,
    },
    Purge {
        limit: u32,
    },
    WriteData {
        which: usize,
        json: Box<str>,
    },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..3_u8, any::<[u8; 17]>(), 0..1000_u64)
            .prop_map(|(subject, random, at)| Step::Create { subject, random, at }),
        2 => any::<usize>().prop_map(|which| Step::End { which }),
        1 => (0..3_u8, any::<usize>())
            .prop_map(|(subject, except)| Step::EndSubject { subject, except }),
        1 => (0..4_u32).prop_map(|limit| Step::Purge { limit }),
        1 => (any::<usize>(), text()).prop_map(|(which, json)| Step::WriteData { which, json }),
    ]
}

proptest! {
    #[test]
    fn every_session_comes_back_as_it_was(session in session()) {
        block_on(async {
            let store = MemoryStore::new(10, &KEY);
            let created = store.create(&session, None).await.expect("there is room");
            prop_assert!(matches!(created, Created::Applied(row) if *row == session));
            let row = store.load(session.id).await.expect("it answers");
            prop_assert_eq!(row.as_deref(), Some(&session));
            let list = store.list(&session.subject).await.expect("it answers");
            prop_assert_eq!(list.len(), 1);
            prop_assert_eq!(&**list.first().expect("one"), &session);
            Ok(())
        })?;
    }

    #[test]
    fn every_change_is_written_as_it_says(
        first in session(),
        next in session(),
        claims in any::<bool>(),
        ending in revocation(),
        json in text(),
    ) {
        block_on(async {
            let store = MemoryStore::new(10, &KEY);
            let first = Session { revocation: None, ..first };
            let _ = store.create(&first, None).await.expect("there is room");
            let data = DataWrite::new(first.id, 0, Some(json.clone()), UnixTime::EPOCH);
            let written = store.write_data(&data).await.expect("it answers");
            let live = first.is_live(UnixTime::EPOCH);
            prop_assert_eq!(written == DataWritten::Applied, live);

            let bind = Change::Bind(Bind {
                id: first.id,
                from: first.binding,
                to: next.binding,
                at: UnixTime::EPOCH,
            });
            let bound = bind.apply(&first).unwrap_or_else(|| first.clone());
            let _ = store.commit(&bind).await.expect("it answers");
            let first = bound;
            let change = rotation(&first, &next, claims);
            let expected = change.apply(&first);
            match store.commit(&change).await.expect("it answers") {
                Commit::Applied(row) => prop_assert_eq!(Some(&*row), expected.as_ref()),
                Commit::Missed(row) => {
                    prop_assert!(expected.is_none());
                    prop_assert_eq!(row.as_deref(), Some(&first));
                }
            }
            let before = expected.unwrap_or(first);
            let ending = Ending { id: before.id, revocation: ending, purge_at: next.purge_at };
            let Revoke::Applied(row) = store.revoke(&ending).await.expect("it answers") else {
                return Err(TestCaseError::fail("it was live"));
            };
            prop_assert_eq!(Some(Session::clone(&row)), ending.apply(&before));
            let row = store.load(before.id).await.expect("it answers");
            prop_assert_eq!(row.map(|row| Session::clone(&row)), ending.apply(&before));

            let data = store.load_data(before.id).await.expect("it answers");
            let kept = SessionData { version: 1, json: Some(json) };
            prop_assert_eq!(data, Some(if live { kept } else { SessionData::default() }));
            Ok(())
        })?;
    }

    /// Places in the table are used again, and lists are joined again, when sessions go.
    #[test]
    fn its_lists_are_those_of_a_plain_vector(
        template in session(),
        steps in vec(step(), 0..60),
    ) {
        block_on(async {
            let store = MemoryStore::new(10_000, &KEY);
            let mut model: Vec<(Session, SessionData)> = Vec::new();
            let mut epochs = [Epoch::default(); 3];
            for step in steps {
                apply(&store, &mut model, &mut epochs, &template, step).await?;
                prop_assert_eq!(store.len(), model.len());
                for (number, epoch) in (0_u8..).zip(epochs) {
                    let subject = numbered(number);
                    prop_assert_eq!(store.epoch(&subject).await.expect("it answers"), epoch);
                    let own = model.iter().rev().map(|(session, _)| session);
                    let own = own.filter(|session| session.subject == subject);
                    let mut own: Vec<Session> = own.cloned().collect();
                    own.sort_by_key(|session| std::cmp::Reverse(session.created_at));
                    let list = store.list(&subject).await.expect("it answers");
                    let list: Vec<Session> = list.into_iter().map(|row| Session::clone(&row)).collect();
                    prop_assert_eq!(list, own);
                }
            }
            for (session, data) in &model {
                let kept = store.load_data(session.id).await.expect("it answers");
                prop_assert_eq!(kept.as_ref(), Some(data));
            }
            let mut ended = store.revocations(UnixTime::EPOCH).await.expect("it answers");
            ended.sort_by_key(|ended| ended.id);
            let mut expected: Vec<SessionId> = model
                .iter()
                .filter_map(|(session, _)| session.revocation.map(|_| session.id))
                .collect();
            expected.sort();
            let ended: Vec<SessionId> = ended.into_iter().map(|ended| ended.id).collect();
            prop_assert_eq!(ended, expected);
            Ok(())
        })?;
    }
}

fn numbered(number: u8) -> Subject {
    Subject::new(format!("subject-{number}")).expect("a name")
}

fn at(seconds: u64) -> UnixTime {
    UnixTime::from_secs(seconds).expect("it is in range")
}

const REVOCATION: Revocation = Revocation {
    at: UnixTime::MAX,
    reason: RevokeReason::Admin,
};

/// Ends a session of the model; `false` where it was ended before.
fn end(session: &mut Session) -> bool {
    let live = session.revocation.is_none();
    if live {
        session.revocation = Some(REVOCATION);
        session.purge_at = at(2000);
    }
    live
}

/// Does one step to the store and to the model.
async fn apply(
    store: &MemoryStore,
    model: &mut Vec<(Session, SessionData)>,
    epochs: &mut [Epoch; 3],
    template: &Session,
    step: Step,
) -> Result<(), TestCaseError> {
    let count = model.len().max(1);
    match step {
        Step::Create {
            subject,
            random,
            at: created,
        } => {
            let owner = numbered(subject);
            let session = Session {
                id: id(&owner, random),
                subject: owner,
                subject_epoch: epochs[usize::from(subject)],
                created_at: at(created),
                idle_expires_at: UnixTime::MAX,
                absolute_expires_at: UnixTime::MAX,
                purge_at: UnixTime::MAX,
                revocation: None,
                ..template.clone()
            };
            let taken = model.iter().any(|(other, _)| other.id == session.id);
            let created = store.create(&session, None).await.expect("there is room");
            prop_assert_eq!(matches!(created, Created::IdTaken), taken);
            if !taken {
                model.push((session, SessionData::default()));
            }
        }
        Step::End { which } => {
            if let Some((session, _)) = model.get_mut(which % count) {
                let ending = Ending {
                    id: session.id,
                    revocation: REVOCATION,
                    purge_at: at(2000),
                };
                let revoked = store.revoke(&ending).await.expect("it answers");
                prop_assert_eq!(matches!(revoked, Revoke::Applied(_)), end(session));
            }
        }
        Step::EndSubject { subject, except } => {
            let except = model.get(except % count).map(|(session, _)| session.id);
            let epoch = &mut epochs[usize::from(subject)];
            *epoch = epoch.next();
            end_subject(store, model, numbered(subject), except, *epoch).await?;
        }
        Step::Purge { limit } => purge(store, model, limit).await?,
        Step::WriteData { which, json } => {
            if let Some((session, data)) = model.get_mut(which % count) {
                let write = DataWrite::new(session.id, data.version, Some(json.clone()), at(10));
                let written = store.write_data(&write).await.expect("it answers");
                let live = session.revocation.is_none();
                prop_assert_eq!(written == DataWritten::Applied, live);
                if live {
                    data.version += 1;
                    data.json = Some(json);
                }
            }
        }
    }
    Ok(())
}

async fn end_subject(
    store: &MemoryStore,
    model: &mut [(Session, SessionData)],
    subject: Subject,
    except: Option<SessionId>,
    epoch: Epoch,
) -> Result<(), TestCaseError> {
    let mut expected = Vec::new();
    for (session, _) in model.iter_mut().filter(|(own, _)| own.subject == subject) {
        if Some(session.id) == except {
            session.subject_epoch = epoch;
        } else if end(session) {
            expected.push(session.id);
        }
    }
    let ending = SubjectEnding::new(subject, except, REVOCATION, at(2000));
    let mut ended = store.revoke_subject(&ending).await.expect("it answers");
    ended.sort();
    expected.sort();
    prop_assert_eq!(ended, expected);
    Ok(())
}

/// Which of those that are due go is the store's to choose.
async fn purge(
    store: &MemoryStore,
    model: &mut Vec<(Session, SessionData)>,
    limit: u32,
) -> Result<(), TestCaseError> {
    let purged = store.purge(at(3000), limit).await.expect("it answers");
    let (mut kept, mut gone) = (Vec::new(), 0);
    for (session, data) in model.drain(..) {
        if store.load(session.id).await.expect("it answers").is_some() {
            kept.push((session, data));
        } else {
            prop_assert!(session.purge_at <= at(3000));
            gone += 1;
        }
    }
    let due = |(session, _): &&(Session, SessionData)| session.purge_at <= at(3000);
    let left = kept.iter().filter(due).count() as u64;
    *model = kept;
    prop_assert_eq!(purged, gone);
    prop_assert_eq!(purged, u64::from(limit).min(gone + left));
    Ok(())
}
