//! Sessions of nobody, which a store keeps like all others.

use std::sync::Arc;

use token_core::Policy;
use token_core::session::Device;

use super::world::{World, secs};
use crate::manager::Presented;
use crate::store::{DataWritten, SessionStore};
use crate::test_util::TestManager;
use crate::visitor::VisitorKind;

/// Opens, reads, writes and ends a session of nobody. Its cookie opens nothing else.
pub async fn a_session_of_nobody_is_stored_and_is_no_login<S: SessionStore>(world: World<S>) {
    let store = Arc::clone(&world.store);
    let TestManager { manager, .. } =
        TestManager::with_store(store, Policy::default(), |builder| {
            // Ids differ between runs on a store that is kept.
            builder.entropy(crate::entropy::SystemEntropy)
        });
    for (kind, other) in [
        (VisitorKind::Visitor, VisitorKind::PendingLogin),
        (VisitorKind::PendingLogin, VisitorKind::Visitor),
    ] {
        let json = r#"{"basket":["hat"]}"#;
        let opened = manager.open_visitor(kind, Device::default(), json);
        let opened = opened.await.expect("the store answers");
        let text = opened.token().to_secret_text();
        let stored = world.load(opened.id()).await.expect("it is stored");
        assert_eq!(stored.id.bucket(), world.store.bucket(&stored.subject));
        assert!(stored.purge_at.since(stored.expires_at()) <= secs(120));

        let found = manager.accept_visitor(kind, &text).await;
        let found = found.expect("the store answers").expect("it is live");
        assert_eq!(found.id(), opened.id());
        let of_other_kind = manager.accept_visitor(other, &text).await;
        assert!(of_other_kind.expect("the store answers").is_none());
        let data = manager.session_data(found.id()).await;
        let data = data.expect("the store answers").expect("it is stored");
        assert_eq!((data.version, data.json.as_deref()), (1, Some(json)));

        assert!(manager.touch(&text).await.is_err());
        let session = manager.session(found.id()).await;
        assert!(session.expect("the store answers").is_none());
        let ended = manager.logout(Presented::Session(&text)).await;
        assert!(!ended.expect("the store answers"));

        let write = async |version| {
            let written = manager.write_visitor_data(&found, version, Some("{}".into()));
            written.await.expect("the store answers")
        };
        assert_eq!(write(1).await, DataWritten::Applied);
        assert!(matches!(write(1).await, DataWritten::Moved(_)));
        assert!(
            manager
                .end_visitor(&found)
                .await
                .expect("the store answers")
        );
        assert_eq!(write(2).await, DataWritten::NotLive);
        let found = manager.accept_visitor(kind, &text).await;
        assert!(found.expect("the store answers").is_none());
        // Nothing keeps its place for a day, as that of a login that was ended.
        if let Some(ended) = world.load(opened.id()).await {
            assert!(ended.purge_at.since(manager.now()) <= secs(120));
        }
    }
}
