//! Two real servers, one on axum and one on actix-web, with the same application, keys,
//! clock and entropy: every answer must be equal but for `date`, order and case of the fields.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests fail like tests"
)]

mod actix;
mod adoption;
mod axum;
mod client;
mod device;
mod dpop;
mod effects;
mod limited;
mod overtaken;
mod renewal;
mod resource;
mod script;
#[path = "../../../token-core/tests/support/software_key.rs"]
mod software_key;
mod steps;
mod unknown;
mod visitors;

use std::net::SocketAddr;

use token_core::Policy;
use token_http::{Auth, AuthConfig, Dpop};
use token_session::MemoryStore;
use token_session::binding::{BindingMode, BindingPolicy};
use token_session::test_util::{SeededEntropy, TestClock, TestManager};

/// The origin that both servers believe to have.
const OWN: &str = "https://own.example";

/// What both servers are made of.
fn application(binding: BindingMode) -> (Auth, TestClock) {
    let store = MemoryStore::new(1000, &[7; 32]);
    let TestManager { manager, clock } =
        TestManager::with_store(store, Policy::default(), |builder| {
            let builder = builder.entropy(SeededEntropy::new(1));
            builder.binding(BindingPolicy::new(binding))
        });
    let config = AuthConfig::builder(OWN.parse().unwrap());
    let config = config
        .introspection_key("the-key-of-a-resource-server")
        .dpop(Dpop::optional())
        .build()
        .unwrap();
    (Auth::new(manager, config), clock)
}

/// Compares what both servers answer, each with an application of its own.
fn compare(
    make: fn() -> (Auth, TestClock),
    ask: fn(SocketAddr, &TestClock) -> Vec<(String, client::Reply)>,
) {
    let run = |start: fn(Auth) -> SocketAddr| {
        let (auth, clock) = make();
        ask(start(auth), &clock)
    };
    let (axum, actix) = (run(axum::start), run(actix::start));
    assert_eq!(axum.len(), actix.len());
    for ((name, axum), (_, actix)) in axum.iter().zip(&actix) {
        assert_eq!(axum, actix, "{name}: axum left, actix right");
    }
}

/// Asks both servers the same, and compares what they answer.
fn both(ask: fn(SocketAddr, &TestClock) -> Vec<(String, client::Reply)>) {
    both_binding(BindingMode::default(), ask);
}

/// The same for servers that bind sessions to their browsers in this way.
fn both_binding(
    binding: BindingMode,
    ask: fn(SocketAddr, &TestClock) -> Vec<(String, client::Reply)>,
) {
    let run = |start: fn(Auth) -> SocketAddr| {
        let (auth, clock) = application(binding);
        ask(start(auth), &clock)
    };
    let (axum, actix) = (run(axum::start), run(actix::start));
    assert_eq!(axum.len(), actix.len());
    for ((name, axum), (_, actix)) in axum.iter().zip(&actix) {
        assert_eq!(axum, actix, "{name}: axum left, actix right");
    }
}

#[test]
fn both_servers_give_the_same_answers() {
    both(script::run);
}

#[test]
fn both_servers_demand_the_same_proofs() {
    both(dpop::run);
    both(dpop::listed);
}

#[test]
fn both_servers_bind_sessions_to_their_browsers_alike() {
    both_binding(BindingMode::Require, device::required);
    both_binding(BindingMode::Observe, device::observed);
    both_binding(BindingMode::Off, device::off);
}

#[test]
fn both_servers_refuse_callers_without_the_key_that_a_route_demands() {
    both_binding(BindingMode::Require, device::demanded);
    both_binding(BindingMode::Observe, device::demanded);
    both(dpop::demanded);
}

#[test]
fn both_servers_say_where_to_get_a_token() {
    compare(resource::application, resource::run);
}

#[test]
fn both_servers_limit_introspection() {
    compare(limited::application, limited::run);
}

#[test]
fn both_servers_take_any_proof_for_a_step_up_and_a_new_password() {
    both(renewal::run);
}

#[test]
fn both_servers_let_a_step_up_and_a_new_password_change_the_scope() {
    both(renewal::scopes);
}

#[test]
fn both_servers_take_a_login_in_steps_alike() {
    both(steps::run);
}

#[test]
fn both_servers_send_the_answer_to_a_login_whatever_else_fails() {
    both(effects::run);
}

#[test]
fn both_servers_serve_visitors_alike() {
    both(visitors::run);
}

#[test]
fn both_servers_adopt_old_sessions_alike() {
    compare(adoption::application, adoption::cookies);
    compare(adoption::application, adoption::tokens);
    compare(adoption::application, adoption::renewals);
    compare(adoption::deleting, adoption::rows);
}

#[test]
fn both_servers_say_whether_a_failed_write_may_have_been_done() {
    compare(unknown::application, unknown::run);
}

#[test]
fn a_late_answer_does_not_put_an_older_cookie_back() {
    both(overtaken::run);
}

#[test]
fn a_late_refresh_costs_one_request_and_shows_nobody_the_session_of_another() {
    both(overtaken::refreshes);
}
