//! Proofs that a token is used by its client, and not by somebody who has copied it
//! ([RFC 9449](https://www.rfc-editor.org/rfc/rfc9449)).
//!
//! A login makes a [`ClientKey`], which is kept with the tokens. A [`Proof`] is what one request shows, and a
//! [`Peer`] is what is known of the server that it goes to. Of these only [`Peers`] reads a clock or draws a random
//! number.

mod key;
mod peer;
mod peers;
mod proof;

pub(crate) use key::ClientKey;
pub(crate) use peer::Said;
#[cfg(any(feature = "reqwest-middleware", feature = "tower"))]
pub(crate) use peer::challenge_says;
pub(crate) use peers::Peers;
pub(crate) use proof::FIELD;
pub use proof::Proof;
