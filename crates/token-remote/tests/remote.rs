//! An issuer that is down, slow, lying or changing its keys, and a service that goes on.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test"
)]

mod support;

use std::process::Command;
use std::time::{Duration, Instant};

use support::fake::{FakeIssuer, Keys, held, jwks, set};
use support::{AUDIENCE, Kind, good, key, pass, verify_as};
use token_core::{Algorithm, Entropy, KeyRing, SigningKey, VerifyError};
use token_remote::{BuildError, FetchError, Introspection, RemoteError, RemoteJwks};

/// How long a busy machine may take to what an idle one does in a moment.
const PATIENCE: Duration = Duration::from_secs(60);

async fn soon(holds: impl Fn() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "waited in vain");
        pass(10).await;
    }
}

/// A token of the issuer, signed with the key of that byte.
fn token(issuer: &FakeIssuer, byte: u8) -> String {
    support::token_of(issuer.kind, &issuer.url, byte)
}

/// Runs each test once for each kind of token.
macro_rules! for_both {
    ($($test:ident)*) => {
        mod own_tokens {
            $(#[tokio::test] async fn $test() { super::$test(super::Kind::Own).await; })*
        }
        mod foreign_tokens {
            $(#[tokio::test] async fn $test() { super::$test(super::Kind::Foreign).await; })*
        }
    };
}

for_both! {
    the_issuers_url_is_all_that_is_needed
    lies_are_refused_and_the_last_good_set_stays
    metadata_cannot_send_us_elsewhere
    a_slow_issuer_holds_up_at_most_the_one_that_asks
    a_flood_of_unknown_keys_asks_once_an_interval
    a_new_key_is_found_when_its_first_token_comes
    a_key_survives_that_its_set_has_it_twice_and_another_beside_it
    a_set_is_renewed_ahead_of_its_end
    an_unchanged_set_is_kept_by_its_etag
    an_outage_is_survived_for_so_long_and_no_longer
    an_outage_says_nothing_of_a_key_that_is_newer_than_the_set
    a_token_is_not_refused_while_its_key_is_fetched
    all_who_need_new_keys_wait_for_one_answer
    keys_that_are_believed_no_more_bind_the_issuer_to_nothing
    without_keys_nothing_is_said_of_a_token
}

async fn the_issuers_url_is_all_that_is_needed(kind: Kind) {
    let issuer = FakeIssuer::start(kind, set(&[1], 300));
    let remote = issuer.remote();
    // Without a fetch at start, the first request asks.
    verify_as(&remote, &token(&issuer, 1)).await.unwrap();
    for _ in 0..50 {
        verify_as(&remote, &token(&issuer, 1)).await.unwrap();
    }
    assert_eq!(issuer.asked(), 1, "the set is kept");
}

async fn lies_are_refused_and_the_last_good_set_stays(kind: Kind) {
    let issuer = FakeIssuer::start(kind, set(&[1], 0));
    let remote = issuer.remote();
    remote.fetch().await.unwrap();
    let body = KeyRing::new(key(2)).jwks();
    let other = key(1).id().to_string();
    let rsa_body = SigningKey::generate(Algorithm::ES256, Entropy::new([1; 64])).unwrap();
    let rsa_body = KeyRing::new(rsa_body.with_id(other.parse().unwrap())).jwks();
    let oct = r#"{"keys":[{"kty":"oct","alg":"HS256","k":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}]}"#;
    let bare_rsa = format!(r#"{{"keys":[{}]}}"#, support::bare_rsa());
    let elsewhere = FakeIssuer::start(kind, set(&[2], 300));
    let redirect = |url: &str| {
        format!(
            "HTTP/1.1 302 Found\r\nLocation: {url}/keys\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        )
    };
    let huge = format!("{{\"keys\":[],\"x\":\"{}\"}}", "x".repeat(300_000));
    let chunked = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\
         Connection: close\r\n\r\n{:x}\r\n{huge}\r\n0\r\n\r\n",
        huge.len()
    );
    let gone =
        "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    for (lie, expected) in [
        (good("text/html", "", &body), "content type"),
        (good("application/jwk-set+json", "", &huge), "more than"),
        (chunked, "more than"),
        (good("application/json", "", "<html>"), "not strict JSON"),
        (good("application/json", "", "{}"), "\"keys\""),
        (
            good("application/json", "", r#"{"keys":[]}"#),
            "/keys has no usable key: it has none",
        ),
        (
            good("application/json", "", oct),
            "no usable key: key 0: a symmetric key must never be in a public set",
        ),
        (
            good("application/json", "", &bare_rsa),
            "no usable key: key 0: the JWK has no \"alg\"",
        ),
        (
            good("application/json", "", &rsa_body),
            "was EdDSA and is said to be ES256",
        ),
        (redirect(&elsewhere.url), "302"),
        (gone.into(), "500"),
        (String::new(), "cannot be reached"),
    ] {
        issuer.say(Keys::Raw(lie.clone()));
        let error = loop {
            match remote.fetch().await.unwrap_err() {
                FetchError::TooSoon => pass(50).await,
                error => break error,
            }
        };
        assert!(error.to_string().contains(expected), "{error}: {lie:.80}");
        verify_as(&remote, &token(&issuer, 1)).await.unwrap();
        let forged = verify_as(&remote, &token(&issuer, 2)).await.unwrap_err();
        // In an outage it may be signed with a key that is newer than the set.
        let open = error.is_outage() && matches!(forged, RemoteError::Unavailable);
        let unknown = matches!(forged, RemoteError::Invalid(VerifyError::UnknownKey));
        assert!(open != unknown && open == error.is_outage(), "{forged}");
        // Let it ask again soon.
        issuer.say(set(&[1], 0));
        while remote.fetch().await.is_err() {
            pass(50).await;
        }
    }
    assert_eq!(elsewhere.asked(), 0, "no redirect is followed");
}

async fn metadata_cannot_send_us_elsewhere(kind: Kind) {
    let elsewhere = FakeIssuer::start(kind, set(&[1], 300));
    let issuer = FakeIssuer::start(kind, set(&[1], 300));
    let other = format!(
        r#"{{"issuer":"{}","jwks_uri":"{}/keys"}}"#,
        issuer.url, elsewhere.url
    );
    *issuer.metadata.lock().unwrap() = other;
    let error = issuer.remote().fetch().await.unwrap_err();
    assert!(
        matches!(error, FetchError::Elsewhere { .. }) && !error.is_outage(),
        "{error}"
    );
    let theirs = elsewhere.metadata.lock().unwrap().clone();
    *issuer.metadata.lock().unwrap() = theirs;
    let error = issuer.remote().fetch().await.unwrap_err();
    assert!(matches!(error, FetchError::OtherIssuer { .. }), "{error}");
    *issuer.metadata.lock().unwrap() = "[]".into();
    let error = issuer.remote().fetch().await.unwrap_err();
    assert!(matches!(error, FetchError::Metadata { .. }), "{error}");
    assert_eq!(elsewhere.asked(), 0);
}

async fn ask_later(introspection: &Introspection) -> Result<bool, FetchError> {
    advance(301).await;
    introspection.is_active("a.b.c").await
}

async fn advance(seconds: u64) {
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(seconds)).await;
    tokio::time::resume();
}

#[tokio::test]
async fn the_issuer_is_asked_whether_a_token_is_still_good() {
    let says = |active: &str| Keys::Raw(good("application/json", "", active));
    let issuer = FakeIssuer::start(Kind::Own, says(r#"{"active":true}"#));
    let ask = || Introspection::at_issuer(issuer.url.parse().unwrap(), "hush").unwrap();
    let error = ask().is_active("a.b.c").await.unwrap_err();
    assert!(
        matches!(error, FetchError::NoIntrospection { .. }) && !error.is_outage(),
        "{error}"
    );
    let tell = |endpoint: &str| {
        let url = &issuer.url;
        let metadata = format!(r#"{{"issuer":"{url}","introspection_endpoint":"{endpoint}"}}"#);
        *issuer.metadata.lock().unwrap() = metadata;
    };
    // The key is for the issuer alone.
    let elsewhere = FakeIssuer::start(Kind::Own, says(r#"{"active":true}"#));
    tell(&format!("{}/introspect", elsewhere.url));
    let error = ask().is_active("a.b.c").await.unwrap_err();
    assert!(matches!(error, FetchError::Elsewhere { .. }), "{error}");
    assert_eq!((issuer.asked(), elsewhere.asked()), (0, 0));

    tell(&format!("{}/introspect", issuer.url));
    let introspection = ask();
    // A handler of any framework can await it.
    let asking = tokio::spawn({
        let introspection = introspection.clone();
        async move { introspection.is_active("a.b.c").await }
    });
    assert!(asking.await.unwrap().unwrap());
    // The address is known now; what it answers is not kept.
    tell("https://elsewhere.example");
    issuer.say(says(r#"{"active":false}"#));
    assert!(!introspection.is_active("a.b.c").await.unwrap());
    // It may be another one after a while.
    let moved = ask_later(&introspection).await.unwrap_err();
    assert!(matches!(moved, FetchError::Elsewhere { .. }), "{moved}");
    *issuer.metadata.lock().unwrap() = String::new();
    let lost = ask_later(&introspection).await.unwrap_err();
    assert!(matches!(lost, FetchError::NoMetadata { .. }), "{lost}");
    tell(&format!("{}/introspect", issuer.url));
    assert!(!ask_later(&introspection).await.unwrap());
    for nonsense in ["{}", "[]", r#"{"active":"true"}"#] {
        issuer.say(says(nonsense));
        let error = introspection.is_active("a.b.c").await.unwrap_err();
        assert!(matches!(error, FetchError::Answer { .. }), "{error}");
    }
}

#[tokio::test]
async fn metadata_that_is_away_is_not_asked_for_at_each_request() {
    let active = Keys::Raw(good("application/json", "", r#"{"active":true}"#));
    let issuer = FakeIssuer::start(Kind::Own, active);
    let url = &issuer.url;
    let told = format!(r#"{{"issuer":"{url}","introspection_endpoint":"{url}/introspect"}}"#);
    let tell = |told: &str| told.clone_into(&mut issuer.metadata.lock().unwrap());
    let looked = || {
        let lines = issuer.lines.lock().unwrap();
        lines.iter().filter(|line| line.starts_with("GET ")).count()
    };
    tell(&told);
    let introspection = Introspection::at_issuer(url.parse().unwrap(), "hush").unwrap();
    assert!(introspection.is_active("a.b.c").await.unwrap());
    assert_eq!((looked(), issuer.asked()), (1, 1));

    tell("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    assert!(ask_later(&introspection).await.unwrap());
    for _ in 0..10 {
        assert!(introspection.is_active("a.b.c").await.unwrap());
    }
    assert_eq!((looked(), issuer.asked()), (2, 12));
    // After half a minute once more; those that come meanwhile do not ask as well.
    advance(31).await;
    let ask = || introspection.is_active("a.b.c");
    let (first, second, third) = tokio::join!(ask(), ask(), ask());
    assert!(first.unwrap() && second.unwrap() && third.unwrap());
    assert_eq!(looked(), 3);
    // Once it answers, that is believed for 5 minutes again.
    tell(&told);
    for (seconds, so_often) in [(31, 4), (290, 4), (20, 5)] {
        advance(seconds).await;
        assert!(introspection.is_active("a.b.c").await.unwrap());
        assert_eq!(looked(), so_often, "after {seconds} s");
    }
}

async fn a_slow_issuer_holds_up_at_most_the_one_that_asks(kind: Kind) {
    let issuer = FakeIssuer::start(kind, set(&[1], 0));
    let remote = issuer.patient(Duration::from_secs(5));
    remote.fetch().await.unwrap();
    issuer.say(Keys::Slow(Duration::from_secs(60)));
    // Past the interval, so that the set is stale and somebody asks.
    pass(250).await;
    let text = token(&issuer, 1);
    let asking = tokio::spawn({
        let (remote, text) = (remote.clone(), text.clone());
        async move { verify_as(&remote, &text).await }
    });
    soon(|| issuer.asked() == 2).await;
    for _ in 0..100 {
        verify_as(&remote, &text).await.unwrap();
    }
    assert!(!asking.is_finished(), "none of them waited for it");
    // The one that asks is let go at the time-out, and goes on with the last good set.
    asking.await.unwrap().unwrap();
    assert_eq!(issuer.asked(), 2);
}

async fn a_flood_of_unknown_keys_asks_once_an_interval(kind: Kind) {
    let issuer = FakeIssuer::start(kind, set(&[1], 300));
    let remote = issuer.remote();
    remote.fetch().await.unwrap();
    let start = Instant::now();
    for _ in 0..20 {
        let flood = (100..200).map(|byte| {
            let (remote, text) = (remote.clone(), token(&issuer, byte));
            tokio::spawn(async move { verify_as(&remote, &text).await })
        });
        for refused in flood.collect::<Vec<_>>() {
            let error = refused.await.unwrap().unwrap_err();
            assert!(matches!(
                error,
                RemoteError::Invalid(VerifyError::UnknownKey)
            ));
        }
        verify_as(&remote, &token(&issuer, 1)).await.unwrap();
    }
    let intervals = start.elapsed().as_millis() / 200 + 2;
    assert!(
        issuer.asked() as u128 <= intervals,
        "{} in {intervals}",
        issuer.asked()
    );
}

async fn a_new_key_is_found_when_its_first_token_comes(kind: Kind) {
    let issuer = FakeIssuer::start(kind, set(&[1], 300));
    let remote = issuer.remote();
    remote.fetch().await.unwrap();
    issuer.say(set(&[2], 300));
    pass(250).await;
    verify_as(&remote, &token(&issuer, 2)).await.unwrap();
    // And the old one is gone.
    let error = verify_as(&remote, &token(&issuer, 1)).await.unwrap_err();
    assert!(matches!(
        error,
        RemoteError::Invalid(VerifyError::UnknownKey)
    ));
}

/// The same key twice is one key, and one of another algorithm may have the same id.
async fn a_key_survives_that_its_set_has_it_twice_and_another_beside_it(kind: Kind) {
    let issuer = FakeIssuer::start(kind, set(&[1], 0));
    let remote = issuer.remote();
    remote.fetch().await.unwrap();
    verify_as(&remote, &token(&issuer, 1)).await.unwrap();

    let own = KeyRing::new(key(1)).jwks();
    let own = &own[r#"{"keys":["#.len()..own.len() - 2];
    let beside = SigningKey::generate(Algorithm::ES256, Entropy::new([1; 64])).unwrap();
    let beside = beside.with_id(key(1).id().clone());
    let beside = beside.verifying_key().to_jwk().unwrap();
    for keys in [
        format!("{own},{own}"),
        format!("{beside},{own}"),
        format!("{own},{beside}"),
        own.to_owned(),
    ] {
        issuer.say(jwks(&format!(r#"{{"keys":[{keys}]}}"#), 0));
        while let Err(error) = remote.fetch().await {
            assert!(matches!(error, FetchError::TooSoon), "{error}: {keys}");
            pass(50).await;
        }
        verify_as(&remote, &token(&issuer, 1)).await.unwrap();
    }
}

async fn a_set_is_renewed_ahead_of_its_end(kind: Kind) {
    let issuer = FakeIssuer::start(kind, set(&[1], 2));
    let remote = issuer.remote();
    remote.fetch().await.unwrap();
    issuer.say(set(&[1, 2], 300));
    pass(1600).await;
    // This request does not wait; the next one finds the new set.
    verify_as(&remote, &token(&issuer, 1)).await.unwrap();
    soon(|| issuer.asked() >= 2).await;
    let start = Instant::now();
    while verify_as(&remote, &token(&issuer, 2)).await.is_err() {
        assert!(start.elapsed() < PATIENCE, "the new set is not found");
        pass(20).await;
    }
}

async fn an_unchanged_set_is_kept_by_its_etag(kind: Kind) {
    let ring = KeyRing::new(key(1)).jwks();
    let fields = "ETag: \"same\"\r\nCache-Control: max-age=0\r\n";
    let issuer = FakeIssuer::start(kind, Keys::Raw(good("application/json", fields, &ring)));
    let remote = issuer.remote();
    remote.fetch().await.unwrap();
    pass(250).await;
    remote.fetch().await.unwrap();
    assert_eq!(issuer.asked(), 2);
    verify_as(&remote, &token(&issuer, 1)).await.unwrap();

    // At another address the same ETag may be that of other keys.
    let ring = KeyRing::new(key(2)).jwks();
    issuer.say(Keys::Raw(good("application/json", fields, &ring)));
    let url = &issuer.url;
    *issuer.metadata.lock().unwrap() = format!(r#"{{"issuer":"{url}","jwks_uri":"{url}/other"}}"#);
    let start = Instant::now();
    while verify_as(&remote, &token(&issuer, 2)).await.is_err() {
        assert!(start.elapsed() < PATIENCE, "the other keys are not taken");
        pass(50).await;
    }
}

async fn an_outage_says_nothing_of_a_key_that_is_newer_than_the_set(kind: Kind) {
    let issuer = FakeIssuer::start(kind, set(&[1], 0));
    let remote = issuer.remote();
    remote.fetch().await.unwrap();
    issuer.say(Keys::Raw(String::new()));
    // The set is stale after the interval.
    pass(250).await;
    // The first asks; the second comes in the pause after that.
    for _ in 0..2 {
        let error = verify_as(&remote, &token(&issuer, 2)).await.unwrap_err();
        assert!(matches!(error, RemoteError::Unavailable), "{error}");
    }
    verify_as(&remote, &token(&issuer, 1)).await.unwrap();
    // While a set is fresh the issuer has said that it has no other keys.
    issuer.say(set(&[1], 300));
    while remote.fetch().await.is_err() {
        pass(50).await;
    }
    issuer.say(Keys::Raw(String::new()));
    pass(250).await;
    let error = verify_as(&remote, &token(&issuer, 2)).await.unwrap_err();
    assert!(matches!(
        error,
        RemoteError::Invalid(VerifyError::UnknownKey)
    ));
}

async fn all_who_need_new_keys_wait_for_one_answer(kind: Kind) {
    // First without any set, then for a key that the set does not have.
    let (first, keys) = held(set(&[1], 300));
    let issuer = FakeIssuer::start(kind, keys);
    let remote = issuer.remote();
    let (second, more) = held(set(&[1, 2], 300));
    for (gate, byte, asked, next) in [(first, 1, 1, Some(more)), (second, 2, 2, None)] {
        let verify = || {
            let (remote, text) = (remote.clone(), token(&issuer, byte));
            tokio::spawn(async move { verify_as(&remote, &text).await })
        };
        let asking = verify();
        soon(|| issuer.asked() == asked).await;
        let waiting: Vec<_> = (0..10).map(|_| verify()).collect();
        pass(100).await;
        drop(gate);
        asking.await.unwrap().unwrap();
        for waiting in waiting {
            waiting.await.unwrap().unwrap();
        }
        assert_eq!(issuer.asked(), asked);
        if let Some(next) = next {
            issuer.say(next);
            pass(250).await;
        }
    }
}

/// The issuer may have had the key for a while, and is about to say so.
async fn a_token_is_not_refused_while_its_key_is_fetched(kind: Kind) {
    let issuer = FakeIssuer::start(kind, set(&[1], 300));
    let remote = issuer.remote();
    remote.fetch().await.unwrap();
    let (gate, keys) = held(set(&[1, 2], 300));
    issuer.say(keys);
    pass(250).await;
    let asking = tokio::spawn({
        let (remote, text) = (remote.clone(), token(&issuer, 2));
        async move { verify_as(&remote, &text).await }
    });
    soon(|| issuer.asked() == 2).await;
    // It does not wait as long as the one that asked.
    let error = verify_as(&remote, &token(&issuer, 2)).await.unwrap_err();
    assert!(matches!(error, RemoteError::Unavailable), "{error}");
    drop(gate);
    asking.await.unwrap().unwrap();
}

/// A key that comes back with another algorithm is refused, but only while the old one is believed.
async fn keys_that_are_believed_no_more_bind_the_issuer_to_nothing(kind: Kind) {
    let issuer = FakeIssuer::start(kind, set(&[1], 0));
    let remote = issuer.lasting(Duration::from_secs(30), Duration::ZERO);
    remote.fetch().await.unwrap();
    let other = SigningKey::generate(Algorithm::ES256, Entropy::new([1; 64])).unwrap();
    let other = other.with_id(key(1).id().clone());
    issuer.say(jwks(&KeyRing::new(other).jwks(), 0));
    pass(250).await;
    remote.fetch().await.unwrap();
}

/// A proxy would read what this service proves itself with, and could tell it keys of its own.
#[test]
fn what_is_on_this_machine_is_not_asked_through_a_proxy() {
    let proxy = FakeIssuer::start(Kind::Own, set(&[1], 300));
    let mut service = Command::new(std::env::current_exe().unwrap());
    service.args(["--ignored", "--exact", "a_service_beside_its_issuer"]);
    for name in ["NO_PROXY", "no_proxy", "REQUEST_METHOD"] {
        service.env_remove(name);
    }
    for name in ["HTTP_PROXY", "http_proxy", "ALL_PROXY"] {
        service.env(name, &proxy.url);
    }
    let output = service.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}"
    );
    assert!(proxy.lines.lock().unwrap().is_empty());
}

/// Not a test of its own.
#[tokio::test]
#[ignore = "a process of the other test"]
async fn a_service_beside_its_issuer() {
    let issuer = FakeIssuer::start(Kind::Own, set(&[1], 300));
    issuer.remote().fetch().await.unwrap();
    let active = r#"{"active":true}"#;
    issuer.say(Keys::Raw(good("application/json", "", active)));
    let introspection = Introspection::new(&issuer.url, "hush").unwrap();
    assert!(introspection.is_active("a.b.c").await.unwrap());
}

async fn an_outage_is_survived_for_so_long_and_no_longer(kind: Kind) {
    let issuer = FakeIssuer::start(kind, set(&[1], 0));
    let keep = Duration::from_secs(5);
    let remote = issuer.lasting(Duration::from_secs(5), keep);
    let start = Instant::now();
    remote.fetch().await.unwrap();
    issuer.say(Keys::Raw(String::new()));
    pass(300).await;
    let error = loop {
        let asked = start.elapsed();
        match verify_as(&remote, &token(&issuer, 1)).await {
            // Stale after the interval, and kept for so long from then on.
            Ok(()) => assert!(asked < keep * 2, "kept for {asked:?}"),
            Err(error) => break error,
        }
        pass(50).await;
    };
    assert!(
        start.elapsed() >= keep,
        "let go after {:?}",
        start.elapsed()
    );
    assert!(matches!(error, RemoteError::Unavailable), "{error}");
    // It comes back by itself.
    issuer.say(set(&[1], 300));
    let start = Instant::now();
    while verify_as(&remote, &token(&issuer, 1)).await.is_err() {
        assert!(start.elapsed() < PATIENCE, "it does not come back");
        pass(50).await;
    }
}

async fn without_keys_nothing_is_said_of_a_token(kind: Kind) {
    let issuer = FakeIssuer::start(kind, Keys::Raw(String::new()));
    let remote = issuer.remote();
    let error = remote.fetch().await.unwrap_err();
    assert!(error.is_outage(), "{error}");
    let error = verify_as(&remote, &token(&issuer, 1)).await.unwrap_err();
    assert!(matches!(error, RemoteError::Unavailable));
    let error = verify_as(&remote, "not a token").await.unwrap_err();
    assert!(matches!(error, RemoteError::Invalid(_)));
}

#[test]
fn settings_that_cannot_be_say_what_to_do() {
    let builder =
        |issuer: &str| RemoteJwks::builder(issuer.parse().unwrap(), AUDIENCE.parse().unwrap());
    let said = |result: Result<RemoteJwks, BuildError>| result.unwrap_err().to_string();
    assert!(said(builder("http://id.example").build()).contains("use https"));
    assert!(said(builder("id.example").build()).contains("https://HOST"));
    let elsewhere = builder("https://id.example").jwks_uri("https://user:hush@x.example");
    assert!(said(elsewhere.build()).contains("leave them out"));
    let often = builder("https://id.example").interval(Duration::ZERO);
    assert!(said(often.build()).contains("interval"));
    let secret = builder("https://id.example").algorithm(Algorithm::HS256);
    assert!(said(secret.build()).contains("asymmetric"));
    // An issuer that is only a name goes with an address for the keys.
    assert!(
        builder("urn:issuer")
            .jwks_uri("https://id.example/keys")
            .build()
            .is_ok()
    );
    let key = Introspection::new("https://id.example/introspect", "two\nlines");
    let error = key.unwrap_err();
    assert!(matches!(error, BuildError::Key), "{error}");
    assert!(error.to_string().contains("visible ASCII"));
    let plain = Introspection::at_issuer("http://id.example".parse().unwrap(), "hush");
    assert!(plain.unwrap_err().to_string().contains("use https"));
    let key = Introspection::new("https://id.example/introspect", "hush").unwrap();
    assert!(!format!("{key:?}").contains("hush"));
}
