//! Sessions that are bound to their browser: registration, challenge, renewal, refusal and end.

use std::net::SocketAddr;
use std::time::Duration;

use token_session::test_util::TestClock;

use crate::client::{Reply, send};
use crate::software_key::SoftwareKey;

const JSON: (&str, &str) = ("Content-Type", "application/json");
const FORM: (&str, &str) = ("Content-Type", "application/x-www-form-urlencoded");
const SAME: (&str, &str) = ("Sec-Fetch-Site", "same-origin");
const DEVICE: &str = "POST /auth/device";
const ID: &str = "Sec-Secure-Session-Id";
const PROOF: &str = "Secure-Session-Response";
const PASSWORD: &str = r#"{"password":"wonderland"}"#;

/// A server, and all that it has answered.
struct Asked {
    server: SocketAddr,
    replies: Vec<(String, Reply)>,
}

impl Asked {
    fn new(server: SocketAddr) -> Self {
        let replies = Vec::new();
        Self { server, replies }
    }

    fn ask(&mut self, expected: u16, line: &str, fields: &[(&str, &str)], body: &str) -> Reply {
        let (method, path) = line.split_once(' ').unwrap();
        let reply = send(self.server, method, path, fields, body);
        assert_eq!(
            reply.status, expected,
            "{line} {fields:?} {body}: {reply:?}"
        );
        self.replies.push((line.to_owned(), reply.clone()));
        reply
    }

    fn login(&mut self, transport: &str) -> Browser {
        let body = format!(
            r#"{{"username":"alice","password":"wonderland","transport":"{transport}","remember":true}}"#
        );
        Browser::new(&self.ask(200, "POST /auth/login", &[JSON, SAME], &body))
    }

    /// Registers and renews.
    fn bind(&mut self, browser: &mut Browser) {
        let proof = browser.registration();
        let reply = self.ask(200, DEVICE, &[(PROOF, &proof)], "");
        browser.bound = bound(&reply);
        self.renew(204, browser);
    }

    fn challenge(&mut self, browser: &Browser) -> String {
        let asked = self.ask(403, DEVICE, &[(ID, &browser.session)], "");
        assert_eq!(asked.body, "");
        let challenge = field(&asked, "secure-session-challenge");
        challenge.split('"').nth(1).unwrap().to_owned()
    }

    fn renew(&mut self, expected: u16, browser: &mut Browser) {
        let proof = browser.key.renew(&self.challenge(browser));
        let fields = [(ID, &*browser.session), (PROOF, &proof)];
        let reply = self.ask(expected, DEVICE, &fields, "");
        if expected == 204 {
            browser.bound = bound(&reply);
        }
    }
}

/// What a browser has of a session.
struct Browser {
    key: SoftwareKey,
    session: String,
    offer: String,
    /// The cookie of the session or the refresh token.
    cookie: String,
    bound: String,
}

impl Browser {
    fn new(login: &Reply) -> Self {
        let own = cookies(login).into_iter();
        let mut own = own.filter(|cookie| !cookie.starts_with("__Host-bound-"));
        let session = serde_json::from_str::<serde_json::Value>(&login.body);
        let session = session.ok().and_then(|body| {
            let id = body.get("session_id")?;
            Some(id.as_str()?.to_owned())
        });
        Self {
            key: SoftwareKey::new(),
            session: session.unwrap_or_default(),
            offer: field(login, "secure-session-registration"),
            cookie: own.next_back().unwrap(),
            bound: bound(login),
        }
    }

    fn registration(&self) -> String {
        let part = |name: &str| {
            let (_, rest) = self.offer.split_once(&format!("{name}=\"")).unwrap();
            rest.split_once('"').unwrap().0
        };
        self.key
            .registration(part("challenge"), part("authorization"))
    }

    fn with(&self, bound: &str) -> String {
        format!("{}; {bound}", self.cookie)
    }

    fn all(&self) -> String {
        self.with(&self.bound)
    }
}

fn field(reply: &Reply, name: &str) -> String {
    let found = reply.fields.iter().find(|(own, _)| own == name);
    found.map_or_else(String::new, |(_, value)| value.clone())
}

fn cookies(reply: &Reply) -> Vec<String> {
    let set = reply.fields.iter().filter(|(name, _)| name == "set-cookie");
    set.map(|(_, value)| value.split(';').next().unwrap().to_owned())
        .collect()
}

/// `name=value` of the bound cookie.
fn bound(reply: &Reply) -> String {
    let mut cookies = cookies(reply).into_iter();
    let bound = cookies.find(|cookie| cookie.starts_with("__Host-bound-"));
    bound.unwrap_or_default()
}

fn pass(clock: &TestClock, seconds: u64) {
    clock.advance(Duration::from_secs(seconds));
}

