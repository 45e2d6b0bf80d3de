//! Limits on attempts by network, by account and by session, which this process counts.

use std::hash::{BuildHasher as _, Hash, RandomState};
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use token_core::SessionId;
use tokio::runtime::Handle;

use crate::limit::{Attempt, AttemptKind, AttemptLimit};

/// Counts attempts in this process. Each limit is a bucket that refills steadily. Cheap to clone: a clone has
/// the same counters.
///
/// Each node of a server counts for itself, so what is allowed is multiplied by the nodes. If that is too much, or
/// other figures fit better, write an [`AttemptLimit`].
///
/// | what | by | at once | then |
/// |---|---|--:|---|
/// | passwords | network | 30 | one each 2 seconds |
/// | passwords | account | 10 | one each 6 seconds |
/// | refreshes, and sessions of nobody | network | 300 | 10 a second |
/// | refreshes | session | 300 | 10 a second |
/// | refreshes | account | 600 | 20 a second |
/// | logouts and revocations | network | 300 | 10 a second |
/// | introspections | network | 1,000 | 100 a second |
///
/// A network is one address, or the 2^64 addresses of IPv6 that a client usually has. Behind a proxy, name the proxy
/// with [`trust_proxy`](crate::AuthConfigBuilder::trust_proxy); otherwise all clients are one network.
///
/// ```
/// use token_http::{AuthConfig, Limits};
///
/// # fn config() -> Result<AuthConfig, Box<dyn std::error::Error>> {
/// let config = AuthConfig::builder("https://shop.example".parse()?).limit(Limits::default());
/// # Ok(config.build()?)
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Limits(Arc<Counters>);

#[derive(Debug)]
struct Counters {
    logins: DefaultKeyedRateLimiter<IpAddr>,
    accounts: DefaultKeyedRateLimiter<u64>,
    /// Many people may share a network.
    refreshes: DefaultKeyedRateLimiter<IpAddr>,
    /// Many tabs may share a session. An old token counts like the current one. So a session may do less than
    /// its account, and the holder of an old token cannot keep the account's other sessions from renewing.
    sessions: DefaultKeyedRateLimiter<SessionId>,
    renewals: DefaultKeyedRateLimiter<u64>,
    /// Apart from the rest, so that nobody who may not log in any more is kept from logging out.
    endings: DefaultKeyedRateLimiter<IpAddr>,
    /// A resource server may ask at each of its requests.
    introspections: DefaultKeyedRateLimiter<IpAddr>,
    /// Accounts are counted by a keyed hash. A long list of guessed names takes little memory, and a
    /// copy of the memory does not show them.
    hasher: RandomState,
    clock: DefaultClock,
    start: Instant,
    /// The minute since the start in which the counters that had refilled were last dropped.
    tidied: AtomicU64,
}

impl Default for Limits {
    /// Without any attempts so far.
    fn default() -> Self {
        Self(Arc::new(Counters {
            logins: limiter(Duration::from_secs(2), 30),
            accounts: limiter(Duration::from_secs(6), 10),
            refreshes: limiter(Duration::from_millis(100), 300),
            sessions: limiter(Duration::from_millis(100), 300),
            renewals: limiter(Duration::from_millis(50), 600),
            endings: limiter(Duration::from_millis(100), 300),
            introspections: limiter(Duration::from_millis(10), 1_000),
            hasher: RandomState::new(),
            clock: DefaultClock::default(),
            start: Instant::now(),
            tidied: AtomicU64::new(0),
        }))
    }
}

impl AttemptLimit for Limits {
    fn attempt(&self, Attempt { address, kind }: Attempt<'_>) -> Result<(), Duration> {
        self.tidy();
        let counters = &*self.0;
        let network = network(address);
        match kind {
            AttemptKind::Login(name) => counters.password(network, name),
            AttemptKind::Reauthenticate(subject) => counters.password(network, subject.as_str()),
            AttemptKind::Introspect => counters.check(&counters.introspections, &network),
            AttemptKind::Logout | AttemptKind::Revoke => {
                counters.check(&counters.endings, &network)
            }
            AttemptKind::Refresh | AttemptKind::Visitor => {
                counters.check(&counters.refreshes, &network)
            }
            AttemptKind::RefreshOf {
                subject,
                session_id,
            } => {
                counters.check(&counters.sessions, &session_id)?;
                counters.check(&counters.renewals, &counters.account(subject.as_str()))
            }
        }
    }
}

