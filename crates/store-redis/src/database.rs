//! Scripts on the keys of buckets, and what their answers mean.

use std::sync::Arc;

use futures_util::future::try_join_all;
use redis::{ErrorKind, RedisError, Value};
use token_core::session::Committed;
use token_core::types::Bucket;
use token_core::{Session, SessionId, UnixTime};
use token_session::store::Ended;

use crate::connection::Connection;
use crate::error::{RedisStoreError, is_wrong_type};
use crate::keys::{self, Keys};
use crate::row::{self, RowFault};
use crate::script::{self, Script};

/// How many buckets are asked at once when all of them are: enough to hide the way to the server
/// and back, few enough to let others in between.
const TOGETHER: usize = 32;

/// The connection and the names of keys. Clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Database {
    pub(crate) connection: Connection,
    pub(crate) keys: Arc<Keys>,
}

/// What a script answered: what became of it, and what comes with that.
#[derive(Debug)]
pub(crate) struct Reply {
    script: &'static Script,
    outcome: String,
    value: Value,
}

impl Database {
    /// Runs a script that answers with an outcome.
    pub(crate) async fn run(
        &self,
        script: &'static Script,
        keys: &[Vec<u8>],
        args: &[Vec<u8>],
    ) -> Result<Reply, RedisStoreError> {
        let reply = Reply::new(script, self.call(script, keys, args).await?)?;
        match reply.outcome.as_str() {
            "fault" => Err(reply.corrupt()),
            "type" => Err(wrong_type(&self.connection, &[reply.bytes()?.to_vec()]).await),
            _ => Ok(reply),
        }
    }

    /// Runs a script, and names the key if it met one of another type.
    pub(crate) async fn call(
        &self,
        script: &'static Script,
        keys: &[Vec<u8>],
        args: &[Vec<u8>],
    ) -> Result<Value, RedisStoreError> {
        match self.connection.call(script, keys, args).await {
            Ok(value) => Ok(value),
            Err(error) => Err(explain(&self.connection, error, keys).await),
        }
    }

    /// The sessions that were ended at `since` or later and are still stored.
    pub(crate) async fn revocations(&self, since: UnixTime) -> Result<Vec<Ended>, RedisStoreError> {
        let buckets: Vec<Bucket> = (0..=u8::MAX).map(Bucket::from_byte).collect();
        let mut all = Vec::new();
        for buckets in buckets.chunks(TOGETHER) {
            let each = buckets
                .iter()
                .map(|bucket| self.revocations_of(*bucket, since));
            all.extend(try_join_all(each).await?.into_iter().flatten());
        }
        Ok(all)
    }

    async fn revocations_of(
        &self,
        bucket: Bucket,
        since: UnixTime,
    ) -> Result<Vec<Ended>, RedisStoreError> {
        let keys = [self.keys.log(bucket), self.keys.epochs(bucket)];
        let args = [row::decimal(since), self.keys.rows(bucket)];
        let script = &*script::REVOCATIONS;
        let Value::Array(found) = self.call(script, &keys, &args).await? else {
            return Err(bad_reply(script));
        };
        let mut ended = Vec::with_capacity(found.len() / 2);
        for pair in found.chunks(2) {
            let [Value::Int(at), Value::BulkString(id)] = pair else {
                return Err(bad_reply(script));
            };
            let (Ok(at), Some(id)) = (UnixTime::try_from(*at), parse_id(id)) else {
                return Err(bad_reply(script));
            };
            ended.push(Ended::new(id, at));
        }
        Ok(ended)
    }
}

impl Reply {
    fn new(script: &'static Script, value: Value) -> Result<Self, RedisStoreError> {
        let Value::Array(parts) = value else {
            return Err(bad_reply(script));
        };
        let mut parts = parts.into_iter();
        let Some(Value::BulkString(outcome)) = parts.next() else {
            return Err(bad_reply(script));
        };
        let value = match (parts.next(), parts.next()) {
            (first, None) => first.unwrap_or_default(),
            (first, second) => Value::Array(first.into_iter().chain(second).collect()),
        };
        let outcome = String::from_utf8(outcome).map_err(|_| bad_reply(script))?;
        Ok(Self {
            script,
            outcome,
            value,
        })
    }

    pub(crate) fn outcome(&self) -> &str {
        &self.outcome
    }

