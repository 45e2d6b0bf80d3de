//! The nodes of the issuer, the file of their keys, and who changes it.

use token_core::{Algorithm, KeyId, RefreshKey, SigningKey, TokenIssuer};
use token_session::schedule::{Schedule, Step};

use crate::year::{Year, clock, names};
use crate::{PROPAGATION, SKEWS};

/// The key file of all nodes, with the time of its latest change.
#[derive(Clone)]
pub(crate) struct File {
    pub(crate) access: Schedule<SigningKey>,
    pub(crate) refresh: Schedule<RefreshKey>,
    pub(crate) version: u64,
}

/// A node: its clock, and the file as it knows it.
pub(crate) struct Node {
    pub(crate) skew: i64,
    pub(crate) file: File,
    /// When it reads the changed file.
    pub(crate) reads_at: u64,
}

impl Year {
    pub(crate) fn issuer(&self, node: usize) -> TokenIssuer {
        let Node { skew, file, .. } = &self.nodes[node];
        let now = clock(self.now, *skew);
        let (issuer, audience) = names();
        let access_keys = file.access.ring(&self.access, now).unwrap();
        let refresh_keys = file.refresh.ring(&self.refresh, now).unwrap();
        TokenIssuer::builder(issuer, audience)
            .policy(self.policy.clone())
            .build(access_keys, refresh_keys)
    }

    /// Nodes learn of a change some time within the propagation.
    pub(crate) fn write(&mut self, file: File) {
        self.file = File {
            version: self.file.version + 1,
            ..file
        };
        for index in 0..self.nodes.len() {
            // One that has not read the change before reads both at its time.
            let read = self.nodes[index].file.version + 1 == self.file.version;
            let delay = self.dice.below(PROPAGATION + 1);
            if read {
                self.nodes[index].reads_at = self.now + delay;
            }
        }
    }

    pub(crate) fn read_files(&mut self) {
        for node in &mut self.nodes {
            if node.file.version < self.file.version && node.reads_at <= self.now {
                node.file = self.file.clone();
            }
        }
    }

    /// The node that looks first publishes what is due; the file is locked meanwhile.
    pub(crate) fn publish(&mut self) {
        let now = clock(self.now, SKEWS[self.dice.index(SKEWS.len())]);
        while self.file.access.step(&self.access, now) == Step::Publish {
            let key = SigningKey::generate(Algorithm::EdDSA, self.entropy.draw()).unwrap();
            self.all.push(key.clone());
            self.note_retired(now);
            let access = self.file.access.clone();
            let access = access.publish(key, &self.access, now).unwrap();
            self.counts.keys += 1;
            self.write(File {
                access,
                ..self.file.clone()
            });
        }
        while self.file.refresh.step(&self.refresh, now) == Step::Publish {
            let key = refresh_key(self.made);
            self.made += 1;
            let refresh = self.file.refresh.clone();
            let refresh = refresh.publish(key, &self.refresh, now).unwrap();
            self.write(File {
                refresh,
                ..self.file.clone()
            });
        }
    }
}

pub(crate) fn refresh_key(number: u64) -> RefreshKey {
    let mut secret = [0; 32];
    secret[..8].copy_from_slice(&number.to_be_bytes());
    RefreshKey::new(KeyId::new(format!("r{number}")).unwrap(), &secret).unwrap()
}
