//! The verifiers: the nodes themselves, and resource servers that keep a JWK set.

use token_core::keys::JwkSet;
use token_core::{Algorithm, NoClaims, UntrustedToken, Verifier, VerifyError};

use crate::support::{START, secs};
use crate::year::{Year, clock, names};
use crate::{DAY, MAX_AGE, SKEWS, TOLERANCE};

/// A resource server that asks for the JWK set only when its `max-age` has passed.
pub(crate) struct Reader {
    pub(crate) skew: i64,
    pub(crate) verifier: Verifier,
    pub(crate) fetched_at: u64,
}

impl Year {
    /// A reader that has just asked one of the nodes.
    pub(crate) fn reader(&mut self, skew: i64) -> Reader {
        let node = self.dice.index(self.nodes.len());
        let set = JwkSet::parse(&self.issuer(node).access_keys.jwks(), Algorithm::ALL).unwrap();
        let (issuer, audience) = names();
        let verifier = Verifier::builder(issuer, audience).keys(&set.keys);
        Reader {
            skew,
            verifier: verifier.leeway(secs(TOLERANCE)).build().unwrap(),
            fetched_at: self.now,
        }
    }

    pub(crate) fn check(&mut self) {
        let now = self.now;
        self.tokens.retain(|token| token.expires > START + now - 10);
        for index in 0..self.readers.len() {
            let restarted = self.dice.below(200) == 0;
            if restarted || now - self.readers[index].fetched_at > MAX_AGE {
                self.readers[index] = self.reader(self.readers[index].skew);
            }
        }
        let issuers: Vec<_> = (0..self.nodes.len()).map(|n| self.issuer(n)).collect();
        let own = issuers.iter().zip(SKEWS).map(|(own, skew)| {
            let verifier = Verifier::builder(own.issuer.clone(), own.audience.clone());
            let verifier = verifier
                .keys(own.access_keys.verifying_keys())
                .leeway(secs(TOLERANCE));
            (verifier.build().unwrap(), skew)
        });
        let own: Vec<_> = own.collect();
        let readers = self.readers.iter().map(|r| (r.verifier.clone(), r.skew));
        for (verifier, skew) in own.iter().cloned().chain(readers) {
            // The youngest may have a key too new to be known, the oldest one that is gone.
            let (young, old) = (self.tokens.iter().rev().take(1), self.tokens.iter().take(1));
            for token in young.chain(old) {
                if self.removed.contains(&token.kid) || clock(now, skew).as_secs() >= token.expires
                {
                    continue;
                }
                let text = UntrustedToken::parse(&token.text).unwrap();
                let verdict = verifier.verify::<NoClaims>(text, clock(now, skew));
                assert!(
                    verdict.is_ok(),
                    "second {now}: {verdict:?} of a genuine token"
                );
                self.counts.accepted += 1;
            }
        }
        for retired in &self.retired {
            let own = own
                .iter()
                .map(|(own, skew)| (own, *skew, retired.nodes_from));
            let readers = self.readers.iter();
            let readers = readers.map(|r| (&r.verifier, r.skew, retired.readers_from));
            for (verifier, skew, from) in own.chain(readers) {
                if now > from {
                    let text = UntrustedToken::parse(&retired.token).unwrap();
                    let verdict = verifier.verify::<NoClaims>(text, clock(now, skew));
                    // By its key, not only by its age.
                    assert_eq!(
                        verdict.unwrap_err(),
                        VerifyError::UnknownKey,
                        "second {now}"
                    );
                    self.counts.refused += 1;
                }
            }
        }
        // Nothing changes about them any more; two are kept.
        while self.retired.len() > 2 && now > self.retired[0].readers_from + DAY {
            self.retired.remove(0);
        }
    }
}
