//! Rows go in and come out whole, and nothing else does.

use std::collections::HashSet;

use token_core::binding::{Binding, DeviceState, Proof};
use token_core::session::{Change, Device, EarlierRotations, Epoch, Permit, Rights, RotatedBy};
use token_core::{Authentication, CustomClaims, Session, Transport, UnixTime};

use super::world::{PATIENCE, World, ending, keyed, registered, secs};
use crate::session_data::SessionData;
use crate::store::{
    Changed, Commit, Created, DataWrite, DataWritten, Ended, Heartbeat, Notice, Revoke,
    SessionStore,
};

/// Every field survives, empty or full, also after each kind of write.
pub async fn a_session_loads_back_whole<S: SessionStore>(mut world: World<S>) {
    let subject = world.subject();
    let now = World::<S>::at(0);
    let plain = world.stored(&subject, now).await;
    assert_eq!(world.load(plain.id).await, Some(plain.clone()));

    let mut full = world.session(&subject, Epoch::default(), now);
    full.transport = Transport::Session;
    full.scope = "a b:c https://example.org/d".parse().expect("a scope");
    full.remember = true;
    full.authentication = Authentication {
        time: now,
        acr: Some("urn:ä\"".into()),
        amr: vec!["pwd".into(), "otp".into()],
    };
    full.claims =
        CustomClaims::from_json(r#"{"name":"Zoë \"Z\" 'x'","n":[1,2.5,null]}"#).expect("an object");
    full.earlier_rotations = EarlierRotations(0x1_0000_8002);
    full.device = Device::new(
        Some("it's ä \\ label"),
        Some(&"u".repeat(300)),
        Some("2001:db8::/48"),
    );
    full.binding = keyed(9);
    assert!(
        matches!(world.store.create(&full, None).await, Ok(Created::Applied(row)) if *row == full)
    );
    assert_eq!(world.load(full.id).await, Some(full.clone()));

    // So is stored what was ended before it was ever seen here.
    let mut ended = world.session(&subject, Epoch::default(), now);
    let end = ending(ended.id, now);
    ended.revocation = Some(end.revocation);
    assert!(matches!(
        world.store.create(&ended, None).await,
        Ok(Created::Applied(_))
    ));
    assert_eq!(world.load(ended.id).await, Some(ended.clone()));
    assert!(matches!(
        world.store.revoke(&end).await,
        Ok(Revoke::Already(_))
    ));

    let mut rotation = world.rotation(&full, now + secs(50));
    rotation.by = RotatedBy::StepUp;
    rotation.proof = Proof::Key(token_core::binding::Thumbprint::from_bytes([9; 32]));
    rotation.earlier_rotations = EarlierRotations(u64::MAX);
    rotation.authentication = Some(Authentication {
        time: now,
        acr: None,
        amr: vec![],
    });
    rotation.rights.claims = Some(CustomClaims::default());
    rotation.rights.scope = Some("c:d a".parse().expect("a scope"));
    world.assert_commit(&Change::Rotate(rotation)).await;
    let rotated = world.load(full.id).await.expect("stored");
    assert_eq!(rotated.previous_hash, Some(full.token_hash));
    assert_eq!(rotated.claims, CustomClaims::default());
    assert_eq!(rotated.binding, full.binding);
    assert!(rotated.authentication.amr.is_empty());
    let bound = registered(u8::MAX, DeviceState::Observed);
    world
        .assert_commit(&World::<S>::bind(&rotated, bound, now + secs(52)))
        .await;
    // A refresh remembers nothing of what was before.
    let rotation = world.rotation(&rotated, now + secs(55));
    world.assert_commit(&Change::Rotate(rotation)).await;
    let rotated = world.load(full.id).await.expect("stored");
    assert_eq!(rotated.scope.as_str(), "c:d a");
    assert_eq!(rotated.earlier_rotations, EarlierRotations::default());
    let unbound = World::<S>::bind(&rotated, Binding::Unbound, now + secs(56));
    world.assert_commit(&unbound).await;
    world
        .assert_commit(&World::<S>::bind(&rotated, bound, now + secs(57)))
        .await;
    let rotated = world.load(full.id).await.expect("stored");

    let end = ending(full.id, now + secs(60));
    let Ok(Revoke::Applied(row)) = world.store.revoke(&end).await else {
        panic!("not ended")
    };
    assert_eq!(Some(Session::clone(&row)), end.apply(&rotated));
    assert_eq!(world.load(full.id).await, end.apply(&rotated));
}

/// What a session may do changes while it lives, and nothing else of it does.
pub async fn rights_change_while_the_session_lives<S: SessionStore>(mut world: World<S>) {
    let subject = world.subject();
    let now = World::<S>::at(0);
    let session = world.stored(&subject, now).await;
    let claims = |length: usize| {
        let json = format!(r#"{{"role":"{}"}}"#, "r".repeat(length));
        CustomClaims::from_json(&json).expect("an object")
    };
    let scope = |text: &str| Some(text.parse().expect("a scope"));
    let long = vec!["a:long:value:of:a:scope"; 40].join(" ");
    let none = Some(CustomClaims::default());
    let mut notices = world.store.subscribe();
    for (scope, claims) in [
        (scope("a b"), Some(claims(300))),
        (None, Some(claims(40))),
        (scope(&long), None),
        (scope("b"), None),
        (None, none.clone()),
        (scope(""), None),
        (None, None),
        (scope("a"), none),
    ] {
        let (id, rights) = (session.id, Rights { scope, claims });
        let at = now + secs(1);
        world
            .assert_commit(&Change::Permit(Permit { id, rights, at }))
            .await;
    }
    for _ in 0..8 {
        let heard = async {
            loop {
                match notices.recv().await.expect("the store lives") {
                    Notice::Changed(changed) if changed.id == session.id => return changed.version,
                    _ => {}
                }
            }
        };
        let version = tokio::time::timeout(PATIENCE, heard).await;
        let version = version.expect("a subscriber hears of each change");
        assert!(version >= session.generation, "what is remembered is older");
    }
    // A rotation keeps them, and one that was begun before goes on.
    let rotation = world.rotation(&session, now + secs(2));
    world.assert_commit(&Change::Rotate(rotation)).await;
    let rotated = world.load(session.id).await.expect("stored");
    assert_eq!(rotated.scope.as_str(), "a");
    let permit = |at| {
        let rights = Rights::from(claims(1));
        let id = session.id;
        Change::Permit(Permit { id, rights, at })
    };
    // A session that has ended is not brought back, and one that never was is not made.
    world
        .assert_commit(&permit(session.expires_at() + secs(1000)))
        .await;
    let end = ending(session.id, now + secs(3));
    assert!(matches!(
        world.store.revoke(&end).await,
        Ok(Revoke::Applied(_))
    ));
    world.assert_commit(&permit(now + secs(4))).await;
}

/// Long claims and authentications become shorter, or none, without a trace of what they were.
pub async fn what_becomes_shorter_leaves_nothing_behind<S: SessionStore>(mut world: World<S>) {
    let subject = world.subject();
    let now = World::<S>::at(0);
    let claims = |length: usize| {
        let json = format!(r#"{{"name":"{}"}}"#, "7".repeat(length));
        CustomClaims::from_json(&json).expect("an object")
    };
    let authentication = |methods: usize| Authentication {
        time: now,
        acr: (methods > 0).then(|| "a".repeat(methods).into()),
        amr: vec!["otp".into(); methods],
    };
    let mut session = world.session(&subject, Epoch::default(), now);
    session.claims = claims(1000);
    session.authentication = authentication(300);
    assert!(matches!(
        world.store.create(&session, None).await,
        Ok(Created::Applied(_))
    ));
    let shorter = [
        (claims(500), authentication(100)),
        (claims(0), authentication(1)),
    ];
    let longer = [(claims(2000), authentication(400))];
    let none = [(CustomClaims::default(), authentication(0))];
    let changes = shorter.iter().chain(&none).chain(&longer).chain(&none);
    for ((claims, authentication), turn) in changes.zip(1..) {
        let row = world.load(session.id).await.expect("stored");
        let mut rotation = world.rotation(&row, now + secs(turn));
        rotation.rights.claims = Some(claims.clone());
        rotation.authentication = Some(authentication.clone());
        world.assert_commit(&Change::Rotate(rotation)).await;
    }
}

/// A session and the private data with which it begins are inserted together, and under the same conditions.
pub async fn a_session_begins_with_its_private_data_or_not_at_all<S: SessionStore>(
    mut world: World<S>,
) {
    let subject = world.subject();
    let now = World::<S>::at(0);
    let session = world.session(&subject, Epoch::default(), now);
    let json = r#"{"basket":["ä","'"]}"#;
    assert!(matches!(
        world.store.create(&session, Some(json)).await,
        Ok(Created::Applied(_))
    ));
    let begun = SessionData {
        version: 1,
        json: Some(json.into()),
    };
    let data = world.store.load_data(session.id).await.expect("data");
    assert_eq!(data.as_ref(), Some(&begun));

    // Neither half of a second one.
    let mut taken = world.session(&subject, Epoch::default(), World::<S>::at(9));
    taken.id = session.id;
    assert!(matches!(
        world.store.create(&taken, Some("{}")).await,
        Ok(Created::IdTaken)
    ));
    let data = world.store.load_data(session.id).await.expect("data");
    assert_eq!(data.as_ref(), Some(&begun));
    assert_eq!(world.load(session.id).await, Some(session.clone()));

    // It is data as if it had been written later.
    let write = DataWrite {
        id: session.id,
        version: 1,
        json: Some("{}".into()),
        at: now,
    };
    let written = world.store.write_data(&write).await.expect("write");
    assert_eq!(written, DataWritten::Applied);
}

/// A second insert with the same id changes nothing.
pub async fn an_id_is_inserted_once<S: SessionStore>(mut world: World<S>) {
    let subject = world.subject();
    let first = world.stored(&subject, World::<S>::at(0)).await;
    let mut second = world.session(&subject, Epoch::default(), World::<S>::at(9));
    second.id = first.id;
    assert!(matches!(
        world.store.create(&second, None).await,
        Ok(Created::IdTaken)
    ));
    assert_eq!(world.load(first.id).await, Some(first));
}

/// Lists are newest first, whole, and one subject's.
pub async fn a_subject_lists_its_sessions_and_no_other<S: SessionStore>(mut world: World<S>) {
    let (alice, bob) = (world.subject(), world.subject());
    let mut expected = Vec::new();
    for second in 0..5 {
        expected.insert(0, world.stored(&alice, World::<S>::at(second)).await);
        world.stored(&bob, World::<S>::at(second)).await;
    }
    let listed = world.store.list(&alice).await.expect("list");
    let listed: Vec<Session> = listed.into_iter().map(|row| Session::clone(&row)).collect();
    assert_eq!(listed, expected);
    let nobody = world.subject();
    assert!(world.store.list(&nobody).await.expect("list").is_empty());
}

/// A write of private data holds for its version only, and a race is told.
pub async fn private_data_is_written_by_version<S: SessionStore>(mut world: World<S>) {
    let subject = world.subject();
    let now = World::<S>::at(0);
    let session = world.stored(&subject, now).await;
    let write = |version: u64, json: Option<&str>| DataWrite {
        id: session.id,
        version,
        json: json.map(Into::into),
        at: now,
    };
    let store = &world.store;
    let fresh = store.load_data(session.id).await.expect("data");
    assert_eq!(fresh, Some(SessionData::default()));

    let text = r#"{"cart":["ä","'"],"n":1}"#;
    let written = store
        .write_data(&write(0, Some(text)))
        .await
        .expect("write");
    assert_eq!(written, DataWritten::Applied);
    let stored = SessionData {
        version: 1,
        json: Some(text.into()),
    };
    assert_eq!(
        store.load_data(session.id).await.expect("data"),
        Some(stored.clone())
    );

    let lost = store
        .write_data(&write(0, Some("{}")))
        .await
        .expect("write");
    assert_eq!(lost, DataWritten::Moved(stored));
    let cleared = store.write_data(&write(1, None)).await.expect("write");
    assert_eq!(cleared, DataWritten::Applied);
    let stored = SessionData {
        version: 2,
        json: None,
    };
    assert_eq!(
        store.load_data(session.id).await.expect("data"),
        Some(stored)
    );
    // The row itself is as it was.
    assert_eq!(world.load(session.id).await, Some(session.clone()));

    let late = DataWrite {
        at: session.expires_at(),
        ..write(2, Some("{}"))
    };
    assert_eq!(
        world.store.write_data(&late).await.expect("write"),
        DataWritten::NotLive
    );
    let absent = world.session(&subject, Epoch::default(), now).id;
    let absent = DataWrite {
        id: absent,
        ..write(0, None)
    };
    assert_eq!(
        world.store.write_data(&absent).await.expect("write"),
        DataWritten::NotLive
    );
    assert_eq!(world.store.load_data(absent.id).await.expect("data"), None);
}

/// Purging keeps to its instant and its limit.
pub async fn purging_deletes_what_is_due_and_nothing_else<S: SessionStore>(mut world: World<S>) {
    let subject = world.subject();
    let day = |n: u64| UnixTime::from_secs(n * 86_400).expect("in January 1970");
    while world.store.purge(day(20), 1000).await.expect("purge") > 0 {} // an earlier run's
    let mut ids = Vec::new();
    for n in 1..=7 {
        let mut session = world.session(&subject, Epoch::default(), World::<S>::at(n));
        session.purge_at = day(n);
        assert!(matches!(
            world.store.create(&session, None).await,
            Ok(Created::Applied(_))
        ));
        ids.push(session.id);
    }
    assert_eq!(world.store.purge(day(5), 3).await.expect("purge"), 3);
    assert_eq!(world.store.purge(day(5), 3).await.expect("purge"), 2);
    assert_eq!(world.store.purge(day(5), 3).await.expect("purge"), 0);
    for (n, id) in (1..).zip(ids) {
        assert_eq!(world.load(id).await.is_some(), n > 5, "day {n}");
    }
    assert_eq!(world.store.list(&subject).await.expect("list").len(), 2);
    assert_eq!(world.store.purge(day(20), 1000).await.expect("purge"), 2);
}

/// What is ended stands in the log from its instant on, and subscribers hear of it.
pub async fn an_ending_is_told_to_subscribers_and_in_the_log<S: SessionStore>(mut world: World<S>) {
    let subject = world.subject();
    let now = World::<S>::at(500);
    let mut notices = world.store.subscribe();
    let session = world.stored(&subject, now).await;
    let end = ending(session.id, now + secs(7));
    assert!(matches!(
        world.store.revoke(&end).await,
        Ok(Revoke::Applied(_))
    ));
    let ended = Ended::new(session.id, now + secs(7));

    let log: HashSet<Ended> = world
        .store
        .revocations(now + secs(7))
        .await
        .expect("log")
        .into_iter()
        .collect();
    assert!(log.contains(&ended));
    let later = world.store.revocations(now + secs(8)).await.expect("log");
    assert!(!later.contains(&ended));

    let heard = async {
        // Others may end sessions on the same store.
        while notices.recv().await.expect("the store lives") != Notice::Ended(ended) {}
    };
    tokio::time::timeout(PATIENCE, heard)
        .await
        .expect("a subscriber hears of each ending");
}

/// Subscribers hear of a step-up and of a registration. They hear of neither a refresh, with new claims or
/// without, nor a use.
pub async fn a_change_is_told_to_subscribers_and_a_use_is_not<S: SessionStore>(
    mut world: World<S>,
) {
    let subject = world.subject();
    let now = World::<S>::at(0);
    let mut notices = world.store.subscribe();
    let mut session = world.stored(&subject, now).await;
    let mut expected = Vec::new();
    for turn in 0..7 {
        let mut rotation = world.rotation(&session, now);
        let change = match turn {
            1 | 4 => {
                rotation.by = RotatedBy::StepUp;
                rotation.authentication = Some(Authentication::password(now));
                Change::Rotate(rotation)
            }
            2 => {
                // Long enough that Redis keeps them in pieces.
                let claims = format!("{{\"role\":\"{}\"}}", "r".repeat(200));
                rotation.rights = CustomClaims::from_json(&claims).expect("claims").into();
                Change::Rotate(rotation)
            }
            3 => Change::Touch(World::<S>::touch(&session, now)),
            6 => World::<S>::bind(&session, registered(1, DeviceState::Pending), now),
            _ => Change::Rotate(rotation),
        };
        let Commit::Applied(row) = world.store.commit(&change).await.expect("commit") else {
            panic!("{change:?} does not hold");
        };
        session = Session::clone(&row);
        if matches!(turn, 1 | 4 | 6) {
            expected.push(Changed::new(session.id, session.generation));
        }
    }
    let end = ending(session.id, now);
    assert!(matches!(
        world.store.revoke(&end).await,
        Ok(Revoke::Applied(_))
    ));
    let heard = async {
        let mut heard = Vec::new();
        loop {
            match notices.recv().await.expect("the store lives") {
                // Once in this process, and perhaps once more by way of the server.
                Notice::Changed(changed) if changed.id == session.id => {
                    // A registration may say that whatever is remembered is older.
                    let version = changed.version.min(session.generation);
                    let changed = Changed::new(session.id, version);
                    if !heard.contains(&changed) {
                        heard.push(changed);
                    }
                }
                Notice::Ended(ended) if ended.id == session.id => return heard,
                _ => {}
            }
        }
    };
    let heard = tokio::time::timeout(PATIENCE, heard).await;
    assert_eq!(heard.expect("a subscriber hears of the end"), expected);
}

/// A heartbeat comes back behind the endings before it; if it is not sent, the driver reads
/// often instead.
pub async fn a_heartbeat_comes_back_behind_the_endings_before_it<S: SessionStore>(
    mut world: World<S>,
) {
    let subject = world.subject();
    let mut notices = world.store.subscribe();
    let session = world.stored(&subject, World::<S>::at(0)).await;
    let end = ending(session.id, World::<S>::at(1));
    assert!(matches!(
        world.store.revoke(&end).await,
        Ok(Revoke::Applied(_))
    ));
    let ended = Ended::new(session.id, World::<S>::at(1));
    let heartbeat = Heartbeat::from_bytes(world.bytes());
    if !world.store.heartbeat(heartbeat).await.expect("heartbeat") {
        assert!(world.store.catch_up_interval() <= secs(5), "nobody tells");
        return;
    }
    let heard = async {
        let mut seen = false;
        loop {
            match notices.recv().await.expect("the store lives") {
                Notice::Ended(other) => seen |= other == ended,
                Notice::Heartbeat(other) if other == heartbeat => return seen,
                _ => {}
            }
        }
    };
    let seen = tokio::time::timeout(PATIENCE, heard).await;
    assert!(seen.expect("it comes back"), "it overtook an ending");
}
