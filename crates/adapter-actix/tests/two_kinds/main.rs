//! One application with two kinds of users, staff and customers, each with an `Auth` of its own: on
//! axum and on actix-web, in each transport.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests fail like tests"
)]

mod actix;
mod axum;
#[path = "../same_answers/client.rs"]
mod client;
mod script;

use std::net::TcpListener;

use token_core::{Audience, Issuer, Policy};
use token_http::{Auth, AuthConfig};
use token_session::{MemoryStore, SessionManager, ephemeral_issuer};

/// The `Auth` of the staff, as the application's state has it.
#[derive(Clone)]
struct Staff(Auth);

impl From<Staff> for Auth {
    fn from(staff: Staff) -> Self {
        staff.0
    }
}

/// The `Auth` of the customers.
#[derive(Clone)]
struct Customers(Auth);

impl From<Customers> for Auth {
    fn from(customers: Customers) -> Self {
        customers.0
    }
}

/// Everything that the two must not share: issuer, keys, store, prefix and cookies.
fn auth_of(kind: &str, origin: &str) -> Auth {
    let issuer = format!("{origin}/{kind}");
    let audience = Audience::new(&*issuer).unwrap();
    let issuer = Issuer::new(&*issuer).unwrap();
    let issuer = ephemeral_issuer(issuer, audience, Policy::default()).unwrap();
    let store = MemoryStore::with_capacity(100);
    let manager = SessionManager::builder(store, issuer).build().unwrap();
    let config = AuthConfig::builder(origin.parse().unwrap())
        .prefix(format!("/{kind}/auth"))
        .realm(kind)
        .cookie_suffix(kind)
        .build()
        .unwrap();
    Auth::new(manager, config)
}

fn run(start: fn(TcpListener, Staff, Customers)) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let origin = format!("http://{address}");
    let [staff, customers] = ["staff", "customers"].map(|kind| auth_of(kind, &origin));
    start(listener, Staff(staff), Customers(customers));
    for transport in ["header", "cookie", "session"] {
        script::each_kind_has_its_own_credentials(address, transport);
    }
    script::one_browser_can_be_both(address);
    script::a_service_finds_the_keys_of_each(address);
}

#[test]
fn staff_and_customers_are_apart_on_axum() {
    run(axum::start);
}

#[test]
fn staff_and_customers_are_apart_on_actix() {
    run(actix::start);
}
