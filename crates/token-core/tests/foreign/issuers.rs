//! For each profile, what the issuer publishes and signs: shapes as its documentation shows them, with
//! keys of our own.

use serde_json::{Value, json};
use token_core::foreign::Profile;

use crate::sign::{KID, NOW, curve_jwk, jwk, sign};

/// An issuer as its profile describes it.
pub(crate) struct Sample {
    pub(crate) name: &'static str,
    pub(crate) profile: Profile,
    /// As the verifier is told it.
    pub(crate) issuer: &'static str,
    pub(crate) audience: &'static str,
    pub(crate) header: Value,
    pub(crate) claims: Value,
    pub(crate) jwks: Value,
    /// Claims without which a token is refused, beside those that every token needs.
    pub(crate) required: &'static [&'static str],
    /// The claim with the audience.
    pub(crate) audience_claim: &'static str,
}

impl Sample {
    /// A token over any texts, with a good signature of the issuer's key.
    pub(crate) fn sign(&self, header: &str, claims: &str) -> String {
        sign(self.algorithm(), header, claims)
    }

    /// By which the issuer's key signs.
    pub(crate) fn algorithm(&self) -> &str {
        self.header["alg"].as_str().unwrap()
    }
}

pub(crate) const TENANT: &str = "11111111-2222-3333-4444-555555555555";

/// A JWK as most issuers publish one.
fn usual() -> Value {
    jwk(json!({"alg": "RS256", "use": "sig"}))
}

fn header(more: Value) -> Value {
    let mut header = json!({"alg": "RS256", "kid": KID});
    merge(&mut header, more);
    header
}

fn claims(more: Value) -> Value {
    let mut claims = json!({"iat": NOW - 10, "exp": NOW + 3600});
    merge(&mut claims, more);
    claims
}

pub(crate) fn merge(into: &mut Value, more: Value) {
    let (Value::Object(into), Value::Object(more)) = (into, more) else {
        panic!("two objects")
    };
    into.extend(more);
}

