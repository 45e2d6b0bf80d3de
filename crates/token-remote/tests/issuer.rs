//! What a service can say of another issuer: where it describes itself, where its keys are, and what they
//! are called.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test"
)]

mod support;

use std::sync::Arc;

use support::fake::{FakeIssuer, Keys, set};
use support::{AUDIENCE, Kind, PROFILE, Remote, foreign_token, good, key, token, verify_as};
use token_core::foreign::{Discovery, ForeignToken, Profile};
use token_core::{KeyRing, NoClaims, UnixTime, VerifyError};
use token_remote::{BuildError, FetchError, RemoteError, RemoteIssuer, RemoteIssuerBuilder};

fn builder(issuer: &str, profile: Profile) -> RemoteIssuerBuilder {
    RemoteIssuer::builder(issuer.parse().unwrap(), AUDIENCE.parse().unwrap(), profile)
}

/// The paths that the issuer was asked for.
fn paths(issuer: &FakeIssuer) -> Vec<String> {
    let lines = issuer.lines.lock().unwrap();
    let path = |line: &String| line.split(' ').nth(1).unwrap().to_owned();
    lines.iter().map(path).collect()
}

#[tokio::test]
async fn metadata_is_looked_for_where_the_profile_says() {
    for (discovery, expected) in [
        (
            Discovery::OAuth,
            "/.well-known/oauth-authorization-server/realms/main",
        ),
        (
            Discovery::OpenId,
            "/realms/main/.well-known/openid-configuration",
        ),
    ] {
        let server = FakeIssuer::start(Kind::Foreign, set(&[1], 300));
        let name = format!("{}/realms/main", server.url);
        let metadata = format!(r#"{{"issuer":"{name}","jwks_uri":"{}/keys"}}"#, server.url);
        *server.metadata.lock().unwrap() = metadata;
        let issuer = builder(&name, PROFILE.discovery(discovery))
            .build()
            .unwrap();
        issuer.fetch().await.unwrap();
        assert_eq!(paths(&server), [expected, "/keys"]);
        let remote = Remote::Foreign(issuer);
        verify_as(&remote, &foreign_token(&name, 1)).await.unwrap();
    }
}

#[tokio::test]
async fn a_missing_description_says_what_else_can_be_named() {
    let server = FakeIssuer::start(Kind::Foreign, set(&[1], 300));
    *server.metadata.lock().unwrap() = String::new();
    let error = server.remote().fetch().await.unwrap_err();
    assert!(matches!(error, FetchError::NoMetadata { .. }) && !error.is_outage());
    assert!(error.to_string().contains("`jwks_uri`"), "{error}");
    let keys = format!("{}/keys", server.url);
    let issuer = builder(&server.url, PROFILE)
        .jwks_uri(keys)
        .build()
        .unwrap();
    issuer.fetch().await.unwrap();
    // Or it describes itself elsewhere.
    let own = format!(r#"{{"issuer":"{0}","jwks_uri":"{0}/keys"}}"#, server.url);
    *server.metadata.lock().unwrap() = own;
    let elsewhere = format!("{}/.well-known/openid", server.url);
    let issuer = builder(&server.url, PROFILE).metadata(elsewhere).build();
    issuer.unwrap().fetch().await.unwrap();
    assert!(paths(&server).contains(&"/.well-known/openid".to_owned()));
}

#[tokio::test]
async fn keys_at_another_origin_are_fetched_only_if_the_profile_names_it() {
    let keys = FakeIssuer::start(Kind::Foreign, set(&[1], 300));
    let server = FakeIssuer::start(Kind::Foreign, set(&[2], 300));
    let elsewhere = format!(
        r#"{{"issuer":"{}","jwks_uri":"{}/keys"}}"#,
        server.url, keys.url
    );
    *server.metadata.lock().unwrap() = elsewhere;
    let error = server.remote().fetch().await.unwrap_err();
    assert!(matches!(error, FetchError::Elsewhere { .. }), "{error}");
    assert_eq!(keys.asked(), 0);
    let origins: &[&str] = Box::leak(Box::new([&*keys.url.clone().leak()]));
    let issuer = builder(&server.url, PROFILE.key_origins(origins))
        .build()
        .unwrap();
    issuer.fetch().await.unwrap();
    let remote = Remote::Foreign(issuer);
    verify_as(&remote, &foreign_token(&server.url, 1))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_key_set_of_another_media_type_is_read_only_if_asked_for() {
    let ring = KeyRing::new(key(1)).jwks();
    for media_type in ["text/plain", "application/octet-stream"] {
        let answer = good(&format!("{media_type}; charset=utf-8"), "", &ring);
        let server = FakeIssuer::start(Kind::Foreign, Keys::Raw(answer));
        let error = server.remote().fetch().await.unwrap_err();
        assert!(matches!(error, FetchError::ContentType { .. }), "{error}");
        let issuer = builder(&server.url, PROFILE).content_type(media_type);
        issuer.build().unwrap().fetch().await.unwrap();
    }
}

#[tokio::test]
async fn an_issuer_of_several_tenants_is_described_under_the_name_common() {
    const OF_TENANTS: Profile = PROFILE.tenant("tid");
    let server = FakeIssuer::start(Kind::Foreign, set(&[1], 300));
    let name = format!("{}/{{tenantid}}/v2.0", server.url);
    let metadata = format!(r#"{{"issuer":"{name}","jwks_uri":"{}/keys"}}"#, server.url);
    *server.metadata.lock().unwrap() = metadata;
    let none = builder(&name, OF_TENANTS).build().unwrap_err();
    assert!(matches!(none, BuildError::Verifier(_)), "{none}");
    let issuer = builder(&name, OF_TENANTS).tenant("t1").build().unwrap();
    issuer.fetch().await.unwrap();
    assert_eq!(
        paths(&server)[0],
        "/common/v2.0/.well-known/openid-configuration"
    );
}

#[tokio::test]
async fn a_token_that_was_seen_before_is_the_same_value() {
    let server = FakeIssuer::start(Kind::Foreign, set(&[1], 300));
    let Remote::Foreign(issuer) = server.remote() else {
        panic!("it is foreign")
    };
    let text = foreign_token(&server.url, 1);
    let at = |seconds: u64| UnixTime::from_secs(1_700_000_000 + seconds).unwrap();
    let verify = async |now| issuer.verify_at::<NoClaims>(&text, now).await;
    let first: Arc<ForeignToken> = verify(at(10)).await.unwrap();
    assert!(Arc::ptr_eq(&first, &verify(at(299)).await.unwrap()));
    assert!(
        matches!(verify(at(300)).await, Err(RemoteError::Invalid(error)) if error.is_expired())
    );
}

#[tokio::test]
async fn a_token_of_a_session_is_refused_here_and_a_foreign_one_there() {
    let own = FakeIssuer::start(Kind::Own, set(&[1], 300));
    let issuer = builder(&own.url, PROFILE).build().unwrap();
    let error = verify_as(&Remote::Foreign(issuer), &token(&own.url, 1)).await;
    assert!(matches!(
        error,
        Err(RemoteError::Invalid(VerifyError::HasSession))
    ));
    let error = verify_as(&own.remote(), &foreign_token(&own.url, 1)).await;
    assert!(matches!(
        error,
        Err(RemoteError::Invalid(VerifyError::Claims(_)))
    ));
}
