//! Our verdict beside that of independent verifiers, over tokens that are good but for one fault.
//!
//! Whatever any of them refuses, we refuse. Where we are stricter than all of them, the case is
//! marked with the reason; the same table stands in `docs/verification.md`.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "helpers of tests fail the test"
)]

mod forge;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use forge::{
    AUDIENCE, Claims, HEADER, ISSUER, NOW, SECRET, encode, foreign_verifier, now, sign, sign_input,
    verifier,
};
use jsonwebtoken::{DecodingKey, Validation};
use jwt_simple::prelude::{
    Duration, HS256Key, HashSet, MACLike as _, NoCustomClaims, VerificationOptions,
};
use token_core::{NoClaims, UntrustedToken};

#[derive(Debug)]
struct Vector {
    name: String,
    token: String,
    expect: Expect,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Expect {
    /// Everybody accepts it.
    Accept,
    /// We refuse it, and so does each peer that has the rule.
    Refuse,
    /// We refuse what both peers accept, for this reason.
    Stricter(&'static str),
}

use Expect::{Accept, Refuse, Stricter};

const MEMBERS: &str = "only known header members: what is not understood is not accepted";
const PROFILE: &str = "required by this library's profile";
const TWICE: &str = "duplicates mean different things to different readers";
const WHOLE: &str = "times are whole numbers";
const LIVED: &str = "a token that ends when it begins was made by mistake";
const NAMES: &str = "names have a bounded, printable form";

/// Tokens of ours.
fn cases() -> Vec<Vector> {
    cases_of(Claims::good)
}

/// Tokens of another issuer, and what we accept of them that no token of ours may have.
fn foreign_cases() -> Vec<Vector> {
    let mut cases = cases_of(Claims::foreign);
    let free = [
        "claims: sid missing",
        "claims: auth_time missing",
        "jti: not 128 bits",
        "sid: not a session id",
        "scope: an array",
    ];
    let mut found = 0;
    for case in &mut cases {
        if free.contains(&&*case.name) {
            case.expect = Accept;
            found += 1;
        }
    }
    assert_eq!(found, free.len());
    cases
}

#[expect(clippy::too_many_lines, reason = "a table")]
fn cases_of(good: fn() -> Claims) -> Vec<Vector> {
    let mut cases = Vec::new();
    let mut case = |name: &str, expect, token: String| {
        let name = name.to_owned();
        cases.push(Vector {
            name,
            token,
            expect,
        });
    };
    let header = |text: &str| sign(text, good().json());
    let member = |text: &str| header(&HEADER.replace('}', &format!(",{text}}}")));
    let token = good().token();
    let (input, signature) = token.rsplit_once('.').unwrap();
    let (head, payload) = input.split_once('.').unwrap();

    case("good", Accept, token.clone());
    case(
        "good, typ with its prefix",
        Accept,
        header(&HEADER.replace("at+jwt", "application/at+jwt")),
    );
    case(
        "good, two audiences",
        Accept,
        good()
            .with("aud", format!("[\"x\",\"{AUDIENCE}\"]"))
            .token(),
    );
    case("good, nbf now", Accept, good().with("nbf", NOW).token());
    case(
        "good, members of the application",
        Accept,
        good().with("a", r#"{"b":[1,{"c":2}]}"#).token(),
    );

    case("form: empty", Refuse, String::new());
    case("form: one part", Refuse, head.into());
    case(
        "form: JSON serialization",
        Refuse,
        format!(r#"{{"protected":"{head}","payload":"{payload}","signature":"{signature}"}}"#),
    );
    case("form: two parts", Refuse, input.into());
    case("form: four parts", Refuse, format!("{token}."));
    case(
        "form: five parts, as JWE",
        Refuse,
        format!("{token}.{payload}.{payload}"),
    );
    case(
        "form: empty header",
        Refuse,
        sign_input(&format!(".{payload}")),
    );
    case(
        "form: empty payload",
        Refuse,
        sign_input(&format!("{head}.")),
    );
    case("form: empty signature", Refuse, format!("{input}."));
    case("form: padding", Refuse, format!("{token}="));
    case("form: space in front", Refuse, format!(" {token}"));
    case("form: newline behind", Refuse, format!("{token}\n"));
    case(
        "form: standard alphabet",
        Refuse,
        sign_input(&format!("{head}.{payload}+/")),
    );
    case(
        "form: unused bits set",
        Refuse,
        format!("{input}.{}", respell(signature)),
    );
    case(
        "form: over 8 KiB",
        Stricter("bounded work"),
        good()
            .with("a", format!("\"{}\"", "x".repeat(7000)))
            .token(),
    );

    case(
        "signature: one bit",
        Refuse,
        format!("{input}.B{}", &signature[1..]),
    );
    case(
        "signature: cut",
        Refuse,
        format!("{input}.{}", &signature[..42]),
    );
    case("signature: one byte", Refuse, format!("{input}.AA"));
    case(
        "signature: too long",
        Refuse,
        format!("{input}.{}", encode([0; 64])),
    );
    case(
        "signature: of other claims",
        Refuse,
        format!(
            "{head}.{}.{signature}",
            encode(good().with("sub", "\"x\"").json())
        ),
    );

    for alg in ["none", "None", "HS384", "hs256", "RS256", "EdDSA", ""] {
        case(
            &format!("header: alg {alg:?}"),
            Refuse,
            header(&HEADER.replace("HS256", alg)),
        );
    }
    case(
        "header: alg a number",
        Refuse,
        header(&HEADER.replace("\"HS256\"", "256")),
    );
    case(
        "header: alg missing",
        Refuse,
        header(r#"{"kid":"k1","typ":"at+jwt"}"#),
    );
    for typ in ["JWT", "rt+jwt", ""] {
        case(
            &format!("header: typ {typ:?}"),
            Refuse,
            header(&HEADER.replace("at+jwt", typ)),
        );
    }
    case(
        "header: typ missing",
        Refuse,
        header(r#"{"alg":"HS256","kid":"k1"}"#),
    );
    case(
        "header: kid of no key",
        Refuse,
        header(&HEADER.replace("k1", "k2")),
    );
    case(
        "header: kid missing",
        Refuse,
        header(r#"{"alg":"HS256","typ":"at+jwt"}"#),
    );
    case(
        "header: kid a number",
        Refuse,
        header(&HEADER.replace("\"k1\"", "1")),
    );
    case(
        "header: alg twice",
        Refuse,
        header(&HEADER.replace('{', r#"{"alg":"HS256","#)),
    );
    case("header: crit", Refuse, member(r#""crit":["exp"]"#));
    case("header: crit empty", Refuse, member(r#""crit":[]"#));
    case("header: b64 false", Refuse, member(r#""b64":false"#));
    case("header: zip", Stricter(MEMBERS), member(r#""zip":"DEF""#));
    case(
        "header: enc",
        Stricter(MEMBERS),
        member(r#""enc":"A128GCM""#),
    );
    case("header: cty", Stricter(MEMBERS), member(r#""cty":"JWT""#));
    case(
        "header: jku",
        Stricter(MEMBERS),
        member(r#""jku":"https://evil.example""#),
    );
    case(
        "header: jwk",
        Refuse,
        member(r#""jwk":{"kty":"oct","k":"AA"}"#),
    );
    case(
        "header: x5u",
        Stricter(MEMBERS),
        member(r#""x5u":"https://evil.example""#),
    );
    case("header: x5c", Stricter(MEMBERS), member(r#""x5c":["AA"]"#));
    case(
        "header: unheard of",
        Stricter(MEMBERS),
        member(r#""foo":"bar""#),
    );
    case("header: an array", Refuse, header("[]"));
    case("header: broken JSON", Refuse, header("{"));
    case(
        "header: not UTF-8",
        Refuse,
        sign(b"{\"alg\":\"HS256\xff\"}", good().json()),
    );

    case("claims: an array", Refuse, sign(HEADER, "[]"));
    case("claims: a text", Refuse, sign(HEADER, "\"text\""));
    case("claims: null", Refuse, sign(HEADER, "null"));
    case("claims: broken JSON", Refuse, sign(HEADER, "{"));
    case(
        "claims: trailing text",
        Refuse,
        sign(HEADER, good().json() + "x"),
    );
    case(
        "claims: not UTF-8",
        Refuse,
        sign(HEADER, b"{\"sub\":\"\xff\"}"),
    );
    for claim in ["iss", "aud", "sub", "jti", "iat", "exp", "client_id"] {
        case(
            &format!("claims: {claim} missing"),
            Refuse,
            good().without(claim).token(),
        );
    }
    for claim in ["sid", "auth_time"] {
        case(
            &format!("claims: {claim} missing"),
            Stricter(PROFILE),
            good().without(claim).token(),
        );
    }
    for claim in ["sub", "exp", "iss"] {
        let value = good()
            .0
            .iter()
            .find(|(name, _)| name == claim)
            .unwrap()
            .1
            .clone();
        case(
            &format!("claims: {claim} twice"),
            Refuse,
            good().and(claim, value).token(),
        );
    }
    case(
        "claims: a member of the application twice",
        Stricter(TWICE),
        good().and("a", 1).and("a", 2).token(),
    );
    case(
        "claims: nested member twice",
        Stricter(TWICE),
        good().and("a", r#"{"b":1,"b":2}"#).token(),
    );

    case(
        "iss: another",
        Refuse,
        good().with("iss", "\"https://evil.example\"").token(),
    );
    case(
        "iss: a slash more",
        Refuse,
        good().with("iss", format!("\"{ISSUER}/\"")).token(),
    );
    case(
        "iss: an array",
        Refuse,
        good().with("iss", format!("[\"{ISSUER}\"]")).token(),
    );
    case(
        "aud: another",
        Refuse,
        good().with("aud", "\"https://evil.example\"").token(),
    );
    case("aud: empty array", Refuse, good().with("aud", "[]").token());
    case("aud: a number", Refuse, good().with("aud", 1).token());
    case(
        "aud: an array with a number",
        Refuse,
        good().with("aud", format!("[\"{AUDIENCE}\",1]")).token(),
    );
    case("sub: a number", Refuse, good().with("sub", 1).token());
    case(
        "sub: empty",
        Stricter(NAMES),
        good().with("sub", "\"\"").token(),
    );
    case(
        "sub: a newline",
        Stricter(NAMES),
        good().with("sub", "\"a\\nb\"").token(),
    );
    case(
        "client_id: a number",
        Stricter(PROFILE),
        good().with("client_id", 1).token(),
    );
    case("jti: a number", Refuse, good().with("jti", 1).token());
    case(
        "jti: not 128 bits",
        Stricter(PROFILE),
        good().with("jti", "\"1\"").token(),
    );
    case(
        "sid: not a session id",
        Stricter(PROFILE),
        good().with("sid", "\"1\"").token(),
    );
    case(
        "scope: an array",
        Stricter(PROFILE),
        good().with("scope", "[\"a\"]").token(),
    );
    case(
        "cnf: bound to a key",
        Stricter("a bearer does not prove the key"),
        good().with("cnf", r#"{"jkt":"x"}"#).token(),
    );

    case(
        "exp: now less leeway",
        Refuse,
        good().with("iat", NOW - 60).with("exp", NOW - 5).token(),
    );
    case(
        "exp: an hour ago",
        Refuse,
        good()
            .with("iat", NOW - 7200)
            .with("exp", NOW - 3600)
            .token(),
    );
    case(
        "exp: a text",
        Refuse,
        good().with("exp", format!("\"{}\"", NOW + 300)).token(),
    );
    case("exp: null", Refuse, good().with("exp", "null").token());
    case(
        "exp: a fraction",
        Stricter(WHOLE),
        good().with("exp", format!("{}.5", NOW + 300)).token(),
    );
    case(
        "exp: an exponent",
        Stricter(WHOLE),
        good().with("exp", "1.8e9").token(),
    );
    case("exp: negative", Refuse, good().with("exp", -1).token());
    case(
        "exp: after the year 9999",
        Stricter(WHOLE),
        good().with("exp", 253_402_300_800_u64).token(),
    );
    case(
        "exp: not after iat",
        Stricter(LIVED),
        good().with("exp", NOW).token(),
    );
    case(
        "nbf: in a minute",
        Refuse,
        good().with("nbf", NOW + 60).token(),
    );
    case("nbf: a text", Refuse, good().with("nbf", "\"1\"").token());
    case(
        "iat: in a minute",
        Refuse,
        good().with("iat", NOW + 60).token(),
    );
    case("iat: a text", Refuse, good().with("iat", "\"1\"").token());
    case(
        "iat: two days ago",
        Refuse,
        good().with("iat", NOW - 2 * 86400).token(),
    );
    case(
        "auth_time: in a minute",
        Accept,
        good().with("auth_time", NOW + 60).token(),
    );
    cases
}

/// The same bytes with an unused bit set.
fn respell(text: &str) -> String {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let (rest, last) = text.split_at(text.len() - 1);
    let value = alphabet
        .iter()
        .position(|letter| *letter == last.as_bytes()[0])
        .unwrap();
    format!("{rest}{}", char::from(alphabet[value | 1]))
}

fn ours(token: &str) -> Result<(), String> {
    let token = UntrustedToken::parse(token).map_err(|error| error.to_string())?;
    let verified = verifier().verify::<NoClaims>(token, now());
    verified.map(|_| ()).map_err(|error| error.to_string())
}

fn foreign(token: &str) -> Result<(), String> {
    let token = UntrustedToken::parse(token).map_err(|error| error.to_string())?;
    let verified = foreign_verifier().verify::<NoClaims>(token, now());
    verified.map(|_| ()).map_err(|error| error.to_string())
}

/// Each kind of token, and its verifier.
type Kind = (Vec<Vector>, fn(&str) -> Result<(), String>);

fn kinds() -> [Kind; 2] {
    [(cases(), ours), (foreign_cases(), foreign)]
}

fn jwt_simple(token: &str) -> Result<(), String> {
    let options = VerificationOptions {
        accept_future: false,
        allowed_audiences: Some(HashSet::from([AUDIENCE.to_owned()])),
        allowed_issuers: Some(HashSet::from([ISSUER.to_owned()])),
        artificial_time: Some(Duration::from_secs(NOW)),
        max_validity: Some(Duration::from_hours(24)),
        required_key_id: Some("k1".to_owned()),
        time_tolerance: Some(Duration::from_secs(5)),
        ..VerificationOptions::default()
    };
    let key = HS256Key::from_bytes(&SECRET);
    let verified = key.verify_token::<NoCustomClaims>(token, Some(options));
    verified.map(|_| ()).map_err(|error| error.to_string())
}

/// It asks the machine's clock alone, so of the times it is told not to look at any.
fn jsonwebtoken(token: &str) -> Result<(), String> {
    let mut validation = Validation::new(jsonwebtoken::Algorithm::HS256);
    validation.set_issuer(&[ISSUER]);
    validation.set_audience(&[AUDIENCE]);
    validation.set_required_spec_claims(&["iss", "aud", "sub", "exp"]);
    validation.validate_exp = false;
    validation.validate_nbf = false;
    let key = DecodingKey::from_secret(&SECRET).unwrap();
    let decoded = jsonwebtoken::decode::<serde_json::Value>(token, &key, &validation);
    decoded.map(|_| ()).map_err(|error| error.to_string())
}

/// The verdicts of npm's `jose`, by the name of the case.
fn jose(cases: &[Vector]) -> BTreeMap<String, String> {
    let peers = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/peers");
    let modules = std::env::var_os("HALLPASS_NODE_MODULES")
        .map_or_else(|| peers.join("node_modules"), PathBuf::from);
    assert!(
        modules.join("jose").is_dir(),
        "npm's `jose` is not in {}: run `npm ci --ignore-scripts` in {}, or say with \
         HALLPASS_NODE_MODULES where it is",
        modules.display(),
        peers.display(),
    );
    let input = serde_json::json!({
        "modules": modules,
        "secret": encode(SECRET),
        "issuer": ISSUER,
        "audience": AUDIENCE,
        "now": NOW,
        "cases": cases
            .iter()
            .map(|case| serde_json::json!({"name": case.name, "token": case.token}))
            .collect::<Vec<_>>(),
    });
    let mut node = Command::new("node")
        .arg(peers.join("jose.mjs"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("node is installed (Debian: `apt-get install nodejs`)");
    let mut stdin = node.stdin.take().unwrap();
    stdin.write_all(input.to_string().as_bytes()).unwrap();
    drop(stdin);
    let output = node.wait_with_output().unwrap();
    assert!(
        output.status.success(),
        "the script failed: {}",
        output.status
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn each_vector_has_the_verdict_that_it_names() {
    for (cases, verify) in kinds() {
        for case in cases {
            let verdict = verify(&case.token);
            let name = case.name;
            assert_eq!(
                verdict.is_ok(),
                case.expect == Accept,
                "{name}: {verdict:?}"
            );
        }
    }
}

#[test]
fn whatever_a_peer_refuses_is_refused_and_where_we_are_stricter_is_listed() {
    let mut wrong = Vec::new();
    for (cases, verify) in kinds() {
        let jose = jose(&cases);
        assert_eq!(jose.len(), cases.len(), "each case has a name of its own");
        for case in &cases {
            let (ours, simple, jsonwebtoken, jose) = (
                verify(&case.token),
                jwt_simple(&case.token),
                jsonwebtoken(&case.token),
                &jose[&case.name],
            );
            let by_peers = simple.is_err() || jsonwebtoken.is_err() || !jose.is_empty();
            let agreed = match case.expect {
                Accept => ours.is_ok() && !by_peers,
                Refuse => ours.is_err() && by_peers,
                Stricter(_) => ours.is_err() && !by_peers,
            };
            if !agreed {
                wrong.push(format!(
                    "{}: {:?}; ours {ours:?}, jwt-simple {simple:?}, jsonwebtoken \
                     {jsonwebtoken:?}, jose {jose:?}",
                    case.name, case.expect
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
