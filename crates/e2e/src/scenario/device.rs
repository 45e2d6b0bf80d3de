//! Sessions that are bound to their browser, in every store, with a key in software that plays the browser's.

use http::Method;
use testbed::{postgres, redis};

use crate::client::Client;
use crate::reply::Reply;
use crate::server::{Files, Server};
use crate::software_key::SoftwareKey;

const DEVICE: &str = "/auth/device";
const SAME: (&str, &str) = ("sec-fetch-site", "same-origin");

/// Registration, renewal, theft and end, on two servers that share their sessions.
pub fn sessions_are_bound_to_their_browser_in_every_store(program: &str) {
    let (postgres, redis) = (postgres::Server::start(), redis::Server::start(&[]));
    let sqlite = Files::new();
    let sqlite = format!("sqlite:{}", sqlite.path("shared.db").display());
    for store in [&*sqlite, &postgres.url(), &redis.url()] {
        let files = Files::new();
        let start = || Server::start_on(program, &files, &flags(store));
        let (one, two) = (start(), start());
        bind_and_steal(&one.client().unrecorded(), &two.client().unrecorded());
    }
    let (alone, _files) = Server::start(program, &flags("memory:"));
    let client = alone.client().unrecorded();
    bind_and_steal(&client, &client);
}

fn flags(store: &str) -> [&str; 6] {
    // Sessions are bound over HTTPS alone. A proxy would speak it.
    [
        "--store",
        store,
        "--binding",
        "require",
        "--origin",
        "https://own.example",
    ]
}

fn bind_and_steal(one: &Client, two: &Client) {
    for (transport, method, path) in [
        ("session", Method::GET, "/api/me"),
        ("cookie", Method::POST, "/auth/refresh"),
    ] {
        let ask = |client: &Client, cookies: &str| {
            let fields = [("cookie", cookies), SAME];
            client.send(&method, path, &fields, None)
        };
        let mut browser = Browser::login(one, transport);
        let mut other = Browser::login(two, transport);
        // Nothing is demanded before the key was used, and each step may come to another server.
        assert_eq!(ask(two, &browser.credential).status, 200);
        browser.register(two);
        browser.renew(two, one);
        other.register(one);
        other.renew(one, two);

        for client in [one, two] {
            assert_eq!(ask(client, &browser.all()).status, 200);
            // Copied without the bound cookie, and with one of the thief's own session.
            for copy in [browser.credential.clone(), browser.with(&other.bound)] {
                let refused = ask(client, &copy);
                refused.error(401, "unbound");
                assert_eq!(refused.header("set-cookie"), "");
            }
            // With all cookies, and without the key.
            let challenge = browser.challenge(client);
            for proof in [
                other.key.renew(&challenge),
                other.key.registration(&challenge, "made.up"),
            ] {
                assert_eq!(browser.prove(client, &proof).status, 403);
            }
            let registration = other.key.registration(&challenge, "made.up");
            let fields = [("secure-session-response", &*registration)];
            let refused = client.send(&Method::POST, DEVICE, &fields, None);
            assert_eq!(refused.status, 400, "{refused:?}");
        }
        browser.renew(one, two);
        assert_eq!(ask(two, &browser.all()).status, 200);

        let fields = [("cookie", &*browser.credential), SAME];
        let ended = one.send(&Method::POST, "/auth/logout", &fields, None);
        assert_eq!(ended.status, 204, "a logout needs no proof");
        let proof = browser.key.renew(&browser.challenge(two));
        assert_eq!(browser.prove(two, &proof).status, 400);
        assert_ne!(ask(one, &browser.all()).status, 200);
    }
}

/// What a browser has of its session.
struct Browser {
    key: SoftwareKey,
    session: String,
    offer: String,
    /// The session cookie or the refresh token.
    credential: String,
    bound: String,
}

impl Browser {
    fn login(client: &Client, transport: &str) -> Self {
        let body =
            format!(r#"{{"username":"alice","password":"wonderland","transport":"{transport}"}}"#);
        let fields = [("content-type", "application/json"), SAME];
        let login = client.send(&Method::POST, "/auth/login", &fields, Some(body.as_bytes()));
        assert_eq!(login.status, 200, "{login:?}");
        let is_bound = |cookie: &String| cookie.starts_with("__Host-bound-");
        let (bound, own): (Vec<_>, Vec<_>) = cookies(&login).into_iter().partition(is_bound);
        Self {
            key: SoftwareKey::new(),
            session: login.json()["session_id"].as_str().unwrap().to_owned(),
            offer: login.header("secure-session-registration").to_owned(),
            credential: own.concat(),
            bound: bound.concat(),
        }
    }

    fn register(&mut self, client: &Client) {
        let part = |name: &str| {
            let (_, rest) = self.offer.split_once(&format!("{name}=\"")).unwrap();
            rest.split_once('"').unwrap().0
        };
        let proof = self
            .key
            .registration(part("challenge"), part("authorization"));
        let fields = [("secure-session-response", &*proof)];
        let reply = client.send(&Method::POST, DEVICE, &fields, None);
        assert_eq!(reply.status, 200, "{reply:?}");
        assert_eq!(reply.json()["session_identifier"], *self.session);
        self.bound = cookies(&reply).concat();
    }

    fn challenge(&self, client: &Client) -> String {
        let fields = [("sec-secure-session-id", &*self.session)];
        let reply = client.send(&Method::POST, DEVICE, &fields, None);
        assert_eq!(reply.status, 403, "{reply:?}");
        let challenge = reply.header("secure-session-challenge");
        challenge.split('"').nth(1).unwrap().to_owned()
    }

    fn prove(&self, client: &Client, proof: &str) -> Reply {
        let fields = [
            ("sec-secure-session-id", &*self.session),
            ("secure-session-response", proof),
        ];
        client.send(&Method::POST, DEVICE, &fields, None)
    }

    /// Renews with the challenge of another server.
    fn renew(&mut self, asked: &Client, shown: &Client) {
        let reply = self.prove(shown, &self.key.renew(&self.challenge(asked)));
        assert_eq!(reply.status, 204, "{reply:?}");
        self.bound = cookies(&reply).concat();
    }

    fn with(&self, bound: &str) -> String {
        format!("{}; {bound}", self.credential)
    }

    fn all(&self) -> String {
        self.with(&self.bound)
    }
}

/// `name=value` of each cookie that was set.
fn cookies(reply: &Reply) -> Vec<String> {
    let fields = reply.headers.get_all("set-cookie").iter();
    let pairs = fields.map(|field| field.to_str().unwrap().split(';').next().unwrap());
    pairs.map(ToOwned::to_owned).collect()
}
