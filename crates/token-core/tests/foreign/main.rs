//! Tokens of other issuers: what each profile accepts, and that a single fault is refused.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "helpers of tests fail the test"
)]

mod differential;
mod issuers;
mod reference;
mod sign;
mod wycheproof;

use std::time::Duration;

use issuers::{Sample, all};
use serde::Deserialize;
use serde_json::{Value, json};
use sign::{KID, NOW, jwk, now};
use token_core::access::{ClaimsError, FormError, JsonError, VerifierError};
use token_core::foreign::{ForeignClaims, ForeignKeys, ForeignToken, ForeignVerifier, Profile};
use token_core::keys::KeyError;
use token_core::{Algorithm, NoClaims, UntrustedToken, Verifier, VerifyError};

impl Sample {
    fn keys(&self) -> ForeignKeys {
        ForeignKeys::parse(&self.jwks.to_string(), &self.profile).unwrap()
    }

    fn verifier(&self) -> ForeignVerifier {
        let (issuer, audience) = (self.issuer.parse().unwrap(), self.audience.parse().unwrap());
        ForeignVerifier::builder(issuer, audience, self.profile)
            .tenant("11111111-2222-3333-4444-555555555555")
            .keys(self.keys())
            .build()
            .unwrap()
    }

    fn verify(&self, header: &str, claims: &str) -> Result<ForeignClaims, VerifyError> {
        let text = self.sign(header, claims);
        let token = UntrustedToken::parse(&text)?;
        let verified: Result<ForeignToken, _> = self.verifier().verify(token, now());
        verified.map(ForeignToken::into_claims)
    }

    /// The verdict if one claim has another value, or is left out.
    fn with(&self, claim: &str, value: Option<Value>) -> Result<ForeignClaims, VerifyError> {
        let mut claims = self.claims.clone();
        let members = claims.as_object_mut().unwrap();
        match value {
            Some(value) => members.insert(claim.to_owned(), value),
            None => members.remove(claim),
        };
        self.verify(&self.header.to_string(), &claims.to_string())
    }

    /// The verdict if one member of the header has another value, or is left out.
    fn with_header(
        &self,
        member: &str,
        value: Option<Value>,
    ) -> Result<ForeignClaims, VerifyError> {
        let mut header = self.header.clone();
        let members = header.as_object_mut().unwrap();
        match value {
            Some(value) => members.insert(member.to_owned(), value),
            None => members.remove(member),
        };
        self.verify(&header.to_string(), &self.claims.to_string())
    }

    /// The verdict if the claims have one more member, as text.
    fn and(&self, member: &str) -> Result<ForeignClaims, VerifyError> {
        let claims = self.claims.to_string();
        let claims = claims.replacen('{', &format!("{{{member},"), 1);
        self.verify(&self.header.to_string(), &claims)
    }
}

#[test]
fn tokens_of_each_issuer_are_accepted_by_its_profile() {
    for sample in all() {
        let claims = sample.verify(&sample.header.to_string(), &sample.claims.to_string());
        let claims = claims.unwrap_or_else(|error| panic!("{}: {error}", sample.name));
        assert_eq!(
            claims.issuer.as_str(),
            sample.claims["iss"],
            "{}",
            sample.name
        );
        assert_eq!(
            claims.subject.as_str(),
            sample.claims["sub"],
            "{}",
            sample.name
        );
        assert_eq!(claims.audience.as_str(), sample.audience, "{}", sample.name);
    }
}

