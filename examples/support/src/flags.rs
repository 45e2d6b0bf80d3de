//! The flags of the demo servers, each of which can be an environment variable too.

use std::fmt;
use std::io::{self, Write as _};
use std::net::{IpAddr, SocketAddr};
use std::process;
use std::str::FromStr;
use std::time::Duration;

use clap::builder::BoolishValueParser;
use clap::{ArgAction, Parser, ValueEnum};
use hallpass::keys::{KeySource, Keys, Rotations};
use hallpass::schedule::ScheduleError;
use hallpass::{
    AdminKey, Algorithm, Audience, BindingMode, ClientId, Issuer, Origin, Policy, PolicyError,
    StoreUrl, StoreUrlError, WhenBehind,
};
use http::Uri;
use ipnet::IpNet;

use crate::account::{Account, AccountError};

/// A demo of hallpass: log in, watch both tokens live and renew, end sessions.
///
/// Every flag can be given as an environment variable too, as its help says.
#[derive(Clone, Parser)]
pub struct Flags {
    /// The address to listen on; port 0 picks a free one.
    #[arg(long, env = "HALLPASS_LISTEN", default_value = "127.0.0.1:3000")]
    pub listen: SocketAddr,

    /// Where sessions and users are kept: `memory:`, `sqlite:FILE`, `postgres://…` or
    /// `redis://…`.
    #[arg(
        long,
        env = "HALLPASS_STORE",
        value_name = "URL",
        default_value = "sqlite:sessions.db",
        hide_env_values = true
    )]
    // Read as text, since clap's errors repeat what was given, and it may contain a password.
    store: String,

    /// Who may log in, as NAME:PASSWORD[:SCOPES] with scopes separated by spaces; repeatable,
    /// in the variable one a line. Replaces alice and bob, and their passwords if the store has
    /// them. A password that the user has changed stays changed.
    #[arg(
        long = "user",
        env = "HALLPASS_USER",
        value_name = "NAME:PASSWORD[:SCOPES]",
        value_delimiter = '\n',
        hide_env_values = true
    )]
    // Read as text, since clap's errors repeat what was given, and it contains a password.
    users: Vec<String>,

    /// The algorithm of signing keys: ES256, EdDSA, RS256, HS256 and so on. By default the algorithm
    /// of the key file, and ES256 for a new file. If the file has keys of another algorithm, new
    /// ones are added and sign as soon as every verifier knows them.
    #[arg(long, env = "HALLPASS_ALG", value_name = "ALG")]
    pub alg: Option<Algorithm>,

    /// The file of the signing keys, which is made if there is none. Servers on one store share it.
    /// `env:NAME` takes the text of a key file from a variable instead.
    #[arg(
        long,
        env = "HALLPASS_KEYS",
        value_name = "FILE",
        default_value = "keys.json"
    )]
    pub keys: KeySource,

    /// Prints the text of a new key file, for `--keys env:NAME` or a file of your own, and ends.
    #[arg(long)]
    new_keys: bool,

    /// How long each signing key signs. With `off` keys change only with the file.
    #[arg(
        long,
        env = "HALLPASS_ROTATE_EVERY",
        value_name = "TIME|off",
        default_value = "30d"
    )]
    rotate_every: RotateEvery,

    /// How long other services may cache the public keys.
    #[arg(long, env = "HALLPASS_JWKS_MAX_AGE", value_name = "TIME", default_value = "5m", value_parser = humantime::parse_duration)]
    pub jwks_max_age: Duration,

    /// Enables `POST /admin/keys` for requests with this key, of at least 128 random bits.
    #[arg(
        long,
        env = "HALLPASS_ADMIN_KEY",
        value_name = "KEY",
        hide_env_values = true
    )]
    pub admin_key: Option<AdminKey>,

    /// How long an access token lives; by default 5 minutes, and 40 seconds with the demo users, so that
    /// its renewal is seen soon.
    #[arg(long, env = "HALLPASS_ACCESS_TTL", value_name = "TIME", value_parser = humantime::parse_duration)]
    access_ttl: Option<Duration>,

    /// How long a session lives without being used.
    #[arg(long, env = "HALLPASS_IDLE", value_name = "TIME", default_value = "30d", value_parser = humantime::parse_duration)]
    idle: Duration,

    /// The same if the login asks to be remembered.
    #[arg(long, env = "HALLPASS_REMEMBER_IDLE", value_name = "TIME", default_value = "90d", value_parser = humantime::parse_duration)]
    remember_idle: Duration,

    /// How long a session lives, used or not.
    #[arg(long, env = "HALLPASS_ABSOLUTE", value_name = "TIME", default_value = "365d", value_parser = humantime::parse_duration)]
    absolute: Duration,

    /// How long a superseded refresh token still gets the same successor.
    #[arg(long, env = "HALLPASS_GRACE", value_name = "TIME", default_value = "30s", value_parser = humantime::parse_duration)]
    grace: Duration,

    /// How far the clocks of servers on one store may differ.
    #[arg(long, env = "HALLPASS_TOLERANCE", value_name = "TIME", default_value = "5s", value_parser = humantime::parse_duration)]
    tolerance: Duration,

    /// How often, at most, the use of a session cookie moves its deadline.
    #[arg(long, env = "HALLPASS_TOUCH", value_name = "TIME", default_value = "1m", value_parser = humantime::parse_duration)]
    touch: Duration,

    /// The origin that browsers see, for the CSRF rule; by default the listen address.
    #[arg(long, env = "HALLPASS_ORIGIN", value_name = "URL")]
    pub origin: Option<Origin>,

    /// Whether the server speaks HTTPS itself: `self` makes a certificate at start, for a first try.
    /// In production a proxy does that.
    #[cfg(feature = "tls")]
    #[arg(
        long,
        env = "HALLPASS_TLS",
        value_name = "off|self",
        default_value = "off"
    )]
    pub tls: Tls,

    /// Another origin whose pages may log in here; repeatable, in the variable separated
    /// by commas.
    #[arg(
        long,
        env = "HALLPASS_ALLOW_ORIGIN",
        value_name = "URL",
        value_delimiter = ','
    )]
    pub allow_origin: Vec<Origin>,

    /// A proxy, or a network of them, that is trusted if it names the client's address in
    /// `X-Forwarded-For` or `Forwarded`; repeatable, in the variable separated by commas.
    #[arg(
        long,
        env = "HALLPASS_TRUSTED_PROXY",
        value_name = "CIDR",
        value_delimiter = ',',
        value_parser = network
    )]
    pub trusted_proxy: Vec<IpNet>,

    /// A client that the body of a login may name, as the `client_id` of its tokens; repeatable, in
    /// the variable separated by commas. By default a login names none.
    #[arg(
        long,
        env = "HALLPASS_CLIENT",
        value_name = "ID",
        value_delimiter = ','
    )]
    pub client: Vec<ClientId>,

    /// Whether logins in the transport `header` may prove a key of the client's, or have to (DPoP, RFC 9449).
    #[arg(
        long,
        env = "HALLPASS_DPOP",
        value_name = "HOW",
        default_value = "optional"
    )]
    pub dpop: Proofs,

    /// Whether sessions with a cookie are bound to the browser that opened them, which takes HTTPS: with
    /// `observe` a copied cookie is reported, with `require` it is refused after some minutes.
    #[arg(
        long,
        env = "HALLPASS_BINDING",
        value_name = "off|observe|require",
        default_value = "observe"
    )]
    pub binding: BindingMode,

    /// The `iss` of tokens; by default the server's origin.
    #[arg(long, env = "HALLPASS_ISSUER", value_name = "URL", value_parser = issuer)]
    pub issuer: Option<Issuer>,

    /// The `aud` of tokens; by default the server's origin.
    #[arg(long, env = "HALLPASS_AUDIENCE", value_name = "ID")]
    pub audience: Option<Audience>,

    /// Enables `/auth/introspect` for resource servers that send this key.
    #[arg(
        long,
        env = "HALLPASS_INTROSPECTION_KEY",
        value_name = "KEY",
        hide_env_values = true
    )]
    pub introspection_key: Option<String>,

    /// Whether attempts are limited; load tests turn it off.
    #[arg(
        long,
        env = "HALLPASS_RATE_LIMIT",
        value_name = "on|off",
        default_value = "on",
        value_parser = BoolishValueParser::new(),
        action = ArgAction::Set
    )]
    pub rate_limit: bool,

    /// How access tokens of ended sessions are refused.
    #[arg(
        long,
        env = "HALLPASS_REVOCATION",
        value_name = "HOW",
        default_value = "feed"
    )]
    pub revocation: Revocation,

    /// What happens to access tokens while the feed is behind.
    #[arg(
        long,
        env = "HALLPASS_WHEN_BEHIND",
        value_name = "accept|ask|refuse",
        default_value = "ask"
    )]
    pub when_behind: WhenBehind,

    /// How many server sessions are remembered between requests, with the feed; with 0 the store is asked at
    /// each request.
    #[arg(
        long,
        env = "HALLPASS_SESSION_CACHE",
        value_name = "SESSIONS",
        default_value_t = 10_000
    )]
    pub session_cache: usize,
}

