//! The contract suite, and what of it the notices of PostgreSQL would hide.

use store_sql::postgres::{Notices, PostgresStoreOptions};
use token_session::SessionStore as _;
use token_session::store::Notice;

use crate::sessions::{at, ending, purge_in_batches, stored};
use crate::{schema, store};

token_session::store_contract!(store);

/// A node that listens hears the server repeat its own writes, so only one that does not shows this.
#[tokio::test]
async fn a_node_hears_at_once_what_it_has_ended_itself() {
    let options = PostgresStoreOptions::new().schema(schema());
    let options = options.notices(Notices::Poll);
    let store = options.connect(testbed::postgres::url()).await.unwrap();
    let session = stored(&store, "alice").await;
    let mut notices = store.subscribe();
    let _ = store.revoke(&ending(session.id, at(5))).await.unwrap();
    let heard = notices.try_recv();
    assert!(matches!(heard, Ok(Notice::Ended(ended)) if ended.id == session.id));
}

#[tokio::test]
async fn a_purge_takes_as_many_batches_as_it_needs() {
    purge_in_batches(&store().await, 100).await;
}