#[expect(clippy::too_many_lines, reason = "a script is read from top to bottom")]
pub(crate) fn required(server: SocketAddr, clock: &TestClock) -> Vec<(String, Reply)> {
    let mut asked = Asked::new(server);
    let mut browser = asked.login("session");
    assert!(browser.offer.starts_with("(ES256);path=\"/auth/device\";"));
    assert!(!browser.bound.is_empty());

    // Registrations that are none.
    let proof = browser.registration();
    for fields in [
        &[][..],
        &[("Cookie", &*browser.all())],
        &[(PROOF, "a.b.c")],
        &[(PROOF, &format!("{proof}x"))],
        &[(PROOF, &proof), (PROOF, &proof)],
        &[(PROOF, &"x".repeat(3000))],
    ] {
        asked.ask(400, DEVICE, fields, "");
    }
    asked.ask(405, "GET /auth/device", &[], "");

    // A registration, its repetition, and one in quotes, as the draft has it.
    let quoted = format!("\"{proof}\"");
    for proof in [&proof, &proof, &quoted] {
        let reply = asked.ask(200, DEVICE, &[(PROOF, proof)], "");
        browser.bound = bound(&reply);
    }
    // Nothing is demanded until the key was used.
    asked.ask(200, "GET /me", &[("Cookie", &browser.cookie)], "");

    // Renewals that are none.
    let challenge = asked.challenge(&browser);
    let id = (ID, &*browser.session.clone());
    asked.ask(400, DEVICE, &[(ID, "nobody")], "");
    asked.ask(400, DEVICE, &[id, id], "");
    asked.ask(403, DEVICE, &[(ID, &"A".repeat(24))], "");
    let other = SoftwareKey::new();
    for bad in ["a.b.c", &other.renew(&challenge), &proof] {
        asked.ask(403, DEVICE, &[id, (PROOF, bad)], "");
    }
    asked.renew(204, &mut browser);

    // Now the bound cookie has to come along.
    let name = browser.bound.split('=').next().unwrap().to_owned();
    let bad = browser.with(&format!("{name}=x"));
    let (alone, all) = (browser.cookie.clone(), browser.all());
    for line in [
        "GET /me",
        "GET /nested/me",
        "GET /page",
        "GET /auth/session",
        "GET /auth/sessions",
    ] {
        let refused = asked.ask(401, line, &[("Cookie", &alone)], "");
        assert!(cookies(&refused).is_empty(), "{line}");
        let refused = asked.ask(401, line, &[("Cookie", &bad)], "");
        assert_eq!(cookies(&refused), [format!("{name}=")], "{line}");
        asked.ask(200, line, &[("Cookie", &all)], "");
    }
    asked.ask(401, "POST /count", &[("Cookie", &alone), SAME], "");
    let websocket = ("Upgrade", "websocket");
    let own = ("Origin", crate::OWN);
    asked.ask(401, "GET /me", &[("Cookie", &alone), websocket, own], "");
    asked.ask(200, "GET /me", &[("Cookie", &all), websocket, own], "");
    let nobody = asked.ask(200, "GET /look", &[], "").body;
    let anonymous = asked.ask(200, "GET /look", &[("Cookie", &alone)], "");
    assert_eq!(anonymous.body, nobody);
    asked.ask(401, "GET /look", &[("Cookie", &bad)], "");
    assert_ne!(
        asked.ask(200, "GET /look", &[("Cookie", &all)], "").body,
        nobody
    );
    // Of two values a good one counts; another session's is none.
    let mut second = asked.login("session");
    asked.bind(&mut second);
    for (expected, value) in [
        (200, &format!("{name}=x; {}", browser.bound)),
        (401, &second.bound),
        (
            401,
            &second
                .bound
                .replace(second.bound.split('=').next().unwrap(), &name),
        ),
    ] {
        let cookies = ("Cookie", &*browser.with(value));
        asked.ask(expected, "GET /me", &[cookies], "");
    }

    // A step-up and a new password demand it, and keep the binding.
    let (alone, all) = (browser.cookie.clone(), browser.all());
    asked.ask(
        401,
        "POST /auth/step-up",
        &[JSON, SAME, ("Cookie", &alone)],
        PASSWORD,
    );
    let reply = asked.ask(
        200,
        "POST /auth/step-up",
        &[JSON, SAME, ("Cookie", &all)],
        PASSWORD,
    );
    assert_eq!(field(&reply, "secure-session-registration"), "");
    let replaced = cookies(&reply).into_iter();
    let mut replaced = replaced.filter(|cookie| !cookie.starts_with(&name));
    browser.cookie = replaced.next_back().unwrap();
    asked.ask(200, "GET /me", &[("Cookie", &browser.all())], "");

    // The value ends a minute after its cookie, and the browser renews.
    pass(clock, 659);
    asked.ask(200, "GET /me", &[("Cookie", &browser.all())], "");
    pass(clock, 1);
    let refused = asked.ask(401, "GET /me", &[("Cookie", &browser.all())], "");
    assert_eq!(cookies(&refused), [format!("{name}=")]);
    asked.renew(204, &mut browser);
    asked.ask(200, "GET /me", &[("Cookie", &browser.all())], "");
    asked.ask(400, DEVICE, &[(PROOF, &proof)], "");

    // A logout needs no proof, and then the browser is told that the session has ended.
    let logout = "POST /auth/logout";
    asked.ask(204, logout, &[SAME, ("Cookie", &browser.cookie)], "");
    asked.renew(400, &mut browser);
    asked.ask(401, "GET /me", &[("Cookie", &browser.all())], "");

    // A refresh token in a cookie.
    let mut browser = asked.login("cookie");
    asked.bind(&mut browser);
    let refresh = "POST /auth/refresh";
    let refused = asked.ask(401, refresh, &[SAME, ("Cookie", &browser.cookie)], "");
    assert!(cookies(&refused).is_empty());
    asked.ask(200, refresh, &[SAME, ("Cookie", &browser.all())], "");

    // A login by a form, and one in transport `header`, which has no cookie.
    let login = "name=alice&password=wonderland";
    let reply = asked.ask(303, "POST /form/login", &[FORM, SAME], login);
    assert!(!field(&reply, "secure-session-registration").is_empty());
    let by_form = Browser::new(&reply);
    asked.ask(200, DEVICE, &[(PROOF, &by_form.registration())], "");
    let header = r#"{"username":"alice","password":"wonderland","transport":"header"}"#;
    let reply = asked.ask(200, "POST /auth/login", &[JSON, SAME], header);
    assert_eq!(field(&reply, "secure-session-registration"), "");
    asked.replies
}

