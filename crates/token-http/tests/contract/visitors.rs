//! Visitors: browsers of which nobody knows whose they are.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::header::COOKIE;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use token_core::{Authentication, Policy};
use token_http::{
    Attempt, AttemptKind, Auth, AuthConfig, CustomLogin, DataError, Head, Rejection, Visitor,
    visitor_scope,
};
use token_session::MemoryStore;
use token_session::test_util::{Injected, TestManager, Trouble, TroubledStore};
use token_session::visitor::VisitorPolicy;

use crate::world::{OWN, answered};

/// Counts the calls to the store.
#[derive(Debug, Default)]
struct Calls(AtomicU64);

impl Trouble for Calls {
    async fn before(&self, _: &'static str) -> Result<(), Injected> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
}

struct Server {
    auth: Auth,
    calls: Arc<Calls>,
    store: Arc<MemoryStore>,
}

fn server(policy: VisitorPolicy) -> Server {
    let (store, calls) = (Arc::new(MemoryStore::with_capacity(20_000)), Arc::default());
    let counted = TroubledStore::new(Arc::clone(&store), Arc::clone(&calls));
    let TestManager { manager, .. } =
        TestManager::with_store(counted, Policy::default(), |builder| {
            builder.visitors(policy)
        });
    // One address may ask for three.
    let asked = AtomicU64::new(0);
    let limit = move |attempt: Attempt<'_>| match (attempt.kind, attempt.address) {
        (AttemptKind::Visitor, Some(_)) if asked.fetch_add(1, Ordering::SeqCst) >= 3 => {
            Err(Duration::from_secs(60))
        }
        _ => Ok(()),
    };
    let config = AuthConfig::builder(OWN.parse().unwrap()).limit(limit);
    Server {
        auth: Auth::new(manager, config.build().unwrap()),
        calls,
        store,
    }
}

impl Server {
    /// One request, with the handler's work, and the `Set-Cookie` fields of its answer.
    async fn serve(
        &self,
        cookie: Option<&str>,
        peer: Option<IpAddr>,
        work: impl AsyncFnOnce(Visitor) -> Result<(), DataError>,
    ) -> Result<Vec<HeaderValue>, Rejection> {
        let mut headers = HeaderMap::new();
        if let Some(cookie) = cookie {
            headers.insert(COOKIE, cookie.parse().unwrap());
        }
        let head = Head {
            method: &Method::GET,
            uri: &Uri::from_static("/"),
            headers: &headers,
            peer,
        };
        let serving = async {
            work(self.auth.visitor(&head)?)
                .await
                .map_err(Rejection::from)
        };
        let mut serving = std::pin::pin!(visitor_scope(serving));
        serving.as_mut().await?;
        let taken = serving.take_value().unwrap();
        taken.finish(&answered(StatusCode::OK)).await
    }
}

fn pair(fields: &[HeaderValue]) -> String {
    assert_eq!(fields.len(), 1);
    let field = fields[0].to_str().unwrap();
    field.split(';').next().unwrap().to_owned()
}

#[tokio::test]
async fn ten_thousand_visitors_without_data_cost_no_call_to_the_store() {
    let server = server(VisitorPolicy::default());
    for _ in 0..10_000 {
        let read = async |visitor: Visitor| {
            assert_eq!(visitor.get::<u32>("basket").await?, None);
            assert!(visitor.take_flashes::<String>().await?.is_empty());
            assert!(!visitor.remove("basket").await?);
            visitor.save().await
        };
        assert!(server.serve(None, None, read).await.unwrap().is_empty());
    }
    assert_eq!(server.calls.0.load(Ordering::SeqCst), 0);
    assert!(server.store.is_empty());
}

#[tokio::test]
async fn ten_thousand_visitors_with_data_are_bounded() {
    let server = server(VisitorPolicy::default().capacity(8_000));
    let mut refused = 0;
    for number in 0..10_000 {
        let store = async |visitor: Visitor| visitor.set("basket", &number).await;
        match server.serve(None, None, store).await {
            Ok(fields) => assert_eq!(fields.len(), 1),
            Err(rejection) => {
                assert_eq!(rejection.refusal().status(), 503);
                refused += 1;
            }
        }
    }
    assert_eq!((server.store.len(), refused), (8_000, 2_000));
    // One insert each.
    assert_eq!(server.calls.0.load(Ordering::SeqCst), 8_000);
}

#[tokio::test]
async fn sessions_of_visitors_are_limited_by_address() {
    let server = server(VisitorPolicy::default());
    let peer = Some(IpAddr::V4(Ipv4Addr::LOCALHOST));
    let store = async |visitor: Visitor| visitor.set("basket", &1).await;
    for _ in 0..3 {
        assert!(server.serve(None, peer, store).await.is_ok());
    }
    let refused = server
        .serve(None, peer, store)
        .await
        .unwrap_err()
        .response();
    assert_eq!(refused.status(), 429);
    assert_eq!(refused.headers()["retry-after"], "60");
    assert_eq!(server.store.len(), 3);
}

