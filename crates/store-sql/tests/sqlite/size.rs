//! What the key that a session is bound to takes in the file.

use sqlx::Row as _;
use store_sql::SqliteStore;
use token_core::binding::{Binding, BindingGeneration, DeviceBinding, DeviceKey, DeviceState};
use token_session::SessionStore as _;
use token_session::store::Created;

use crate::folder;
use crate::schema::pool;
use crate::sessions::session;

/// Without one the row has the byte that says so.
#[tokio::test]
async fn a_key_of_the_browser_takes_35_bytes() {
    let device = DeviceBinding {
        key: DeviceKey::from_bytes([3; 33]).unwrap(),
        generation: BindingGeneration(255),
        state: DeviceState::Required,
    };
    let mut lengths = Vec::new();
    let mut same = None;
    for binding in [Binding::Unbound, Binding::Device(device)] {
        let folder = folder();
        let pool = pool(&folder.path().join("sessions.db")).await;
        let store = SqliteStore::new(pool.clone()).await.unwrap();
        let mut session = match same.take() {
            Some(session) => session,
            None => session(&store, "alice").await,
        };
        session.binding = binding;
        let created = store.create(&session, None).await.unwrap();
        assert!(matches!(created, Created::Applied(_)));
        let sum = "SELECT sum(payload) FROM dbstat WHERE name = 'hallpass_session'";
        let sum = sqlx::query(sum).fetch_one(&pool).await.unwrap();
        lengths.push(sum.get::<i64, _>(0));
        same = Some(session);
    }
    let differ = lengths.first().zip(lengths.last());
    assert_eq!(differ.map(|(unbound, bound)| bound - unbound), Some(35));
}
