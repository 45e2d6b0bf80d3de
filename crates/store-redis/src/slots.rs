//! Which master of a Cluster has which slot.

use std::collections::{BTreeMap, BTreeSet};

use redis::{Arg, Cmd, ErrorKind, FromRedisValue as _, RedisResult, Value};

/// How many slots the keys of a Cluster are spread over.
const SLOTS: u16 = 16_384;

/// Where a node is reached, as the Cluster names it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Address {
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl Address {
    /// The node that a redirection names: `host:port`. One that does not know its own name is at the host
    /// that was asked.
    pub(crate) fn parse(text: &str, asked: &str) -> Option<Self> {
        let (host, port) = text.rsplit_once(':')?;
        let port = port.parse().ok()?;
        Some(Self::new(host, port, asked))
    }

    fn new(host: &str, port: u16, asked: &str) -> Self {
        let host = if host.is_empty() { asked } else { host };
        let host = host.to_owned();
        Self { host, port }
    }
}

/// What a node of a Cluster says that it knows.
#[derive(Clone, Debug, Default)]
pub(crate) struct Slots {
    /// The masters, each by the last slot of a range, and with the first one.
    ranges: BTreeMap<u16, (u16, Address)>,
    /// All nodes that have slots or a copy of them.
    members: BTreeSet<Address>,
}

impl Slots {
    /// What to ask a node.
    pub(crate) fn question() -> Cmd {
        let mut ask = redis::cmd("CLUSTER");
        ask.arg("SLOTS");
        ask
    }

    /// The answer of a node at this host: `[first slot, last slot, master, replica, …]` for each range, where a
    /// node is `[host, port, …]`.
    pub(crate) fn parse(answer: Value, asked: &str) -> RedisResult<Self> {
        let mut slots = Self::default();
        for range in Vec::<Value>::from_redis_value(answer)? {
            let Value::Array(parts) = range else {
                continue;
            };
            let [Value::Int(first), Value::Int(last), nodes @ ..] = parts.as_slice() else {
                continue;
            };
            let bounds = (u16::try_from(*first), u16::try_from(*last));
            let mut nodes = nodes.iter().map(|node| address(node, asked));
            let (Some(Some(master)), (Ok(first), Ok(last))) = (nodes.next(), bounds) else {
                continue;
            };
            slots.members.insert(master.clone());
            slots.members.extend(nodes.flatten());
            slots.ranges.insert(last, (first, master));
        }
        if slots.ranges.is_empty() {
            // It is in no Cluster any more, or does not know it yet.
            return Err((ErrorKind::ClusterConnectionNotFound, "a node without slots").into());
        }
        Ok(slots)
    }

    /// Whether both know the same masters for the same slots.
    pub(crate) fn agrees(&self, other: &Self) -> bool {
        self.ranges == other.ranges
    }

    pub(crate) fn masters(&self) -> BTreeSet<&Address> {
        self.ranges.values().map(|(_, master)| master).collect()
    }

    pub(crate) fn is_member(&self, node: &Address) -> bool {
        self.members.contains(node)
    }

    /// The master of the slot of a command's first key.
    pub(crate) fn master_for(&self, cmd: &Cmd) -> Option<&Address> {
        let slot = slot(first_key(cmd)?);
        let (_, (first, master)) = self.ranges.range(slot..).next()?;
        (*first <= slot).then_some(master)
    }
}

/// `None` if the one that was asked does not know where this one is.
fn address(node: &Value, asked: &str) -> Option<Address> {
    let Value::Array(node) = node else {
        return None;
    };
    let host = match node.first()? {
        Value::Nil => String::new(),
        host => String::from_redis_value(host.clone()).ok()?,
    };
    let port = u16::from_redis_value(node.get(1)?.clone()).ok()?;
    (host != "?").then(|| Address::new(&host, port, asked))
}

