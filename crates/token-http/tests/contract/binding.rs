//! Sessions that are bound to their browser.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use http::{Method, Request};
use serde_json::json;
use token_core::{Authentication, NoClaims};
use token_http::adapter::optional;
use token_http::{Head, PasswordRequest, Refusal, SessionSlot};
use token_session::MemoryStore;
use token_session::binding::BindingMode;
use token_session::event::{Event, EventKind};
use token_session::test_util::{Injected, Outage, Trouble, TroubledStore};

use crate::browser::{Browser, device, part, refresh};
use crate::world::{PASSWORD, World, get, post_form, post_json, request, with, with_cookie};

fn world(mode: BindingMode) -> World {
    World::binding(mode, MemoryStore::new(1000, &[7; 32]))
}

fn unbound() -> (u16, String, String) {
    (401, "unbound".to_owned(), String::new())
}

/// With the realm, wherever the credential was refused.
const CHALLENGE: &str = r#"Bearer realm="api""#;

#[tokio::test]
async fn the_registration_is_answered_as_browsers_want_it() {
    let world = world(BindingMode::Require);
    let mut browser = Browser::new();
    let login = browser.login(&world, "session").await;
    let offer = login.header("secure-session-registration");
    assert!(
        offer.starts_with("(ES256);path=\"/auth/device\";challenge=\""),
        "{offer}"
    );
    let reply = browser.register(&world, offer).await;
    let body = reply.json();
    let id = body["session_identifier"].as_str().unwrap();
    assert_eq!(id, login.text("session_id"));
    let cookie = reply.set_cookies().pop().unwrap();
    let name = cookie.split('=').next().unwrap();
    assert!(
        name.starts_with("__Host-bound-") && name.len() == 21,
        "{name}"
    );
    assert!(
        cookie.ends_with("; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=110; Priority=High"),
        "{cookie}"
    );
    let expected = json!({
        "session_identifier": id,
        "refresh_url": "/auth/device",
        "scope": {"include_site": false, "scope_specification": []},
        "credentials": [{
            "type": "cookie",
            "name": name,
            "attributes": "Path=/; Secure; HttpOnly; SameSite=Lax",
        }],
        "allowed_refresh_initiators": ["*"],
    });
    assert_eq!(body, expected);
    let renewed = browser.renew(&world).await;
    let cookie = renewed.set_cookies().pop().unwrap();
    assert!(
        cookie.starts_with(name) && cookie.contains("; Max-Age=600;"),
        "{cookie}"
    );
}

#[tokio::test]
async fn in_transport_cookie_only_the_routes_below_the_prefix_wait_for_a_renewal() {
    let world = world(BindingMode::Require);
    let mut browser = Browser::new();
    let login = browser.login(&world, "cookie").await;
    let offer = login.header("secure-session-registration");
    let reply = browser.register(&world, offer).await;
    let rules = json!([
        {"type": "exclude", "domain": "*", "path": "/"},
        {"type": "include", "domain": "*", "path": "/auth"},
    ]);
    assert_eq!(reply.json()["scope"]["scope_specification"], rules);
}

#[tokio::test]
async fn copied_cookies_work_until_the_bound_one_ends_and_cannot_be_renewed() {
    for transport in ["session", "cookie"] {
        let world = world(BindingMode::Require);
        let mut browser = Browser::bind(&world, transport).await;
        let copy = browser.copied();
        let ask = || {
            if transport == "session" {
                get("/api/me")
            } else {
                refresh()
            }
        };
        // A refresh of the copy would be one more theft, found by rotation.
        let uses = transport == "session";
        for pause in [0, 659] {
            world.advance(pause);
            if uses {
                assert_eq!(copy.send_copied(&world, ask()).await.status, 200);
            }
        }
        world.advance(2);
        let refused = copy.send_copied(&world, ask()).await;
        assert_eq!(refused.refusal(), unbound());
        assert_eq!(refused.header("www-authenticate"), CHALLENGE);

        let mut thief = copy;
        let session = browser.session.clone();
        let proof = thief.key.renew(&thief.challenge(&world, &session).await);
        assert_eq!(thief.show(&world, &session, &proof).await.status, 403);
        // The browser is not the worse for it.
        browser.drop_bound();
        assert_eq!(browser.send(&world, ask()).await.refusal(), unbound());
        assert_eq!(browser.renew(&world).await.status, 204);
        assert_eq!(browser.send(&world, ask()).await.status, 200);
    }
}

