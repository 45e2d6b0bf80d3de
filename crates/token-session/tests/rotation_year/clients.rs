//! The clients: they log in, refresh, and repeat what was not answered.

use token_core::session::rule::{self, Decision, Granted};
use token_core::session::{Change, Committed, Credentials};
use token_core::types::Bucket;
use token_core::{KeyId, Session, Transport, UnixTime};

use crate::support::login;
use crate::year::{Year, clock};
use crate::{GRACE, PROPAGATION};

/// An access token, until it expires.
pub(crate) struct Access {
    pub(crate) text: String,
    pub(crate) kid: KeyId,
    pub(crate) expires: u64,
}

/// A session whose last answer may have been lost.
pub(crate) struct Client {
    pub(crate) row: Session,
    pub(crate) token: String,
    /// The token before it, which key signed that, and when it was superseded.
    pub(crate) before: Option<(String, KeyId, u64)>,
}

impl Year {
    pub(crate) fn open(&mut self, node: usize) -> (Granted, Session, UnixTime) {
        let now = clock(self.now, self.nodes[node].skew);
        let issuer = self.issuer(node);
        let (row, pending) = rule::open(
            login(Transport::Header),
            Bucket(7),
            &issuer.policy,
            &issuer.refresh_keys,
            now,
            self.entropy.draw(),
        );
        let granted = pending.committed(Committed::assertion(row.clone()));
        (granted.unwrap(), row, now)
    }

    /// The pair of a session; the access token is checked from now on.
    pub(crate) fn issue(&mut self, node: usize, granted: &Granted) -> String {
        let now = clock(self.now, self.nodes[node].skew);
        let issuer = self.issuer(node);
        let scope = granted.session().scope.clone();
        let entropy = self.entropy.draw();
        let issued = issuer.issue(granted, &scope, now, entropy).unwrap();
        let Credentials::Tokens(pair) = issued.give_out(granted).unwrap() else {
            unreachable!("the transport is `header`");
        };
        self.tokens.push(Access {
            text: pair.access_token.secret().to_owned(),
            kid: issuer.access_keys.current().id().clone(),
            expires: pair.access_expires_at.as_secs(),
        });
        pair.refresh_token.secret().to_owned()
    }

    pub(crate) fn log_in(&mut self) {
        let node = self.dice.index(self.nodes.len());
        let (granted, row, _) = self.open(node);
        let token = self.issue(node, &granted);
        self.clients.push(Client {
            row,
            token,
            before: None,
        });
    }

    /// Refreshes with the current token, at any node.
    pub(crate) fn refresh(&mut self, index: usize) {
        let node = self.dice.index(self.nodes.len());
        let now = clock(self.now, self.nodes[node].skew);
        let issuer = self.issuer(node);
        let client = &self.clients[index];
        let (keys, policy) = (&issuer.refresh_keys, &issuer.policy);
        let claims = keys.verify(&client.token, &issuer.issuer, &issuer.audience);
        let removed = self.removed_at(&client.row.rotation_kid);
        let claims = match (claims, removed) {
            (Ok(claims), None) => claims,
            (Ok(claims), Some(at)) => {
                assert!(self.now <= at + PROPAGATION, "a removed key is accepted");
                claims
            }
            (Err(_), Some(_)) => {
                // The price of removing a refresh key.
                self.counts.logged_out += 1;
                self.clients.swap_remove(index);
                return;
            }
            (Err(error), None) => panic!("second {}: {error} of a genuine token", self.now),
        };
        let attempt = rule::attempt(&claims, policy, keys, now, self.entropy.draw());
        let (rotation, pending) = attempt.unwrap();
        let Some(row) = Change::Rotate(rotation).apply(&client.row) else {
            return; // rotated within the grace
        };
        let granted = pending
            .committed(Committed::assertion(row.clone()))
            .unwrap();
        let next = self.issue(node, &granted);
        let client = &mut self.clients[index];
        let before = std::mem::replace(&mut client.token, next);
        client.before = Some((before, client.row.rotation_kid.clone(), self.now));
        client.row = row;
        self.counts.rotations += 1;
    }

    /// A lost answer: the token before is presented again within the grace, at any node.
    pub(crate) fn replay(&mut self, index: usize) {
        let client = &self.clients[index];
        let Some((before, signed_by, rotated)) = client.before.clone() else {
            return;
        };
        if self.now - rotated > GRACE {
            return;
        }
        let node = self.dice.index(self.nodes.len());
        let now = clock(self.now, self.nodes[node].skew);
        let issuer = self.issuer(node);
        let keys = &issuer.refresh_keys;
        let claims = keys.verify(&before, &issuer.issuer, &issuer.audience);
        let claims = match (claims, self.removed_at(&signed_by)) {
            (Ok(claims), None) => claims,
            (Ok(claims), Some(at)) => {
                assert!(self.now <= at + PROPAGATION, "a removed key is accepted");
                claims
            }
            (Err(_), Some(_)) => return,
            (Err(error), None) => panic!("second {}: {error} of a genuine token", self.now),
        };
        let row = Committed::assertion(client.row.clone());
        let policy = &issuer.policy;
        let entropy = self.entropy.draw();
        let decision = rule::decide(&claims, &row, None, policy, keys, now, entropy);
        let granted = match decision {
            Ok(Decision::Replay(granted)) => granted,
            // Without the key of the successor it cannot be made again; nothing is ended.
            Err(_) if self.removed_at(&client.row.rotation_kid).is_some() => return,
            other => panic!("a replay within the grace is {other:?}"),
        };
        assert_eq!(self.issue(node, &granted), self.clients[index].token);
        self.counts.replays += 1;
    }

    pub(crate) fn act(&mut self) {
        if self.clients.len() < 6 {
            self.log_in();
        }
        let index = self.dice.index(self.clients.len());
        // Sessions reach their absolute deadline, and tokens of long ago are still known.
        if self.clients[index].row.expires_at() <= clock(self.now, -10) {
            self.clients.swap_remove(index);
            return;
        }
        if self.clients[index].row.expires_at() > clock(self.now, 10) {
            self.refresh(index);
        }
        if !self.clients.is_empty() {
            let replayed = self.dice.index(self.clients.len());
            self.replay(replayed);
        }
    }
}
