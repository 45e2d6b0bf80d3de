//! What is wrong with the settings.

use std::time::Duration;

use thiserror::Error;

/// A setting that is out of its range.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The suffix cannot be part of a cookie's name, or is too long.
    #[error("a cookie suffix has at most 32 letters, digits, hyphens and underscores")]
    CookieSuffix,
    /// Bodies could take too long, or would have no time to come.
    #[error("a body cannot have {0:?} to come: use 1 s to 10 min")]
    BodyTimeout(Duration),
    /// What stands before each path is not a path.
    #[error(
        "the base path of proofs begins with a slash, does not end with one, and needs no escapes"
    )]
    DpopBasePath,
    /// Two readers of old sessions have one name, by which their sessions are told apart.
    #[error("two readers of old sessions are called `{0}`: give each a name of its own")]
    DuplicateReader(&'static str),
    /// No proof could be remembered, so every one would be refused.
    #[error("used proofs need room: `Dpop::remember` takes numbers of at least 1")]
    DpopRoom,
    /// The key cannot be sent in a header.
    #[error("an introspection key has only A-Z a-z 0-9 - . _ ~ + / and, at its end, =")]
    IntrospectionKey,
    /// The key set would be cached too long or not at all.
    #[error("the key set cannot be cached for {0:?}: use 1 s to 1 day")]
    JwksMaxAge(Duration),
    /// The place of the key set is not a path.
    #[error(
        "the path of the key set begins with a slash, does not end with one, and needs no escapes"
    )]
    JwksPath,
    /// The old cookie could not be deleted.
    #[error("`{0}` cannot be the name of a cookie, or its path or domain cannot be written")]
    OldCookie(Box<str>),
    /// Another host of the site can set the old cookie.
    #[error(
        "every host of the site can set the cookie `{0}` for this one, since its name does not begin with \
         `__Host-`: if they are all trusted, say so with `Adoption::trust_sister_hosts`"
    )]
    PlantableCookie(Box<str>),
    /// A reader has a cookie, and nobody has said whether it outlives the browser.
    #[error(
        "whether the cookie `{0}` was set with `Max-Age` or `Expires` cannot be seen: say it with \
         `Adoption::remember`, or everybody who closes the browser is logged out"
    )]
    OldCookieLife(Box<str>),
    /// A reader has cookies, and reads tokens too.
    #[error("the reader `{0}` reads cookies and tokens: make it two readers with two names")]
    TwoCarriers(&'static str),
    /// The prefix is not a path.
    #[error("a prefix begins with a slash, does not end with one, and needs no escapes")]
    Prefix,
    /// The realm cannot be quoted in a header.
    #[error("a realm has only visible ASCII and spaces, without quotes and backslashes")]
    Realm,
    /// The name cannot be another one for the scheme `Bearer`.
    #[error("`scheme` has to be a word such as `Token`, and not `Bearer`, `DPoP` or `Basic`")]
    Scheme,
    /// There is no transport to log in with.
    #[error("a login needs a transport: name at least one of `header`, `cookie` and `session`")]
    Transports,
}
