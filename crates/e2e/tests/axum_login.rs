//! The suite against the example server on axum.

e2e::suite!("axum-login");