#[expect(clippy::too_many_lines, reason = "a table")]
pub(crate) fn all() -> Vec<Sample> {
    let set = |keys: Vec<Value>| json!({ "keys": keys });
    vec![
        Sample {
            name: "RFC 9068",
            profile: Profile::RFC9068,
            issuer: "https://as.example",
            audience: "https://rs.example/",
            header: header(json!({"typ": "at+jwt"})),
            claims: claims(json!({
                "iss": "https://as.example", "aud": "https://rs.example/", "sub": "5ba552d67",
                "client_id": "s6BhdRkqt3", "scope": "openid profile reademail", "jti": "dbe39bf3a3ba4238a513f51d6e1691c4",
            })),
            jwks: set(vec![usual()]),
            required: &["client_id", "jti"],
            audience_claim: "aud",
        },
        Sample {
            name: "Apple",
            profile: Profile::APPLE,
            issuer: "https://appleid.apple.com",
            audience: "com.example.app",
            header: header(json!({})),
            claims: claims(json!({
                "iss": "https://appleid.apple.com", "aud": "com.example.app",
                "sub": "001234.f0e1d2c3b4a5968778695a4b3c2d1e0f.1234", "c_hash": "x", "auth_time": NOW - 20,
                "email": "alice@privaterelay.appleid.com", "email_verified": "true", "nonce_supported": true,
            })),
            jwks: set(vec![usual()]),
            required: &[],
            audience_claim: "aud",
        },
        Sample {
            name: "Auth0",
            profile: Profile::AUTH0,
            issuer: "https://example.eu.auth0.com/",
            audience: "https://api.example",
            header: header(json!({"typ": "JWT"})),
            claims: claims(json!({
                "iss": "https://example.eu.auth0.com/", "sub": "auth0|5f7c8ec7c33c6c004bbafe82",
                "aud": ["https://api.example", "https://example.eu.auth0.com/userinfo"],
                "azp": "my_client_id", "scope": "openid read:notes", "permissions": ["read:notes"],
            })),
            jwks: set(vec![jwk(
                json!({"alg": "RS256", "use": "sig", "x5t": "x", "x5c": ["MII"]}),
            )]),
            required: &["azp"],
            audience_claim: "aud",
        },
        Sample {
            name: "Auth0, RFC 9068",
            profile: Profile::AUTH0,
            issuer: "https://example.eu.auth0.com/",
            audience: "https://api.example",
            header: header(json!({"alg": "PS256", "typ": "at+jwt"})),
            claims: claims(json!({
                "iss": "https://example.eu.auth0.com/", "sub": "auth0|5f7c8ec7c33c6c004bbafe82",
                "aud": ["https://api.example", "https://example.eu.auth0.com/userinfo"],
                "client_id": "my_client_id", "jti": "73WakrfVbNJBaAmhQtEeDv", "scope": "openid read:notes",
                "permissions": ["read:notes"],
            })),
            jwks: set(vec![jwk(
                json!({"alg": "PS256", "use": "sig", "x5t": "x", "x5c": ["MII"]}),
            )]),
            required: &["client_id"],
            audience_claim: "aud",
        },
        Sample {
            name: "Cognito",
            profile: Profile::COGNITO,
            issuer: "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_EXAMPLE",
            audience: "1example23456789",
            header: header(json!({})),
            claims: claims(json!({
                "iss": "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_EXAMPLE",
                "client_id": "1example23456789", "sub": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
                "origin_jti": "o", "event_id": "e", "token_use": "access", "scope": "phone openid profile",
                "auth_time": NOW - 60, "jti": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee", "username": "alice",
                "version": 2, "cognito:groups": ["admin"],
            })),
            jwks: set(vec![usual()]),
            required: &["jti", "token_use"],
            audience_claim: "client_id",
        },
        Sample {
            name: "Entra ID, one tenant",
            profile: Profile::ENTRA_ID,
            issuer: "https://login.microsoftonline.com/11111111-2222-3333-4444-555555555555/v2.0",
            audience: "6e74172b-be56-4843-9ff4-e66a39bb12e3",
            header: header(json!({"typ": "JWT"})),
            claims: claims(entra(TENANT)),
            jwks: set(vec![entra_jwk(
                "https://login.microsoftonline.com/11111111-2222-3333-4444-555555555555/v2.0",
            )]),
            required: &["azp"],
            audience_claim: "aud",
        },
        Sample {
            name: "Entra ID, several tenants",
            profile: Profile::ENTRA_ID,
            issuer: "https://login.microsoftonline.com/{tenantid}/v2.0",
            audience: "6e74172b-be56-4843-9ff4-e66a39bb12e3",
            header: header(json!({"typ": "JWT", "x5t": "x5t-of-the-key"})),
            claims: claims(entra(TENANT)),
            jwks: set(vec![entra_jwk(
                "https://login.microsoftonline.com/{tenantid}/v2.0",
            )]),
            required: &["azp", "tid"],
            audience_claim: "aud",
        },
        Sample {
            name: "Entra ID, version 1",
            profile: Profile::ENTRA_ID,
            issuer: "https://sts.windows.net/11111111-2222-3333-4444-555555555555/",
            audience: "api://notes",
            header: header(json!({"typ": "JWT", "x5t": "x5t-of-the-key"})),
            claims: claims(json!({
                "iss": "https://sts.windows.net/11111111-2222-3333-4444-555555555555/", "aud": "api://notes",
                "sub": "l3_roISQU222bULS9yi2k0XpqpOiMz5H3ZACo1GeXA", "appid": "43612d0b", "appidacr": "0", "acr": "1",
                "amr": ["pwd"], "nbf": NOW - 10, "scp": "access_as_user", "tid": TENANT, "uti": "MS0xGvcXTkqq", "ver": "1.0",
            })),
            jwks: set(vec![jwk(json!({"use": "sig", "x5t": "x", "x5c": ["MII"]}))]),
            required: &["appid"],
            audience_claim: "aud",
        },
        Sample {
            name: "Firebase",
            profile: Profile::FIREBASE,
            issuer: "https://securetoken.google.com/my-project",
            audience: "my-project",
            header: header(json!({"typ": "JWT"})),
            claims: claims(json!({
                "iss": "https://securetoken.google.com/my-project", "aud": "my-project", "auth_time": NOW - 100,
                "user_id": "dLvM3aNzXZRJ", "sub": "dLvM3aNzXZRJ", "email": "alice@example.com",
                "firebase": {"identities": {"email": ["alice@example.com"]}, "sign_in_provider": "password"},
            })),
            jwks: set(vec![usual()]),
            required: &["auth_time"],
            audience_claim: "aud",
        },
        Sample {
            name: "GitHub Actions",
            profile: Profile::GITHUB_ACTIONS,
            issuer: "https://token.actions.githubusercontent.com",
            audience: "https://github.com/octo-org",
            header: header(json!({"typ": "JWT", "x5t": "x5t-of-the-key"})),
            claims: claims(json!({
                "jti": "4a576b35-ff09-41c5-af2c-ca62dd89b76a", "nbf": NOW - 310,
                "sub": "repo:octo-org/octo-repo:ref:refs/heads/main", "aud": "https://github.com/octo-org",
                "iss": "https://token.actions.githubusercontent.com", "ref": "refs/heads/main",
                "repository": "octo-org/octo-repo", "repository_id": "74", "run_attempt": "2",
            })),
            jwks: set(vec![jwk(
                json!({"alg": "RS256", "use": "sig", "x5t": "x", "x5c": ["MII"]}),
            )]),
            required: &["jti"],
            audience_claim: "aud",
        },
        Sample {
            name: "Google",
            profile: Profile::GOOGLE,
            issuer: "https://accounts.google.com",
            audience: "1234987819200.apps.googleusercontent.com",
            header: header(json!({"typ": "JWT"})),
            claims: claims(json!({
                "iss": "https://accounts.google.com", "azp": "1234987819200.apps.googleusercontent.com",
                "aud": "1234987819200.apps.googleusercontent.com", "sub": "10769150350006150715113082367",
                "at_hash": "HK6E_P6Dh8Y93mRNtsDB1Q", "hd": "example.com", "email": "jsmith@example.com", "email_verified": true,
            })),
            jwks: set(vec![usual()]),
            required: &[],
            audience_claim: "aud",
        },
        Sample {
            name: "Keycloak",
            profile: Profile::KEYCLOAK,
            issuer: "https://keycloak.example/realms/main",
            audience: "notes",
            header: header(json!({"typ": "JWT"})),
            claims: claims(json!({
                "iss": "https://keycloak.example/realms/main", "aud": ["notes", "account"],
                "jti": "onrtac:2f4c3f2b-5c8e-4f0e-8a0c-3d5b6a7c8d9e", "sub": "f9d0c2a1", "typ": "Bearer", "azp": "web",
                "sid": "vdRJgYYfKZZgxzb7cNbcN8pU", "acr": "1", "scope": "openid email",
                "realm_access": {"roles": ["offline_access"]}, "resource_access": {"account": {"roles": ["view-profile"]}},
            })),
            jwks: set(vec![
                jwk(json!({"alg": "RSA-OAEP", "use": "enc", "kid": "encryption", "x5c": ["MII"]})),
                jwk(json!({"alg": "RS256", "use": "sig", "x5c": ["MII"], "x5t#S256": "x"})),
            ]),
            required: &["jti", "azp", "typ"],
            audience_claim: "aud",
        },
        // A setting of the client since version 26.2; the claim `typ` stays what it was.
        Sample {
            name: "Keycloak, RFC 9068",
            profile: Profile::KEYCLOAK,
            issuer: "https://keycloak.example/realms/main",
            audience: "notes",
            header: header(json!({"alg": "ES256", "typ": "at+jwt"})),
            claims: claims(json!({
                "iss": "https://keycloak.example/realms/main", "aud": "notes",
                "jti": "trrtcc:5d1f8b1e-0c0a-4d7e-9f6e-2b7a4a3f1c9d", "sub": "f9d0c2a1", "typ": "Bearer",
                "azp": "reports", "client_id": "reports", "acr": "1", "scope": "notes:read",
            })),
            jwks: set(vec![
                jwk(json!({"alg": "RSA-OAEP", "use": "enc", "kid": "encryption", "x5c": ["MII"]})),
                curve_jwk(json!({"alg": "ES256", "use": "sig"})),
            ]),
            required: &["jti", "typ"],
            audience_claim: "aud",
        },
        Sample {
            name: "Kubernetes",
            profile: Profile::KUBERNETES,
            issuer: "https://kubernetes.default.svc.cluster.local",
            audience: "https://vault.example",
            header: header(json!({})),
            claims: claims(json!({
                "aud": ["https://vault.example"], "iss": "https://kubernetes.default.svc.cluster.local",
                "jti": "8b3c1f4e-0f64-4f5e-9d1f-2b3c4d5e6f70", "nbf": NOW - 10,
                "kubernetes.io": {"namespace": "default", "pod": {"name": "web", "uid": "u"}, "serviceaccount": {"name": "web", "uid": "v"}},
                "sub": "system:serviceaccount:default:web",
            })),
            jwks: set(vec![usual()]),
            required: &[],
            audience_claim: "aud",
        },
        // With a signing key on a curve, as the cluster was given one.
        Sample {
            name: "Kubernetes, ES256",
            profile: Profile::KUBERNETES,
            issuer: "https://oidc.cluster.example",
            audience: "https://vault.example",
            header: header(json!({"alg": "ES256"})),
            claims: claims(json!({
                "aud": ["https://vault.example"], "iss": "https://oidc.cluster.example",
                "jti": "8b3c1f4e-0f64-4f5e-9d1f-2b3c4d5e6f70", "nbf": NOW - 10,
                "kubernetes.io": {"namespace": "default", "serviceaccount": {"name": "web", "uid": "v"}},
                "sub": "system:serviceaccount:default:web",
            })),
            jwks: set(vec![curve_jwk(json!({"alg": "ES256", "use": "sig"}))]),
            required: &[],
            audience_claim: "aud",
        },
        Sample {
            name: "Okta",
            profile: Profile::OKTA,
            issuer: "https://dev-1.okta.com/oauth2/default",
            audience: "api://default",
            header: header(json!({})),
            claims: claims(json!({
                "ver": 1, "jti": "AT.0mP4JKAZX1iACIT4vbEDF7LpvDVjxypPMf0D7uX39RE", "iss": "https://dev-1.okta.com/oauth2/default",
                "aud": "api://default", "cid": "0oabv6kx4qq6h1U5l0h7", "uid": "00ujmkLgagxeRrAg20g3",
                "scp": ["openid", "notes:read"], "auth_time": NOW - 30, "sub": "alice@example.com",
            })),
            jwks: set(vec![usual()]),
            required: &["jti", "cid"],
            audience_claim: "aud",
        },
    ]
}

fn entra(tenant: &str) -> Value {
    json!({
        "aud": "6e74172b-be56-4843-9ff4-e66a39bb12e3",
        "iss": format!("https://login.microsoftonline.com/{tenant}/v2.0"),
        "nbf": NOW - 10, "aio": "AXQAi/8IAAAA", "azp": "6e74172b", "azpacr": "0", "name": "Alice", "oid": "690222be",
        "rh": "0.", "scp": "access_as_user notes.read", "sub": "HKZpfaHyWadeOouYlitjrI-KffTm222X5rrV3xDqfKQ", "tid": tenant,
        "uti": "fqiBqXLPj0eQa82S-IYFAA", "ver": "2.0", "sid": "0012345", "roles": ["Notes.Read"],
    })
}

fn entra_jwk(issuer: &str) -> Value {
    jwk(
        json!({"use": "sig", "x5t": "x", "x5c": ["MII"], "cloud_instance_name": "microsoftonline.com", "issuer": issuer}),
    )
}
