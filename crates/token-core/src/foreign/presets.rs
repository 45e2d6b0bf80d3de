//! The profiles of the usual issuers, each with the page on which the issuer says so.
//!
//! All of them ask for `iss`, `sub`, `iat`, `exp` and an audience, and refuse a token that is bound to a
//! key (`cnf`).

use std::time::Duration;

use crate::foreign::profile::{Discovery, Profile};
use crate::keys::algorithm::Algorithm;

const HOUR: Duration = Duration::from_secs(60 * 60);
const RS256: &[Algorithm] = &[Algorithm::RS256];

impl Profile {
    /// The standard form: `typ` is `at+jwt`, and `client_id` and `jti` are required.
    /// [RFC 9068](https://www.rfc-editor.org/rfc/rfc9068#section-2)
    pub const RFC9068: Self = Self {
        types: &["at+jwt"],
        untyped: false,
        ignored: &[],
        issuer_aliases: &[],
        audience: &["aud"],
        client_id: &["client_id"],
        token_id: &[],
        scope: &["scope"],
        tenant: None,
        required: &["client_id", "jti"],
        claims: &[],
        algorithms: &[],
        default_algorithm: None,
        max_age: Duration::from_secs(24 * 60 * 60),
        discovery: Discovery::OAuth,
        key_origins: &[],
    };

    /// Identity tokens of "Sign in with Apple": they have no `typ`, and the audience is the client that
    /// you have registered there.
    /// [Apple: verifying a user](https://developer.apple.com/documentation/signinwithapple/verifying-a-user)
    pub const APPLE: Self = Self::RFC9068
        .types(&[])
        .untyped()
        .client_id(&[])
        .required(&[])
        .algorithms(RS256)
        .discovery(Discovery::OpenId);

    /// Access tokens of Auth0 for an API of yours, in either of its two dialects. The issuer ends with
    /// a slash.
    /// [Auth0: access token profiles](https://auth0.com/docs/secure/tokens/access-tokens/access-token-profiles)
    pub const AUTH0: Self = Self::RFC9068
        .types(&["JWT", "at+jwt"])
        .client_id(&["client_id", "azp"])
        .required(&["client_id"])
        .algorithms(&[Algorithm::RS256, Algorithm::PS256])
        .discovery(Discovery::OpenId);

    /// Access tokens of an Amazon Cognito user pool: they have no `typ` and no `aud`. The audience is
    /// the identifier of the app client, in `client_id`.
    /// [Amazon Cognito: understanding the access token](https://docs.aws.amazon.com/cognito/latest/developerguide/amazon-cognito-user-pools-using-the-access-token.html)
    pub const COGNITO: Self = Self::RFC9068
        .types(&[])
        .untyped()
        .audience(&["client_id"])
        .claims(&[("token_use", "access")])
        .algorithms(RS256)
        .discovery(Discovery::OpenId);

    /// Access tokens of Microsoft Entra ID for an API of yours, in version 1.0 or 2.0. The issuer is
    /// `https://login.microsoftonline.com/TENANT/v2.0`, or the same with `{tenantid}` for an API of
    /// several tenants. The published keys have no `alg`, and may name the issuer that they sign for.
    /// [Microsoft: access tokens](https://learn.microsoft.com/en-us/entra/identity-platform/access-tokens#validate-tokens)
    pub const ENTRA_ID: Self = Self::RFC9068
        .types(&["JWT"])
        .ignore_header_members(&["x5t"])
        .client_id(&["azp", "appid"])
        .token_id(&["uti"])
        .scope(&["scp"])
        .tenant("tid")
        // An ID token names no client but its audience.
        .required(&["client_id"])
        .algorithms(RS256)
        .default_algorithm(Algorithm::RS256)
        // With continuous access evaluation a token lives for up to 28 hours.
        .max_age(Duration::from_secs(28 * HOUR.as_secs()))
        .discovery(Discovery::OpenId);

    /// ID tokens of Firebase Authentication. The issuer is `https://securetoken.google.com/PROJECT`,
    /// and the audience is the project.
    /// [Firebase: verify ID tokens](https://firebase.google.com/docs/auth/admin/verify-id-tokens)
    pub const FIREBASE: Self = Self::RFC9068
        .types(&["JWT"])
        .client_id(&[])
        .required(&["auth_time"])
        .algorithms(RS256)
        .discovery(Discovery::OpenId)
        .key_origins(&["https://www.googleapis.com"]);

    /// Tokens of a workflow on GitHub Actions. The issuer is
    /// `https://token.actions.githubusercontent.com`. Every repository on GitHub can get such a token
    /// for any audience, so compare `sub`, or `repository` and `ref` in claims of your own.
    /// [GitHub: OpenID Connect reference](https://docs.github.com/en/actions/reference/security/oidc)
    pub const GITHUB_ACTIONS: Self = Self::RFC9068
        .types(&["JWT"])
        .ignore_header_members(&["x5t"])
        .client_id(&[])
        .required(&["jti"])
        .algorithms(RS256)
        .discovery(Discovery::OpenId);

    /// ID tokens of Google, for people and for service accounts. The issuer is
    /// `https://accounts.google.com`, and the audience is your client identifier or URL.
    /// [Google: validating an ID token](https://developers.google.com/identity/openid-connect/openid-connect#validatinganidtoken)
    pub const GOOGLE: Self = Self::RFC9068
        .types(&["JWT"])
        .issuer_aliases(&["accounts.google.com"])
        .client_id(&["azp"])
        .required(&[])
        .algorithms(RS256)
        .discovery(Discovery::OpenId)
        .key_origins(&["https://www.googleapis.com"]);

    /// Access tokens of a realm of Keycloak. The issuer is `https://HOST/realms/REALM`. ID tokens have
    /// the same `typ` in the header, so the claim of that name decides.
    /// [Keycloak: securing applications with OpenID Connect](https://www.keycloak.org/securing-apps/oidc-layers)
    pub const KEYCLOAK: Self = Self::RFC9068
        .types(&["JWT", "at+jwt"])
        .client_id(&["azp", "client_id"])
        .claims(&[("typ", "Bearer")])
        .discovery(Discovery::OpenId);

    /// Tokens of a service account in Kubernetes, for an audience of yours. They have no `typ`. The
    /// pod, the namespace and the account are in the claim `kubernetes.io`.
    /// [Kubernetes: managing service accounts](https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/#schema-for-service-account-private-claims)
    pub const KUBERNETES: Self = Self::RFC9068
        .types(&[])
        .untyped()
        .client_id(&[])
        .required(&[])
        .algorithms(&[Algorithm::RS256, Algorithm::ES256, Algorithm::ES384])
        // The kubelet replaces a token that is older than a day.
        .max_age(Duration::from_secs(26 * HOUR.as_secs()))
        .discovery(Discovery::OpenId);

    /// Access tokens of a custom authorization server of Okta. They have no `typ`, the client is in
    /// `cid`, and the scope is the list `scp`. The issuer is `https://DOMAIN/oauth2/SERVER`.
    /// [Okta: access token](https://developer.okta.com/docs/reference/api/oidc/#access-token)
    pub const OKTA: Self = Self::RFC9068
        .types(&[])
        .untyped()
        .client_id(&["cid"])
        .scope(&["scp"])
        .algorithms(RS256)
        .discovery(Discovery::OpenId);
}
