//! The schemas of types that `token-core` writes, which knows nothing of this document.

use utoipa::ToSchema;

/// How the credentials of a session travel.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "a description of `token_core::Transport`")]
pub(crate) enum Transport {
    /// A refresh token in a cookie, an access token in a header.
    Cookie,
    /// Two tokens, each in answers and headers.
    Header,
    /// One opaque cookie.
    Session,
}

/// The transports that a login may ask for, which the configuration says.
#[derive(ToSchema)]
#[expect(dead_code, reason = "a name that is described by the configuration")]
pub(crate) struct Offered(String);

/// Where a session was opened.
#[derive(ToSchema)]
#[expect(dead_code, reason = "a description of `token_core::session::Device`")]
pub(crate) struct Device {
    /// What a person calls it.
    #[schema(required = true)]
    label: Option<String>,
    /// The `User-Agent` that logged in.
    #[schema(required = true)]
    user_agent: Option<String>,
    /// The network it came from.
    #[schema(required = true)]
    ip_prefix: Option<String>,
}
