//! How Sentinels are asked for the master, and how the master is reached then.

use redis::sentinel::{SentinelClient, SentinelClientBuilder, SentinelServerType};
use redis::{ErrorKind, RedisResult, TlsMode};

use crate::timeouts::tcp_settings;
use crate::tls::{Root, is_encrypted};

/// The client of Sentinels that know the master under a name. `login` is the user and password of the master.
pub(crate) fn client(
    root: &Root,
    urls: &[String],
    name: &str,
    login: Option<&(Option<String>, String)>,
) -> RedisResult<SentinelClient> {
    let sentinels = root.servers(urls)?;
    let mut logins = sentinels.iter().map(|sentinel| {
        let settings = sentinel.redis_settings();
        (settings.username(), settings.password())
    });
    let (user_of_sentinels, password_of_sentinels) = logins.next().unwrap_or_default();
    if logins.any(|other| other != (user_of_sentinels, password_of_sentinels)) {
        let different = "all Sentinels need the same user and password";
        return Err((ErrorKind::InvalidClientConfig, different).into());
    }
    let encrypted = sentinels.iter().all(is_encrypted);
    let addresses = sentinels.iter().map(|sentinel| sentinel.addr().clone());
    let mut builder = SentinelClientBuilder::new(addresses, name, SentinelServerType::Master)?
        .set_client_to_redis_tcp_settings(tcp_settings())
        .set_client_to_sentinel_tcp_settings(tcp_settings());
    if encrypted {
        builder = builder.set_client_to_redis_tls_mode(TlsMode::Secure);
        // A server that Sentinels name is checked as they are.
        #[cfg(feature = "tls")]
        if let Some(certificates) = root.certificates() {
            builder = builder.set_client_to_redis_certificates(certificates);
        }
    }
    if let Some(user) = user_of_sentinels {
        builder = builder.set_client_to_sentinel_username(user);
    }
    if let Some(password) = password_of_sentinels {
        builder = builder.set_client_to_sentinel_password(password);
    }
    if let Some((user, password)) = login {
        if let Some(user) = user {
            builder = builder.set_client_to_redis_username(user);
        }
        builder = builder.set_client_to_redis_password(password);
    }
    builder.build()
}