#[test]
fn claims_are_found_under_the_names_that_the_issuer_gives_them() {
    let find = |name: &str| {
        let sample = all()
            .into_iter()
            .find(|sample| sample.name == name)
            .unwrap();
        sample
            .verify(&sample.header.to_string(), &sample.claims.to_string())
            .unwrap()
    };
    let text = |id: &Option<token_core::foreign::ForeignId>| id.as_ref().map(ToString::to_string);
    let client = |claims: &ForeignClaims| claims.client_id.as_ref().map(ToString::to_string);

    let okta = find("Okta");
    assert_eq!(client(&okta).unwrap(), "0oabv6kx4qq6h1U5l0h7");
    assert_eq!(okta.scope.as_str(), "openid notes:read");
    assert_eq!(okta.auth_time.unwrap().as_secs(), NOW - 30);

    let entra = find("Entra ID, several tenants");
    assert_eq!(client(&entra).unwrap(), "6e74172b");
    assert_eq!(text(&entra.id).unwrap(), "fqiBqXLPj0eQa82S-IYFAA");
    assert_eq!(text(&entra.session_id).unwrap(), "0012345");
    assert_eq!(
        text(&entra.tenant).unwrap(),
        "11111111-2222-3333-4444-555555555555"
    );
    assert_eq!(entra.scope.as_str(), "access_as_user notes.read");

    let old = find("Entra ID, version 1");
    assert_eq!(client(&old).unwrap(), "43612d0b");
    assert_eq!(&*old.amr[0], "pwd");

    let kubernetes = find("Kubernetes");
    assert_eq!((client(&kubernetes), kubernetes.auth_time), (None, None));
    assert!(kubernetes.scope.is_empty());
}

