//! Sessions that are bound to a key: what is written without the proof, and what is not.

use token_core::Session;
use token_core::binding::{Binding, BindingGeneration, DeviceState, Proof, Thumbprint, Unproven};
use token_core::session::{Bind, Change, Epoch};

use super::world::{World, ending, keyed, registered, registered_key, secs};
use crate::store::{Commit, Revoke, SessionStore};

/// Breaks one part of the condition after the other; then lets it hold.
pub async fn a_binding_holds_exactly_where_its_condition_does<S: SessionStore>(
    mut world: World<S>,
) {
    let subject = world.subject();
    let start = World::<S>::at(0);
    let session = world.stored(&subject, start).await;
    let pending = registered(1, DeviceState::Pending);
    let holds = Bind {
        id: session.id,
        from: Binding::Unbound,
        to: pending,
        at: start + secs(1),
    };
    let absent = world.session(&subject, Epoch::default(), start).id;
    for broken in [
        Bind {
            id: absent,
            ..holds
        },
        Bind {
            from: pending,
            ..holds
        },
        Bind {
            at: session.idle_expires_at,
            ..holds
        },
    ] {
        world.assert_commit(&Change::Bind(broken)).await;
        assert_eq!(world.load(session.id).await, Some(session.clone()));
    }
    world.assert_commit(&Change::Bind(holds)).await;
    // Of two registrations the second replaces what it has seen, and nothing else.
    let second = Bind {
        from: pending,
        // The key alone tells it from the first: the answer to that one was lost.
        to: registered_key(0xEE, 1, DeviceState::Pending),
        ..holds
    };
    world.assert_commit(&Change::Bind(second)).await;
    world.assert_commit(&Change::Bind(second)).await;
    world.assert_commit(&Change::Bind(holds)).await;
    let row = world.load(session.id).await.expect("stored");
    assert_eq!(
        row,
        Session {
            binding: second.to,
            ..session.clone()
        }
    );

    let of_the_first = Bind {
        from: pending,
        to: registered(1, DeviceState::Required),
        ..holds
    };
    world.assert_commit(&Change::Bind(of_the_first)).await;
    assert_eq!(world.load(session.id).await, Some(row));

    let end = ending(session.id, start + secs(2));
    assert!(matches!(
        world.store.revoke(&end).await,
        Ok(Revoke::Applied(_))
    ));
    let late = Bind {
        from: second.to,
        to: registered(2, DeviceState::Required),
        ..holds
    };
    world.assert_commit(&Change::Bind(late)).await;
    let row = world.load(session.id).await.expect("a tombstone");
    assert_eq!(row.binding, second.to);
}

/// Each binding with each proof, for rotations and touches.
pub async fn a_write_holds_exactly_where_its_proof_is_enough<S: SessionStore>(mut world: World<S>) {
    let subject = world.subject();
    let now = World::<S>::at(0);
    let device = |number| Proof::Device(BindingGeneration(number));
    let key = |byte| Proof::Key(Thumbprint::from_bytes([byte; 32]));
    let proofs = [
        Proof::default(),
        device(0),
        device(1),
        device(2),
        device(255),
        key(1),
        key(2),
    ];
    let mut bindings = vec![Binding::Unbound, keyed(1), keyed(2)];
    for state in DeviceState::ALL {
        bindings.extend([1, 2, 255].map(|number| registered(number, *state)));
    }
    for binding in bindings {
        let mut session = world.session(&subject, Epoch::default(), now);
        session.binding = binding;
        let _ = world.store.create(&session, None).await.expect("create");
        for (proof, turn) in proofs.into_iter().zip(1..) {
            let row = world.load(session.id).await.expect("stored");
            let mut rotation = world.rotation(&row, now + secs(turn));
            rotation.proof = proof;
            world.assert_commit(&Change::Rotate(rotation)).await;
            let row = world.load(session.id).await.expect("stored");
            let mut touch = World::<S>::touch(&row, now + secs(turn));
            touch.proof = proof;
            world.assert_commit(&Change::Touch(touch)).await;
        }
    }
}

/// A request was verified while the session was not bound, and commits after it is. It is given the session
/// as it is now, and has written nothing.
pub async fn a_registration_between_verification_and_commit_is_heeded<S: SessionStore>(
    mut world: World<S>,
) {
    let subject = world.subject();
    let now = World::<S>::at(0);
    let session = world.stored(&subject, now).await;
    let rotation = world.rotation(&session, now + secs(50));
    let touch = World::<S>::touch(&session, now + secs(50));
    let copied = [Change::Rotate(rotation.clone()), Change::Touch(touch)];

    let pending = registered(1, DeviceState::Pending);
    let required = registered(1, DeviceState::Required);
    world
        .assert_commit(&World::<S>::bind(&session, pending, now + secs(1)))
        .await;
    let registered = world.load(session.id).await.expect("stored");
    world
        .assert_commit(&World::<S>::bind(&registered, required, now + secs(2)))
        .await;
    let bound = world.load(session.id).await.expect("stored");
    assert_eq!(
        bound.binding.check(Proof::default()),
        Err(Unproven::Missing)
    );
    for change in copied {
        let outcome = world.store.commit(&change).await.expect("commit");
        let Commit::Missed(Some(row)) = outcome else {
            panic!("written without the proof: {outcome:?}");
        };
        assert_eq!(*row, bound);
        assert_eq!(world.load(session.id).await, Some(bound.clone()));
    }
    // What was given out at the login is good for every registration.
    let mut honest = rotation;
    honest.proof = Proof::Device(BindingGeneration::ANY);
    world.assert_commit(&Change::Rotate(honest)).await;
    assert_ne!(world.load(session.id).await, Some(bound));
}