impl fmt::Debug for Flags {
    /// A store's address may have a password in it, and other flags are secrets themselves.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flags")
            .field("listen", &self.listen)
            .finish_non_exhaustive()
    }
}

impl Flags {
    /// Reads the flags of this process. Ends it if they are wrong, or ask for something to be printed.
    pub fn read() -> Self {
        let flags = Self::parse();
        if flags.new_keys {
            process::exit(flags.print_new_keys());
        }
        flags
    }

    fn print_new_keys(&self) -> i32 {
        let now = chrono::Utc::now().into();
        let keys = Keys::generate(self.alg, now).and_then(|keys| keys.to_text(now));
        match keys {
            Ok(text) => i32::from(io::stdout().write_all(text.as_bytes()).is_err()),
            Err(error) => {
                // There is nobody else to tell.
                let _ = writeln!(io::stderr(), "error: {error}");
                2
            }
        }
    }

    /// The lifetimes and tolerances.
    ///
    /// # Errors
    /// [`PolicyError`] if one is out of its range.
    pub fn policy(&self) -> Result<Policy, PolicyError> {
        let own = if self.has_demo_users() { 40 } else { 300 };
        let access_lifetime = self.access_ttl.unwrap_or(Duration::from_secs(own));
        Policy::builder()
            .access_lifetime(access_lifetime)
            .idle_lifetime(self.idle)
            .remember_idle_lifetime(self.remember_idle)
            .absolute_lifetime(self.absolute)
            .grace(self.grace)
            .tolerance(self.tolerance)
            .touch_interval(self.touch)
            .build()
    }

