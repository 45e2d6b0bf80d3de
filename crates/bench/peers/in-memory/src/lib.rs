//! Uses of a session in memory: ours by its cookie, and as people do it with tower-sessions.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use bench::operation::{Make, OURS, Operation, Pool, Way, cycle};
use bench::operations::manager::{at_once, cookie, manager, runtime};
use bench::world::Key;
use serde::{Deserialize, Serialize};
use token_core::Algorithm;
use token_session::SessionManager;
use token_session::test_util::TestClock;
use tower_sessions::session::Id;
use tower_sessions::{Expiry, MemoryStore, Session};

/// What tower-sessions is called in tables.
pub const PEER: &str = "tower-sessions";

/// Every operation, by its name.
pub const ALL: &[(&str, Make)] = &[("read-session", read), ("slide-session", slide)];

/// Longer than the touch interval: the next use of a cookie moves the deadline.
const PAST_THE_INTERVAL: Duration = Duration::from_secs(70);

/// What an application keeps of a user.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct User {
    /// Who.
    pub id: String,
    /// For people to read.
    pub name: String,
}

impl User {
    /// The user with a number.
    #[must_use]
    pub fn new(number: u64) -> Self {
        Self {
            id: format!("user-{number:08}"),
            name: format!("Alice {number:08}"),
        }
    }
}

/// Who is it? Nothing is written.
#[must_use]
pub fn read(pool: Pool) -> Operation {
    let (manager, _, cookies) = ours(pool);
    let inside = runtime();
    let touch = cycle(cookies, move |cookie| {
        let _inside = inside.enter();
        let visit = at_once(manager.touch(cookie)).expect("the session is live");
        let _ = black_box(visit);
    });
    let (store, ids) = peers(pool);
    let get = cycle(ids, move |id| {
        let session = Session::new(Some(*id), Arc::clone(&store), Some(EXPIRY));
        let user = at_once(session.get::<User>("user")).expect("the store answers");
        black_box(user.expect("the session is live"));
    });
    operation("read a session on memory", touch, get)
}

/// Who is it, and the deadline moves.
#[must_use]
pub fn slide(pool: Pool) -> Operation {
    let (manager, clock, cookies) = ours(pool);
    let inside = runtime();
    let mut turn = 0;
    let touch = cycle(cookies, move |cookie| {
        if turn % pool.0 == 0 {
            clock.advance(PAST_THE_INTERVAL);
        }
        turn += 1;
        let _inside = inside.enter();
        let visit = at_once(manager.touch(cookie)).expect("the session is live");
        assert!(visit.slid());
        let _ = black_box(visit);
    });
    let (store, ids) = peers(pool);
    let save = cycle(ids, move |id| {
        let session = Session::new(Some(*id), Arc::clone(&store), Some(EXPIRY));
        let user = at_once(session.get::<User>("user")).expect("the store answers");
        black_box(user.expect("the session is live"));
        at_once(session.save()).expect("the store answers");
    });
    operation("read and slide a session on memory", touch, save)
}

const EXPIRY: Expiry = Expiry::OnInactivity(time::Duration::days(1));

fn operation(name: &str, ours: impl FnMut() + 'static, peer: impl FnMut() + 'static) -> Operation {
    Operation {
        name: name.to_owned(),
        ways: vec![Way::new(OURS, ours), Way::new(PEER, peer)],
        goals: Vec::new(),
    }
}

fn ours(Pool(count): Pool) -> (SessionManager, TestClock, Vec<String>) {
    let (manager, clock) = manager(&Key::new(Algorithm::HS256), 1_000_000);
    let inside = runtime();
    let cookies = (0..count).map(|number| inside.block_on(cookie(&manager, number)));
    let cookies = cookies.collect();
    (manager, clock, cookies)
}

fn peers(Pool(count): Pool) -> (Arc<MemoryStore>, Vec<Id>) {
    let store = Arc::new(MemoryStore::default());
    let ids = (0..count).map(|number| {
        let session = Session::new(None, Arc::clone(&store), Some(EXPIRY));
        at_once(session.insert("user", User::new(number))).expect("a user is JSON");
        at_once(session.save()).expect("the store answers");
        session.id().expect("it was saved")
    });
    let ids = ids.collect();
    (store, ids)
}
