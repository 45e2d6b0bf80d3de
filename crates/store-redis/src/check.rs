//! What is looked at before a store is opened, and now and then while it is open.

use redis::{ErrorKind, Value};

use crate::connection::Connection;
use crate::error::RedisStoreError;
use crate::script;

/// The oldest version that has every command of the scripts.
const OLDEST: (u32, u32) = (6, 2);

/// Sees that every master is new enough and evicts nothing.
pub(crate) async fn servers(
    connection: &Connection,
    assume_noeviction: bool,
) -> Result<(), RedisStoreError> {
    let told: Vec<String> = match connection.ask_masters(&redis::cmd("INFO")).await {
        Ok(answers) => answers.iter().filter_map(text).collect(),
        Err(error) => match error.into() {
            // It may be forbidden; nothing here depends on it alone.
            RedisStoreError::Permission(_) | RedisStoreError::Failed(_) => Vec::new(),
            other => return Err(other),
        },
    };
    for info in &told {
        version(info)?;
        if !connection.is_cluster() && line(info, "redis_mode:") == Some("cluster") {
            return Err(RedisStoreError::ClusterNode);
        }
    }
    if !assume_noeviction {
        eviction(connection, &told).await?;
    }
    Ok(())
}

/// Sends the scripts to every master.
pub(crate) async fn load_scripts(connection: &Connection) -> Result<(), RedisStoreError> {
    for script in script::all() {
        let mut load = redis::cmd("SCRIPT");
        load.arg("LOAD").arg(script.code);
        connection.ask_masters(&load).await?;
    }
    Ok(())
}

fn version(info: &str) -> Result<(), RedisStoreError> {
    // Something that is compatible may tell no version, or write it otherwise.
    let Some(found) = line(info, "redis_version:") else {
        return Ok(());
    };
    let mut numbers = found.split('.').map(|number| number.parse::<u32>().ok());
    match (numbers.next().flatten(), numbers.next().flatten()) {
        (Some(major), Some(minor)) if (major, minor) < OLDEST => {
            Err(RedisStoreError::ServerVersion {
                found: found.to_owned(),
            })
        }
        _ => Ok(()),
    }
}

/// If `CONFIG` is forbidden, as it is at many hosts, `INFO` often says the same.
async fn eviction(connection: &Connection, told: &[String]) -> Result<(), RedisStoreError> {
    let mut ask = redis::cmd("CONFIG");
    ask.arg("GET").arg("maxmemory-policy");
    let refused = match connection.ask_masters(&ask).await {
        Ok(answers) => {
            let policies: Option<Vec<String>> = answers.iter().map(second).collect();
            match policies {
                Some(policies) => return policies.iter().try_for_each(|policy| evicts(policy)),
                None => (ErrorKind::UnexpectedReturnType, "no policy was named").into(),
            }
        }
        Err(error) => error,
    };
    let policies: Vec<&str> = told
        .iter()
        .filter_map(|info| line(info, "maxmemory_policy:"))
        .collect();
    if policies.is_empty() {
        return Err(RedisStoreError::EvictionUnknown(refused));
    }
    policies.into_iter().try_for_each(evicts)
}

fn evicts(policy: &str) -> Result<(), RedisStoreError> {
    match policy {
        "noeviction" => Ok(()),
        other => Err(RedisStoreError::Evicts {
            policy: other.to_owned(),
        }),
    }
}

fn line<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    info.lines()
        .find_map(|line| line.strip_prefix(name))
        .map(str::trim)
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::BulkString(bytes) => String::from_utf8(bytes.clone()).ok(),
        Value::VerbatimString { text, .. } | Value::SimpleString(text) => Some(text.clone()),
        _ => None,
    }
}

/// The value of `CONFIG GET` of one setting.
fn second(answer: &Value) -> Option<String> {
    match answer {
        Value::Array(pair) => pair.get(1).and_then(text),
        Value::Map(pairs) => pairs.first().and_then(|(_, value)| text(value)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_server_is_named() {
        for old in ["redis_version:6.0.16\r\n", "a:b\r\nredis_version:5.0\r\n"] {
            let error = version(old).unwrap_err();
            assert!(matches!(error, RedisStoreError::ServerVersion { .. }));
        }
        for new in [
            "redis_version:6.2.0\r\n",
            "redis_version:8.0.1\r\n",
            "",
            "redis_version:x",
        ] {
            assert!(version(new).is_ok());
        }
    }
}
