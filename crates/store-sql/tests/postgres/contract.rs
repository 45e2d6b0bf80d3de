//! The contract suite.

use crate::store;

token_store::store_contract!(store);
