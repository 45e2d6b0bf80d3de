//! One answer is lost on the wire: what callers are told and what is reported is as if it had come,
//! each once.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use store_redis::RedisStore;
use store_sql::PostgresStore;
use testbed::proxy::Proxy;
use testbed::redis::{Server, cluster_behind_proxies};
use token_core::{Policy, RevokeReason, Subject};
use token_session::event::{Event, EventKind};
use token_session::test_util::{TestClock, test_issuer};
use token_session::{NewSession, Presented, RefreshError, SessionManager, SessionStore};

use crate::{login, token};

type Events = Arc<Mutex<Vec<EventKind>>>;

struct World {
    manager: SessionManager,
    clock: TestClock,
    events: Events,
    proxies: Vec<Proxy>,
}

impl World {
    fn new(store: impl SessionStore, policy: Policy, proxies: Vec<Proxy>) -> Self {
        let (clock, events) = (TestClock::new(), Events::default());
        let sink = Arc::clone(&events);
        let manager = SessionManager::builder(store, test_issuer(policy))
            .clock(clock.clone())
            .events(move |event: Event| sink.lock().unwrap().push(event.kind))
            .build()
            .unwrap();
        Self {
            manager,
            clock,
            events,
            proxies,
        }
    }

    /// The next answer is lost, whichever server gives it; gives whether one was.
    async fn losing<T>(&self, call: impl Future<Output = T>) -> T {
        self.events.lock().unwrap().clear();
        for proxy in &self.proxies {
            proxy.lose_answer();
        }
        let result = call.await;
        let lost = self.proxies.iter().filter(|proxy| !proxy.is_to_lose());
        assert!(lost.count() > 0, "no answer was lost");
        // The rest is not to be lost by what comes.
        for proxy in &self.proxies {
            proxy.keep_answers();
        }
        result
    }

    fn events(&self) -> Vec<EventKind> {
        std::mem::take(&mut *self.events.lock().unwrap())
    }

    async fn is_told_and_reported_once(&self) {
        // A logout.
        let one = token(&login(&self.manager).await.unwrap());
        let ended = self.manager.logout(Presented::Refresh(&one));
        assert!(self.losing(ended).await.unwrap());
        let logout = EventKind::Revoked(RevokeReason::Logout);
        assert_eq!(self.events(), [logout]);

        // A login.
        let opened = self.manager.begin_login(Subject::new("bob").unwrap());
        let ticket = opened.await.unwrap();
        let opened = self.manager.login(ticket, NewSession::default());
        let issued = self.losing(opened).await.unwrap();
        assert_eq!(self.events(), [EventKind::Login]);

        // A refresh, and after the window the one who has an older token.
        self.clock.advance(Duration::from_secs(100));
        let first = token(&issued);
        let next = self
            .losing(Box::pin(self.manager.refresh(&first, None)))
            .await;
        let second = token(&next.unwrap());
        assert_ne!(first, second);
        assert_eq!(self.events(), [EventKind::Refreshed]);
        self.clock.advance(Duration::from_secs(200));
        let third = token(&self.manager.refresh(&second, None).await.unwrap());
        self.clock.advance(Duration::from_secs(200));
        let stolen = self
            .losing(Box::pin(self.manager.refresh(&first, None)))
            .await;
        assert!(matches!(stolen, Err(RefreshError::Denied(_))), "{stolen:?}");
        let events = self.events();
        let count = |kind| events.iter().filter(|event| **event == kind).count();
        assert_eq!(count(EventKind::Reused), 1, "{events:?}");
        let after = self.manager.refresh(&third, None).await;
        assert!(matches!(after, Err(RefreshError::Denied(_))), "{after:?}");

        // All of a subject.
        let carol = Subject::new("carol").unwrap();
        for _ in 0..3 {
            let ticket = self.manager.begin_login(carol.clone()).await.unwrap();
            let _ = self
                .manager
                .login(ticket, NewSession::default())
                .await
                .unwrap();
        }
        let all = self.manager.revoke_all(&carol, RevokeReason::LogoutAll);
        assert_eq!(self.losing(all).await.unwrap().len(), 3);
        let logout = EventKind::Revoked(RevokeReason::LogoutAll);
        assert_eq!(self.events(), vec![logout; 3]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn by_redis() {
    let server = Server::start(&[]);
    let proxy = Proxy::start(server.port);
    let url = format!("redis://127.0.0.1:{}/", proxy.port());
    let store = RedisStore::connect(&url).await.unwrap();
    let world = World::new(store, Policy::default(), vec![proxy]);
    world.is_told_and_reported_once().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn by_a_node_of_a_redis_cluster() {
    let (_servers, proxies) = cluster_behind_proxies(3);
    let urls = proxies
        .iter()
        .map(|one| format!("redis://127.0.0.1:{}/", one.port()));
    let store = RedisStore::cluster(urls).connect().await.unwrap();
    let world = World::new(store, Policy::default(), proxies);
    world.is_told_and_reported_once().await;
}

/// Without a grace nothing is replayed: the rotation must be known for one's own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn by_a_node_of_a_redis_cluster_without_a_grace() {
    let (_servers, proxies) = cluster_behind_proxies(3);
    let urls = proxies
        .iter()
        .map(|one| format!("redis://127.0.0.1:{}/", one.port()));
    let store = RedisStore::cluster(urls).connect().await.unwrap();
    let policy = Policy::builder().grace(Duration::ZERO).build().unwrap();
    let world = World::new(store, policy, proxies);
    world.is_told_and_reported_once().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn by_postgresql() {
    let server = testbed::postgres::Server::start();
    let proxy = Proxy::start(server.port());
    let url = format!("postgres://postgres@127.0.0.1:{}/postgres", proxy.port());
    let store = PostgresStore::connect(&url).await.unwrap();
    let world = World::new(store, Policy::default(), vec![proxy]);
    world.is_told_and_reported_once().await;
}