    pub(crate) fn is(&self, outcome: &str) -> bool {
        self.outcome == outcome
    }

    pub(crate) fn malformed(&self) -> RedisStoreError {
        bad_reply(self.script)
    }

    /// The row that comes with it. Scripts read and write in one step, so it is as it stands.
    pub(crate) fn row(
        &self,
        keys: &Keys,
        id: SessionId,
    ) -> Result<Committed<Session>, RedisStoreError> {
        decode(self.script, keys, id, &self.value)
    }

    /// The rows that come with it.
    pub(crate) fn rows(&self, keys: &Keys) -> Result<Vec<Committed<Session>>, RedisStoreError> {
        let rows = self.array()?.iter().map(|row| {
            let Value::Array(row) = row else {
                return Err(self.malformed());
            };
            let [Value::BulkString(id), flat] = row.as_slice() else {
                return Err(self.malformed());
            };
            let id = parse_id(id).ok_or_else(|| self.malformed())?;
            decode(self.script, keys, id, flat)
        });
        rows.collect()
    }

    /// The ids that come with it.
    pub(crate) fn ids(&self) -> Result<Vec<SessionId>, RedisStoreError> {
        let ids = self.array()?.iter().map(|id| match id {
            Value::BulkString(id) => parse_id(id).ok_or_else(|| self.malformed()),
            _ => Err(self.malformed()),
        });
        ids.collect()
    }

    /// The bytes that come with it.
    pub(crate) fn bytes(&self) -> Result<&[u8], RedisStoreError> {
        match &self.value {
            Value::BulkString(bytes) => Ok(bytes),
            _ => Err(self.malformed()),
        }
    }

    fn array(&self) -> Result<&[Value], RedisStoreError> {
        match &self.value {
            Value::Array(values) => Ok(values),
            _ => Err(self.malformed()),
        }
    }

    /// What is wrong with a row that the script could not read: `value` is its key and itself.
    fn corrupt(&self) -> RedisStoreError {
        let Ok([Value::BulkString(key), Value::Array(flat)]) = self.array() else {
            return self.malformed();
        };
        let fault = key.last_chunk().copied().map(SessionId::from_bytes);
        let fault = fault.and_then(|id| row::decode(id, flat).err());
        RedisStoreError::Corrupt {
            key: keys::show(key),
            fault: fault.unwrap_or(RowFault::Field { field: "1, state" }),
        }
    }
}

/// An error with the key that caused it, if one of these has another type.
pub(crate) async fn explain(
    connection: &Connection,
    error: RedisError,
    keys: &[Vec<u8>],
) -> RedisStoreError {
    if is_wrong_type(&error) {
        match wrong_type(connection, keys).await {
            // It was fixed since.
            RedisStoreError::Failed(_) => {}
            found => return found,
        }
    }
    error.into()
}

/// The first of the keys that has another type than its name says.
async fn wrong_type(connection: &Connection, keys: &[Vec<u8>]) -> RedisStoreError {
    for key in keys {
        let mut ask = redis::cmd("TYPE");
        ask.arg(key);
        let found = match connection.send(&ask).await {
            Ok(Value::SimpleString(found)) => found,
            Ok(_) => continue,
            Err(error) => return error.into(),
        };
        let expected = keys::type_of(key);
        if found != expected && found != "none" {
            return RedisStoreError::WrongType {
                key: keys::show(key),
                expected,
                found,
            };
        }
    }
    let error = (ErrorKind::Extension, "a key was of another type");
    RedisStoreError::Failed(error.into())
}

fn decode(
    script: &'static Script,
    keys: &Keys,
    id: SessionId,
    flat: &Value,
) -> Result<Committed<Session>, RedisStoreError> {
    let Value::Array(flat) = flat else {
        return Err(bad_reply(script));
    };
    match row::decode(id, flat) {
        Ok(session) => Ok(Committed::assertion(session)),
        Err(fault) => Err(RedisStoreError::Corrupt {
            key: keys::show(&keys.row(id)),
            fault,
        }),
    }
}

fn parse_id(bytes: &[u8]) -> Option<SessionId> {
    bytes.try_into().ok().map(SessionId::from_bytes)
}

pub(crate) const fn bad_reply(script: &'static Script) -> RedisStoreError {
    RedisStoreError::Reply {
        script: script.name,
    }
}
