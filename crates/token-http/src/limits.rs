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
/// An account is the name as it was typed, but for case and for white space around it.
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
    logins: Buckets<IpAddr>,
    accounts: Buckets<u64>,
    /// Many people may share a network.
    refreshes: Buckets<IpAddr>,
    /// Many tabs may share a session. An old token counts like the current one. So a session may do less than
    /// its account, and the holder of an old token cannot keep the account's other sessions from renewing.
    sessions: Buckets<SessionId>,
    renewals: Buckets<u64>,
    /// Apart from the rest, so that nobody who may not log in any more is kept from logging out.
    endings: Buckets<IpAddr>,
    /// A resource server may ask at each of its requests.
    introspections: Buckets<IpAddr>,
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
            logins: Buckets::new(Duration::from_secs(2), 30),
            accounts: Buckets::new(Duration::from_secs(6), 10),
            refreshes: Buckets::new(Duration::from_millis(100), 300),
            sessions: Buckets::new(Duration::from_millis(100), 300),
            renewals: Buckets::new(Duration::from_millis(50), 600),
            endings: Buckets::new(Duration::from_millis(100), 300),
            introspections: Buckets::new(Duration::from_millis(10), 1_000),
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
    /// Drops what has refilled, once a minute. There may be millions: no request waits for more of it than one
    /// [part](PARTS).
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
        self.check(&self.accounts, &self.typed(name))
    }

    /// Without regard to case and to white space around it, as many applications look a user up: otherwise
    /// each spelling of a name could be guessed at anew. Two accounts that differ in nothing else share a
    /// bucket, which costs them little.
    fn typed(&self, name: &str) -> u64 {
        self.account(&name.trim().to_lowercase())
    }

    fn account(&self, name: &str) -> u64 {
        self.hasher.hash_one(name)
    }

    fn check<K: Hash + Eq + Clone>(&self, buckets: &Buckets<K>, key: &K) -> Result<(), Duration> {
        let checked = buckets.part(self.hasher.hash_one(key)).check_key(key);
        checked.map_err(|until| until.wait_time_from(self.clock.now()))
    }

    fn forget_idle(&self) {
        self.logins.forget_idle();
        self.accounts.forget_idle();
        self.refreshes.forget_idle();
        self.sessions.forget_idle();
        self.renewals.forget_idle();
        self.endings.forget_idle();
        self.introspections.forget_idle();
    }
}

/// Each kind of bucket is kept in so many parts with a lock of its own, by hash of the key. Who drops what has
/// refilled, and who makes room for more, has the lock of one part for as long as that takes.
const PARTS: usize = 64;

/// The buckets of one kind.
#[derive(Debug)]
struct Buckets<K: Hash + Eq + Clone>([DefaultKeyedRateLimiter<K>; PARTS]);

impl<K: Hash + Eq + Clone> Buckets<K> {
    /// So many at once, then one each `period`.
    fn new(period: Duration, at_once: u32) -> Self {
        let at_once = NonZeroU32::new(at_once).expect("not zero");
        let quota = Quota::with_period(period).expect("not zero");
        let quota = quota.allow_burst(at_once);
        Self(std::array::from_fn(|_| RateLimiter::keyed(quota)))
    }

    fn part(&self, hash: u64) -> &DefaultKeyedRateLimiter<K> {
        let [first, rest @ ..] = &self.0;
        let number = hash % (PARTS as u64);
        let number = usize::try_from(number).unwrap_or_default();
        number
            .checked_sub(1)
            .and_then(|at| rest.get(at))
            .unwrap_or(first)
    }

    fn forget_idle(&self) {
        for part in &self.0 {
            part.retain_recent();
        }
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.0.iter().map(RateLimiter::len).sum()
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
    fn the_spellings_of_a_name_are_one_account() {
        let limits = Limits::default();
        let spellings = ["Élodie", "élodie", " ÉLODIE\t", "éLodie\u{a0}"];
        let mut tries = (0..u8::MAX).zip(spellings.iter().cycle());
        // If the machine was busy, the bucket may have refilled meanwhile.
        let limited = tries.position(|(n, name)| {
            password(&limits, Some(IpAddr::from([192, 0, 2, n])), name).is_err()
        });
        assert!(limited.unwrap() <= 20, "{limited:?}");
        // The same bucket, once the account is known.
        let subject = Subject::new("élodie").unwrap();
        let kind = AttemptKind::Reauthenticate(&subject);
        let address = Some(IpAddr::from([198, 51, 100, 1]));
        let mut again = (0..5).map(|_| limits.attempt(Attempt { address, kind }));
        assert!(again.any(|limited| limited.is_err()));
        assert_eq!(password(&limits, address, "elodie"), Ok(()));
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
    fn each_lock_is_that_of_few_networks() {
        let limits = Limits::default();
        for n in 0..6400 {
            let address = Some(IpAddr::from(Ipv6Addr::from_bits(n << 64)));
            let kind = AttemptKind::Refresh;
            assert_eq!(limits.attempt(Attempt { address, kind }), Ok(()));
        }
        let parts = limits.0.refreshes.0.iter().map(RateLimiter::len);
        let parts: Vec<usize> = parts.collect();
        assert_eq!(parts.iter().sum::<usize>(), 6400);
        // 100 are expected, with a deviation of 10.
        assert!(parts.iter().all(|len| (20..200).contains(len)), "{parts:?}");
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
