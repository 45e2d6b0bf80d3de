//! Scripts on the keys of buckets, and what their answers mean.

use std::sync::Arc;

use arc_swap::ArcSwap;
use futures_util::future::try_join_all;
use redis::{ErrorKind, ServerErrorKind, Value};
use token_core::session::Committed;
use token_core::types::Bucket;
use token_core::{PRODUCT, Session, SessionId, UnixTime};
use token_session::store::Ended;
use tokio::sync::Mutex;
use tracing::error;

use crate::connection::Connection;
use crate::error::RedisStoreError;
use crate::explain::{bad_reply, explain, not_its_type};
use crate::identity::{self, TOGETHER};
use crate::keys::{self, Keys};
use crate::row::{self, RowFault};
use crate::script::{self, Script};

/// How often a script that looks for a subject runs at most: rows may end between two runs.
const ATTEMPTS: usize = 8;

/// The connection and the names of keys. Clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Database {
    pub(crate) connection: Connection,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// Others take their place if Redis was emptied and another node made a new secret.
    keys: ArcSwap<Keys>,
    /// One task at a time reopens the store.
    reopening: Mutex<()>,
}

/// What a script answered: what became of it, and what comes with that.
#[derive(Debug)]
pub(crate) struct Reply {
    script: &'static Script,
    outcome: String,
    value: Value,
}

impl Database {
    pub(crate) fn new(connection: Connection, keys: Keys) -> Self {
        let shared = Shared {
            keys: ArcSwap::from_pointee(keys),
            reopening: Mutex::default(),
        };
        Self {
            connection,
            shared: Arc::new(shared),
        }
    }

    /// The names of keys as they are now. A call takes them once.
    pub(crate) fn keys(&self) -> Arc<Keys> {
        self.shared.keys.load_full()
    }

    /// Runs a script that looks for a subject. If Redis was emptied, the store is reopened and the
    /// script runs again, with the keys that are right then. It also runs again if rows that the index
    /// names were not there, and names those: while a slot of a Cluster moves they may be elsewhere, and
    /// then Redis refuses until all have arrived.
    pub(crate) async fn run_for_subject(
        &self,
        script: &'static Script,
        call: impl Fn(&Keys) -> (Vec<Vec<u8>>, Vec<Vec<u8>>),
    ) -> Result<(Arc<Keys>, Reply), RedisStoreError> {
        let mut absent = Vec::new();
        let mut emptied = false;
        for _ in 0..ATTEMPTS {
            let keys = self.keys();
            let (mut names, args) = call(&keys);
            names.extend(absent.iter().map(|id| keys.row(*id)));
            let reply = self.run(script, &names, &args).await?;
            emptied = reply.is("emptied");
            match reply.outcome() {
                "absent" => absent.extend(reply.ids()?),
                "emptied" => {
                    Box::pin(self.reopen(&keys)).await?;
                    absent.clear();
                }
                _ => return Ok((keys, reply)),
            }
        }
        Err(if emptied {
            RedisStoreError::Emptied
        } else {
            moving()
        })
    }

    /// Makes the store usable again after a call with these keys found that Redis was emptied.
    pub(crate) async fn reopen(&self, found: &Arc<Keys>) -> Result<(), RedisStoreError> {
        let _one = self.shared.reopening.lock().await;
        if !Arc::ptr_eq(found, &self.keys()) {
            // Somebody else has done it.
            return Ok(());
        }
        let keys = identity::reopen(&self.connection, found).await;
        let keys = keys.inspect_err(|error| {
            let error = error as &dyn std::error::Error;
            error!(
                target: PRODUCT,
                error, "Redis was emptied or its data replaced, and the store cannot be opened again"
            );
        })?;
        error!(
            target: PRODUCT, prefix = keys.prefix(), new_key = keys.secret() != found.secret(),
            "Redis was emptied, or its data replaced, while this node ran: sessions are gone, and so is \
             what was known of sessions that had ended"
        );
        self.shared.keys.store(Arc::new(keys));
        Ok(())
    }

    /// Sees that the secret is still the one that this node knows.
    pub(crate) async fn check_secret(&self) -> Result<(), RedisStoreError> {
        let keys = self.keys();
        let name = Keys::secret_key(keys.prefix());
        let found = identity::read_secret(&self.connection, &name).await?;
        if found.as_ref() == Some(keys.secret()) {
            return Ok(());
        }
        self.reopen(&keys).await
    }

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
            "type" => Err(not_its_type(&self.connection, reply.bytes()?.to_vec()).await),
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
        let keys = self.keys();
        let mut all = Vec::new();
        for buckets in identity::every_bucket().chunks(TOGETHER) {
            let each = buckets
                .iter()
                .map(|bucket| self.revocations_of(&keys, *bucket, since));
            all.extend(try_join_all(each).await?.into_iter().flatten());
        }
        Ok(all)
    }

    async fn revocations_of(
        &self,
        keys: &Keys,
        bucket: Bucket,
        since: UnixTime,
    ) -> Result<Vec<Ended>, RedisStoreError> {
        let args = [row::decimal(since), keys.rows(bucket)];
        let mut names = vec![keys.log(bucket), keys.epochs(bucket)];
        let script = &*script::REVOCATIONS;
        // An ending that was not read now would never be: later readings begin after it.
        for _ in 0..ATTEMPTS {
            let reply = self.run(script, &names, &args).await?;
            if !reply.is("absent") {
                return endings(&reply);
            }
            names.extend(reply.ids()?.into_iter().map(|id| keys.row(id)));
        }
        Err(moving())
    }
}

/// Rows that an index names were not found again and again.
fn moving() -> RedisStoreError {
    let kind = ErrorKind::Server(ServerErrorKind::TryAgain);
    RedisStoreError::Moving((kind, "rows have not arrived yet").into())
}

/// The endings that come with a reply.
fn endings(reply: &Reply) -> Result<Vec<Ended>, RedisStoreError> {
    let found = reply.array()?;
    let mut ended = Vec::with_capacity(found.len() / 2);
    for pair in found.chunks(2) {
        let [Value::Int(at), Value::BulkString(id)] = pair else {
            return Err(reply.malformed());
        };
        let (Ok(at), Some(id)) = (UnixTime::try_from(*at), parse_id(id)) else {
            return Err(reply.malformed());
        };
        ended.push(Ended::new(id, at));
    }
    Ok(ended)
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
