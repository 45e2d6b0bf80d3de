//! What a server makes of sessions and tokens of the system that was used before. What it answers to a browser is in
//! the tests of the adapters.

use std::time::Duration;

use serde_json::json;
use token_core::{NoClaims, Subject};
use token_http::adopt::{Adoption, OldCookie, OldRequest, OldSession, ReadError, Reader, Reading};
use token_http::{AuthConfig, ConfigError, Dpop};
use token_session::NewSession;
use tokio::time::Instant;

use crate::world::{OWN, World, get, post_form, post_json, with_bearer, with_cookie};

/// Reads `old-USER` from the cookie `token`, from `Authorization`, or from both.
#[derive(Clone, Copy)]
pub(crate) struct Old {
    cookie: bool,
    bearer: bool,
}

const COOKIE: Old = Old {
    cookie: true,
    bearer: false,
};
pub(crate) const BEARER: Old = Old {
    cookie: false,
    bearer: true,
};

impl Reader for Old {
    fn name(&self) -> &'static str {
        "old"
    }

    fn cookies(&self) -> Vec<OldCookie> {
        let cookie = self.cookie.then(|| OldCookie::new("__Host-token"));
        cookie.into_iter().collect()
    }

    fn reads_bearer(&self) -> bool {
        self.bearer
    }

    async fn read(&self, request: &OldRequest) -> Result<Reading, ReadError> {
        let Some(token) = request.cookie("__Host-token").or(request.bearer()) else {
            return Ok(Reading::Absent);
        };
        if token == "old-hangs" {
            std::future::pending::<()>().await;
        }
        let Some(user) = token.strip_prefix("old-") else {
            return Ok(Reading::Unknown("it is not an old token".into()));
        };
        let session = OldSession::new(Subject::new(user)?, token, NewSession::default());
        Ok(Reading::Live(session))
    }
}

fn bearers() -> World {
    World::adopting(|config| config.adopt(Adoption::of(BEARER)))
}

async fn me(world: &World, token: &str) -> u16 {
    world.send(with_bearer(get("/api/me"), token)).await.status
}

#[test]
fn what_a_reader_has_to_say_is_demanded_at_start() {
    let built = |adoption| {
        let config = AuthConfig::builder(OWN.parse().unwrap()).adopt(adoption);
        config.build().map(drop)
    };
    assert_eq!(built(Adoption::of(BEARER)), Ok(()));
    assert_eq!(built(Adoption::of(COOKIE).remember(true)), Ok(()));
    let unsaid = built(Adoption::of(COOKIE));
    assert_eq!(
        unsaid,
        Err(ConfigError::OldCookieLife("__Host-token".into()))
    );
    let both = Old {
        cookie: true,
        bearer: true,
    };
    let both = built(Adoption::of(both).remember(true));
    assert_eq!(both, Err(ConfigError::TwoCarriers("old")));
}

/// As if the application had changed from cookies to tokens meanwhile: the session stays one of a cookie.
#[tokio::test]
async fn a_session_is_not_moved_to_another_transport() {
    let first = World::adopting(|config| config.adopt(Adoption::of(COOKIE).remember(false)));
    let cookie = with_cookie(get("/api/me"), "__Host-token=old-alice");
    let reply = first.send(cookie).await;
    assert_eq!(reply.status, 200);
    assert!(
        reply
            .set_cookies()
            .iter()
            .any(|field| field.contains("session="))
    );

    let second = first.with_config(|config| config.adopt(Adoption::of(BEARER)));
    assert_eq!(me(&second, "old-alice").await, 401);
    let form = "grant_type=refresh_token&refresh_token=old-alice";
    let reply = second.send(post_form("/auth/refresh", form)).await;
    assert_eq!(reply.status, 400);
    assert!(reply.set_cookies().is_empty());

    // And the reverse.
    assert_eq!(me(&second, "old-bob").await, 200);
    let third = second.with_config(|config| config.adopt(Adoption::of(COOKIE).remember(false)));
    let cookie = with_cookie(get("/api/me"), "__Host-token=old-bob");
    let reply = third.send(cookie).await;
    assert_eq!(reply.status, 401);
    assert!(reply.set_cookies().is_empty());
}

/// A client that was updated and has not renewed yet keeps the old token in the place of its refresh token.
#[tokio::test]
async fn a_logout_or_a_revocation_with_the_old_token_in_its_body_ends_it() {
    let world = bearers();
    let body = json!({ "refresh_token": "old-alice" });
    let reply = world.send(post_json("/auth/logout", &body)).await;
    assert_eq!(reply.status, 204);
    assert_eq!(me(&world, "old-alice").await, 401);

    assert_eq!(me(&world, "old-bob").await, 200);
    let reply = world.send(post_form("/auth/revoke", "token=old-bob")).await;
    assert_eq!(reply.status, 200);
    assert_eq!(me(&world, "old-bob").await, 401);
}

#[tokio::test]
async fn a_client_that_has_to_prove_a_key_is_not_adopted_without_one() {
    let some = |dpop| World::adopting(|config| config.adopt(Adoption::of(BEARER)).dpop(dpop));
    let form = "grant_type=refresh_token&refresh_token=old-alice";
    let demanded = some(Dpop::optional().require("default".parse().unwrap()));
    assert_eq!(me(&demanded, "old-alice").await, 401);
    let reply = demanded.send(post_form("/auth/refresh", form)).await;
    assert_eq!(reply.status, 400);
    let others = some(Dpop::optional().require("mobile".parse().unwrap()));
    assert_eq!(me(&others, "old-alice").await, 200);
}

#[tokio::test]
async fn an_old_token_in_the_first_message_of_a_socket_is_taken_too() {
    let world = bearers();
    let access = world.auth.clone().access_token::<NoClaims>("old-alice");
    assert_eq!(access.await.unwrap().claims().subject.as_str(), "alice");
    let access = world.auth.clone().access_token::<NoClaims>("other");
    assert_eq!(access.await.unwrap_err().response().status(), 401);
}

/// Who is logged in here does not wait for the system that was used before.
#[tokio::test(start_paused = true)]
async fn an_old_store_that_gives_no_answer_holds_nobody_up_who_is_logged_in_here() {
    let world = World::adopting(|config| {
        config.adopt(
            Adoption::of(COOKIE)
                .remember(false)
                .delete_old(async |_| Ok(())),
        )
    });
    let adopted = with_cookie(get("/api/me"), "__Host-token=old-alice");
    let own = world.send(adopted).await.cookie();
    world.advance(31);
    let both = format!("{own}; __Host-token=old-hangs");
    let mut waits = Vec::new();
    for _ in 0..3 {
        let begin = Instant::now();
        let reply = world.send(with_cookie(get("/api/me"), &both)).await;
        assert_eq!(reply.status, 200);
        assert!(reply.set_cookies().is_empty());
        waits.push(begin.elapsed().as_millis());
    }
    assert!((500..=501).contains(&waits[0]), "{waits:?}");
    assert_eq!(waits[1..], [0, 0]);
    // Later it is asked again.
    tokio::time::advance(Duration::from_secs(30)).await;
    let begin = Instant::now();
    let gone = format!("{own}; __Host-token=old-alice");
    let reply = world.send(with_cookie(get("/api/me"), &gone)).await;
    assert_eq!(begin.elapsed(), Duration::ZERO);
    let set = reply.set_cookies();
    assert!(
        set.iter().any(|field| field.starts_with("__Host-token=;")),
        "{set:?}"
    );
}
