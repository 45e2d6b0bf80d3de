//! A logout while another request of the session is still writing: 1,000 seeded interleavings.

use std::sync::{Arc, Mutex};

use http::{Method, StatusCode};
use token_core::{Session, SessionId};
use token_http::Refusal;
use token_session::store::SessionData;
use token_session::test_util::{Injected, Trouble, TroubledStore};
use token_session::{MemoryStore, SessionStore};
use tokio::task::yield_now;

use crate::server_session::visit;
use crate::world::{World, answered, get, refusal, request, with_cookie};

const RUNS: u64 = 1000;

/// Calls hesitate before and after each step, as the seed says: everything else that is ready runs
/// meanwhile.
#[derive(Default)]
struct Hesitation(Mutex<fastrand::Rng>);

impl Hesitation {
    fn seed(&self, seed: u64) {
        *self.0.lock().unwrap() = fastrand::Rng::with_seed(seed);
    }

    async fn hesitate(&self, most: u8) {
        let turns = self.0.lock().unwrap().u8(..=most);
        for _ in 0..turns {
            yield_now().await;
        }
    }
}

impl Trouble for Hesitation {
    async fn before(&self, _: &'static str) -> Result<(), Injected> {
        self.hesitate(3).await;
        Ok(())
    }

    async fn after(&self, _: &'static str) -> Result<(), Injected> {
        self.hesitate(3).await;
        Ok(())
    }
}

/// Sessions of one subject share a part of it.
fn hesitant() -> Arc<TroubledStore<MemoryStore, Hesitation>> {
    let memory = MemoryStore::new(100_000, &[7; 32]);
    Arc::new(TroubledStore::new(memory, Hesitation::default()))
}

/// What is stored of a session: what may not change any more once the logout is answered.
async fn stored(store: &MemoryStore, id: SessionId) -> (Session, Option<SessionData>) {
    let row = SessionStore::load(store, id).await.unwrap();
    let data = SessionStore::load_data(store, id).await.unwrap();
    let row = Session::clone(&row.expect("a tombstone"));
    (row, data)
}

#[tokio::test]
async fn a_session_stays_ended_whatever_its_data_and_deadline_were_to_become() {
    let store = hesitant();
    let world = World::on(Arc::clone(&store), |config| config);
    let (mut first, mut late) = (0, 0);
    for seed in 0..RUNS {
        let cookie = world.login("session").await.cookie();
        let id = world.send(with_cookie(get("/api/me"), &cookie)).await;
        let id: SessionId = id.body.parse().unwrap();
        // So that the request moves the deadline too.
        world.advance(61);
        store.trouble().seed(seed);

        let writing = async {
            let (session, slot) = visit(&world, &cookie).await?;
            session.set("seed", &seed).await?;
            store.trouble().hesitate(3).await;
            slot.finish(&answered(StatusCode::OK)).await
        };
        let ending = async {
            // The other takes about this long: each is first half of the times.
            store.trouble().hesitate(24).await;
            let logout = request(Method::POST, "/auth/logout").body("").unwrap();
            let reply = world.send(with_cookie(logout, &cookie)).await;
            assert_eq!(reply.status, 204, "seed {seed}: {reply:?}");
            stored(store.store(), id).await
        };
        let (written, at_the_answer) = tokio::join!(writing, ending);
        match written {
            Ok(_) => first += 1,
            Err(rejection) => {
                let why = rejection.refusal();
                assert!(
                    matches!(why, Refusal::InvalidToken(_)),
                    "seed {seed}: {why}"
                );
                late += 1;
            }
        }
        assert!(at_the_answer.0.revocation.is_some(), "seed {seed}");
        let now = stored(store.store(), id).await;
        assert!(
            now == at_the_answer,
            "seed {seed}: written after the logout was answered"
        );
        let reply = world.send(with_cookie(get("/api/me"), &cookie)).await;
        assert_eq!(reply.status, 401, "seed {seed}: {reply:?}");
    }
    assert!(
        first > RUNS / 10 && late > RUNS / 10,
        "{first} first, {late} late"
    );
}

#[tokio::test]
async fn a_session_stays_ended_whatever_tokens_were_being_renewed() {
    let store = hesitant();
    let world = World::on(Arc::clone(&store), |config| config);
    let (mut first, mut late) = (0, 0);
    for seed in 0..RUNS {
        let login = world.login("cookie").await;
        let (cookie, id) = (login.cookie(), login.text("session_id").parse().unwrap());
        store.trouble().seed(seed);
        let post = |path| with_cookie(request(Method::POST, path).body("").unwrap(), &cookie);
        let renewing = async {
            store.trouble().hesitate(6).await;
            world.send(post("/auth/refresh")).await
        };
        let ending = async {
            store.trouble().hesitate(6).await;
            let reply = world.send(post("/auth/logout")).await;
            assert_eq!(reply.status, 204, "seed {seed}: {reply:?}");
            stored(store.store(), id).await
        };
        let (renewed, at_the_answer) = tokio::join!(renewing, ending);
        let newest = if renewed.status == 200 {
            first += 1;
            renewed.cookie()
        } else {
            assert_eq!(
                renewed.refusal(),
                refusal(400, "invalid_grant", "revoked"),
                "seed {seed}"
            );
            late += 1;
            cookie.clone()
        };
        assert!(at_the_answer.0.revocation.is_some(), "seed {seed}");
        let now = stored(store.store(), id).await;
        assert!(
            now == at_the_answer,
            "seed {seed}: written after the logout was answered"
        );
        let again = request(Method::POST, "/auth/refresh").body("").unwrap();
        let reply = world.send(with_cookie(again, &newest)).await;
        assert_eq!(
            reply.refusal(),
            refusal(400, "invalid_grant", "revoked"),
            "seed {seed}"
        );
    }
    assert!(
        first > RUNS / 10 && late > RUNS / 10,
        "{first} first, {late} late"
    );
}
