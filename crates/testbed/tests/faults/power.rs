//! SQLite on a disk whose power is cut.

use std::path::Path;

use store_sql::SqliteStore;
use store_sql::sqlite::{Durability, SqliteStoreOptions};
use testbed::disk::Disk;
use token_core::{Authentication, Policy, RevokeReason, Session, SessionId, Subject};
use token_session::test_util::test_issuer;
use token_session::{
    Issued, NewSession, Presented, SessionCredential, SessionManager, SessionStore as _,
};

async fn open(folder: &Path, durability: Durability) -> SqliteStore {
    let options = SqliteStoreOptions::new().durability(durability);
    let file = folder.join(format!("{durability:?}.db"));
    options.open(file).await.unwrap()
}

/// The sessions as they would be after a cut at this moment.
async fn after_a_cut(disk: &Disk, durability: Durability, ids: &[SessionId]) -> Vec<Session> {
    let folder = disk.after_a_cut();
    let store = open(folder.path(), durability).await;
    let mut found = Vec::new();
    for id in ids {
        let session = store.load(*id).await.unwrap();
        found.push(Session::clone(&session.expect("it was acknowledged")));
    }
    found
}

fn token(issued: &Issued) -> &str {
    issued.tokens().unwrap().refresh_token.secret()
}

async fn login(manager: &SessionManager) -> Issued {
    let alice = Subject::new("alice").unwrap();
    let ticket = manager.begin_login(alice).await.unwrap();
    manager.login(ticket, NewSession::default()).await.unwrap()
}

/// A later write that waits for the disk brings the earlier ones there too, so each is looked at by itself.
#[ignore = "mounts a file system, which only root may: cargo xtask test long"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_outlives_a_cut() {
    let Some(disk) = Disk::enter("power::what_was_acknowledged_outlives_a_cut") else {
        return;
    };
    for durability in [Durability::Full, Durability::Endings] {
        let store = open(disk.folder(), durability).await;
        let policy = Policy::builder().grace(std::time::Duration::ZERO).build();
        let manager = SessionManager::builder(store, test_issuer(policy.unwrap()))
            .build()
            .unwrap();
        let cut = async |ids: &[SessionId]| after_a_cut(&disk, durability, ids).await;

        let opened = login(&manager).await;
        let id = opened.session().id;
        if durability == Durability::Full {
            assert_eq!(cut(&[id]).await, [opened.session().clone()], "a login");
        }
        let next = manager.refresh(token(&opened), None).await.unwrap();
        if durability == Durability::Full {
            let found = cut(&[id]).await;
            assert_eq!(found[0].generation, next.session().generation, "a refresh");
        }

        let credential = manager.verify_refresh_token(token(&next)).unwrap();
        let credential = SessionCredential::Refresh(credential);
        let proof = Authentication::password(manager.now());
        let stepped_up = manager.step_up(&credential, proof).await.unwrap();
        let found = cut(&[id]).await;
        let generation = stepped_up.session().generation;
        assert_eq!(found[0].generation, generation, "a step-up");

        let presented = Presented::Refresh(token(&stepped_up));
        assert!(manager.logout(presented).await.unwrap());
        assert!(cut(&[id]).await[0].revocation.is_some(), "a logout");

        let ids = [login(&manager).await, login(&manager).await];
        let ids = ids.map(|issued| issued.session().id);
        let alice = Subject::new("alice").unwrap();
        let all = manager.revoke_all(&alice, RevokeReason::LogoutAll).await;
        assert_eq!(all.unwrap().len(), 2);
        let found = cut(&ids).await;
        let all = found.iter().all(|session| session.revocation.is_some());
        assert!(all, "a logout everywhere");
    }
}
