//! Which store the data in Redis belongs to.
//!
//! A secret decides in which bucket the sessions of a subject are, and all nodes must have the same
//! one. If Redis is emptied, the next node that starts makes another. So each bucket says which secret
//! its sessions were stored by, and a script that looks for a subject reads that in the same step: a
//! node whose secret is not the one in Redis any more finds out before it has written anything.

use std::time::Duration;

use futures_util::future::try_join_all;
use rand::Rng as _;
use rand::rand_core::UnwrapErr;
use rand::rngs::SysRng;
use redis::Value;
use token_core::PRODUCT;
use token_core::types::Bucket;
use tokio::time::Instant;
use tracing::warn;

use crate::connection::Connection;
use crate::error::RedisStoreError;
use crate::explain::{bad_reply, explain};
use crate::keys::Keys;
use crate::script;

/// How many buckets are asked at once when all of them are: enough to hide the way to the server
/// and back, few enough to let others in between.
pub(crate) const TOGETHER: usize = 32;

/// How often it is tried to mark all buckets: another node may be doing the same, and Redis may be
/// emptied meanwhile.
const ATTEMPTS: u32 = 4;
/// The pause before the next attempt.
const PAUSE: Duration = Duration::from_millis(50);

/// Reads the secret, or makes it in a Redis that is empty, and marks the buckets. If it is gone while
/// sessions are there, waits for so long that a node that runs puts it back.
pub(crate) async fn open(
    connection: &Connection,
    prefix: &str,
    patience: Duration,
) -> Result<Keys, RedisStoreError> {
    let secret = match read_secret(connection, &Keys::secret_key(prefix)).await? {
        Some(found) => found,
        None => make_secret(connection, prefix, patience).await?,
    };
    mark_buckets(connection, prefix, secret).await
}

/// Makes a secret where there was none, or takes the one that another node has made meanwhile.
async fn make_secret(
    connection: &Connection,
    prefix: &str,
    patience: Duration,
) -> Result<[u8; 32], RedisStoreError> {
    let key = Keys::secret_key(prefix);
    let mut secret = [0; 32];
    UnwrapErr(SysRng).fill_bytes(&mut secret);
    let keys = Keys::new(prefix, &secret);
    let began = Instant::now();
    let mut attempts = 0;
    loop {
        // A secret that is lost while sessions are there must not be replaced: nobody could find
        // them by their subject, to list or to end them.
        if !any_bucket_is_marked(connection, &keys).await? {
            return keep_secret(connection, &key, &secret).await;
        }
        // A node that starts at the same time stores its secret before it marks a bucket: only now does an
        // absent secret mean anything.
        if let Some(found) = read_secret(connection, &key).await? {
            return Ok(found);
        }
        // One that runs puts its own back, but not before it notices: if one master of a Cluster was
        // emptied, sessions of the others are in use without a word about it.
        if began.elapsed() >= patience {
            return Err(lost(&key));
        }
        attempts += 1;
        if attempts == ATTEMPTS {
            warn!(
                target: PRODUCT, key,
                "sessions are stored but the key to their buckets is gone; waiting for a node that runs to put it back"
            );
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Puts the secret of a running node back if there is none, or takes the one that is there, and
/// marks the buckets.
pub(crate) async fn reopen(connection: &Connection, own: &Keys) -> Result<Keys, RedisStoreError> {
    let key = Keys::secret_key(own.prefix());
    let secret = keep_secret(connection, &key, own.secret()).await?;
    mark_buckets(connection, own.prefix(), secret).await
}

/// The secret; `None` if there is none.
pub(crate) async fn read_secret(
    connection: &Connection,
    key: &str,
) -> Result<Option<[u8; 32]>, RedisStoreError> {
    let mut read = redis::cmd("GET");
    read.arg(key);
    match connection.send(&read).await {
        Ok(Value::BulkString(found)) => match found.try_into() {
            Ok(secret) => Ok(Some(secret)),
            Err(_) => Err(lost(key)),
        },
        Ok(Value::Nil) => Ok(None),
        Ok(_) => Err(lost(key)),
        Err(error) => Err(explain(connection, error, &[key.into()]).await),
    }
}

/// Stores a secret unless there is one, and gives the one that is stored then.
async fn keep_secret(
    connection: &Connection,
    key: &str,
    secret: &[u8; 32],
) -> Result<[u8; 32], RedisStoreError> {
    let mut keep = redis::cmd("SET");
    keep.arg(key).arg(secret).arg("NX");
    connection.send(&keep).await?;
    let kept = read_secret(connection, key).await?;
    kept.ok_or_else(|| lost(key))
}

async fn mark_buckets(
    connection: &Connection,
    prefix: &str,
    mut secret: [u8; 32],
) -> Result<Keys, RedisStoreError> {
    let key = Keys::secret_key(prefix);
    // Marks of our own, if the secret changed while we made them.
    let mut replaces = Vec::new();
    for _ in 0..ATTEMPTS {
        let keys = Keys::new(prefix, &secret);
        let all_marked = mark_each(connection, &keys, &replaces).await?;
        let stored = keep_secret(connection, &key, &secret).await?;
        if stored != secret {
            replaces = keys.identity().to_vec();
            secret = stored;
        } else if all_marked {
            return Ok(keys);
        } else {
            tokio::time::sleep(PAUSE).await;
        }
    }
    Err(lost(&key))
}

/// Marks every bucket that has no mark, or one that may be replaced. Gives whether all have ours.
async fn mark_each(
    connection: &Connection,
    keys: &Keys,
    replaces: &[u8],
) -> Result<bool, RedisStoreError> {
    let args = [keys.identity().to_vec(), replaces.to_vec()];
    let mark = async |bucket| {
        let script = &*script::MARK;
        let names = [keys.epochs(bucket)];
        let answer = match connection.call(script, &names, &args).await {
            Ok(Value::Array(answer)) => answer,
            Ok(_) => return Err(bad_reply(script)),
            Err(error) => return Err(explain(connection, error, &names).await),
        };
        Ok(answer == [Value::BulkString(b"applied".into())])
    };
    let mut all = true;
    for buckets in every_bucket().chunks(TOGETHER) {
        let marked = try_join_all(buckets.iter().copied().map(mark)).await?;
        all &= marked.into_iter().all(|ours| ours);
    }
    Ok(all)
}

async fn any_bucket_is_marked(
    connection: &Connection,
    keys: &Keys,
) -> Result<bool, RedisStoreError> {
    let read = async |bucket| {
        let key = keys.epochs(bucket);
        let mut read = redis::cmd("HGET");
        read.arg(&key).arg(b"\0");
        match connection.send(&read).await {
            Ok(found) => Ok(found != Value::Nil),
            Err(error) => Err(explain(connection, error, &[key]).await),
        }
    };
    for buckets in every_bucket().chunks(TOGETHER) {
        let marked = try_join_all(buckets.iter().copied().map(read)).await?;
        if marked.contains(&true) {
            return Ok(true);
        }
    }
    Ok(false)
}

pub(crate) fn every_bucket() -> Vec<Bucket> {
    (0..=u8::MAX).map(Bucket).collect()
}

fn lost(key: &str) -> RedisStoreError {
    let key = key.to_owned();
    RedisStoreError::Secret { key }
}
