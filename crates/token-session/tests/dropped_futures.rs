//! Every operation of the manager that writes, dropped at each point at which it waits: afterwards it has
//! happened whole, with its events, or not at all.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test")]

#[path = "../../token-core/tests/support/software_key.rs"]
mod software_key;

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::Poll;

use software_key::SoftwareKey;
use token_core::{Authentication, Policy, RevokeReason, Subject, Transport};
use token_session::event::{Event, EventKind};
use token_session::test_util::{Injected, TestManager, Trouble, TroubledStore};
use token_session::{
    BindingError, Issued, MemoryStore, NewSession, Presented, RevocationCheck, SessionCredential,
    SessionManager, WhenBehind,
};

/// A store that lets others run before and after each of its steps.
#[derive(Clone, Copy, Debug)]
struct Slow;

impl Trouble for Slow {
    async fn before(&self, _: &'static str) -> Result<(), Injected> {
        tokio::task::yield_now().await;
        Ok(())
    }

    async fn after(&self, _: &'static str) -> Result<(), Injected> {
        tokio::task::yield_now().await;
        Ok(())
    }
}

struct World {
    node: TestManager,
    events: Arc<Mutex<Vec<EventKind>>>,
    /// The session that acts, and another one of the same user.
    own: Issued,
    other: Issued,
    /// A session with a cookie, and the key of its browser, which is registered and was not used yet.
    page: Issued,
    key: Arc<SoftwareKey>,
}

impl World {
    async fn new() -> Self {
        let events = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&events);
        let store = TroubledStore::new(MemoryStore::new(1000, &[7; 32]), Slow);
        let node = TestManager::with_store(store, Policy::default(), |builder| {
            builder
                .revocation_check(RevocationCheck::Feed(WhenBehind::Accept))
                .events(move |event: Event| sink.lock().unwrap().push(event.kind))
        });
        let (own, other) = (node.login("alice", "").await, node.login("alice", "").await);
        let page = NewSession {
            transport: Some(Transport::Session),
            ..NewSession::default()
        };
        let page = node.open("alice", page).await;
        let key = Arc::new(SoftwareKey::new());
        register(&node.manager, &page, &key).await;
        // Later than the interval of touches, and within every lifetime.
        node.clock.advance(std::time::Duration::from_secs(120));
        events.lock().unwrap().clear();
        Self {
            node,
            events,
            own,
            other,
            page,
            key,
        }
    }

    /// What is stored of alice, and what was reported: two of these are equal if the same has happened.
    async fn state(&self) -> Vec<String> {
        let subject: Subject = "alice".parse().unwrap();
        let mut sessions = Vec::new();
        for known in [&self.own, &self.other, &self.page] {
            let session = self.node.manager.session(known.session().id).await.unwrap();
            sessions.push(session.map_or("ended".to_owned(), |session| {
                let authenticated = session.authentication.time.as_secs();
                let idle = session.idle_expires_at.as_secs();
                let (generation, binding) = (session.generation, session.binding.level());
                format!("{generation:?} {authenticated} {idle} {binding:?}")
            }));
        }
        let all = self.node.manager.sessions(&subject).await.unwrap().len();
        sessions.push(format!("{all} live"));
        let events = self.events.lock().unwrap();
        sessions.extend(events.iter().map(ToString::to_string));
        sessions
    }

    fn token(&self) -> &str {
        self.own.tokens().unwrap().refresh_token.secret()
    }

    fn credential(&self) -> SessionCredential {
        let claims = self.node.manager.verify_refresh_token(self.token());
        SessionCredential::Refresh(claims.unwrap())
    }
}

async fn register(manager: &SessionManager, page: &Issued, key: &SoftwareKey) {
    let offer = manager.offer_binding(page.session()).unwrap().offer;
    let proof = key.registration(&offer.challenge, offer.authorization.secret());
    manager.register_browser(&proof).await.unwrap();
}

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;
type Operation = fn(SessionManager, &World) -> Work;