impl Limits {
    /// Drops what has refilled, once a minute. There may be millions, so no request waits for it.
    fn tidy(&self) {
        let Counters { start, tidied, .. } = &*self.0;
        let minute = start.elapsed().as_secs() / 60;
        if tidied.load(Ordering::Relaxed) == minute
            || tidied.swap(minute, Ordering::Relaxed) == minute
        {
            return;
        }
        let counters = Arc::clone(&self.0);
        match Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(move || counters.forget_idle())),
            Err(_) => counters.forget_idle(),
        }
    }
}

impl Counters {
    fn password(&self, network: IpAddr, name: &str) -> Result<(), Duration> {
        self.check(&self.logins, &network)?;
        self.check(&self.accounts, &self.account(name))
    }

    fn account(&self, name: &str) -> u64 {
        self.hasher.hash_one(name)
    }

    fn check<K: Hash + Eq + Clone>(
        &self,
        limiter: &DefaultKeyedRateLimiter<K>,
        key: &K,
    ) -> Result<(), Duration> {
        let checked = limiter.check_key(key);
        checked.map_err(|until| until.wait_time_from(self.clock.now()))
    }

    fn forget_idle(&self) {
        self.logins.retain_recent();
        self.accounts.retain_recent();
        self.refreshes.retain_recent();
        self.sessions.retain_recent();
        self.renewals.retain_recent();
        self.endings.retain_recent();
        self.introspections.retain_recent();
    }
}

/// So many at once, then one each `period`.
fn limiter<K: Hash + Eq + Clone>(period: Duration, at_once: u32) -> DefaultKeyedRateLimiter<K> {
    let at_once = NonZeroU32::new(at_once).expect("not zero");
    let quota = Quota::with_period(period).expect("not zero");
    RateLimiter::keyed(quota.allow_burst(at_once))
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
    use token_core::Subject;

    use super::*;

    fn password(limits: &Limits, address: Option<IpAddr>, name: &str) -> Result<(), Duration> {
        let kind = AttemptKind::Login(name);
        limits.attempt(Attempt { address, kind })
    }

    #[test]
    fn one_account_is_guarded_against_many_addresses_and_the_other_way_round() {
        let limits = Limits::default();
        let address = |n: u8| Some(IpAddr::from([192, 0, 2, n]));
        for n in 0..10 {
            assert_eq!(password(&limits, address(n), "alice"), Ok(()), "{n}");
        }
        // If the machine was busy, the bucket may have refilled by one, which the next attempt takes.
        let mut waits = (0..10).map(|_| password(&limits, address(99), "alice"));
        let wait = waits.find_map(Result::err).unwrap();
        assert!(wait <= Duration::from_secs(6), "{wait:?}");
        for n in 0..30 {
            let guess = format!("guess {n}");
            assert_eq!(password(&limits, address(200), &guess), Ok(()));
        }
        let mut others = (0..10).map(|n| password(&limits, address(200), &format!("other {n}")));
        assert!(others.any(|limited| limited.is_err()));
        assert_eq!(password(&limits, address(201), "another"), Ok(()));
    }

    #[test]
    fn one_session_cannot_use_up_what_its_account_may_do() {
        let limits = Limits::default();
        let refresh = |name: &str, session: u8| {
            let kind = AttemptKind::RefreshOf {
                subject: &Subject::new(name).unwrap(),
                session_id: SessionId::from_bytes([session; SessionId::LENGTH]),
            };
            let address = None;
            limits.attempt(Attempt { address, kind })
        };
        // More than a bucket holds, however much refills meanwhile.
        let exhaust = |session| (0..100_000).find(|_| refresh("alice", session).is_err());
        assert!(exhaust(1).unwrap() >= 300);
        assert_eq!(refresh("alice", 2), Ok(()));
        assert!(exhaust(2).is_some() && exhaust(3).is_some());
        assert!(refresh("alice", 4).is_err());
        assert_eq!(refresh("bob", 5), Ok(()));
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

    #[test]
    fn what_has_refilled_is_dropped_and_the_rest_stays() {
        let limits = Limits::default();
        let address = |n: u8| Some(IpAddr::from([192, 0, 2, n]));
        let ending = |address| {
            let kind = AttemptKind::Logout;
            limits.attempt(Attempt { address, kind })
        };
        assert_eq!(ending(address(1)), Ok(()));
        for n in 0..10 {
            assert_eq!(password(&limits, address(n), "alice"), Ok(()));
        }
        std::thread::sleep(Duration::from_millis(300)); // one ending counts for 200
        limits.0.tidied.store(u64::MAX, Ordering::Relaxed); // as if a minute had passed
        limits.tidy();
        assert_eq!((limits.0.endings.len(), limits.0.accounts.len()), (0, 1));
        let mut waits = (0..3).map(|_| password(&limits, address(99), "alice"));
        assert!(waits.any(|limited| limited.is_err()));
    }
}