/// Stores something for a visitor who has no cookie, in the request that logs in: before the login or after it,
/// at once or with the end of the request. `place` says whether a visitor's session may be opened.
async fn login_of_a_new_visitor(place: bool, at_once: bool, before: bool) -> usize {
    let capacity = u32::from(place);
    let server = server(VisitorPolicy::default().capacity(capacity));
    let (headers, uri) = (HeaderMap::new(), Uri::from_static("/login"));
    let head = Head {
        method: &Method::POST,
        uri: &uri,
        headers: &headers,
        peer: None,
    };
    let store = async |visitor: &Visitor| -> Result<(), Rejection> {
        visitor.set("basket", &["hat"]).await?;
        if at_once {
            visitor.save().await?;
        }
        Ok(())
    };
    let serving = async {
        let visitor = server.auth.visitor(&head)?;
        if before {
            store(&visitor).await?;
        }
        let login = CustomLogin::read(&server.auth, &head)?;
        let ticket = login.begin("alice").await?;
        let session = login.new_session(Authentication::password(login.at()));
        let answer = login.redirect(ticket, session, "/").await?;
        if !before {
            store(&visitor).await?;
        }
        Ok::<_, Rejection>(answer)
    };
    let mut serving = std::pin::pin!(visitor_scope(serving));
    let answer = serving.as_mut().await.unwrap();
    assert_eq!(answer.status(), StatusCode::SEE_OTHER);
    let taken = serving.take_value().unwrap();
    let fields = taken.finish(&answered(answer.status())).await;
    assert!(fields.unwrap().is_empty(), "no cookie of a visitor");
    server.store.len()
}

#[tokio::test]
async fn a_login_is_answered_whatever_its_request_has_stored_for_a_new_visitor() {
    for before in [true, false] {
        // No room for visitors: what is stored at the end of the request is dropped, and the login stands.
        assert_eq!(login_of_a_new_visitor(false, false, before).await, 1);
        assert_eq!(login_of_a_new_visitor(true, false, before).await, 1);
    }
    // It was stored at once, and has ended with the login. An ended one is kept for a while.
    assert!(login_of_a_new_visitor(true, true, true).await <= 2);
}

#[tokio::test]
async fn two_requests_may_store_different_members_and_not_the_same() {
    let server = server(VisitorPolicy::default());
    let store = async |visitor: Visitor| visitor.set("basket", &0).await;
    let cookie = pair(&server.serve(None, None, store).await.unwrap());
    let conflict = server.serve(Some(&cookie), None, async |outer: Visitor| {
        assert_eq!(outer.get("basket").await?, Some(0));
        outer.set("basket", &1).await?;
        let inner = server.serve(Some(&cookie), None, async |inner: Visitor| {
            inner.set("basket", &2).await?;
            inner.set("other", &3).await
        });
        assert!(inner.await.unwrap().is_empty());
        Ok(())
    });
    assert_eq!(conflict.await.unwrap_err().refusal().status(), 409);
    let seen = server.serve(Some(&cookie), None, async |visitor: Visitor| {
        assert_eq!(visitor.get("basket").await?, Some(2));
        assert_eq!(visitor.get("other").await?, Some(3));
        // No message is given twice.
        for number in 1..=3 {
            visitor.flash(number).await?;
        }
        assert_eq!(visitor.take_flashes::<u32>().await?, [1, 2, 3]);
        assert_eq!(visitor.take_flashes::<u32>().await?, [0; 0]);
        Ok(())
    });
    assert!(seen.await.unwrap().is_empty());
}

#[tokio::test]
async fn a_session_that_was_ended_during_the_request_is_not_brought_back() {
    let server = server(VisitorPolicy::default());
    let store = async |visitor: Visitor| visitor.set("basket", &0).await;
    let cookie = pair(&server.serve(None, None, store).await.unwrap());
    let value = cookie.split_once('=').unwrap().1;
    let end = async || {
        let kind = token_session::visitor::VisitorKind::Visitor;
        let found = server.auth.manager().accept_visitor(kind, value).await;
        let found = found.unwrap().unwrap();
        let ended = server.auth.manager().end_visitor(&found);
        assert!(ended.await.unwrap());
    };
    // What was read of it is gone, so that what is made of it is not written.
    let lost = server.serve(Some(&cookie), None, async |visitor: Visitor| {
        assert_eq!(visitor.get("basket").await?, Some(0));
        visitor.set("basket", &1).await?;
        end().await;
        Ok(())
    });
    assert_eq!(lost.await.unwrap_err().refusal().status(), 409);
    // The browser begins anew, with another id and another credential.
    let fields = server.serve(Some(&cookie), None, async |visitor: Visitor| {
        assert_eq!(visitor.get::<u32>("basket").await?, None);
        visitor.set("other", &1).await
    });
    assert_ne!(pair(&fields.await.unwrap()), cookie);
}

#[tokio::test]
async fn one_request_has_one_visitor_and_each_auth_its_own() {
    let (server, other) = (
        server(VisitorPolicy::default()),
        server(VisitorPolicy::default()),
    );
    let fields = server.serve(None, None, async |visitor: Visitor| {
        visitor.set("basket", &1).await?;
        let headers = HeaderMap::new();
        let head = Head {
            method: &Method::GET,
            uri: &Uri::from_static("/"),
            headers: &headers,
            peer: None,
        };
        let again = server.auth.visitor(&head).unwrap();
        assert_eq!(again.get("basket").await?, Some(1));
        let foreign = other.auth.visitor(&head).unwrap();
        assert_eq!(foreign.get::<u32>("basket").await?, None);
        Ok(())
    });
    assert_eq!(fields.await.unwrap().len(), 1);
    assert!(other.store.is_empty());
}

#[tokio::test]
async fn without_the_layer_a_visitor_is_an_error_of_the_server() {
    let server = server(VisitorPolicy::default());
    let headers = HeaderMap::new();
    let head = Head {
        method: &Method::GET,
        uri: &Uri::from_static("/"),
        headers: &headers,
        peer: None,
    };
    let refused = server.auth.visitor(&head).unwrap_err();
    assert_eq!(refused.refusal().status(), 500);
}