    /// How browsers reach the listen address: `https` with `--tls self`, else `http`.
    pub fn scheme(&self) -> &'static str {
        #[cfg(feature = "tls")]
        if self.tls == Tls::SelfSigned {
            return "https";
        }
        "http"
    }

    /// Where sessions and users are kept.
    ///
    /// # Errors
    /// [`StoreUrlError`] if the URL cannot be used.
    pub fn store(&self) -> Result<StoreUrl, StoreUrlError> {
        self.store.parse()
    }

    /// How often keys are replaced.
    ///
    /// # Errors
    /// [`ScheduleError`] if that would be too often.
    pub fn rotations(&self, policy: &Policy) -> Result<Rotations, ScheduleError> {
        let period = self.rotate_every.0.unwrap_or(Duration::from_hours(30 * 24));
        Rotations::new(policy, period, self.jwks_max_age)
    }

    /// Whether keys are replaced on schedule.
    pub fn rotates(&self) -> bool {
        self.rotate_every.0.is_some()
    }

    /// Who may log in.
    ///
    /// # Errors
    /// [`AccountError`] for the first malformed user.
    pub fn accounts(&self) -> Result<Vec<Account>, AccountError> {
        if self.has_demo_users() {
            return Ok(Account::demo());
        }
        self.users.iter().map(|text| text.parse()).collect()
    }

    /// Whether the users are the demo users, whose passwords the page may show.
    pub fn has_demo_users(&self) -> bool {
        self.users.is_empty()
    }
}

/// Accepts a single address as a network too.
fn network(text: &str) -> Result<IpNet, String> {
    let address = || text.parse().map(|address: IpAddr| IpNet::from(address));
    let network = text.parse().or_else(|_| address());
    network.map_err(|_| "not an address or a network, as in 192.0.2.1 or 10.0.0.0/8".to_owned())
}

/// > The authorization server's issuer identifier, which is a URL that uses the "https" scheme
/// > and has no query or fragment components.
///
/// [RFC 8414 section 2](https://www.rfc-editor.org/rfc/rfc8414#section-2). `http` is accepted for a
/// first try.
fn issuer(text: &str) -> Result<Issuer, String> {
    let wrong = "an issuer is a URL without a query or fragment, as in https://id.example";
    let uri: Uri = text.parse().map_err(|_| wrong)?;
    let web = matches!(uri.scheme_str(), Some("https" | "http"));
    // `Uri` drops the fragment, so it is looked for in the text.
    if !web || uri.query().is_some() || text.contains('#') {
        return Err(wrong.to_owned());
    }
    Issuer::new(text).map_err(|error| error.to_string())
}

/// A time, or never.
#[derive(Clone, Copy, Debug)]
struct RotateEvery(Option<Duration>);

impl FromStr for RotateEvery {
    type Err = humantime::DurationError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "off" => Ok(Self(None)),
            text => humantime::parse_duration(text).map(Some).map(Self),
        }
    }
}

/// Whether the server speaks HTTPS itself.
#[cfg(feature = "tls")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[expect(clippy::exhaustive_enums, reason = "a new way is a new choice")]
pub enum Tls {
    /// It speaks HTTP, to a proxy or to browsers on this machine.
    Off,
    /// With a certificate that it makes at start.
    #[value(name = "self")]
    SelfSigned,
}

/// Which logins prove a key of the client's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[expect(clippy::exhaustive_enums, reason = "none, some or all")]
pub enum Proofs {
    /// None: proofs are ignored.
    Off,
    /// Those that send a proof.
    Optional,
    /// All in the transport `header`.
    Required,
}

/// How access tokens of ended sessions are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[expect(clippy::exhaustive_enums, reason = "the view, the store, or neither")]
pub enum Revocation {
    /// By a list in memory that the store feeds.
    Feed,
    /// Not at all: an access token is accepted until it expires.
    None,
    /// By asking the store at each request.
    Store,
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[test]
    fn access_tokens_are_short_for_the_demo_users_alone() {
        let lifetime = |flags: &[&str]| {
            let flags = Flags::try_parse_from([&["demo"], flags].concat()).unwrap();
            flags.policy().unwrap().access_lifetime()
        };
        assert_eq!(lifetime(&[]), Duration::from_secs(40));
        let own = ["--user", "carol:hush-hush"];
        assert_eq!(lifetime(&own), Duration::from_mins(5));
        assert_eq!(lifetime(&["--access-ttl", "7s"]), Duration::from_secs(7));
    }
}
