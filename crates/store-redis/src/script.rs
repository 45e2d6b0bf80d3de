//! The scripts: each operation is one of them, on the hash slot of one bucket.

use std::sync::LazyLock;

use redis::Cmd;

/// A script and its digest.
#[derive(Debug)]
pub(crate) struct Script {
    pub(crate) name: &'static str,
    pub(crate) code: &'static str,
    digest: String,
}

/// Declares a script of parts in `lua/`.
macro_rules! script {
    ($(#[$doc:meta])* $name:ident = $($part:literal),+) => {
        $(#[$doc])*
        pub(crate) static $name: LazyLock<Script> = LazyLock::new(|| Script::new(
            stringify!($name),
            concat!($(include_str!(concat!("lua/", $part, ".lua"))),+),
        ));
    };
}

script!(BIND = "row", "commit", "bind");
script!(CREATE = "row", "create");
script!(FORGET = "forget");
script!(LIST = "row", "list");
script!(LOAD = "row", "load");
script!(LOAD_DATA = "load_data");
script!(MARK = "mark");
script!(PERMIT = "row", "surplus", "commit", "permit");
script!(PURGE = "row", "purge");
script!(REVOCATIONS = "row", "revocations");
script!(REVOKE = "row", "ending", "revoke");
script!(REVOKE_SUBJECT = "row", "ending", "revoke_subject");
script!(ROTATE = "row", "surplus", "commit", "rotate");
script!(TOUCH = "row", "commit", "touch");
script!(WRITE_DATA = "row", "write_data");

/// All of them, to be loaded at the start.
pub(crate) fn all() -> [&'static Script; 15] {
    [
        &BIND,
        &CREATE,
        &FORGET,
        &LIST,
        &LOAD,
        &LOAD_DATA,
        &MARK,
        &PERMIT,
        &PURGE,
        &REVOCATIONS,
        &REVOKE,
        &REVOKE_SUBJECT,
        &ROTATE,
        &TOUCH,
        &WRITE_DATA,
    ]
}

impl Script {
    fn new(name: &'static str, code: &'static str) -> Self {
        let digest = redis::Script::new(code).get_hash().to_owned();
        Self { name, code, digest }
    }

    /// A call by digest; the server must know the script.
    pub(crate) fn by_digest(&self, keys: &[Vec<u8>], args: &[Vec<u8>]) -> Cmd {
        call("EVALSHA", &self.digest, keys, args)
    }

    /// A call that brings the script along, after which the server knows it.
    pub(crate) fn by_code(&self, keys: &[Vec<u8>], args: &[Vec<u8>]) -> Cmd {
        call("EVAL", self.code, keys, args)
    }
}

fn call(command: &str, script: &str, keys: &[Vec<u8>], args: &[Vec<u8>]) -> Cmd {
    let mut cmd = redis::cmd(command);
    cmd.arg(script).arg(keys.len()).arg(keys).arg(args);
    cmd
}
