//! Sessions and writes for tests of any database.

use std::time::Duration;

use token_core::session::{self, Change, Device, Ending, Login, Nonce, Revocation, Rotation};
use token_core::types::TokenHash;
use token_core::{
    Authentication, ClientId, CustomClaims, Entropy, KeyId, Policy, RefreshKey, RefreshKeyRing,
    RevokeReason, Scope, Session, SessionId, Subject, Transport, UnixTime,
};
use token_session::SessionStore;
use token_session::store::{Created, SubjectEnding};

pub(crate) fn at(seconds: u64) -> UnixTime {
    UnixTime::from_secs(1_700_000_000 + seconds).expect("before the year 9999")
}

pub(crate) fn subject(name: &str) -> Subject {
    Subject::new(name).expect("a name")
}

/// A session with something in each column, opened at `at(0)`.
pub(crate) async fn session<S: SessionStore>(store: &S, name: &str) -> Session {
    let subject = subject(name);
    let login = Login {
        epoch: store.epoch(&subject).await.expect("the epoch"),
        client_id: ClientId::new("test").expect("a name"),
        transport: Transport::Cookie,
        scope: "notes:read notes:write".parse::<Scope>().expect("a scope"),
        authentication: Authentication {
            acr: Some("gold".into()),
            ..Authentication::password(at(0))
        },
        remember: fastrand::bool(),
        claims: CustomClaims::from_json(r#"{"name":"Zoë"}"#).expect("claims"),
        device: Device::new(Some("Firefox"), Some("Mozilla/5.0"), Some("192.0.2.0/24")),
        subject,
    };
    let key = RefreshKey::new(KeyId::new("key").expect("a name"), &[3; 32]);
    let keys = RefreshKeyRing::new(key.expect("32 bytes"));
    let bucket = store.bucket(&login.subject);
    let entropy = Entropy::new(std::array::from_fn(|_| fastrand::u8(..)));
    session::open(login, bucket, &Policy::default(), &keys, at(0), entropy).write
}

/// The same, stored.
pub(crate) async fn stored<S: SessionStore>(store: &S, name: &str) -> Session {
    let session = session(store, name).await;
    match store.create(&session, None).await.expect("create") {
        Created::Applied(row) => row.into_inner(),
        other => panic!("not created: {other:?}"),
    }
}

/// A rotation of `session` as it stands, to a made-up credential.
pub(crate) fn rotation(session: &Session, now: UnixTime) -> Change {
    let hash = TokenHash::from_bytes(std::array::from_fn(|_| fastrand::u8(..)));
    let nonce = Nonce::from_bytes(std::array::from_fn(|_| fastrand::u8(..)));
    Change::Rotate(Rotation::new(session, hash, nonce, now))
}

pub(crate) fn ending(id: SessionId, now: UnixTime) -> Ending {
    Ending {
        id,
        revocation: Revocation {
            at: now,
            reason: RevokeReason::Logout,
        },
        purge_at: now + Duration::from_hours(24),
    }
}

pub(crate) fn subject_ending(name: &str, now: UnixTime) -> SubjectEnding {
    SubjectEnding::new(
        subject(name),
        None,
        Revocation {
            at: now,
            reason: RevokeReason::LogoutAll,
        },
        now + Duration::from_hours(24),
    )
}
