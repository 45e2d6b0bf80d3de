//! Logins in steps, and logins by way of another site.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::{COOKIE, SET_COOKIE};
use http::{HeaderMap, Method, Uri};
use token_core::{Authentication, Policy, Subject};
use token_http::{
    Auth, AuthConfig, CustomLogin, Head, LocalPath, PendingLogin, Proven, Rejection, visitor_scope,
};
use token_session::MemoryStore;
use token_session::test_util::{Injected, Outage, TestManager, Trouble, TroubledStore};
use token_session::visitor::{VisitorKind, VisitorPolicy};
use tokio::sync::Notify;

use crate::world::{OWN, answered};

fn server(policy: VisitorPolicy) -> (Auth, Outage) {
    let outage = Outage::default();
    let store = TroubledStore::new(MemoryStore::with_capacity(100), outage.clone());
    let TestManager { manager, .. } =
        TestManager::with_store(store, Policy::default(), |builder| {
            builder.visitors(policy).store_retries(0)
        });
    let config = AuthConfig::builder(OWN.parse().unwrap());
    (Auth::new(manager, config.build().unwrap()), outage)
}

/// The header fields of a request from a page of the site, with this cookie.
fn fields(cookie: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert("sec-fetch-site", "same-origin".parse().unwrap());
    headers.insert(COOKIE, cookie.parse().unwrap());
    headers
}

fn post<'a>(headers: &'a HeaderMap, uri: &'a Uri) -> Head<'a> {
    Head {
        method: &Method::POST,
        uri,
        headers,
        peer: None,
    }
}

/// `name=value` of the cookie of a login that lacks a one-time password.
async fn begin(auth: &Auth) -> Result<String, Rejection> {
    let (headers, uri) = (fields("a=b"), Uri::from_static("/"));
    let login = CustomLogin::read(auth, &post(&headers, &uri))?;
    let ticket = login.begin("alice").await?;
    let password = Authentication::password(login.at());
    let answer = login.pend(ticket, password, &["otp"], "/second").await?;
    let set = answer.headers()[SET_COOKIE].to_str().unwrap();
    Ok(set.split(';').next().unwrap().to_owned())
}

async fn read(auth: &Auth, cookie: &str) -> Result<PendingLogin, Rejection> {
    let (headers, uri) = (fields(cookie), Uri::from_static("/"));
    PendingLogin::read(auth, &post(&headers, &uri)).await
}

fn status<T>(result: Result<T, Rejection>) -> u16 {
    let refused = result.err().expect("it was not refused");
    refused.refusal().status().as_u16()
}

#[tokio::test]
async fn of_two_requests_with_the_same_proof_one_goes_on() {
    let (auth, _) = server(VisitorPolicy::default());
    let cookie = begin(&auth).await.unwrap();
    let (one, other) = (
        read(&auth, &cookie).await.unwrap(),
        read(&auth, &cookie).await.unwrap(),
    );
    let one = one.attempt("otp").await.unwrap();
    let other = other.attempt("otp").await.unwrap();
    // Both were counted.
    assert_eq!(read(&auth, &cookie).await.unwrap().attempts_left(), 3);
    assert_eq!(one.subject(), other.subject());
    let proven = other.succeeded().await.unwrap();
    assert_eq!(status(one.succeeded().await), 401);
    let Proven::Complete(login) = proven else {
        panic!("no proof is missing any more");
    };
    // Nobody can begin anew from what is complete.
    assert_eq!(status(read(&auth, &cookie).await), 401);
    let session = login.new_session();
    let answer = login.open(session).await.unwrap();
    assert_eq!(answer.status(), 200);
    let alice = Subject::new("alice").unwrap();
    let sessions = auth.manager().sessions(&alice).await.unwrap();
    let [session] = &sessions[..] else {
        panic!("{sessions:?}");
    };
    assert_eq!(session.authentication.amr, ["pwd", "otp"].map(Box::from));
}

#[tokio::test]
async fn a_store_that_cannot_be_asked_ends_no_pending_login() {
    let (auth, outage) = server(VisitorPolicy::default());
    let cookie = begin(&auth).await.unwrap();
    let pending = read(&auth, &cookie).await.unwrap();
    let attempt = read(&auth, &cookie).await.unwrap();
    let attempt = attempt.attempt("otp").await.unwrap();
    outage.begin();
    assert_eq!(status(read(&auth, &cookie).await), 503);
    assert_eq!(status(pending.attempt("otp").await), 503);
    assert_eq!(status(attempt.succeeded().await), 503);
    assert_eq!(status(begin(&auth).await), 503);
    outage.end();
    let pending = read(&auth, &cookie).await.unwrap();
    assert_eq!(pending.attempts_left(), 4);
    let attempt = pending.attempt("otp").await.unwrap();
    assert!(matches!(attempt.succeeded().await, Ok(Proven::Complete(_))));
}

#[tokio::test]
async fn pending_logins_are_bounded_and_nothing_else_is_refused_for_it() {
    let (auth, _) = server(VisitorPolicy::default().pending_capacity(2));
    let cookie = begin(&auth).await.unwrap();
    assert!(begin(&auth).await.is_ok());
    assert_eq!(status(begin(&auth).await), 503);
    assert!(read(&auth, &cookie).await.is_ok());
    let (headers, uri) = (fields("a=b"), Uri::from_static("/"));
    let login = CustomLogin::read(&auth, &post(&headers, &uri)).unwrap();
    let ticket = login.begin("alice").await.unwrap();
    let session = login.new_session(Authentication::password(login.at()));
    assert!(login.open(ticket, session).await.is_ok());
}

