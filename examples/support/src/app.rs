//! Puts the parts of a demo together, as the flags say.

use std::io::{self, Write as _};
use std::net::IpAddr;
#[cfg(feature = "tls")]
use std::sync::Arc;
use std::time::Duration;

use example_thief::{Client, Thief};
use hallpass::keys::KeyKeeper;
use hallpass::{
    Audience, Auth, AuthConfig, Background, BindingMode, BindingPolicy, ConfigError, Dpop, Issuer,
    KeyAdmin, Limits, Origin, RevocationCheck, RevokeReason, SessionManager, SessionManagerBuilder,
    TokenIssuer,
};
use http::Uri;
use tokio::net::TcpListener;
use tracing::warn;

#[cfg(feature = "tls")]
use crate::flags::Tls;
use crate::flags::{Flags, Proofs, Revocation};
use crate::hangup;
use crate::metrics::Metrics;
use crate::page::Page;
use crate::start_error::StartError;
#[cfg(feature = "tls")]
use crate::tls::{self, TlsError};
use crate::users::Users;

/// Everything that a demo needs to serve, except the handlers.
#[derive(Debug)]
#[expect(clippy::exhaustive_structs, reason = "taken apart at once")]
pub struct App {
    /// The socket, which listens already.
    pub listener: TcpListener,
    /// What it encrypts with, if `--tls self` asks for it.
    #[cfg(feature = "tls")]
    pub tls: Option<Arc<rustls::ServerConfig>>,
    /// The sessions and their routes.
    pub auth: Auth,
    /// The users who may log in.
    pub users: Users,
    /// The page for browsers.
    pub page: Page,
    /// The numbers for Prometheus.
    pub metrics: Metrics,
    /// What runs beside the requests. End it once all requests are answered.
    pub background: Background,
    /// Changes keys on request, if there is an administrator.
    pub key_admin: Option<KeyAdmin>,
    /// Uses copied cookies, if the page may ask for that.
    pub thief: Thief,
}

impl App {
    /// Opens the store, the keys and the port, and starts the background tasks.
    ///
    /// # Errors
    /// [`StartError`] says what to do.
    pub async fn start(flags: &Flags) -> Result<Self, StartError> {
        let policy = flags.policy()?;
        let accounts = flags.accounts()?;
        let store = flags.store()?;
        let listener = TcpListener::bind(flags.listen).await;
        let listener = listener.map_err(|source| StartError::Listen {
            address: flags.listen.to_string(),
            source,
        })?;
        let origin = own_origin(flags, &listener)?;
        if flags.has_demo_users() && is_public(flags, &origin) {
            warn!(
                "anybody who can reach this server can log in as alice and bob, whose passwords \
                 everybody knows: name the users with --user"
            );
        }
        let config = configure(flags, origin.clone())?;
        #[cfg(feature = "tls")]
        let tls = match flags.tls {
            Tls::Off => None,
            Tls::SelfSigned => Some(tls::self_signed(&origin)?),
        };
        let thief = if may_steal(flags, &origin) {
            let address = listener.local_addr().map_err(StartError::Serve)?;
            let client = Client::new(address, origin.clone());
            #[cfg(feature = "tls")]
            let client = match &tls {
                Some(own) => client.with_tls(&own.certificate).map_err(TlsError::from)?,
                None => client,
            };
            Thief::new(client)
        } else {
            Thief::off()
        };
        // Every flag was checked before anything is created.
        let rotations = flags.rotations(&policy).map_err(StartError::Rotation)?;
        let now = chrono::Utc::now().into();
        let bad = |error| StartError::Keys {
            place: flags.keys.clone(),
            error,
        };
        let rotating = flags.rotates().then_some(&rotations);
        let mut keys = flags.keys.open(flags.alg, rotating, now).map_err(bad)?;
        if let Some(algorithm) = flags.alg {
            let changed = flags.keys.sign_with(algorithm, keys, &rotations, now);
            keys = changed.map_err(bad)?;
        }
        let (access_keys, refresh_keys) = keys.rings(&rotations, now).map_err(bad)?;
        let issuer = flags.issuer.clone();
        let issuer = issuer.map_or_else(|| Issuer::new(origin.as_str()), Ok)?;
        let audience = flags.audience.clone();
        let audience = audience.map_or_else(|| Audience::new(origin.as_str()), Ok)?;
        let issuer = TokenIssuer::builder(issuer, audience)
            .policy(policy)
            .build(access_keys, refresh_keys);
        let builder = SessionManager::builder(store.open().await?, issuer);
        let (users, exposed) = Users::open(accounts, &store).await?;
        #[cfg(feature = "metrics")]
        let metrics = Metrics::install()?;
        #[cfg(not(feature = "metrics"))]
        let metrics = Metrics::off();
        let manager = manage(builder, flags).await?;
        for subject in exposed {
            let reason = RevokeReason::PasswordChanged;
            manager.revoke_all(&subject, reason).await?;
        }
        let mut keeper = KeyKeeper::new(flags.keys.clone(), keys, rotations);
        if !flags.rotates() {
            keeper = keeper.without_rotation();
        }
        let background = Background::start(&manager, keeper);
        let keeper = background.keys();
        tokio::spawn(hangup::reread_keys(keeper.clone()));
        let key_admin = flags.admin_key.clone();
        let key_admin = key_admin.map(|key| KeyAdmin::new(key, keeper.clone()));
        let auth = Auth::new(manager, config);
        let page = Page::new(flags.has_demo_users(), thief.is_on());
        Ok(Self {
            listener,
            #[cfg(feature = "tls")]
            tls: tls.map(|tls| tls.server),
            auth,
            users,
            page,
            metrics,
            background,
            key_admin,
            thief,
        })
    }