/// Routes that demand a key, whether or not every route demands the one of a bound session.
pub(crate) fn demanded(server: SocketAddr, _: &TestClock) -> Vec<(String, Reply)> {
    const ROUTES: [&str; 2] = ["GET /by-key", "GET /by-device"];
    let mut asked = Asked::new(server);
    let refuse = |asked: &mut Asked, credential: (&str, &str)| {
        for line in ROUTES {
            let refused = asked.ask(401, line, &[credential], "");
            assert_eq!(refused.body, r#"{"error":"unbound"}"#, "{line}");
            let challenge = field(&refused, "www-authenticate");
            assert_eq!(challenge, r#"Bearer realm="api""#, "{line}");
        }
    };
    let header = r#"{"username":"alice","password":"wonderland","transport":"header"}"#;
    let header = asked.ask(200, "POST /auth/login", &[JSON], header);
    let bearer = format!("Bearer {}", header.text("access_token"));
    asked.ask(200, "GET /me", &[("Authorization", &bearer)], "");
    refuse(&mut asked, ("Authorization", &bearer));

    // Neither a key that was offered nor one that was not used yet is proven.
    let mut browser = asked.login("session");
    asked.ask(200, "GET /me", &[("Cookie", &browser.all())], "");
    refuse(&mut asked, ("Cookie", &browser.all()));
    let proof = browser.registration();
    let registered = asked.ask(200, DEVICE, &[(PROOF, &proof)], "");
    browser.bound = bound(&registered);
    asked.ask(200, "GET /me", &[("Cookie", &browser.all())], "");
    refuse(&mut asked, ("Cookie", &browser.all()));

    asked.renew(204, &mut browser);
    for line in ROUTES {
        let served = asked.ask(200, line, &[("Cookie", &browser.all())], "");
        assert_eq!(served.body, "alice", "{line}");
    }
    refuse(&mut asked, ("Cookie", &browser.cookie));
    // The key of another session is none of this one.
    let mut other = asked.login("session");
    asked.bind(&mut other);
    refuse(&mut asked, ("Cookie", &browser.with(&other.bound)));
    asked.replies
}

pub(crate) fn observed(server: SocketAddr, clock: &TestClock) -> Vec<(String, Reply)> {
    let mut asked = Asked::new(server);
    let mut browser = asked.login("session");
    assert_eq!(browser.bound, "");
    asked.bind(&mut browser);
    pass(clock, 3600);
    for cookies in [browser.cookie.clone(), browser.all()] {
        asked.ask(200, "GET /me", &[("Cookie", &cookies)], "");
        asked.ask(200, "GET /auth/sessions", &[("Cookie", &cookies)], "");
    }
    asked.replies
}

pub(crate) fn off(server: SocketAddr, _: &TestClock) -> Vec<(String, Reply)> {
    let mut asked = Asked::new(server);
    let browser = asked.login("session");
    assert_eq!((&*browser.offer, &*browser.bound), ("", ""));
    asked.ask(200, "GET /me", &[("Cookie", &browser.cookie)], "");
    asked.ask(404, DEVICE, &[], "");
    asked.ask(503, DEVICE, &[(ID, &browser.session)], "");
    asked.replies
}
