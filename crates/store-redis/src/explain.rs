//! What an error means, seen from the keys that it is about.

use redis::{ErrorKind, RedisError, Value};

use crate::connection::Connection;
use crate::error::{RedisStoreError, is_wrong_type};
use crate::keys;
use crate::script::Script;

/// An error with the key that caused it, if one of these has another type.
pub(crate) async fn explain(
    connection: &Connection,
    error: RedisError,
    keys: &[Vec<u8>],
) -> RedisStoreError {
    if is_wrong_type(&error)
        && let Some(found) = wrong_type(connection, keys).await
    {
        return found;
    }
    error.into()
}

/// A script said that a key has another type than its name says.
pub(crate) async fn not_its_type(connection: &Connection, key: Vec<u8>) -> RedisStoreError {
    let error = (ErrorKind::Extension, "a key was of another type");
    let found = wrong_type(connection, &[key]).await;
    found.unwrap_or_else(|| RedisStoreError::Failed(error.into()))
}

/// The first of the keys that has another type than its name says; `None` if that was fixed meanwhile, or cannot
/// be asked: then the error of the script says more.
async fn wrong_type(connection: &Connection, keys: &[Vec<u8>]) -> Option<RedisStoreError> {
    for key in keys {
        let mut ask = redis::cmd("TYPE");
        ask.arg(key);
        let found = match connection.send(&ask).await {
            Ok(Value::SimpleString(found)) => found,
            Ok(_) => continue,
            Err(_) => return None,
        };
        let expected = keys::type_of(key);
        if found != expected && found != "none" {
            return Some(RedisStoreError::WrongType {
                key: keys::show(key),
                expected,
                found,
            });
        }
    }
    None
}

/// The answer of a script is not of its form.
pub(crate) const fn bad_reply(script: &'static Script) -> RedisStoreError {
    RedisStoreError::Reply {
        script: script.name,
    }
}
