//! What the servers must prove, and whether others on the way can read along.

use std::net::IpAddr;

use redis::{ConnectionAddr, ConnectionInfo, ErrorKind, IntoConnectionInfo as _, RedisResult};
use token_core::PRODUCT;
use tracing::warn;

use crate::timeouts::tcp_settings;

/// The certificate authority that servers with `rediss://` must be certified by, as PEM.
#[derive(Clone, Default)]
pub(crate) struct Root(pub(crate) Option<Vec<u8>>);

impl Root {
    /// The servers that URLs name, which are reached alike: Sentinels, or the nodes of a Cluster.
    pub(crate) fn servers(&self, urls: &[String]) -> RedisResult<Vec<ConnectionInfo>> {
        if urls.is_empty() {
            return Err((ErrorKind::InvalidClientConfig, "no address was given").into());
        }
        let servers: RedisResult<Vec<_>> = urls.iter().map(|url| self.server(url)).collect();
        let servers = servers?;
        let encrypted = servers.iter().filter(|server| is_encrypted(server)).count();
        if encrypted > 0 && encrypted < servers.len() {
            // What these servers name is reached as they are: neither way would be meant.
            let mixed = "either all URLs are `rediss://` or none is";
            return Err((ErrorKind::InvalidClientConfig, mixed).into());
        }
        let mut logins = servers.iter().map(|server| {
            let settings = server.redis_settings();
            (settings.username(), settings.password())
        });
        let first = logins.next();
        if logins.any(|other| Some(other) != first) {
            let different = "all URLs need the same user and password";
            return Err((ErrorKind::InvalidClientConfig, different).into());
        }
        Ok(servers)
    }

    /// The server that a URL names.
    pub(crate) fn server(&self, url: &str) -> RedisResult<ConnectionInfo> {
        let info = url.into_connection_info()?.set_tcp_settings(tcp_settings());
        warn_if_readable(&info);
        if !is_encrypted(&info) {
            return Ok(info);
        }
        self.checked(info)
    }

    #[cfg(feature = "tls")]
    fn checked(&self, info: ConnectionInfo) -> RedisResult<ConnectionInfo> {
        use rustls::crypto::{CryptoProvider, aws_lc_rs};
        if CryptoProvider::get_default().is_none() {
            // redis takes that of the process, and panics if there are two to choose from. If
            // another thread was faster, there is one.
            let _ = aws_lc_rs::default_provider().install_default();
        }
        let Some(certificates) = self.certificates() else {
            return Ok(info);
        };
        let client = redis::Client::build_with_tls(info, certificates)?;
        Ok(client.get_connection_info().clone())
    }

    #[cfg(not(feature = "tls"))]
    #[expect(clippy::unused_self, reason = "with the feature it is used")]
    fn checked(&self, _: ConnectionInfo) -> RedisResult<ConnectionInfo> {
        let without = "store-redis was built without its feature `tls`";
        Err((ErrorKind::InvalidClientConfig, without).into())
    }

    /// If there is none, servers need a certificate that the operating system trusts.
    #[cfg(feature = "tls")]
    pub(crate) fn certificates(&self) -> Option<redis::TlsCertificates> {
        let root_cert = Some(self.0.clone()?);
        Some(redis::TlsCertificates {
            client_tls: None,
            root_cert,
        })
    }
}

pub(crate) fn is_encrypted(server: &ConnectionInfo) -> bool {
    matches!(server.addr(), ConnectionAddr::TcpTls { .. })
}

/// Says once, when the store is opened, that others on the way can read along.
pub(crate) fn warn_if_readable(server: &ConnectionInfo) {
    if let ConnectionAddr::Tcp(host, _) = server.addr()
        && !is_this_machine(host)
    {
        warn!(
            target: PRODUCT, host,
            "the connection to Redis is not encrypted, and this host is not this machine: anyone who is on \
             the way can read and change sessions; use `rediss://`"
        );
    }
}

fn is_this_machine(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    match address.parse::<IpAddr>() {
        Ok(address) => address.is_loopback(),
        Err(_) => host.eq_ignore_ascii_case("localhost"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_encrypted_all_or_none() {
        let root = Root::default();
        let plain = "redis://127.0.0.1:26379".to_owned();
        assert!(root.servers(&[plain.clone(), plain.clone()]).is_ok());
        let mixed = [plain, "rediss://127.0.0.1:26380".to_owned()];
        assert!(root.servers(&mixed).is_err());
    }

    #[test]
    fn urls_name_one_user_and_password() {
        let servers = |logins: [&str; 2]| {
            let urls = logins.map(|login| format!("redis://{login}127.0.0.1:26379"));
            Root::default().servers(&urls)
        };
        assert!(servers(["", ""]).is_ok());
        assert!(servers(["app:secret@", "app:secret@"]).is_ok());
        for other in ["", "other:secret@", "app:other@"] {
            assert!(servers(["app:secret@", other]).is_err(), "{other}");
            assert!(servers([other, "app:secret@"]).is_err(), "{other}");
        }
    }

    #[test]
    fn only_loopback_is_this_machine() {
        for own in ["127.0.0.1", "127.8.0.1", "::1", "[::1]", "localhost"] {
            assert!(is_this_machine(own), "{own}");
        }
        for other in ["10.0.0.1", "redis.internal", "localhost.example", "::2"] {
            assert!(!is_this_machine(other), "{other}");
        }
    }
}
