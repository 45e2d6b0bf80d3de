//! Another verifier of the tokens of each issuer: jsonwebtoken, set as the issuer's own page says, and nothing more.

use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Header, Validation, decode, decode_header};
use serde_json::Value;

use crate::issuers::Sample;

/// What the page of an issuer asks of the services that get a token.
struct Page {
    algorithms: &'static [Algorithm],
    /// Claims that must be there, of those that jsonwebtoken looks at.
    required: &'static [&'static str],
    /// What it asks for beyond that.
    also: fn(&Sample, &Header, &Value) -> bool,
}

const USUAL: &[&str] = &["exp", "iss", "aud", "sub"];
const RS256: &[Algorithm] = &[Algorithm::RS256];

/// The pages are those that `presets.rs` names. "Present" means of the right type.
fn page(name: &str) -> Page {
    let usual = |also| Page {
        algorithms: RS256,
        required: USUAL,
        also,
    };
    match name {
        // Sections 2.2 and 4.
        "RFC 9068" => usual(|_, header, claims| {
            let kind = header.typ.as_deref().unwrap_or_default();
            let kind = kind.to_ascii_lowercase();
            (kind == "at+jwt" || kind == "application/at+jwt")
                && has_texts(claims, &["client_id", "jti"])
                && claims["iat"].is_u64()
        }),
        // Auth0: "perform standard JWT validation", then the audience and the scope; no page asks for `azp`, for `cid` at
        // Okta or for `jti` at GitHub, though their tokens have them.
        "Apple" | "Auth0" | "GitHub Actions" | "Google" | "Kubernetes" | "Okta" => {
            usual(|_, _, _| true)
        }
        "Auth0, RFC 9068" => Page {
            algorithms: &[Algorithm::RS256, Algorithm::PS256],
            ..usual(|_, _, _| true)
        },
        "Kubernetes, ES256" => Page {
            algorithms: &[Algorithm::ES256],
            ..usual(|_, _, _| true)
        },
        // Its access tokens have no `aud`: "`aud` in an ID token, `client_id` in an access token".
        "Cognito" => Page {
            required: &["exp", "iss", "sub"],
            ..usual(|sample, _, claims| {
                claims["client_id"] == sample.audience && claims["token_use"] == "access"
            })
        },
        "Entra ID, one tenant" | "Entra ID, several tenants" | "Entra ID, version 1" => {
            usual(of_a_tenant)
        }
        // "Must be in the past", "must be a non-empty string".
        "Firebase" => usual(|_, _, claims| {
            let now = jsonwebtoken::get_current_timestamp();
            let past = |name: &str| claims[name].as_u64().is_some_and(|time| time <= now);
            past("iat") && past("auth_time") && claims["sub"] != ""
        }),
        // As its `TokenVerifier` does by default.
        "Keycloak" => usual(|_, _, claims| claims["typ"] == "Bearer"),
        "Keycloak, RFC 9068" => Page {
            algorithms: &[Algorithm::ES256],
            ..usual(|_, _, claims| claims["typ"] == "Bearer")
        },
        _ => panic!("there is no page for {name}"),
    }
}

/// The tenant is one that was chosen, and the key may sign for it.
fn of_a_tenant(sample: &Sample, header: &Header, claims: &Value) -> bool {
    let keys = sample.jwks["keys"].as_array().unwrap();
    let mut keys = keys
        .iter()
        .filter(|key| key["kid"] == *header.kid.as_ref().unwrap());
    let allowed = keys.find_map(|key| key["issuer"].as_str());
    let tenant = claims["tid"].as_str();
    let allowed = allowed.map(|issuer| issuer.replace("{tenantid}", tenant.unwrap_or("?")));
    let known = tenant.is_none_or(|tenant| tenant == crate::issuers::TENANT);
    known && allowed.is_none_or(|allowed| claims["iss"] == *allowed)
}

fn has_texts(claims: &Value, names: &[&str]) -> bool {
    names.iter().all(|name| claims[*name].is_string())
}

/// Accepts a token by the clock of the machine, or says why not.
pub(crate) fn verify(sample: &Sample, token: &str) -> Result<(), String> {
    let told = |error: jsonwebtoken::errors::Error| error.to_string();
    let page = page(sample.name);
    let header = decode_header(token).map_err(told)?;
    let kid = header.kid.as_deref().ok_or("there is no `kid`")?;
    let set: JwkSet = serde_json::from_value(sample.jwks.clone()).unwrap();
    let key = set.find(kid).ok_or("no such key")?;
    let key = DecodingKey::from_jwk(key).map_err(told)?;
    let mut validation = Validation::new(Algorithm::RS256);
    validation.algorithms = page.algorithms.to_vec();
    validation.leeway = 0;
    validation.validate_nbf = true;
    validation.set_required_spec_claims(page.required);
    validation.validate_aud = page.required.contains(&"aud");
    validation.set_audience(&[sample.audience]);
    // Google: "accounts.google.com or https://accounts.google.com".
    let bare = sample.issuer.trim_start_matches("https://");
    let aliases = (sample.name == "Google").then(|| bare.to_owned());
    let issuer = sample.issuer.replace("{tenantid}", crate::issuers::TENANT);
    let issuers: Vec<String> = std::iter::once(issuer).chain(aliases).collect();
    validation.set_issuer(&issuers);
    let decoded = decode::<Value>(token, &key, &validation).map_err(told)?;
    if (page.also)(sample, &decoded.header, &decoded.claims) {
        Ok(())
    } else {
        Err("a rule of the issuer's own".to_owned())
    }
}
