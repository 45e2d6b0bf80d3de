//! Every error of the library becomes a rejection with `?`, and so a variant of an application's own
//! error, on both frameworks: this file compiles. What each answers is the same.

use token_core::session::{Denial, IssueError};
use token_core::{SessionId, UnixTime};
use token_session::signer::SignerError;
use token_session::{
    AccessError, LoginError, ManagerError, RefreshError, StoreError, WriteDataError,
};

/// Converts from each error that a method of the manager or of a session returns.
trait FromEachError:
    From<AccessError>
    + From<Denial>
    + From<IssueError>
    + From<LoginError>
    + From<ManagerError>
    + From<RefreshError>
    + From<SignerError>
    + From<StoreError>
    + From<WriteDataError>
    + From<token_http::DataError>
    + From<token_http::Rejection>
{
}

impl FromEachError for adapter_actix::Rejection {}
impl FromEachError for adapter_axum::Rejection {}
impl FromEachError for OnActix {}
impl FromEachError for OnAxum {}

#[derive(Debug)]
enum OnActix {
    Auth(adapter_actix::Rejection),
}
adapter_actix::from_errors!(OnActix, OnActix::Auth);

#[derive(Debug)]
enum OnAxum {
    Auth(adapter_axum::Rejection),
}
adapter_axum::from_errors!(OnAxum, OnAxum::Auth);

#[test]
fn each_error_converts_on_both_frameworks() {
    const fn converts<E: FromEachError>() {}
    converts::<OnActix>();
    converts::<OnAxum>();
}

#[test]
fn an_error_that_a_handler_passes_on_has_the_answer_of_the_routes() {
    let now = UnixTime::from_secs(1_700_000_000).expect("a time");
    let expired = || Denial::Expired { now, expires: now };
    let session = SessionId::from_bytes([7; SessionId::LENGTH]);
    let answers: [(token_http::Rejection, u16, &str); 6] = [
        (RefreshError::from(expired()).into(), 400, "invalid_grant"),
        (expired().into(), 400, "invalid_grant"),
        (RefreshError::Scope.into(), 400, "invalid_scope"),
        (RefreshError::Refused.into(), 403, "access_denied"),
        (AccessError::Behind.into(), 503, "temporarily_unavailable"),
        (
            AccessError::Revoked { session }.into(),
            401,
            "invalid_token",
        ),
    ];
    for (rejection, status, code) in answers {
        let OnAxum::Auth(axum) = rejection.clone().into();
        let OnActix::Auth(actix) = rejection.clone().into();
        assert_eq!(axum.refusal(), actix.refusal());
        assert_eq!(axum.refusal().code(), code);
        let response = rejection.response();
        assert_eq!(response.status(), status, "{code}");
        // Every 401 has a challenge, here without a realm.
        let challenge = response.headers().get("www-authenticate");
        let challenge = challenge.map(|value| value.to_str().expect("visible ASCII"));
        let expected = r#"Bearer error="invalid_token", error_description="revoked""#;
        assert_eq!(challenge, (status == 401).then_some(expected));
    }
}