/// What a single fault is, and whether the profile's own settings allow it.
#[test]
fn a_single_fault_is_refused_under_each_profile() {
    for sample in all() {
        let name = sample.name;
        let missing = |claim| VerifyError::Claims(ClaimsError::Missing { claim });
        for claim in ["iss", "sub", "iat", "exp"] {
            assert_eq!(
                sample.with(claim, None).unwrap_err(),
                missing(claim),
                "{name}"
            );
        }
        let audience = sample.with(sample.audience_claim, None).unwrap_err();
        assert_eq!(audience, missing(sample.audience_claim), "{name}");
        for claim in sample.required {
            let error = sample.with(claim, None).unwrap_err();
            let is_missing = matches!(error, VerifyError::Claims(ClaimsError::Missing { .. }));
            assert!(is_missing, "{name} without {claim}: {error}");
            let error = sample.with(claim, Some(json!({}))).unwrap_err();
            assert!(
                matches!(error, VerifyError::Claims(_)),
                "{name}, {claim}: {error}"
            );
        }
        let slash = format!("{}/", sample.claims["iss"].as_str().unwrap());
        for issuer in ["https://evil.example", &slash, ""] {
            let error = sample.with("iss", Some(json!(issuer))).unwrap_err();
            assert_eq!(error, VerifyError::WrongIssuer, "{name}: {issuer}");
        }
        for audience in [json!("another"), json!([]), json!(["another", "x"])] {
            let error = sample
                .with(sample.audience_claim, Some(audience))
                .unwrap_err();
            let refused = matches!(error, VerifyError::WrongAudience | VerifyError::Claims(_));
            assert!(refused, "{name}: {error}");
        }
        for (claim, value) in [
            ("exp", json!(NOW)),
            ("exp", json!(NOW + 300).to_string().into()),
            ("exp", json!(f64::from(u32::MAX) + 0.5)),
            ("iat", json!(NOW + 60)),
            ("iat", json!(NOW - 31 * 86400)),
            ("nbf", json!(NOW + 60)),
            ("sub", json!("")),
            ("sub", json!("a\nb")),
            ("sub", json!(1)),
            ("jti", json!(1)),
            ("jti", json!("a\0")),
            ("sid", json!("")),
            ("auth_time", json!("yesterday")),
            ("amr", json!("pwd")),
            ("cnf", json!({"jkt": "x"})),
        ] {
            let verdict = sample.with(claim, Some(value.clone()));
            assert!(verdict.is_err(), "{name}, {claim} {value}: {verdict:?}");
        }
        let duplicate = sample.and(r#""sub":"x""#).unwrap_err();
        assert!(
            matches!(
                duplicate,
                VerifyError::Claims(ClaimsError::Duplicate { .. })
            ),
            "{name}"
        );
        for member in [r#""a":{"b":1,"b":2}"#, r#""a":1,"a":2"#] {
            let error = sample.and(member).unwrap_err();
            assert_eq!(
                error,
                VerifyError::Claims(ClaimsError::Duplicate { claim: "another" })
            );
        }
        for member in [
            r#""a":"\ud800""#.to_owned(),
            format!(r#""a":{}{}"#, "[".repeat(200), "]".repeat(200)),
        ] {
            let error = sample.and(&member).unwrap_err();
            let syntax = matches!(
                error,
                VerifyError::Claims(ClaimsError::Json(JsonError::Syntax { .. }))
            );
            assert!(syntax, "{name}: {error}");
        }
    }
}

#[test]
fn a_single_fault_in_the_header_is_refused_under_each_profile() {
    for sample in all() {
        let name = sample.name;
        let expected: Algorithm = sample.algorithm().parse().unwrap();
        for algorithm in [
            "none", "HS256", "RS256", "RS384", "PS256", "ES256", "rs256", "",
        ] {
            if algorithm == sample.algorithm() {
                continue;
            }
            let error = sample
                .with_header("alg", Some(json!(algorithm)))
                .unwrap_err();
            assert_eq!(error, VerifyError::AlgorithmMismatch { expected }, "{name}");
        }
        let error = sample
            .with_header("kid", Some(json!("another")))
            .unwrap_err();
        assert_eq!(error, VerifyError::UnknownKey, "{name}");
        for member in ["alg", "kid"] {
            let error = sample.with_header(member, None).unwrap_err();
            assert_eq!(error, FormError::Missing { member }.into(), "{name}");
        }
        let is_typed = sample.header.get("typ").is_some();
        let kinds: &[&str] = if is_typed {
            &["", "dpop+jwt", "rt+jwt", "id_token+jwt"]
        } else {
            &["", "JWT", "at+jwt", "logout+jwt"]
        };
        for kind in kinds {
            let error = sample.with_header("typ", Some(json!(kind))).unwrap_err();
            assert_eq!(error, VerifyError::WrongType, "{name}: {kind}");
        }
        if is_typed {
            assert_eq!(
                sample.with_header("typ", None).unwrap_err(),
                VerifyError::WrongType,
                "{name}"
            );
        }
        for (member, value) in [
            ("crit", json!(["exp"])),
            ("b64", json!(false)),
            ("zip", json!("DEF")),
            ("enc", json!("A128GCM")),
            ("cty", json!("JWT")),
            ("jku", json!("https://evil.example/keys")),
            ("jwk", jwk(json!({}))),
            ("x5u", json!("https://evil.example/cert")),
            ("x5c", json!(["MII"])),
            ("nonce", json!("x")),
        ] {
            let error = sample.with_header(member, Some(value)).unwrap_err();
            assert!(
                matches!(error, VerifyError::Form(_)),
                "{name}, {member}: {error}"
            );
        }
        let ignores = sample.with_header("x5t", Some(json!("x"))).is_ok();
        assert_eq!(
            ignores,
            name.starts_with("Entra") || name.starts_with("GitHub"),
            "{name}"
        );
    }
}

#[test]
fn a_signature_is_refused_if_anything_under_it_changes() {
    for sample in all() {
        let text = sample.sign(&sample.header.to_string(), &sample.claims.to_string());
        let verifier = sample.verifier();
        let verify = |text: &str| {
            let token = UntrustedToken::parse(text)?;
            verifier.verify::<NoClaims>(token, now())
        };
        verify(&text).unwrap();
        let (input, signature) = text.rsplit_once('.').unwrap();
        let (header, _) = input.split_once('.').unwrap();
        let mut claims = sample.claims.clone();
        claims["sub"] = json!("mallory");
        let other = sign::encode(claims.to_string());
        let first = if signature.starts_with('A') { "B" } else { "A" };
        for forged in [
            format!("{header}.{other}.{signature}"),
            format!("{input}.{first}{}", &signature[1..]),
        ] {
            assert_eq!(
                verify(&forged).unwrap_err(),
                VerifyError::Signature,
                "{}",
                sample.name
            );
        }
        assert!(verify(&format!("{input}.")).is_err());
    }
}

#[test]
fn a_token_ends_at_its_own_end_or_at_the_greatest_age() {
    for sample in all() {
        let text = sample.sign(&sample.header.to_string(), &sample.claims.to_string());
        let verifier = sample.verifier();
        let at = |seconds| {
            let token = UntrustedToken::parse(&text).unwrap();
            verifier.verify::<NoClaims>(token, now() + Duration::from_secs(seconds))
        };
        let token = at(3599).unwrap();
        let end = verifier.believed_until(token.claims());
        assert_eq!(end.as_secs(), NOW + 3600, "{}", sample.name);
        assert!(at(3600).unwrap_err().is_expired(), "{}", sample.name);
    }
    for mut sample in all() {
        let greatest = match sample.name {
            name if name.starts_with("Entra") => 28 * 3600,
            name if name.starts_with("Kubernetes") => 26 * 3600,
            _ => 24 * 3600,
        };
        sample.claims["iat"] = json!(NOW);
        sample.claims["exp"] = json!(NOW + 60 * 86400);
        let text = sample.sign(&sample.header.to_string(), &sample.claims.to_string());
        let verifier = sample.verifier();
        let at = |seconds| {
            let token = UntrustedToken::parse(&text).unwrap();
            verifier.verify::<NoClaims>(token, now() + Duration::from_secs(seconds))
        };
        let token = at(greatest).unwrap();
        let end = verifier.believed_until(token.claims());
        assert_eq!(end.as_secs(), NOW + greatest + 1, "{}", sample.name);
        let error = at(greatest + 1).unwrap_err();
        let issued = now();
        let later = now() + Duration::from_secs(greatest + 1);
        let too_old = VerifyError::TooOld { now: later, issued };
        assert_eq!(error, too_old, "{}", sample.name);
    }
}

#[test]
fn a_key_that_the_profile_does_not_fit_is_refused_with_its_reason() {
    let parse = |profile: &Profile, key: Value| {
        let set = json!({ "keys": [key] }).to_string();
        let keys = ForeignKeys::parse(&set, profile).unwrap();
        keys.refused().first().map(|(_, reason)| *reason)
    };
    for sample in all() {
        let profile = &sample.profile;
        let name = sample.name;
        let bare = parse(profile, jwk(json!({})));
        let defaulted = name.starts_with("Entra");
        let missing = (!defaulted).then_some(KeyError::AlgorithmMissing);
        assert_eq!(bare, missing, "{name}");
        assert_eq!(
            parse(profile, jwk(json!({"alg": "RS256", "use": "enc"}))),
            Some(KeyError::Purpose)
        );
        assert_eq!(
            parse(profile, jwk(json!({"alg": "RS256", "d": "AA"}))),
            Some(KeyError::Private)
        );
        let secret = json!({"kty": "oct", "alg": "HS256", "k": sign::encode([1; 32])});
        assert_eq!(parse(profile, secret), Some(KeyError::Symmetric));
        // Only the standard and Keycloak leave the algorithm open.
        let algorithm = Algorithm::RS384;
        let open = name == "RFC 9068" || name.starts_with("Keycloak");
        let other = (!open).then_some(KeyError::NotChosen { algorithm });
        assert_eq!(
            parse(profile, jwk(json!({"alg": "RS384"}))),
            other,
            "{name}"
        );
    }
}

/// Microsoft says of each key for which issuer it signs.
#[test]
fn a_key_signs_only_for_the_issuer_that_its_set_names() {
    let mut sample = all()
        .into_iter()
        .find(|sample| sample.name == "Entra ID, several tenants")
        .unwrap();
    for (issuer, good) in [
        ("https://login.microsoftonline.com/{tenantid}/v2.0", true),
        (
            "https://login.microsoftonline.com/11111111-2222-3333-4444-555555555555/v2.0",
            true,
        ),
        (
            "https://login.microsoftonline.com/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0",
            false,
        ),
        ("https://login.example/{tenantid}/v2.0", false),
    ] {
        sample.jwks["keys"][0]["issuer"] = json!(issuer);
        let verdict = sample.verify(&sample.header.to_string(), &sample.claims.to_string());
        assert_eq!(verdict.is_ok(), good, "{issuer}");
        assert!(good || verdict == Err(VerifyError::WrongKeyIssuer));
    }
}

#[test]
fn only_the_chosen_tenants_of_an_issuer_are_let_in() {
    let sample = all()
        .into_iter()
        .find(|sample| sample.name == "Entra ID, several tenants")
        .unwrap();
    let builder = || {
        let (issuer, audience) = (
            sample.issuer.parse().unwrap(),
            sample.audience.parse().unwrap(),
        );
        ForeignVerifier::builder(issuer, audience, sample.profile).keys(sample.keys())
    };
    assert_eq!(builder().build().unwrap_err(), VerifierError::NoTenant);
    let text = sample.sign(&sample.header.to_string(), &sample.claims.to_string());
    let verify = |verifier: &ForeignVerifier| {
        let token = UntrustedToken::parse(&text).unwrap();
        verifier.verify::<NoClaims>(token, now()).map(drop)
    };
    let other = builder().tenant("another").build().unwrap();
    assert_eq!(verify(&other), Err(VerifyError::WrongTenant));
    assert_eq!(verify(&builder().any_tenant().build().unwrap()), Ok(()));
    // `iss` and `tid` have to name the same tenant.
    let error = sample.with("tid", Some(json!("another"))).unwrap_err();
    assert_eq!(error, VerifyError::WrongIssuer);
    let elsewhere = json!("https://login.microsoftonline.com/another/v2.0");
    assert_eq!(
        sample.with("iss", Some(elsewhere)).unwrap_err(),
        VerifyError::WrongIssuer
    );
}

/// A token of ours, with everything that its profile demands.
fn of_a_session(sample: &Sample) -> String {
    let mut claims = sample.claims.clone();
    let own = json!({
        "client_id": "web", "sid": "AAAAAAAAAAAAAAAAAAAAAAAA", "jti": "AAAAAAAAAAAAAAAAAAAAAA",
        "auth_time": NOW - 10, "aud": sample.audience,
    });
    issuers::merge(&mut claims, own);
    let algorithm = sample.algorithm();
    sample.sign(
        &format!(r#"{{"alg":"{algorithm}","kid":"{KID}","typ":"at+jwt"}}"#),
        &claims.to_string(),
    )
}

#[test]
fn no_token_is_both_of_a_session_and_foreign() {
    for sample in all() {
        let keys = sample.keys();
        let issuer = sample.claims["iss"].as_str().unwrap().parse().unwrap();
        let ours = Verifier::builder(issuer, sample.audience.parse().unwrap());
        let ours = ours.keys(keys.keys()).build().unwrap();
        let foreign = sample.verifier();

        let text = of_a_session(&sample);
        let token = UntrustedToken::parse(&text).unwrap();
        let accepted = ours.verify::<NoClaims>(token, now());
        assert!(
            accepted.is_ok() || sample.name.starts_with("Cognito"),
            "{}: {accepted:?}",
            sample.name
        );
        let refused = foreign.verify::<NoClaims>(token, now()).unwrap_err();
        let why = matches!(refused, VerifyError::HasSession | VerifyError::WrongType);
        assert!(why, "{}: {refused}", sample.name);

        let text = sample.sign(&sample.header.to_string(), &sample.claims.to_string());
        let token = UntrustedToken::parse(&text).unwrap();
        foreign.verify::<NoClaims>(token, now()).unwrap();
        assert!(
            ours.verify::<NoClaims>(token, now()).is_err(),
            "{}",
            sample.name
        );
    }
}

#[test]
fn the_other_claims_are_read_as_the_type_of_the_application() {
    #[derive(Debug, Deserialize)]
    struct Workflow {
        repository: String,
        #[serde(rename = "ref")]
        reference: String,
    }
    let sample = all()
        .into_iter()
        .find(|sample| sample.name == "GitHub Actions")
        .unwrap();
    let text = sample.sign(&sample.header.to_string(), &sample.claims.to_string());
    let token = UntrustedToken::parse(&text).unwrap();
    let token = sample.verifier().verify::<Workflow>(token, now()).unwrap();
    let Workflow {
        repository,
        reference,
    } = token.into_claims().custom;
    assert_eq!(
        (&*repository, &*reference),
        ("octo-org/octo-repo", "refs/heads/main")
    );
}

#[test]
fn the_first_of_several_names_counts_and_each_is_read_once() {
    const BOTH: Profile = Profile::AUTH0.required(&["client_id"]);
    let mut sample = all()
        .into_iter()
        .find(|sample| sample.name == "Auth0")
        .unwrap();
    sample.profile = BOTH;
    let client =
        |verdict: Result<ForeignClaims, _>| verdict.unwrap().client_id.unwrap().to_string();
    assert_eq!(
        client(sample.with("client_id", Some(json!("first")))),
        "first"
    );
    assert_eq!(client(sample.and(r#""client_id":"first""#)), "first");
    let twice = sample.and(r#""azp":"b""#).unwrap_err();
    assert_eq!(
        twice,
        VerifyError::Claims(ClaimsError::Duplicate { claim: "azp" })
    );
    let text = sample.and(r#""client_id":["a"]"#).unwrap_err();
    assert_eq!(
        text,
        VerifyError::Claims(ClaimsError::Type { claim: "client_id" })
    );
}

#[test]
fn a_scope_in_a_list_keeps_its_values_apart() {
    let sample = all()
        .into_iter()
        .find(|sample| sample.name == "Okta")
        .unwrap();
    let scope = |value| {
        sample
            .with("scp", Some(value))
            .map(|claims| claims.scope.as_str().to_owned())
    };
    assert_eq!(scope(json!(["a", "b"])).unwrap(), "a b");
    assert_eq!(scope(json!("a b")).unwrap(), "a b");
    assert_eq!(scope(json!([])).unwrap(), "");
    for wrong in [
        json!(["a b"]),
        json!([""]),
        json!(["a\""]),
        json!([1]),
        json!({}),
    ] {
        assert!(scope(wrong.clone()).is_err(), "{wrong}");
    }
}

#[test]
fn one_of_several_audiences_is_enough_and_is_told() {
    let sample = all()
        .into_iter()
        .find(|sample| sample.name == "Okta")
        .unwrap();
    let verifier = ForeignVerifier::builder(
        sample.issuer.parse().unwrap(),
        "https://new.example".parse().unwrap(),
        sample.profile,
    );
    let verifier = verifier
        .audience(sample.audience.parse().unwrap())
        .keys(sample.keys());
    let text = sample.sign(&sample.header.to_string(), &sample.claims.to_string());
    let token = UntrustedToken::parse(&text).unwrap();
    let token = verifier
        .build()
        .unwrap()
        .verify::<NoClaims>(token, now())
        .unwrap();
    assert_eq!(token.claims().audience.as_str(), sample.audience);
}

#[test]
fn a_profile_that_cannot_be_safe_builds_no_verifier() {
    let sample = all().remove(0);
    let build = |profile| {
        let (issuer, audience) = (
            sample.issuer.parse().unwrap(),
            sample.audience.parse().unwrap(),
        );
        let builder = ForeignVerifier::builder(issuer, audience, profile);
        builder.keys(sample.keys()).build().map(drop).unwrap_err()
    };
    assert_eq!(build(Profile::RFC9068.types(&[])), VerifierError::NoType);
    assert_eq!(
        build(Profile::RFC9068.required(&["azp"])),
        VerifierError::Profile
    );
    let max_age = Duration::from_secs(32 * 86400);
    assert_eq!(
        build(Profile::RFC9068.max_age(max_age)),
        VerifierError::MaxAge { max_age }
    );
    let none = ForeignVerifier::builder(
        sample.issuer.parse().unwrap(),
        sample.audience.parse().unwrap(),
        Profile::RFC9068,
    );
    assert_eq!(none.build().map(drop).unwrap_err(), VerifierError::NoKeys);
}
