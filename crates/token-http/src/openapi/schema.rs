//! Schemas for types of `token-core`, which does not depend on utoipa.

use utoipa::ToSchema;

/// How the credentials of a session travel.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "a description of `token_core::Transport`")]
pub(crate) enum Transport {
    /// A refresh token in a cookie, an access token in a header.
    Cookie,
    /// Two tokens, in bodies and headers.
    Header,
    /// One opaque cookie.
    Session,
}

/// The transports that a login may ask for; the configuration lists them.
#[derive(ToSchema)]
#[expect(dead_code, reason = "a name that is described by the configuration")]
pub(crate) struct Offered(String);

/// Where a session was opened.
#[derive(ToSchema)]
#[expect(dead_code, reason = "a description of `token_core::session::Device`")]
pub(crate) struct Device {
    /// A name that people know, such as `Firefox on Linux`.
    #[schema(required = true)]
    label: Option<String>,
    /// The `User-Agent` of the login.
    #[schema(required = true)]
    user_agent: Option<String>,
    /// The network of the client's address.
    #[schema(required = true)]
    ip_prefix: Option<String>,
}
