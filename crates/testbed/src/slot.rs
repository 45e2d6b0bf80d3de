//! A slot of a Redis Cluster that moves, step by step.

use crate::redis::Server;

/// A slot on its way from the server that has it to another.
#[derive(Debug)]
pub struct Move<'a> {
    from: &'a Server,
    to: &'a Server,
    slot: String,
    others: &'a [Server],
}

impl<'a> Move<'a> {
    /// Begins with the slot of a key, which must have keys. Nothing has gone yet.
    pub fn begin(servers: &'a [Server], key: &str) -> Self {
        let slot: u64 = servers.first().unwrap().ask(&["CLUSTER", "KEYSLOT", key]);
        let slot = slot.to_string();
        let id = |server: &Server| server.ask::<String>(&["CLUSTER", "MYID"]);
        let has = |server: &&Server| server.ask::<u64>(&["CLUSTER", "COUNTKEYSINSLOT", &slot]) > 0;
        let from = servers.iter().find(has).unwrap();
        let to = servers.iter().find(|one| one.port != from.port).unwrap();
        let _: () = to.ask(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &id(from)]);
        let _: () = from.ask(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &id(to)]);
        Self {
            from,
            to,
            slot,
            others: servers,
        }
    }

    fn keys(&self) -> Vec<Vec<u8>> {
        self.from
            .ask(&["CLUSTER", "GETKEYSINSLOT", &self.slot, "1000"])
    }

    /// Moves the keys that are chosen.
    pub fn carry(&self, chosen: impl Fn(&[u8]) -> bool) {
        let mut connection = self.from.connection().unwrap();
        for key in self.keys().into_iter().filter(|key| chosen(key)) {
            let mut migrate = redis::cmd("MIGRATE");
            migrate
                .arg("127.0.0.1")
                .arg(self.to.port)
                .arg(key)
                .arg(0)
                .arg(5000);
            migrate.exec(&mut connection).unwrap();
        }
    }

    /// Moves the rest, and says so to everybody.
    pub fn end(self) {
        self.carry(|_| true);
        let id: String = self.to.ask(&["CLUSTER", "MYID"]);
        for server in [self.to, self.from].into_iter().chain(self.others) {
            let _: () = server.ask(&["CLUSTER", "SETSLOT", &self.slot, "NODE", &id]);
        }
    }
}