/// The first key of a command. All those of this crate have it at once, or after a script and its number of keys.
fn first_key(cmd: &Cmd) -> Option<&[u8]> {
    let mut arguments = cmd.args_iter().map(|argument| match argument {
        Arg::Simple(bytes) => bytes,
        Arg::Cursor => b"0",
        _ => b"",
    });
    let place = match arguments.next()? {
        b"EVAL" | b"EVALSHA" => 2,
        _ => 0,
    };
    arguments.nth(place)
}

/// The hash of what is in the first braces of a key, or of all of it.
fn slot(key: &[u8]) -> u16 {
    let tag = key.iter().position(|byte| *byte == b'{').and_then(|open| {
        let (_, rest) = key.split_at(open + 1);
        let close = rest.iter().position(|byte| *byte == b'}')?;
        (close > 0).then(|| rest.split_at(close).0)
    });
    let crc = tag.unwrap_or(key).iter().fold(0_u16, |crc, byte| {
        // CRC-16/XMODEM.
        (0..8).fold(crc ^ (u16::from(*byte) << 8), |crc, _| {
            let carry = crc & 0x8000 != 0;
            (crc << 1) ^ if carry { 0x1021 } else { 0 }
        })
    });
    crc % SLOTS
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Redis says by `CLUSTER KEYSLOT`.
    #[test]
    fn keys_are_in_the_slots_that_redis_knows() {
        for (key, expected) in [
            ("123456789", 12_739),
            ("foo", 12_182),
            ("hallpass{00}e", 13_254),
            ("x{00}", 13_254),
            ("{}foo", 9_500),
        ] {
            assert_eq!(slot(key.as_bytes()), expected, "{key}");
        }
    }

    #[test]
    fn the_first_key_decides() {
        let mut get = redis::cmd("GET");
        get.arg("foo");
        let mut script = redis::cmd("EVALSHA");
        script.arg("digest").arg(2).arg("foo").arg("bar").arg("x");
        for cmd in [get, script] {
            assert_eq!(first_key(&cmd), Some(&b"foo"[..]));
        }
        assert_eq!(first_key(&redis::cmd("INFO")), None);
    }

    fn node(host: Value, port: i64) -> Value {
        Value::Array(vec![host, Value::Int(port)])
    }

    fn text(host: &str) -> Value {
        Value::BulkString(host.into())
    }

    #[test]
    fn an_answer_names_masters_and_members() {
        let range = |first, last, nodes: [Value; 2]| {
            let [master, replica] = nodes;
            Value::Array(vec![Value::Int(first), Value::Int(last), master, replica])
        };
        let answer = Value::Array(vec![
            range(0, 9_000, [node(text("a"), 1), node(text(""), 2)]),
            range(12_000, 16_383, [node(Value::Nil, 3), node(text("?"), 4)]),
        ]);
        let slots = Slots::parse(answer, "asked").unwrap();
        let at = |host: &str, port| Address::new(host, port, "");
        let of = |key: &str| {
            let mut get = redis::cmd("GET");
            get.arg(key);
            slots.master_for(&get).cloned()
        };
        assert_eq!(of("bar"), Some(at("a", 1)));
        assert_eq!(of("foo"), Some(at("asked", 3)));
        assert_eq!(of("{}foo"), None, "nobody has it");
        assert_eq!(slots.masters().len(), 2);
        assert!(slots.is_member(&at("asked", 2)) && !slots.is_member(&at("?", 4)));
        assert!(Slots::parse(Value::Array(Vec::new()), "asked").is_err());
    }

    #[test]
    fn a_redirection_names_a_node() {
        let parsed = |text| Address::parse(text, "asked");
        assert_eq!(parsed("a:1").unwrap(), Address::new("a", 1, ""));
        assert_eq!(parsed("::1:7").unwrap(), Address::new("::1", 7, ""));
        assert_eq!(parsed(":7").unwrap(), Address::new("asked", 7, ""));
        assert_eq!(parsed("a"), None);
    }
}
