//! The suite against the example server on actix-web.

e2e::suite!("actix-login");
