//! Our verdict beside that of [`reference`](crate::reference), under each preset: over tokens of the issuer's form, made by
//! the clock of the machine, and over the same with a single fault.
//!
//! Whatever the issuer's own page refuses, we refuse. What we refuse beyond it is named here with its reason; the same
//! table stands in `docs/verification.md`.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use token_core::foreign::{ForeignToken, ForeignVerifier};
use token_core::{UnixTime, UntrustedToken, VerifyError};

use crate::issuers::{Sample, all};
use crate::reference;
use crate::sign::{NOW, encode, jwk};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Expect {
    Accept,
    /// We refuse it, and so does the issuer's page.
    Refuse,
    /// We refuse it for this reason, whether or not the page says so. For one preset at least it does not.
    Stricter(&'static str),
}

use Expect::{Accept, Refuse, Stricter};

const TYPE: &str = "`typ` tells an access token from tokens of other kinds";
const MEMBERS: &str = "only known header members: what is not understood is not accepted";
const NAMED: &str = "the profile says that every token of the issuer has it";
const AGE: &str = "a token has an age, and an end to it";
const WHOLE: &str = "times are whole numbers";
const NAMES: &str = "names have a bounded, printable form";
const FORMS: &str = "claims that are read have the type that their standard says";
const TWICE: &str = "duplicates mean different things to different readers";
const BOUND: &str = "a bearer does not prove the key";
const ONE: &str = "`iss` is one text";

/// For which presets a reason makes a difference.
#[derive(Clone, Copy, Debug)]
enum Presets {
    All,
    AllBut(&'static [&'static str]),
}

/// Every difference there is. At the presets that are missing the page says the same.
const DIFFERENCES: [(&str, Presets); 10] = [
    (AGE, Presets::All),
    (BOUND, Presets::All),
    (FORMS, Presets::All),
    (MEMBERS, Presets::All),
    (
        NAMED,
        Presets::AllBut(&[
            "RFC 9068",
            "Apple",
            "Firebase",
            "Google",
            "Kubernetes",
            "Kubernetes, ES256",
        ]),
    ),
    (NAMES, Presets::All),
    // There it has to be equal to what the key's own entry says.
    (
        ONE,
        Presets::AllBut(&["Entra ID, one tenant", "Entra ID, several tenants"]),
    ),
    (TWICE, Presets::All),
    (TYPE, Presets::AllBut(&["RFC 9068"])),
    (WHOLE, Presets::All),
];

impl Presets {
    fn has(self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::AllBut(names) => !names.contains(&name),
        }
    }
}

struct Vector {
    name: String,
    expect: Expect,
    token: String,
}

/// A preset's token, which is changed in one place.
struct Forge<'a> {
    sample: &'a Sample,
    /// Seconds from the time of the samples to now.
    shift: u64,
    vectors: Vec<Vector>,
}

