//! Which writes reach the disk before they are reported.

use store_sql::sqlite::{Durability, SqliteStoreOptions};
use testbed::log::Log;
use token_core::binding::{Binding, Thumbprint};
use token_core::session::{Bind, Change, RotatedBy};
use token_session::SessionStore;

use crate::folder;
use crate::sessions::{at, ending, rotation, stored, subject_ending};

/// The last setting of how a write reaches the disk.
fn last(log: &Log) -> Option<&'static str> {
    let text = log.text();
    let set = |name: &str| text.rfind(&format!("PRAGMA synchronous = {name}"));
    let [full, normal] = [set("FULL"), set("NORMAL")];
    match full.max(normal) {
        None => None,
        last if last == full => Some("FULL"),
        _ => Some("NORMAL"),
    }
}

/// A power cut may undo logins and refreshes then, and never what ended something.
#[tokio::test]
async fn whatever_ends_sessions_or_tokens_is_on_the_disk_before_it_is_reported() {
    let log = Log::default();
    let writer = log.clone();
    // SQLite works in a thread of its own: what it does is logged there.
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::DEBUG)
        .with_ansi(false)
        .with_writer(move || writer.clone());
    tracing::subscriber::set_global_default(subscriber.finish()).unwrap();
    let folder = folder();
    let url = format!("sqlite:{}", folder.path().join("sessions.db").display());
    let options = SqliteStoreOptions::new().durability(Durability::Endings);
    let store = options.connect(&url).await.unwrap();

    // Each of them is told apart from the one before by what it sets.
    let row = stored(&store, "alice").await;
    assert_eq!(last(&log), Some("NORMAL"), "a login");
    let Change::Rotate(mut step_up) = rotation(&row, at(1)) else {
        panic!("it is a rotation");
    };
    step_up.by = RotatedBy::StepUp;
    let _ = store.commit(&Change::Rotate(step_up)).await.unwrap();
    assert_eq!(last(&log), Some("FULL"), "a step-up");
    let bound = stored(&store, "alice").await;
    assert_eq!(last(&log), Some("NORMAL"), "a login");
    let bind = Change::Bind(Bind {
        id: bound.id,
        from: bound.binding,
        to: Binding::Key(Thumbprint::from_bytes([1; 32])),
        at: at(1),
    });
    let _ = store.commit(&bind).await.unwrap();
    assert_eq!(last(&log), Some("FULL"), "a browser's key");
    let other = stored(&store, "alice").await;
    assert_eq!(last(&log), Some("NORMAL"), "a login");
    let _ = store.revoke(&ending(other.id, at(2))).await.unwrap();
    assert_eq!(last(&log), Some("FULL"), "a logout");
    let third = stored(&store, "alice").await;
    let _ = store.commit(&rotation(&third, at(3))).await.unwrap();
    assert_eq!(last(&log), Some("NORMAL"), "a refresh");
    let all = subject_ending("alice", at(4));
    assert_eq!(store.revoke_subject(&all).await.unwrap().len(), 3);
    assert_eq!(last(&log), Some("FULL"), "a logout everywhere");
}