/// Each with what it is called in a failure.
const OPERATIONS: &[(&str, Operation)] = &[
    ("login", |manager, _| {
        Box::pin(async move {
            let ticket = manager.begin_login("alice".parse().unwrap()).await.unwrap();
            let _ = manager.login(ticket, NewSession::default()).await.unwrap();
        })
    }),
    ("refresh", |manager, world| {
        let token = world.token().to_owned();
        Box::pin(async move {
            let _ = manager.refresh(&token, None).await.unwrap();
        })
    }),
    ("step_up", |manager, world| {
        let credential = world.credential();
        Box::pin(async move {
            let authentication = Authentication::password(manager.now());
            let _ = manager.step_up(&credential, authentication).await.unwrap();
        })
    }),
    ("password_changed", |manager, world| {
        let credential = Arc::new(world.credential());
        Box::pin(async move {
            let authentication = Authentication::password(manager.now());
            let changed = manager.password_changed(credential, authentication);
            let _ = changed.await.unwrap();
        })
    }),
    ("touch", |manager, world| {
        let token_core::session::Credentials::Session(cookie) = world.page.credentials() else {
            unreachable!("the transport is `session`")
        };
        let cookie = cookie.to_secret_text();
        Box::pin(async move {
            let _ = manager.touch(&cookie).await.unwrap();
        })
    }),
    ("logout", |manager, world| {
        let token = world.token().to_owned();
        Box::pin(async move {
            assert!(manager.logout(Presented::Refresh(&token)).await.unwrap());
        })
    }),
    ("revoke", |manager, world| {
        let id = world.own.session().id;
        Box::pin(async move {
            assert!(manager.revoke(id, RevokeReason::Admin).await.unwrap());
        })
    }),
    ("revoke_own", |manager, world| {
        let (subject, id) = ("alice".parse().unwrap(), world.own.session().id);
        Box::pin(async move {
            let ended = manager.revoke_own(&subject, id, RevokeReason::Logout);
            assert!(ended.await.unwrap());
        })
    }),
    ("revoke_others", |manager, world| {
        let (subject, id) = ("alice".parse().unwrap(), world.own.session().id);
        Box::pin(async move {
            let ended = manager.revoke_others(&subject, id, RevokeReason::LogoutOthers);
            assert_eq!(ended.await.unwrap().len(), 2);
        })
    }),
    ("revoke_all", |manager, _| {
        let subject = "alice".parse().unwrap();
        Box::pin(async move {
            let ended = manager.revoke_all(&subject, RevokeReason::LogoutAll);
            assert_eq!(ended.await.unwrap().len(), 3);
        })
    }),
    ("renew_browser", |manager, world| {
        let (id, key) = (world.page.session().id, Arc::clone(&world.key));
        Box::pin(async move {
            let asked = manager.renew_browser(id, None).await;
            let Err(BindingError::Challenge(field)) = asked else {
                unreachable!("a renewal without a proof is asked for one")
            };
            manager
                .renew_browser(id, Some(&key.renew(&field)))
                .await
                .unwrap();
        })
    }),
    // A thief, who would rather not be reported.
    ("reuse", |manager, world| {
        let token = world.token().to_owned();
        let clock = world.node.clock.clone();
        Box::pin(async move {
            let _ = manager.refresh(&token, None).await.unwrap();
            clock.advance(std::time::Duration::from_secs(60));
            assert!(manager.refresh(&token, None).await.is_err());
        })
    }),
];

/// Polls work at most so often, and says whether it was done.
async fn poll_times(work: &mut Work, times: usize) -> bool {
    for _ in 0..times {
        let polled = poll_fn(|context| Poll::Ready(work.as_mut().poll(context).is_ready()));
        if polled.await {
            return true;
        }
        // What it has left to a task goes on, as it does on another thread.
        tokio::task::yield_now().await;
    }
    false
}

async fn settled() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn an_operation_that_is_dropped_has_happened_whole_or_not_at_all() {
    for (name, operation) in OPERATIONS {
        let whole = World::new().await;
        // The refresh of the thief's victim is an operation of its own, and may have happened alone.
        let mut allowed = vec![whole.state().await];
        operation(whole.node.manager.clone(), &whole).await;
        let whole = whole.state().await;
        assert_ne!(allowed[0], whole, "{name} does something");
        if *name == "reuse" {
            let refreshed = World::new().await;
            let token = refreshed.token().to_owned();
            let _ = refreshed.node.manager.refresh(&token, None).await.unwrap();
            allowed.push(refreshed.state().await);
        }
        allowed.push(whole);
        let mut points = 0;
        loop {
            let world = World::new().await;
            let mut work = operation(world.node.manager.clone(), &world);
            let done = poll_times(&mut work, points).await;
            drop(work);
            settled().await;
            let state = world.state().await;
            assert!(
                allowed.contains(&state),
                "{name}, dropped after {points} polls: {state:#?}, which is none of {allowed:#?}"
            );
            if done {
                break;
            }
            points += 1;
        }
        assert!(points > 1, "{name} waits");
    }
}