impl Forge<'_> {
    fn header(&self) -> Value {
        self.sample.header.clone()
    }

    /// The claims, as if they were issued now.
    fn claims(&self) -> Value {
        let mut claims = self.sample.claims.clone();
        for name in ["iat", "exp", "nbf", "auth_time"] {
            if let Some(time) = claims.get(name).and_then(Value::as_u64) {
                claims[name] = json!(time + self.shift);
            }
        }
        claims
    }

    fn now(&self) -> u64 {
        NOW + self.shift
    }

    fn add(&mut self, name: impl Into<String>, expect: Expect, token: String) {
        let name = name.into();
        self.vectors.push(Vector {
            name,
            expect,
            token,
        });
    }

    /// One member of the header is another, or is left out.
    fn member(&mut self, name: &str, value: Option<Value>, expect: Expect) {
        let case = format!("header: {name} {}", shown(value.as_ref()));
        let header = with(self.header(), name, value).to_string();
        let token = self.sample.sign(&header, &self.claims().to_string());
        self.add(case, expect, token);
    }

    /// One claim is another, or is left out.
    fn claim(&mut self, name: &str, value: Option<Value>, expect: Expect) {
        let case = format!("claims: {name} {}", shown(value.as_ref()));
        let claims = with(self.claims(), name, value).to_string();
        let token = self.sample.sign(&self.header().to_string(), &claims);
        self.add(case, expect, token);
    }

    /// Claims with this text in front of the others.
    fn text(&mut self, case: &str, text: &str, expect: Expect) {
        let claims = self.claims().to_string();
        let claims = claims.replacen('{', &format!("{{{text},"), 1);
        let token = self.sample.sign(&self.header().to_string(), &claims);
        self.add(case, expect, token);
    }

    fn good(&mut self) {
        let token = self
            .sample
            .sign(&self.header().to_string(), &self.claims().to_string());
        self.add("good", Accept, token);
        self.text(
            "good, a claim more",
            r#""more":{"a":[1,{"b":null}]}"#,
            Accept,
        );
        let now = self.now();
        self.claim("nbf", Some(json!(now - 1)), Accept);
        self.claim("iat", Some(json!(now - 3600)), Accept);
        self.claim("exp", Some(json!(now + 60)), Accept);
        if self.sample.audience_claim == "aud" {
            let audience = json!(["another", self.sample.audience]);
            self.claim("aud", Some(audience), Accept);
            self.claim("aud", Some(json!(self.sample.audience)), Accept);
        }
    }

    fn form_and_signature(&mut self) {
        let token = self
            .sample
            .sign(&self.header().to_string(), &self.claims().to_string());
        let (input, signature) = token.rsplit_once('.').unwrap();
        let (header, payload) = input.split_once('.').unwrap();
        let first = if signature.starts_with('A') { 'B' } else { 'A' };
        let other = with(self.claims(), "sub", Some(json!("mallory")));
        for (name, forged) in [
            ("empty", String::new()),
            ("two parts", input.to_owned()),
            ("four parts", format!("{token}.")),
            ("padding", format!("{token}=")),
            ("a space in front", format!(" {token}")),
            ("no signature", format!("{input}.")),
            (
                "signature, one bit",
                format!("{input}.{first}{}", &signature[1..]),
            ),
            (
                "signature, cut",
                format!("{input}.{}", &signature[..signature.len() / 2]),
            ),
            (
                "signature of other claims",
                format!("{header}.{}.{signature}", encode(other.to_string())),
            ),
            (
                "signature of another header",
                format!("{}.{payload}.{signature}", encode(r#"{"alg":"RS256"}"#)),
            ),
        ] {
            self.add(format!("form: {name}"), Refuse, forged);
        }
        for claims in ["[]", "null", "\"text\"", "{"] {
            let token = self.sample.sign(&self.header().to_string(), claims);
            self.add(format!("form: the claims {claims}"), Refuse, token);
        }
    }

    fn headers(&mut self) {
        let own = self.sample.algorithm();
        for algorithm in [
            "none", "HS256", "RS256", "RS384", "PS256", "ES256", "ES384", "rs256", "",
        ] {
            if algorithm != own {
                self.member("alg", Some(json!(algorithm)), Refuse);
            }
        }
        for name in ["alg", "kid"] {
            self.member(name, None, Refuse);
            self.member(name, Some(json!(1)), Refuse);
        }
        self.member("kid", Some(json!("another")), Refuse);
        let kinds: &[&str] = match self.sample.header.get("typ") {
            Some(_) => &["", "rt+jwt", "dpop+jwt", "id_token+jwt", "logout+jwt"],
            None => &["", "JWT", "at+jwt", "logout+jwt"],
        };
        for kind in kinds {
            self.member("typ", Some(json!(kind)), Stricter(TYPE));
        }
        if self.sample.header.get("typ").is_some() {
            self.member("typ", None, Stricter(TYPE));
        }
        self.member("crit", Some(json!(["exp"])), Refuse);
        self.member("b64", Some(json!(false)), Stricter(MEMBERS));
        for (name, value) in [
            ("zip", json!("DEF")),
            ("enc", json!("A128GCM")),
            ("cty", json!("JWT")),
            ("jku", json!("https://evil.example/keys")),
            ("jwk", jwk(json!({}))),
            ("x5u", json!("https://evil.example/cert")),
            ("x5c", json!(["MII"])),
            ("nonce", json!("x")),
        ] {
            self.member(name, Some(value), Stricter(MEMBERS));
        }
    }

    fn issuer_and_audience(&mut self) {
        let issuer = self.claims()["iss"].as_str().unwrap().to_owned();
        for other in [
            "https://evil.example",
            &*format!("{issuer}/"),
            &issuer[..issuer.len() - 2],
            "",
        ] {
            self.claim("iss", Some(json!(other)), Refuse);
        }
        self.claim("iss", Some(json!([issuer])), Stricter(ONE));
        self.claim("iss", Some(json!(1)), Refuse);
        self.claim("iss", None, Refuse);
        let name = self.sample.audience_claim;
        for audience in [
            json!("another"),
            json!([]),
            json!(["another"]),
            json!([1]),
            json!(1),
            Value::Null,
        ] {
            self.claim(name, Some(audience), Refuse);
        }
        self.claim(name, None, Refuse);
    }

    fn times(&mut self) {
        let now = self.now();
        for expires in [
            json!(now - 60),
            json!((now + 300).to_string()),
            json!(-1),
            Value::Null,
        ] {
            self.claim("exp", Some(expires), Refuse);
        }
        self.claim("exp", None, Refuse);
        #[expect(clippy::cast_precision_loss, reason = "it has 31 bits")]
        let fraction = (now + 300) as f64 + 0.5;
        self.claim("exp", Some(json!(fraction)), Stricter(WHOLE));
        self.claim("exp", Some(json!(253_402_300_800_u64)), Stricter(WHOLE));
        self.claim("nbf", Some(json!(now + 60)), Refuse);
        self.claim("nbf", Some(json!("1")), Refuse);
        for issued in [
            Some(json!(now + 60)),
            Some(json!(now - 31 * 86_400)),
            Some(json!("1")),
            None,
        ] {
            self.claim("iat", issued, Stricter(AGE));
        }
        self.claim("auth_time", Some(json!("yesterday")), Stricter(FORMS));
        let future = if self.sample.required.contains(&"auth_time") {
            Refuse
        } else {
            Accept
        };
        self.claim("auth_time", Some(json!(now + 60)), future);
    }

    fn claims_by_name(&mut self) {
        for subject in [json!(""), json!("a\nb")] {
            self.claim("sub", Some(subject), Stricter(NAMES));
        }
        self.claim("sub", Some(json!(1)), Refuse);
        self.claim("sub", None, Refuse);
        let checked_above = |name: &&&str| **name == self.sample.audience_claim;
        let required = self
            .sample
            .required
            .iter()
            .filter(|name| !checked_above(name));
        for name in required.copied().collect::<Vec<_>>() {
            self.claim(name, None, Stricter(NAMED));
            self.claim(name, Some(json!({})), Stricter(NAMED));
        }
        for (name, value) in [("jti", json!(1)), ("amr", json!("pwd"))] {
            self.claim(name, Some(value), Stricter(FORMS));
        }
        for (name, value) in [("jti", json!("a\0")), ("sid", json!(""))] {
            self.claim(name, Some(value), Stricter(NAMES));
        }
        self.claim("cnf", Some(json!({"jkt": "x"})), Stricter(BOUND));
        for name in ["iss", "sub", "exp"] {
            let value = self.claims()[name].to_string();
            self.text(
                &format!("claims: {name} twice"),
                &format!("\"{name}\":{value}"),
                Refuse,
            );
        }
        self.text("claims: another twice", r#""a":1,"a":2"#, Stricter(TWICE));
        self.text(
            "claims: nested twice",
            r#""a":{"b":1,"b":2}"#,
            Stricter(TWICE),
        );
        self.text("claims: a lone surrogate", r#""a":"\ud800""#, Refuse);
    }
}

fn with(mut object: Value, name: &str, value: Option<Value>) -> Value {
    let members = object.as_object_mut().unwrap();
    match value {
        Some(value) => members.insert(name.to_owned(), value),
        None => members.remove(name),
    };
    object
}

/// Without times and names that differ from one run or preset to another.
fn shown(value: Option<&Value>) -> String {
    value.map_or("missing".to_owned(), Value::to_string)
}

fn verify(
    verifier: &ForeignVerifier,
    token: &str,
    now: UnixTime,
) -> Result<ForeignToken, VerifyError> {
    verifier.verify(UntrustedToken::parse(token)?, now)
}

fn machine_time() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.unwrap().as_secs()
}

fn vectors(sample: &Sample) -> Vec<Vector> {
    let mut forge = Forge {
        sample,
        shift: machine_time() - NOW,
        vectors: Vec::new(),
    };
    forge.good();
    forge.form_and_signature();
    forge.headers();
    forge.issuer_and_audience();
    forge.times();
    forge.claims_by_name();
    forge.vectors
}

#[test]
fn what_the_page_of_each_issuer_refuses_is_refused_and_where_we_are_stricter_is_listed() {
    let mut wrong = Vec::new();
    // Each reason, and the presets for which it makes a difference.
    let mut reasons: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut count = 0;
    for sample in all() {
        let verifier = sample.verifier();
        for vector in vectors(&sample) {
            count += 1;
            let now = UnixTime::from_secs(machine_time()).unwrap();
            let ours = verify(&verifier, &vector.token, now);
            let page = reference::verify(&sample, &vector.token);
            let agreed = match vector.expect {
                Accept => ours.is_ok() && page.is_ok(),
                Refuse => ours.is_err() && page.is_err(),
                Stricter(_) => ours.is_err(),
            };
            if let (Stricter(reason), Ok(())) = (vector.expect, &page) {
                let presets = reasons.entry(reason).or_default();
                if presets.last() != Some(&sample.name) {
                    presets.push(sample.name);
                }
            }
            if !agreed {
                let ours = ours.map(|_| ()).map_err(|error| error.to_string());
                wrong.push(format!(
                    "{}, {}: {:?}; ours {ours:?}, the page {page:?}",
                    sample.name, vector.name, vector.expect
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "of {count}:\n{}", wrong.join("\n"));
    let expected: BTreeMap<&str, Vec<&str>> = DIFFERENCES
        .iter()
        .map(|(reason, presets)| {
            let names = all().into_iter().map(|sample| sample.name);
            (*reason, names.filter(|name| presets.has(name)).collect())
        })
        .collect();
    assert_eq!(reasons, expected);
    assert!(count > 1_000, "{count} tokens");
}