/// Notes the calls to the store.
#[derive(Debug, Default)]
struct Calls(Mutex<Vec<&'static str>>);

impl Calls {
    fn take(&self) -> Vec<&'static str> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl Trouble for Calls {
    async fn before(&self, call: &'static str) -> Result<(), Injected> {
        self.0.lock().unwrap().push(call);
        Ok(())
    }
}

#[tokio::test]
async fn a_bound_session_calls_the_store_as_often_as_an_unbound_one() {
    let calls = Arc::new(Calls::default());
    let store = TroubledStore::new(MemoryStore::new(1000, &[7; 32]), Arc::clone(&calls));
    let world = World::binding(BindingMode::Require, store);
    let step_up = || post_json("/auth/step-up", &json!({"password": PASSWORD}));
    for transport in ["session", "cookie"] {
        let mut bound = Browser::bind(&world, transport).await;
        let mut unbound = Browser::new();
        unbound.login(&world, transport).await;
        // At once, and when the use of a session cookie is written down again.
        for pause in [0, 1, 500] {
            world.advance(pause);
            let each = async |browser: &mut Browser| {
                calls.take();
                let used = if transport == "session" {
                    browser.send(&world, get("/api/me")).await
                } else {
                    browser.send(&world, refresh()).await
                };
                let used = (used.status, calls.take());
                let confirmed = browser.send(&world, step_up()).await;
                (used, (confirmed.status, calls.take()))
            };
            let expected = each(&mut unbound).await;
            assert_eq!((expected.0.0, expected.1.0), (200, 200));
            assert!(!expected.0.1.is_empty() && !expected.1.1.is_empty());
            assert_eq!(each(&mut bound).await, expected, "{transport}, {pause} s");
        }
    }
}

#[tokio::test]
async fn only_a_value_that_cannot_get_better_is_deleted() {
    let world = world(BindingMode::Require);
    let browser = Browser::bind(&world, "session").await;
    let name = browser
        .cookies
        .keys()
        .find(|name| name.starts_with("__Host-bound-"));
    let name = name.unwrap().clone();
    let good = browser.cookies[&name].clone();
    let ask = async |value: Option<&str>| {
        let mut copy = browser.copied();
        match value {
            Some(value) => copy.cookies.insert(name.clone(), value.to_owned()),
            None => copy.cookies.remove(&name),
        };
        let refused = copy.send_copied(&world, get("/api/me")).await;
        assert_eq!(refused.refusal(), unbound(), "{value:?}");
        refused.set_cookies()
    };
    assert!(ask(None).await.is_empty());
    for bad in ["", "x", &format!("{good}x")] {
        let deleted = ask(Some(bad)).await;
        assert_eq!(deleted.len(), 1, "{bad}");
        assert!(deleted[0].starts_with(&format!("{name}=;")), "{deleted:?}");
        assert!(deleted[0].contains("; Max-Age=0;"), "{deleted:?}");
    }
    world.advance(661);
    assert_eq!(ask(Some(&good)).await.len(), 1, "past its end");
}

#[tokio::test]
async fn a_copied_credential_without_the_proof_neither_ends_the_session_nor_keeps_it_alive() {
    let world = world(BindingMode::Require);
    let mut browser = Browser::bind(&world, "cookie").await;
    let mut copy = browser.copied();
    copy.drop_bound();
    for _ in 0..3 {
        assert_eq!(browser.renew(&world).await.status, 204);
        assert_eq!(browser.send(&world, refresh()).await.status, 200);
        world.advance(400);
        // Superseded for long: with the proof it would end the session.
        assert_eq!(
            copy.send_copied(&world, refresh()).await.refusal(),
            unbound()
        );
    }
    assert_eq!(browser.renew(&world).await.status, 204);
    assert_eq!(browser.send(&world, refresh()).await.status, 200);
    // With the browser's proof the superseded token ends the session.
    for (name, value) in &browser.cookies {
        if name.starts_with("__Host-bound-") {
            copy.cookies.insert(name.clone(), value.clone());
        }
    }
    let refused = copy.send_copied(&world, refresh()).await.refusal();
    assert_eq!((refused.0, &*refused.2), (400, "reused"));
    assert_eq!(browser.send(&world, refresh()).await.status, 400);
}

#[tokio::test]
async fn requests_under_way_while_the_browser_registers_are_served() {
    let world = world(BindingMode::Require);
    let mut browser = Browser::new();
    let login = browser.login(&world, "session").await;
    // What a request carries that is sent now and arrives at the end.
    let early = browser.copied();
    let offer = login.header("secure-session-registration").to_owned();
    assert_eq!(browser.register(&world, &offer).await.status, 200);
    assert_eq!(browser.renew(&world).await.status, 204);
    assert_eq!(early.send_copied(&world, get("/api/me")).await.status, 200);
    world.advance(661);
    assert_eq!(
        early.send_copied(&world, get("/api/me")).await.refusal(),
        unbound()
    );
}

#[tokio::test]
async fn a_lost_answer_to_a_registration_locks_nobody_out() {
    let world = world(BindingMode::Require);
    let mut browser = Browser::new();
    let login = browser.login(&world, "session").await;
    let offer = login.header("secure-session-registration").to_owned();
    let lost = with(
        device(),
        "secure-session-response",
        &browser.registration(&offer),
    );
    assert_eq!(browser.send_copied(&world, lost).await.status, 200);
    world.advance(3600);
    browser.drop_bound();
    assert_eq!(browser.send(&world, get("/api/me")).await.status, 200);
}

#[tokio::test]
async fn of_two_registrations_the_later_one_counts_and_neither_after_the_key_was_used() {
    let world = world(BindingMode::Require);
    let (mut first, mut second) = (Browser::new(), Browser::new());
    let login = first.login(&world, "session").await;
    let offer = login.header("secure-session-registration").to_owned();
    second.cookies.clone_from(&first.cookies);
    assert_eq!(first.register(&world, &offer).await.status, 200);
    let earlier = first.cookies.clone();
    assert_eq!(second.register(&world, &offer).await.status, 200);
    assert_eq!(
        first.renew(&world).await.status,
        403,
        "another key was registered since"
    );
    assert_eq!(
        first.send(&world, get("/api/me")).await.status,
        200,
        "nothing is demanded yet"
    );
    assert_eq!(second.renew(&world).await.status, 204);
    assert_eq!(second.send(&world, get("/api/me")).await.status, 200);
    let older = Browser {
        cookies: earlier,
        ..Browser::new()
    };
    let refused = older.send_copied(&world, get("/api/me")).await;
    assert_eq!(
        refused.refusal(),
        unbound(),
        "a value of the first registration"
    );
    assert!(
        refused.set_cookies().is_empty(),
        "the answer may come late and delete a newer value"
    );
    let late = with(
        device(),
        "secure-session-response",
        &first.registration(&offer),
    );
    assert_eq!(world.send(late).await.status, 400);
    // The browser's own, repeated, is answered again.
    assert_eq!(second.register(&world, &offer).await.status, 200);
}

#[tokio::test]
async fn a_thief_cannot_register_a_key_with_cookies_alone() {
    let world = world(BindingMode::Require);
    let mut victim = Browser::new();
    let login = victim.login(&world, "session").await;
    let offer = login.header("secure-session-registration").to_owned();
    let mut thief = Browser::new();
    thief.cookies.clone_from(&victim.cookies);
    // Cookies are shown: nothing is offered.
    for ask in [get("/api/me"), get("/auth/session"), device()] {
        let reply = thief.send_copied(&world, ask).await;
        assert_eq!(reply.header("secure-session-registration"), "");
    }
    // The thief's own login offers a registration for the thief's own session.
    let own = Browser::new().login(&world, "session").await;
    let own = own.header("secure-session-registration").to_owned();
    let challenge = part(&own, "challenge").to_owned();
    let mixed = offer.replace(part(&offer, "challenge"), &challenge);
    let authorization = part(&own, "authorization");
    let (_, seal) = authorization.split_once('.').unwrap();
    let forged = own.replace(
        authorization,
        &format!("{}.{seal}", login.text("session_id")),
    );
    for offer in [&mixed, &forged] {
        let proof = thief.registration(offer);
        let reply = thief
            .send_copied(&world, with(device(), "secure-session-response", &proof))
            .await;
        assert_eq!(reply.status, 400, "{}", reply.body);
    }
    // An old offer is worth nothing.
    world.advance(180);
    let proof = victim.registration(&offer);
    let reply = world
        .send(with(device(), "secure-session-response", &proof))
        .await;
    assert_eq!(reply.status, 400);
}

#[tokio::test]
async fn what_another_site_with_the_same_keys_has_made_or_got_is_worth_nothing() {
    let (there, here) = (world(BindingMode::Require), world(BindingMode::Require));
    let mut theirs = Browser::bind(&there, "session").await;
    let mut ours = Browser::bind(&here, "session").await;
    let bound = |browser: &Browser| {
        let mut cookies = browser.cookies.iter();
        let found = cookies.find(|(name, _)| name.starts_with("__Host-bound-"));
        let (name, value) = found.unwrap();
        (name.clone(), value.clone())
    };
    // Both recognise what either has made: only the id of the session says whose it is.
    let challenge = theirs.challenge(&there, &theirs.session).await;
    assert_eq!(theirs.challenge(&here, &theirs.session).await, challenge);

    // The value, for a session of this site, by the name of this one or of its own.
    let ((name, _), (other, foreign)) = (bound(&ours), bound(&theirs));
    for name in [name, other] {
        let mut copy = ours.copied();
        copy.drop_bound();
        copy.cookies.insert(name.clone(), foreign.clone());
        let refused = copy.send_copied(&here, get("/api/me")).await;
        assert_eq!(refused.refusal(), unbound(), "{name}");
    }
    // All of it, for a session that this site does not have.
    let refused = theirs.send_copied(&here, get("/api/me")).await;
    assert_eq!(refused.status, 401);
    assert_ne!(refused.refusal(), unbound());

    // The proof of a renewal, with the challenge that both give; and one of that key for a session of this site.
    let session = theirs.session.clone();
    let proof = theirs.key.renew(&challenge);
    let own = ours.session.clone();
    let aimed = theirs.key.renew(&ours.challenge(&here, &own).await);
    for (session, proof) in [(&session, &proof), (&own, &proof), (&own, &aimed)] {
        assert_eq!(theirs.show(&here, session, proof).await.status, 403);
    }
    assert_eq!(theirs.show(&there, &session, &proof).await.status, 204);

    // The offer of a registration there.
    let login = theirs.login(&there, "session").await;
    let offer = login.header("secure-session-registration").to_owned();
    assert_eq!(theirs.register(&here, &offer).await.status, 400);
    assert_eq!(theirs.register(&there, &offer).await.status, 200);
    assert_eq!(ours.renew(&here).await.status, 204);
    assert_eq!(ours.send(&here, get("/api/me")).await.status, 200);
}

#[tokio::test]
async fn the_renewal_is_no_oracle_and_its_answers_are_those_that_browsers_need() {
    let outage = Outage::default();
    let store = TroubledStore::new(MemoryStore::new(1000, &[7; 32]), outage.clone());
    let world = World::binding(BindingMode::Require, store);
    let mut browser = Browser::bind(&world, "session").await;
    let session = browser.session.clone();
    let challenge = browser.challenge(&world, &session).await;
    // Ids that nobody has, another key, another session: all the same.
    let nobody = "A".repeat(24);
    let proof = browser.key.renew(&browser.challenge(&world, &nobody).await);
    assert_eq!(browser.show(&world, &nobody, &proof).await.status, 403);
    let mut other = Browser::bind(&world, "session").await;
    let proof = other.key.renew(&challenge);
    assert_eq!(other.show(&world, &session, &proof).await.status, 403);
    let proof = browser.key.renew(&challenge);
    let theirs = other.session.clone();
    assert_eq!(browser.show(&world, &theirs, &proof).await.status, 403);
    for garbage in ["", "a.b.c", &format!("{proof}x")] {
        assert_eq!(browser.show(&world, &session, garbage).await.status, 403);
    }
    // A challenge needs no store, and a store that is away keeps the binding.
    outage.begin();
    assert_eq!(browser.challenge(&world, &session).await, challenge);
    assert_eq!(browser.show(&world, &session, &proof).await.status, 503);
    outage.end();
    assert_eq!(browser.show(&world, &session, &proof).await.status, 204);
    assert_eq!(browser.show(&world, "no id", &proof).await.status, 400);
    // Only the browser learns that the session has ended.
    world.end_all().await;
    assert_eq!(browser.show(&world, &session, &proof).await.status, 400);
    let proof = other.key.renew(&challenge);
    assert_eq!(other.show(&world, &session, &proof).await.status, 403);
}

#[tokio::test]
async fn a_step_up_keeps_the_binding_and_demands_the_proof() {
    let by_json = || post_json("/auth/step-up", &json!({"password": PASSWORD}));
    let by_form = || post_form("/form/step-up", &format!("password={PASSWORD}"));
    for step_up in [&by_json as &dyn Fn() -> _, &by_form] {
        step_up_keeps_the_binding(step_up).await;
    }
}

async fn step_up_keeps_the_binding(step_up: &dyn Fn() -> Request<String>) {
    let world = world(BindingMode::Require);
    let mut browser = Browser::bind(&world, "session").await;
    let mut copy = browser.copied();
    copy.drop_bound();
    let refused = copy.send_copied(&world, step_up()).await;
    assert_eq!(refused.refusal(), unbound());
    assert_eq!(refused.header("www-authenticate"), CHALLENGE);
    let reply = browser.send(&world, step_up()).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    assert_eq!(
        reply.header("secure-session-registration"),
        "",
        "it is bound already"
    );
    assert_eq!(browser.send(&world, get("/api/me")).await.status, 200);
    browser.drop_bound();
    assert_eq!(
        browser.send(&world, get("/api/me")).await.refusal(),
        unbound()
    );
}

#[tokio::test]
async fn a_key_that_is_confirmed_during_a_change_of_password_costs_no_session() {
    let world = world(BindingMode::Require);
    let mut other = Browser::new();
    other.login(&world, "session").await;
    let mut browser = Browser::new();
    let login = browser.login(&world, "session").await;
    let offer = login.header("secure-session-registration").to_owned();
    assert_eq!(browser.register(&world, &offer).await.status, 200);
    // Sent without the bound cookie while nothing is demanded, and answered once it is.
    let body = json!({"password": PASSWORD, "new_password": "looking-glass"});
    let session = browser.cookies.iter();
    let session = session.filter(|(name, _)| !name.starts_with("__Host-bound-"));
    let session: Vec<_> = session
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let asked = with_cookie(post_json("/auth/password", &body), &session.join("; "));
    let (parts, body) = asked.into_parts();
    let head = Head {
        method: &parts.method,
        uri: &parts.uri,
        headers: &parts.headers,
        peer: None,
    };
    let change = PasswordRequest::read(&world.auth, &head, body.as_bytes()).await;
    let change = change.unwrap();
    assert_eq!(browser.renew(&world).await.status, 204);
    let refused = change.changed(Authentication::password(change.at())).await;
    assert_eq!(*refused.unwrap_err().refusal(), Refusal::Unbound);
    assert_eq!(browser.send(&world, get("/api/me")).await.status, 200);
    // The password is another one: all other sessions have ended.
    assert_eq!(other.send(&world, get("/api/me")).await.status, 401);
}

#[tokio::test]
async fn logins_and_logouts_never_demand_the_proof() {
    let world = world(BindingMode::Require);
    let mut browser = Browser::bind(&world, "session").await;
    browser.drop_bound();
    let copy = browser.copied();
    let logout = request(Method::POST, "/auth/logout").body("").unwrap();
    assert_eq!(copy.send_copied(&world, logout).await.status, 204);
    let session = browser.session.clone();
    let proof = browser
        .key
        .renew(&browser.challenge(&world, &session).await);
    assert_eq!(browser.show(&world, &session, &proof).await.status, 400);
    browser.login(&world, "session").await;
    assert_eq!(browser.send(&world, get("/api/me")).await.status, 200);
}

#[tokio::test]
async fn a_browser_that_cannot_register_is_served_as_before() {
    for mode in [BindingMode::Require, BindingMode::Observe, BindingMode::Off] {
        let world = world(mode);
        for transport in ["session", "cookie"] {
            let mut browser = Browser::new();
            let login = browser.login(&world, transport).await;
            let offered = !login.header("secure-session-registration").is_empty();
            assert_eq!(offered, mode != BindingMode::Off);
            browser.drop_bound();
            world.advance(3600);
            let ask = if transport == "session" {
                get("/api/me")
            } else {
                refresh()
            };
            assert_eq!(browser.send(&world, ask).await.status, 200);
        }
        let login = Browser::new().login(&world, "header").await;
        assert_eq!(login.header("secure-session-registration"), "");
        assert!(login.set_cookies().is_empty());
    }
}

#[tokio::test]
async fn what_is_observed_is_demanded_only_after_the_browser_renewed_under_require() {
    // One store, as at a restart with another policy.
    let store = Arc::new(MemoryStore::new(1000, &[7; 32]));
    let worlds = [
        BindingMode::Observe,
        BindingMode::Require,
        BindingMode::Observe,
    ]
    .map(|mode| World::binding(mode, TroubledStore::new(store.clone(), Outage::default())));
    let [observing, requiring, back] = &worlds;
    let mut browser = Browser::bind(observing, "session").await;
    let listed = browser.send(observing, get("/auth/session")).await;
    assert_eq!(listed.json()["binding"], "device");
    let mut dropped = browser.copied();
    dropped.drop_bound();
    for world in [observing, requiring] {
        assert_eq!(dropped.send_copied(world, get("/api/me")).await.status, 200);
    }
    assert_eq!(browser.renew(requiring).await.status, 204);
    assert_eq!(browser.send(requiring, get("/api/me")).await.status, 200);
    assert_eq!(
        dropped
            .send_copied(requiring, get("/api/me"))
            .await
            .refusal(),
        unbound()
    );
    assert_eq!(dropped.send_copied(back, get("/api/me")).await.status, 200);
}

#[tokio::test]
async fn what_would_be_refused_is_reported_once_a_minute_for_each_session() {
    let reported = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&reported);
    let store = MemoryStore::new(1000, &[7; 32]);
    let world = World::reporting(BindingMode::Observe, store, move |event: Event| {
        if matches!(event.kind, EventKind::UnboundCredential(_)) {
            counted.fetch_add(1, Ordering::Relaxed);
        }
    });
    let mut browsers = Vec::new();
    for _ in 0..2 {
        let mut browser = Browser::bind(&world, "session").await;
        browser.drop_bound();
        browsers.push(browser);
    }
    for expected in [2, 4] {
        for browser in browsers.iter().cycle().take(6) {
            let reply = browser.send_copied(&world, get("/api/me")).await;
            assert_eq!(reply.status, 200);
        }
        assert_eq!(reported.load(Ordering::Relaxed), expected);
        world.advance(60);
    }
}

