//! Limits on attempts, by address and by account.

use std::hash::{BuildHasher as _, RandomState};
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use hallpass::SessionId;

/// Counts attempts. Each limit is a bucket that refills steadily.
#[derive(Debug)]
pub struct Limits {
    /// 30 logins at once, then one each 2 seconds, from one network.
    logins: DefaultKeyedRateLimiter<IpAddr>,
    /// 10 passwords at once, then one each 6 seconds, for one account from any address.
    accounts: DefaultKeyedRateLimiter<u64>,
    /// 300 refreshes at once, then 10 a second, from one network: many people may share it.
    refreshes: DefaultKeyedRateLimiter<IpAddr>,
    /// As many in one session from any address: many tabs may share it. An old token counts like
    /// the current one. So a session may do less than its account, and the holder of an old token
    /// cannot keep the account's other sessions from renewing.
    sessions: DefaultKeyedRateLimiter<SessionId>,
    /// 300 logouts and revocations at once, then 10 a second, from one network. They have a bucket of
    /// their own, so that nobody who may not log in any more is kept from logging out.
    endings: DefaultKeyedRateLimiter<IpAddr>,
    /// 1,000 introspections at once, then 100 a second, from one network: a resource server may ask
    /// at each of its requests.
    introspections: DefaultKeyedRateLimiter<IpAddr>,
    /// 600 refreshes at once, then 20 a second, for one account from any address.
    renewals: DefaultKeyedRateLimiter<u64>,
    /// Accounts are counted by a keyed hash. A long list of guessed names takes little memory, and a
    /// copy of the memory does not show them.
    hasher: RandomState,
    clock: DefaultClock,
}

impl Limits {
    /// Limits without any attempts so far.
    pub fn new() -> Self {
        let keyed = |period, burst| {
            let burst = NonZeroU32::new(burst).expect("not zero");
            let quota = Quota::with_period(period).expect("not zero");
            quota.allow_burst(burst)
        };
        Self {
            logins: RateLimiter::keyed(keyed(Duration::from_secs(2), 30)),
            accounts: RateLimiter::keyed(keyed(Duration::from_secs(6), 10)),
            refreshes: RateLimiter::keyed(keyed(Duration::from_millis(100), 300)),
            endings: RateLimiter::keyed(keyed(Duration::from_millis(100), 300)),
            introspections: RateLimiter::keyed(keyed(Duration::from_millis(10), 1_000)),
            sessions: RateLimiter::keyed(keyed(Duration::from_millis(100), 300)),
            renewals: RateLimiter::keyed(keyed(Duration::from_millis(50), 600)),
            hasher: RandomState::new(),
            clock: DefaultClock::default(),
        }
    }

    /// Counts an attempt at a password.
    ///
    /// # Errors
    /// How long to wait before the next attempt.
    pub fn password(&self, address: Option<IpAddr>, account: &str) -> Result<(), Duration> {
        self.check(&self.logins, &network(address))?;
        self.check(&self.accounts, &self.hasher.hash_one(account))
    }

    /// Counts a refresh, before its token is verified.
    ///
    /// # Errors
    /// How long to wait before the next attempt.
    pub fn refresh(&self, address: Option<IpAddr>) -> Result<(), Duration> {
        self.check(&self.refreshes, &network(address))
    }

    /// Counts a refresh whose token has been verified.
    ///
    /// # Errors
    /// How long to wait before the next attempt.
    pub fn refresh_of(&self, account: &str, session: SessionId) -> Result<(), Duration> {
        self.check(&self.sessions, &session)?;
        self.check(&self.renewals, &self.hasher.hash_one(account))
    }

    /// Counts a logout or a revocation.
    ///
    /// # Errors
    /// How long to wait before the next attempt.
    pub fn ending(&self, address: Option<IpAddr>) -> Result<(), Duration> {
        self.check(&self.endings, &network(address))
    }

    /// Counts a question whether a token is active.
    ///
    /// # Errors
    /// How long to wait before the next attempt.
    pub fn introspection(&self, address: Option<IpAddr>) -> Result<(), Duration> {
        self.check(&self.introspections, &network(address))
    }

    /// Drops every counter that has refilled. Call it each minute.
    pub fn forget_idle(&self) {
        self.logins.retain_recent();
        self.accounts.retain_recent();
        self.endings.retain_recent();
        self.introspections.retain_recent();
        self.refreshes.retain_recent();
        self.sessions.retain_recent();
        self.renewals.retain_recent();
    }

    fn check<K: std::hash::Hash + Eq + Clone>(
        &self,
        limit: &DefaultKeyedRateLimiter<K>,
        key: &K,
    ) -> Result<(), Duration> {
        limit
            .check_key(key)
            .map_err(|until| until.wait_time_from(self.clock.now()))
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::new()
    }
}

/// A client with one IPv6 address usually has 2^64 of them, so the network counts.
fn network(address: Option<IpAddr>) -> IpAddr {
    match address {
        Some(IpAddr::V6(address)) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
        Some(address) => address,
        // Without addresses, all clients share one bucket.
        None => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_account_is_guarded_against_many_addresses_and_the_other_way_round() {
        let limits = Limits::new();
        let address = |n: u8| Some(IpAddr::from([192, 0, 2, n]));
        for n in 0..10 {
            assert_eq!(limits.password(address(n), "alice"), Ok(()), "{n}");
        }
        // If the machine was busy, the bucket may have refilled by one, which the next attempt takes.
        let mut waits = (0..10).map(|_| limits.password(address(99), "alice"));
        let wait = waits.find_map(Result::err).unwrap();
        assert!(wait <= Duration::from_secs(6), "{wait:?}");
        for n in 0..30 {
            assert_eq!(limits.password(address(200), &format!("guess {n}")), Ok(()));
        }
        let mut others = (0..10).map(|n| limits.password(address(200), &format!("other {n}")));
        assert!(others.any(|limited| limited.is_err()));
        assert_eq!(limits.password(address(201), "another"), Ok(()));
    }

    #[test]
    fn one_session_cannot_use_up_what_its_account_may_do() {
        let limits = Limits::new();
        let session = |n| SessionId::from_bytes([n; SessionId::LENGTH]);
        // More than a bucket holds, however much refills meanwhile.
        let exhaust = |n| (0..100_000).find(|_| limits.refresh_of("alice", session(n)).is_err());
        assert!(exhaust(1).unwrap() >= 300);
        assert_eq!(limits.refresh_of("alice", session(2)), Ok(()));
        assert!(exhaust(2).is_some() && exhaust(3).is_some());
        assert!(limits.refresh_of("alice", session(4)).is_err());
        assert_eq!(limits.refresh_of("bob", session(5)), Ok(()));
    }

    #[test]
    fn a_network_of_ipv6_counts_as_one() {
        let parse = |text: &str| Some(text.parse().unwrap());
        assert_eq!(
            network(parse("2001:db8:1:2:3:4:5:6")),
            network(parse("2001:db8:1:2::9"))
        );
        assert_ne!(
            network(parse("2001:db8:1:3::9")),
            network(parse("2001:db8:1:2::9"))
        );
    }
}