#[tokio::test]
async fn the_store_has_no_one_time_value_and_the_verifier_fits_the_challenge() {
    let (auth, _) = server(VisitorPolicy::default());
    let (headers, uri) = (fields("a=b"), Uri::from_static("/"));
    let next: LocalPath = "/notes?page=2".parse().unwrap();
    let going = async {
        let visitor = auth.visitor(&post(&headers, &uri)).unwrap();
        let departure = visitor.depart(next.clone()).await.unwrap();
        let arrival = visitor.arrive(departure.state()).await.unwrap();
        assert_eq!(status(visitor.arrive(departure.state()).await), 403);
        (departure, arrival)
    };
    let mut going = std::pin::pin!(visitor_scope(going));
    let (departure, arrival) = going.as_mut().await;
    assert_eq!(
        (arrival.next(), arrival.nonce()),
        (&next, departure.nonce())
    );
    let digest = digest::digest(&digest::SHA256, arrival.code_verifier().as_bytes());
    assert_eq!(URL_SAFE_NO_PAD.encode(digest), departure.code_challenge());

    let taken = going.take_value().unwrap();
    let set = taken.finish(&answered(http::StatusCode::OK)).await;
    let set = set.unwrap();
    let cookie = set[0].to_str().unwrap().split(';').next().unwrap();
    let (_, value) = cookie.split_once('=').unwrap();
    let kind = VisitorKind::Visitor;
    let found = auth.manager().accept_visitor(kind, value).await.unwrap();
    let data = auth.manager().session_data(found.unwrap().id()).await;
    let json = data.unwrap().unwrap().json.unwrap();
    for secret in [
        departure.state(),
        departure.nonce(),
        arrival.code_verifier(),
    ] {
        assert_eq!(secret.len(), 43);
        assert!(!json.contains(secret), "{json}");
        assert!(!format!("{departure:?} {arrival:?}").contains(secret));
    }
}

/// Holds the next write back, and then fails it without having written.
#[derive(Clone, Default)]
struct HeldWrite(Arc<Held>);

#[derive(Default)]
struct Held {
    armed: AtomicBool,
    arrived: Notify,
    go_on: Notify,
}

impl Trouble for HeldWrite {
    async fn before(&self, call: &'static str) -> Result<(), Injected> {
        if call == "write_data" && self.0.armed.swap(false, Ordering::SeqCst) {
            self.0.arrived.notify_one();
            self.0.go_on.notified().await;
            return Err(Injected);
        }
        Ok(())
    }

    async fn after(&self, _: &'static str) -> Result<(), Injected> {
        Ok(())
    }
}

/// A server whose store holds a write back when it is armed, and repeats calls that failed.
fn holding() -> (Auth, HeldWrite) {
    let held = HeldWrite::default();
    let store = TroubledStore::new(MemoryStore::with_capacity(100), held.clone());
    let TestManager { manager, .. } =
        TestManager::with_store(store, Policy::default(), |builder| builder.store_retries(2));
    let config = AuthConfig::builder(OWN.parse().unwrap());
    (Auth::new(manager, config.build().unwrap()), held)
}

/// Two requests take the messages for the next page, of which one has to repeat its write: one of them gets
/// the messages.
#[tokio::test]
async fn what_may_be_taken_once_is_not_taken_twice_by_a_write_that_is_repeated() {
    let (auth, held) = holding();
    let (headers, uri) = (fields("a=b"), Uri::from_static("/"));
    let flash = async {
        let visitor = auth.visitor(&post(&headers, &uri)).unwrap();
        visitor.flash("sent").await
    };
    let mut going = std::pin::pin!(visitor_scope(flash));
    going.as_mut().await.unwrap();
    let taken = going.take_value().unwrap();
    let set = taken.finish(&answered(http::StatusCode::OK)).await.unwrap();
    let cookie = set[0]
        .to_str()
        .unwrap()
        .split(';')
        .next()
        .unwrap()
        .to_owned();

    let take = async || {
        let headers = fields(&cookie);
        let taking = async {
            let visitor = auth.visitor(&post(&headers, &uri)).unwrap();
            visitor.take_flashes::<String>().await.unwrap()
        };
        visitor_scope(taking).await
    };
    held.0.armed.store(true, Ordering::SeqCst);
    let first = take();
    let second = async {
        held.0.arrived.notified().await;
        let taken = take().await;
        held.0.go_on.notify_one();
        taken
    };
    let (first, second) = tokio::join!(first, second);
    assert_eq!((first.len(), second), (0, vec!["sent".to_owned()]));
}

/// The call is repeated and finds what another request has written, which is the same but for the request.
#[tokio::test]
async fn a_write_that_is_repeated_does_not_take_that_of_another_request_for_its_own() {
    let (auth, held) = holding();
    let cookie = begin(&auth).await.unwrap();
    let attempt = async || {
        let pending = read(&auth, &cookie).await.unwrap();
        pending.attempt("otp").await.unwrap()
    };
    // The second knows the version that is stored, so that its write is the next one to fit.
    let (other, one) = (attempt().await, attempt().await);
    held.0.armed.store(true, Ordering::SeqCst);
    let one = tokio::spawn(one.succeeded());
    held.0.arrived.notified().await;
    assert!(matches!(other.succeeded().await, Ok(Proven::Complete(_))));
    held.0.go_on.notify_one();
    assert_eq!(status(one.await.unwrap()), 401);
}