#[tokio::test]
async fn the_route_is_away_if_sessions_are_not_bound() {
    let world = world(BindingMode::Off);
    assert_eq!(world.send(device()).await.status, 404);
    // A browser that was bound before gives its binding up for good after 404, and not after 503.
    let renewal = with(device(), "sec-secure-session-id", &"A".repeat(24));
    assert_eq!(world.send(renewal).await.status, 503);
}

#[tokio::test]
async fn an_optional_caller_without_the_bound_value_is_anonymous() {
    let world = world(BindingMode::Require);
    let browser = Browser::bind(&world, "session").await;
    let ask = async |browser: &Browser| {
        let cookies = browser.cookies.iter();
        let cookies: Vec<_> = cookies
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let (parts, _) = with_cookie(get("/"), &cookies.join("; ")).into_parts();
        let head = Head {
            method: &parts.method,
            uri: &parts.uri,
            headers: &parts.headers,
            peer: None,
        };
        let slot = SessionSlot::default();
        let found = world
            .auth
            .server_session::<NoClaims>(&head, Some(&slot))
            .await;
        optional(found).map(|session| session.is_some())
    };
    let mut copy = browser.copied();
    copy.drop_bound();
    assert_eq!(ask(&browser).await.ok(), Some(true));
    assert_eq!(ask(&copy).await.ok(), Some(false));
    // A value past its end is refused, and deleted so that the browser renews.
    world.advance(661);
    let refused = ask(&browser).await.unwrap_err();
    assert!(refused.response().headers().contains_key("set-cookie"));
}

