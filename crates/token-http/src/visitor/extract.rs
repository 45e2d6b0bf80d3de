//! Makes the visitor of a request.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::browser::{Shared, Visitor};
use super::owner::Owner;
use super::request;
use crate::auth::Auth;
use crate::cookies::{Kind, RequestCookies};
use crate::csrf;
use crate::head::Head;
use crate::private_data::PrivateData;
use crate::rejection::Rejection;

/// The log line if nothing would write what is stored for a visitor.
const NO_LAYER: &str = "a handler takes a visitor, and nothing ends it with the request: around its \
     route add `.layer(hallpass::axum::visitors())` on axum, or on actix-web \
     `.wrap(hallpass::actix::visitors())`";

impl Auth {
    /// The visitor behind a request, for adapters. Every extractor of one request gets the same one, and
    /// the store is not asked.
    ///
    /// # Errors
    /// [`Refusal::Csrf`](crate::Refusal::Csrf) if a page of another site makes the browser send an unsafe
    /// request; [`Refusal::ServerError`](crate::Refusal::ServerError) if the application has left out the
    /// adapter's layer.
    pub fn visitor(&self, head: &Head<'_>) -> Result<Visitor, Rejection> {
        let names = self.config().cookie_names();
        let cookies = RequestCookies::read_kinds(&[Kind::Visitor], head.headers, names);
        csrf::check(head, self.config(), cookies.any())
            .map_err(|refusal| self.challenge(refusal))?;
        let make = || {
            // With two of them an attacker has set one: neither counts.
            let cookie = cookies.one(Kind::Visitor).ok().flatten();
            let owner = Owner::new(cookie, self.client_address(head));
            Visitor(Arc::new(Shared {
                auth: self.clone(),
                data: PrivateData::of(owner),
                ended: AtomicBool::default(),
            }))
        };
        request::visitor_of(self, make).ok_or_else(|| Rejection::misconfigured(NO_LAYER))
    }
}
