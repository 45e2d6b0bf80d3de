//! The contract suite.

use crate::store;

token_session::store_contract!(store);