    /// Prints the address on standard output.
    ///
    /// # Errors
    /// If standard output is closed.
    pub fn announce(&self, flags: &Flags) -> io::Result<()> {
        let address = self.listener.local_addr()?;
        writeln!(io::stdout(), "listening on {}://{address}", flags.scheme())
    }
}

/// How long the head of a request may take to come. The library limits the bodies that it reads.
pub const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// The origin that browsers see.
fn own_origin(flags: &Flags, listener: &TcpListener) -> Result<Origin, StartError> {
    if let Some(origin) = &flags.origin {
        return Ok(origin.clone());
    }
    let address = listener.local_addr().map_err(|source| StartError::Listen {
        address: flags.listen.to_string(),
        source,
    })?;
    let scheme = flags.scheme();
    if flags.listen.port() == 0 && flags.issuer.is_none() {
        warn!(
            "the issuer has a random port, so nobody stays logged in over a restart: name it with \
             --issuer, or the origin with --origin"
        );
    }
    if address.ip().is_unspecified() {
        warn!(
            "no browser sends the origin {scheme}://{address}, so logins from pages are refused: \
             name the address that browsers open with --origin, as in --origin \
             {scheme}://192.0.2.1:{}",
            address.port()
        );
    }
    Ok(format!("{scheme}://{address}").parse()?)
}

/// Whether other machines can reach the server: by its address, or through a proxy that has a name.
fn is_public(flags: &Flags, origin: &Origin) -> bool {
    let host = origin.as_str().parse::<Uri>();
    let host = host.ok().and_then(|uri| uri.host().map(str::to_owned));
    let is_here = host.is_some_and(|host| {
        let address = host.trim_start_matches('[').trim_end_matches(']');
        host == "localhost" || address.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
    });
    !(flags.listen.ip().is_loopback() && is_here)
}

/// Whether the page may have a copy of its cookies used. Only if no other machine can reach the server, which makes
/// requests for anyone who asks; only for the demo users; and only if browsers register keys, which they do over HTTPS.
fn may_steal(flags: &Flags, origin: &Origin) -> bool {
    flags.binding != BindingMode::Off
        && flags.has_demo_users()
        && origin.as_str().starts_with("https:")
        && !is_public(flags, origin)
}

/// Builds the manager. With the feed, the view is caught up before the first request.
async fn manage(
    builder: SessionManagerBuilder,
    flags: &Flags,
) -> Result<SessionManager, StartError> {
    let check = match flags.revocation {
        Revocation::Feed => RevocationCheck::Feed(flags.when_behind),
        Revocation::None => RevocationCheck::None,
        Revocation::Store => RevocationCheck::Store,
    };
    let remembered = match flags.revocation {
        Revocation::Feed => flags.session_cache,
        Revocation::None | Revocation::Store => 0,
    };
    let builder = builder.revocation_check(check).session_cache(remembered);
    // Bound cookies live as briefly as browsers can do with, so that a renewal is seen soon.
    let binding = BindingPolicy::new(flags.binding).with_lifetime(BindingPolicy::MIN_LIFETIME);
    let builder = builder.binding(binding);
    let manager = builder.build()?;
    if flags.revocation == Revocation::Feed {
        manager.catch_up().await?;
    }
    Ok(manager)
}

fn configure(flags: &Flags, origin: Origin) -> Result<AuthConfig, ConfigError> {
    let mut config = AuthConfig::builder(origin).jwks_max_age(flags.jwks_max_age);
    for origin in &flags.allow_origin {
        config = config.allow_origin(origin.clone());
    }
    for network in &flags.trusted_proxy {
        config = config.trust_proxy(*network);
    }
    for client in &flags.client {
        config = config.client(client.clone());
    }
    if let Some(key) = &flags.introspection_key {
        config = config.introspection_key(key);
    }
    match flags.dpop {
        Proofs::Off => {}
        Proofs::Optional => config = config.dpop(Dpop::optional()),
        Proofs::Required => config = config.dpop(Dpop::required()),
    }
    if flags.rate_limit {
        config = config.limit(Limits::default());
    }
    config.build()
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[test]
    fn a_server_that_other_machines_can_reach_is_public() {
        for (public, listen, origin) in [
            (false, "127.0.0.1:0", "http://127.0.0.1:3000"),
            (false, "127.0.0.1:0", "http://localhost:3000"),
            (false, "[::1]:0", "http://[::1]:3000"),
            (true, "0.0.0.0:0", "http://127.0.0.1:3000"),
            (true, "192.0.2.1:0", "http://192.0.2.1:3000"),
            // Behind a proxy.
            (true, "127.0.0.1:0", "https://demo.example"),
        ] {
            let flags = Flags::parse_from(["demo", "--listen", listen]);
            let origin = origin.parse().unwrap();
            assert_eq!(is_public(&flags, &origin), public, "{listen} {origin:?}");
        }
    }

    #[test]
    fn nobody_but_a_demo_user_on_this_machine_has_copied_cookies_used() {
        for (may, origin, more) in [
            (true, "https://127.0.0.1:3000", [].as_slice()),
            (true, "https://localhost:3000", &["--binding", "require"]),
            (false, "https://127.0.0.1:3000", &["--binding", "off"]),
            (false, "http://127.0.0.1:3000", &[]),
            (false, "https://demo.example", &[]),
            (false, "https://127.0.0.1:3000", &["--listen", "0.0.0.0:0"]),
            (
                false,
                "https://127.0.0.1:3000",
                &["--user", "carol:hush-hush"],
            ),
        ] {
            let flags = Flags::parse_from([&["demo"], more].concat());
            let origin = origin.parse().unwrap();
            assert_eq!(may_steal(&flags, &origin), may, "{origin:?} {more:?}");
        }
    }
}