#[tokio::test]
async fn two_sessions_in_one_browser_have_two_bound_cookies() {
    let world = world(BindingMode::Require);
    let mut browser = Browser::bind(&world, "session").await;
    let first = browser.session.clone();
    let of_first = browser.copied();
    let proof = browser.key.renew(&browser.challenge(&world, &first).await);
    let login = browser.login(&world, "cookie").await;
    let offer = login.header("secure-session-registration").to_owned();
    assert_eq!(browser.register(&world, &offer).await.status, 200);
    assert_eq!(browser.renew(&world).await.status, 204);
    // A renewal of the first that comes late: the login has ended that session.
    assert_eq!(browser.show(&world, &first, &proof).await.status, 400);
    assert_eq!(browser.send(&world, refresh()).await.status, 200);
    let bound = browser
        .cookies
        .keys()
        .filter(|name| name.starts_with("__Host-bound-"));
    assert_eq!(bound.count(), 2);
    // The value of the other session is as none: it is not what this one is refused for, and stays.
    browser.cookies.retain(|name, _| {
        !name.starts_with("__Host-bound-") || of_first.cookies.contains_key(name)
    });
    let refused = browser.send(&world, refresh()).await;
    assert_eq!(refused.refusal(), unbound());
    assert!(refused.set_cookies().is_empty());
}
